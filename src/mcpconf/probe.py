"""``mcpconf probe``: ask the HTTP servers, from the host and without credentials, what they are.

No secret is ever sent: no configured header, no user information, and a server whose URL carries
anything that could be a key is not asked at all.  All are asked at once, each within its own time
limit, through the proxy that the client would take (fact 55).  ``mcpconf.wire`` asks; what its
report means is worded here, so that a verdict's detail may be printed and stored as it is.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcpconf import __version__
from mcpconf.classify import endpoint
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.hosts import parse_destination
from mcpconf.locality import local_reason
from mcpconf.model import Remote, Server, Stdio
from mcpconf.names import Problem, quote
from mcpconf.readers.facts import FACTS_VERSION, Probe, probe_key
from mcpconf.secret import url_has_secret
from mcpconf.urls import parse_url
from mcpconf.wire.asking import ask_all
from mcpconf.wire.dial import LONGEST_DIAL
from mcpconf.wire.fault import Fault
from mcpconf.wire.proxies import chosen_proxy
from mcpconf.wire.target import place_of

Verdict = tuple[str, str]
"""The answer and the detail of a :class:`~mcpconf.readers.facts.Probe`."""

MOST_PROBES = 500
_MOST_BYTES = 64 * 1024
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403
_SUCCESS = range(200, 300)
_OPEN = ("open", "200 and an MCP answer")
_REFUSED, _UNKNOWN_HOST = "connection refused", "no such host"
_BAD_CERTIFICATE, _SPEAKS_TLS = "TLS certificate not valid", "its port speaks TLS"


def probe(  # noqa: PLR0913  each is a choice of the caller's
    servers: Sequence[Server],
    *,
    timeout: float = 5.0,
    limit: int = 16,
    now: Callable[[], float],
    environ: Mapping[str, str] = {},
    roots: str = "",
    include_local: bool = False,
) -> dict[str, Probe]:
    """Ask the servers, ``limit`` at a time; who cannot be asked without a secret is left out.

    ``roots`` is a file of certificates that the client trusts beside the system's.
    """
    remotes = {probe_key(r): r for server in servers if (r := endpoint(server))}
    urls = {k: url for k, r in remotes.items() if (url := _askable(r, local=include_local))}
    ca = environ.get("NODE_EXTRA_CA_CERTS", "")
    every = {
        "ca": ca, "roots": roots, "seconds": timeout, "client": f"mcpconf/{__version__}",
        "brief": True, "most": _MOST_BYTES,
    }  # fmt: skip
    targets = [
        {**every, "url": url, "type": remotes[key].type, "proxy": chosen_proxy(*there, environ)}
        for key, (url, there) in urls.items()
    ]
    reports = ask_all(targets, limit)
    return {
        key: Probe(*_verdict(report, timeout), at=now())
        for key, report in zip(urls, reports, strict=True)
    }


def findings(servers: Sequence[Server], found: Mapping[str, Probe]) -> tuple[Finding, ...]:
    """Report the servers that gave no MCP answer."""
    asked = ((server, remote) for server in servers if (remote := endpoint(server)))
    pairs = ((server, remote, found.get(probe_key(remote))) for server, remote in asked)
    return tuple(
        _unanswered(server, remote, seen.detail)
        for server, remote, seen in pairs
        if seen and seen.answer == "none"
    )


def _unanswered(server: Server, remote: Remote, detail: str) -> Finding:
    sends = remote.headers or remote.headers_helper
    notes = ("its headers were not sent: `mcpconf probe` sends no secret",) if sends else ()
    help_ = next((way for what, way in _WAYS.items() if detail.startswith(what)), _WAYS[""])
    place = server.origin.at("args" if isinstance(server.transport, Stdio) else "url")
    message = f"{quote(server.name)} did not answer the probe: {detail}"
    return Finding("MC101", message, place, notes, (help_,))


_WAYS = {
    _REFUSED: "start the server, or correct the port in its URL",
    _UNKNOWN_HOST: "correct the host in its URL",
    _BAD_CERTIFICATE: "export NODE_EXTRA_CA_CERTS=FILE, with its issuer's certificate",
    _SPEAKS_TLS: "write `https` in its URL",
    "timed out": "if it is only slow, give it longer: `mcpconf probe --timeout 30`",
    "its proxy": "correct HTTPS_PROXY, or name the host in NO_PROXY",
    "404": "correct the path in its URL",
    "405": 'correct the path in its URL, or its type: "http" and "sse" are asked differently',
    "": "compare its URL with what the server's own documentation says",
}


# --- whom to ask ------------------------------------------------------------------------------


def _askable(remote: Remote, *, local: bool) -> tuple[str, tuple[str, int]] | None:
    """Return the URL to ask, put together from what the client makes of it; None: leave it.

    Also the host in ASCII and the port.
    """
    if remote.type not in {"http", "sse"} or remote.url.missing or url_has_secret(remote.url):
        return None
    text = remote.url.reveal()
    url = parse_url(text)
    if isinstance(url, Problem) or url.scheme not in {"http", "https"} or url.has_userinfo:
        return None
    if not (local if local_reason(url.host) else _is_out_in_the_world(url.host)):
        return None
    host = f"[{url.host}]" if ":" in url.host else url.host
    query = text.strip().partition("#")[0].partition("?")[2]
    with suppress(Fault):
        plain = f"{url.scheme}://{host}:{url.port}{url.path}?{query}"
        place = place_of(plain)
        return plain, (place.host, place.port)
    return None


def _is_out_in_the_world(host: str) -> bool:
    """Tell whether it could be opened: what answers at a reserved address is near, in disguise."""
    return not isinstance(parse_destination(host), Problem)


# --- what the answer means --------------------------------------------------------------------


def _verdict(report: Mapping[str, Any], seconds: float) -> Verdict:
    """What a report of ``mcpconf.wire`` says of a server; nothing of its text gets into it."""
    stations: list[Mapping[str, Any]] = report["stations"]
    calls = [s for s in stations if s.get("call") in {"initialize", "discover", "stream"}]
    if any(map(_greets, calls)):
        return _OPEN
    if not calls:
        return "none", f"timed out after {seconds:g} s"
    refusing = (s["status"] for s in calls if not _turned(s))
    refused = next((status for status in refusing if status in {_UNAUTHORIZED, _FORBIDDEN}), None)
    if refused == _FORBIDDEN:
        return "refused", "403"
    if refused:
        return _login(calls, [s for s in stations if s["station"] == "oauth"])
    failed = [s for s in stations if s["station"] not in {"call", "oauth"} and not s["ok"]]
    if calls[0]["fault"] == "station" and failed:
        return "none", _unreached(failed[-1], seconds)
    return "none", _no_answer(calls[0], seconds)


def _greets(call: Mapping[str, Any]) -> bool:
    """Whether it is an MCP answer, even one of which the client would not take all."""
    if call["call"] == "stream":
        return call["status"] == _OK and call["fault"] in {"", "elsewhere"}
    taken = call["rpc"] == "result" and call["fault"] in {"", "shape", "protocol"}
    return call["status"] == _OK and taken


def _turned(call: Mapping[str, Any]) -> Any:  # noqa: ANN401  a status
    """The status of the redirect with which a POST became a GET; None without one."""
    gets = (hop["status"] for hop in call["hops"] if hop["method"] == "GET")
    return next(gets, None) if call["call"] != "stream" else None


def _login(calls: Sequence[Mapping[str, Any]], looks: Sequence[Mapping[str, Any]]) -> Verdict:
    """What a 401 stands for, by the challenge, or by the documents on the server's own origin."""
    challenged = any(c["challenge"] and c["challenge"]["resource_metadata"] for c in calls)
    found = [d["which"] for s in looks for d in s["documents"] if d["state"] == "found"]
    if challenged or "resource" in found:
        return "oauth", "401 with resource metadata"
    if found:
        return "oauth", "401 with authorization server metadata"
    return "refused", "401 without OAuth metadata"


