"""Looking at what Claude Code remembers on this host, and at its proxies.  Raises nothing.

What a container's client remembers is read there (``container.py``); :func:`remembered` makes
the same value of either.  No token leaves this module: only whether there is one.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from mcpconf.client_state.clean import CREDENTIALS, NEEDS_AUTH
from mcpconf.credentials.address import is_near
from mcpconf.diagnosis.evidence import Login, Remembered
from mcpconf.diagnosis.starving import AT_ONCE
from mcpconf.expand import Variables
from mcpconf.json_text import Fault, parse
from mcpconf.origin import Origin, Source
from mcpconf.readers.world import read

PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY")
_ALL = ("all_proxy", "ALL_PROXY")  # 2.1.328 only (fact 55)
_NO_PROXY = ("no_proxy", "NO_PROXY")
_TIMEOUT = 30.0  # seconds (fact 53)
_CONNECT = 1.0
_PLAIN = re.compile(r"[^a-zA-Z0-9]")


def look_at_client(
    config: Path, home: Path, cwd: str, names: Iterable[str], variables: Variables
) -> Remembered:
    """Read the client's memory below its configuration directory, and its surroundings."""
    documents = {name: read(config / name) for name in (NEEDS_AUTH, CREDENTIALS)}
    parsed = {name: _parsed(file) for name, file in documents.items()}
    origins = {n: Origin(f) for n, f in documents.items() if isinstance(f, Source)}
    found = remembered(parsed.get(NEEDS_AUTH), parsed.get(CREDENTIALS), time.time())
    logs = home / ".cache" / "claude-cli-nodejs" / _PLAIN.sub("-", cwd)
    return with_surroundings(found, variables)._replace(
        needs_auth_file=origins.get(NEEDS_AUTH),
        logins_file=origins.get(CREDENTIALS),
        log={name: path for name in names if (path := _newest(logs, name))},
    )


def _parsed(file: object) -> object:
    if not isinstance(file, Source):
        return None
    parsed = parse(file)
    return None if isinstance(parsed, Fault) else parsed.value


def remembered(needs_auth: object, credentials: object, now: float) -> Remembered:
    """What two documents of the client say; what is not as expected counts for nothing."""
    logins = credentials.get("mcpOAuth") if isinstance(credentials, dict) else None
    return Remembered(
        now=now,
        needs_auth=dict(_times(needs_auth)),
        logins=tuple(_logins(logins)),
    )


def _times(document: object) -> Iterator[tuple[str, float]]:
    for name, entry in document.items() if isinstance(document, dict) else ():
        at = entry.get("timestamp") if isinstance(entry, dict) else None
        if isinstance(at, int | float) and not isinstance(at, bool):
            yield str(name), at / 1000


def _logins(document: object) -> Iterator[Login]:
    for key, entry in document.items() if isinstance(document, dict) else ():
        if not isinstance(entry, dict):
            continue
        name, _, digest = str(key).rpartition("|")
        state = entry.get("discoveryState")
        yield Login(
            name,
            digest,
            token=bool(entry.get("accessToken") or entry.get("refreshToken")),
            discovered=isinstance(state, dict) and state.get("oauthMetadataFound") is True,
            rejected=bool(entry.get("tokenlessRejectedAt") or _rejected(state)),
        )


def _rejected(state: object) -> bool:
    return isinstance(state, dict) and bool(state.get("tokenlessRejectedAt"))


def _newest(logs: Path, name: str) -> str:
    """The newest log that the client wrote about a server (fact 57); "" if there is none."""
    folder = logs / f"mcp-logs-{_PLAIN.sub('-', name)}"
    with suppress(OSError):
        return str(max(folder.glob("*.jsonl"), key=lambda p: p.stat().st_mtime, default=""))
    return ""


def with_surroundings(found: Remembered, variables: Variables) -> Remembered:
    """The same with what the client's variables say: how long it waits, and which proxy it asks."""
    names = (*PROXIES, *_ALL)
    proxy = next((n for n in names if (variables.get(n) or "").strip()), "")
    exempt = next((v for n in _NO_PROXY if (v := variables.get(n))), "")
    dead, far = _tried(variables.get(proxy) or "") if proxy else ("", False)
    return found._replace(
        timeout=patience(variables.get("MCP_TIMEOUT")),
        at_once=at_once(variables.get("MCP_SERVER_CONNECTION_BATCH_SIZE")),
        proxy=proxy,
        exempt=tuple(e.strip() for e in exempt.split(",") if e.strip()),
        dead=dead,
        far=far,
    )


def patience(text: str | None) -> float:
    """What MCP_TIMEOUT says (milliseconds), in seconds; the client's own patience otherwise."""
    said = (text or "").strip()
    usable = said.isascii() and said.isdigit() and len(said) < 10  # noqa: PLR2004
    return (int(said) / 1000 if usable else 0.0) or _TIMEOUT


def at_once(text: str | None) -> int:
    """How many processes the client starts at a time (fact 54)."""
    said = (text or "").strip()
    usable = said.isascii() and said.isdigit() and len(said) < 7  # noqa: PLR2004
    return (int(said) if usable else 0) or AT_ONCE


def _tried(proxy: str) -> tuple[str, bool]:
    """What comes of a connection to the proxy, "" if it takes it; and whether it is elsewhere."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return "its address cannot be read", False
    try:
        socket.create_connection((host, port), _CONNECT).close()
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "no answer"
        return why, not is_near(host)
    return "", not is_near(host)


def environment(variables: Variables, names: Iterable[str]) -> Mapping[str, str]:
    """Some variables as the client sees them."""
    return {name: value for name in names if (value := variables.get(name)) is not None}
