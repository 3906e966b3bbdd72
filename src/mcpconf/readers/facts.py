"""Facts that were gathered before: stored logins and the answers of earlier probes.

Only their presence matters; no token is looked at twice, and none is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.findings import Finding
from mcpconf.json_text import Document, parse
from mcpconf.model import Json, Remote, sha256_hex
from mcpconf.origin import Origin, Source
from mcpconf.readers.catalogue import Catalogue
from mcpconf.readers.inputs import Read, Unreadable

FACTS_VERSION = 1
LATEST = 2**33  # Unix seconds; no clock says more for the next two centuries
OLDEST = 30 * 24 * 3600  # seconds; servers change


class Probe(NamedTuple):
    """What a server answered to ``initialize`` without credentials, and when (Unix seconds).

    ``answer`` is ``open`` (no login wanted), ``oauth`` (401 with resource metadata), ``refused``
    (401 or 403 without), or ``none`` (no MCP answer); ``detail`` says more in a few words.
    """

    answer: str
    detail: str
    at: float


class Facts(NamedTuple):
    """What is known beside the configuration."""

    catalogue: Catalogue = Catalogue()
    logins: frozenset[str] = frozenset()
    probes: Mapping[str, Probe] = {}
    findings: tuple[Finding, ...] = ()


def login_key(name: str, remote: Remote) -> str:
    """The key under which the client stores a server's login (fact 56)."""
    identity = {
        "type": remote.type,
        "url": remote.url.reveal(),
        "headers": {k: v.reveal() for k, v in remote.headers.items()},
    }
    text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
    return f"{name}|{sha256_hex(text)[:16]}"


def probe_key(remote: Remote) -> str:
    """The key of a probe: it names the endpoint and cannot be read back."""
    identity = f"{remote.type} {remote.url.reveal()}"
    return sha256_hex(identity)[:32]


def read_logins(credentials: Read) -> frozenset[str]:
    """The keys of stored MCP logins.  Their content is dropped here."""
    value = _object(credentials).get("mcpOAuth")
    if not isinstance(value, dict):
        return frozenset()
    return frozenset(
        key
        for key, login in value.items()
        if isinstance(login, dict) and (login.get("accessToken") or login.get("refreshToken"))
    )


def read_probes(cache: Read, now: float) -> tuple[dict[str, Probe], tuple[Finding, ...]]:
    """The cached probes that are not older than ``OLDEST``, and what is wrong with the cache."""
    if cache is None:
        return {}, ()
    document = _object(cache)
    probes = document.get("probes")
    if document.get("version") != FACTS_VERSION or not isinstance(probes, dict):
        path = cache.path
        why = cache.why if isinstance(cache, Unreadable) else "it is not what mcpconf writes"
        text = f"the cached answers of earlier probes are not used: {why}"
        help_ = ("`mcpconf probe` writes them anew",)
        return {}, (Finding("MC100", text, Origin(Source(path)), help=help_),)
    found = {key: probe for key, raw in probes.items() if (probe := _probe(raw))}
    return {key: probe for key, probe in found.items() if now - probe.at <= OLDEST}, ()


def _probe(raw: Json) -> Probe | None:
    if not isinstance(raw, dict):
        return None
    answer, detail, at = raw.get("answer"), raw.get("detail"), raw.get("at")
    if not isinstance(answer, str) or not isinstance(detail, str):
        return None
    if not isinstance(at, int | float) or not 0 <= at < LATEST:
        return None
    return Probe(answer, detail, float(at))


def _object(file: Read) -> Mapping[str, Json]:
    document = parse(file) if isinstance(file, Source) else None
    if isinstance(document, Document) and isinstance(document.value, dict):
        return document.value
    return {}