_PLACES = {
    "no-name": _UNKNOWN_HOST,
    "no-answer": "the DNS did not answer",
    "refused": _REFUSED,
    "not-http": "no valid HTTP answer",
} | dict.fromkeys(
    ("self-signed", "unknown-ca", "expired", "not-yet", "wrong-name", "untrusted"),
    _BAD_CERTIFICATE,
)  # fmt: skip
_OTHERWISE = {"dns": "the DNS did not answer", "tls": "no TLS handshake"}


def _unreached(station: Mapping[str, Any], seconds: float) -> str:
    """Say why no request could be sent."""
    name, fault = station["station"], station["fault"]
    if fault == "kind":
        return "its proxy is not an HTTP proxy"
    if name == "proxy" and fault in {"login", "status"}:
        return "its proxy does not let it through"
    if fault == "timeout" and name == "tcp":
        return f"no connection within {min(seconds, LONGEST_DIAL):g} s"
    if fault == "timeout":
        return f"timed out after {seconds:g} s"
    why = _PLACES.get(fault, _OTHERWISE.get(name, "no connection"))
    return f"its proxy: {why}" if name == "proxy" else why


_LEADS = {"redirect-away": "another origin", "redirect-bad": "nowhere"}
_BROKEN = {
    "redirect-loop": "too many redirects",
    "tls-port": _SPEAKS_TLS,
    "tls-alert": "no TLS handshake",
    "reset": "the connection broke off",
}
_NAMED_MEDIA = {
    "application/json": "JSON, but no MCP answer",
    "text/event-stream": "events, but no MCP answer",
} | {name: name for name in ("text/html", "text/plain", "text/xml", "application/xml")}


def _no_answer(call: Mapping[str, Any], seconds: float) -> str:
    """Say what came instead of an MCP answer."""
    status, fault, error = call["status"], call["fault"], call["rpc"] == "error"
    if turned := _turned(call):
        return f"{turned} turns the request into a GET"
    if fault in _LEADS:
        return f"{status} to {_LEADS[fault]}"
    if fault in _BROKEN:
        return _BROKEN[fault]
    if status and (error or status not in _SUCCESS):
        return f"{status} with a JSON-RPC error" if error else str(status)
    return _unfinished(fault, status, seconds) or _content(status, call["media"])


def _unfinished(fault: str, status: int | None, seconds: float) -> str:
    if fault == "timeout":
        return f"timed out after {seconds:g} s"
    if status and fault == "too-big":
        return f"more than {_MOST_BYTES // 1024} KiB without an MCP answer"
    broken = not status or fault in {"closed", "cut", "not-http"}
    return "no valid HTTP answer" if broken else ""


def _content(status: int, media: str) -> str:
    if not media:
        return f"{status} without content"
    return f"{status} with {_NAMED_MEDIA.get(media, 'another content type')}"


# --- what was learned -------------------------------------------------------------------------


def save(cache: Path, known: Mapping[str, Probe], fresh: Mapping[str, Probe]) -> None:
    """Write what is known now; of many answers the newest are kept."""
    finite = ((k, p) for k, p in {**known, **fresh}.items() if math.isfinite(p.at))
    newest = sorted(finite, key=lambda pair: (-pair[1].at, pair[0]))[:MOST_PROBES]
    document = {"version": FACTS_VERSION, "probes": {k: p._asdict() for k, p in newest}}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(cache, text)
    except OSError as error:
        raise Failure(
            f"{cache} could not be written: {error.strerror or error}",
            note="the answers were not kept",
            help=f"see who may write there: `ls -ld {cache.parent}`",
        ) from error


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
