"""The stations of a report of the wire, as steps of the ladder.  Pure; the report is hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcpconf.diagnosis.judge.report import Seen, Told, said, took
from mcpconf.diagnosis.model import Rung, Step

_RUNGS = {
    "proxy": Rung.TCP,
    "dns": Rung.DNS,
    "tcp": Rung.TCP,
    "tls": Rung.TLS,
    "oauth": Rung.AUTH,
}
_CALLS = {
    "discover": "asked whether it knows the newest protocol (`server/discover`)",
    "initialize": "sent `initialize`",
    "initialized": "sent `notifications/initialized`",
    "tools": "asked for its tools (`tools/list`)",
    "stream": "asked for the old transport's stream (GET)",
    "end": "ended the session (DELETE)",
}
_WORDS = {
    "no-name": "no such name",
    "no-answer": "the resolver gives no answer",
    "timeout": "nothing came back in time",
    "refused": "refused",
    "unreachable": "no way there",
    "forbidden": "forbidden here",
    "self-signed": "the certificate is signed by itself",
    "unknown-ca": "nobody who is trusted here has signed the certificate",
    "untrusted": "the certificate is not trusted",
    "expired": "the certificate has expired",
    "not-yet": "the certificate is not valid yet",
    "wrong-name": "the certificate is for another name",
    "plain": "it speaks HTTP without TLS",
    "tls-port": "it speaks TLS only",
    "reset": "the connection is reset",
    "closed": "the connection is closed",
    "cut": "the connection is closed within the answer",
    "login": "it wants a login",
    "not-http": "what came is no HTTP",
    "media": "of another type than an answer",
    "empty": "without content",
    "not-mcp": "no answer of MCP",
    "shape": "Claude Code refuses its shape",
    "rpc-error": "an error of JSON-RPC",
    "protocol": "a version that Claude Code does not know",
    "redirect-loop": "redirects in a circle",
    "redirect-bad": "a redirect to nowhere",
    "too-big": "longer than any answer",
    "elsewhere": "it names an endpoint of another origin",
    "kind": "no HTTP proxy, so nothing was asked",
    "absent": "it says nothing about a login",
}
_MOST = 40


def wire_steps(report: Mapping[str, Any], place: str) -> Iterator[Step]:
    """Yield what was tried and what came back, in order; a connection that failed says so once."""
    for station in Seen(report).stations[:_MOST]:
        if station.text("fault") != "station":
            yield _step(station, place)


def _step(station: Told, place: str) -> Step:
    kind = station.text("station")
    return Step(
        rung=_rung(kind, station.text("call")),
        place=place,
        tried=_tried(kind, station),
        came=_came(kind, station),
        ok=_ok(station),
        ms=station.number("ms"),
    )


def _rung(kind: str, call: str) -> Rung:
    if kind == "call":
        return Rung.TOOLS if call == "tools" else Rung.MCP
    return _RUNGS.get(kind, Rung.HTTP)


def _ok(station: Told) -> bool | None:
    """None for what may fail: the newest protocol, a try without headers, the end."""
    optional = station.text("call") in ("discover", "end") or station.text("with") == "nothing"
    ok = station.flag("ok")
    return None if optional and ok is False else ok


def _tried(kind: str, station: Told) -> str:
    where = f"{station.shown('host')} port {station.whole('port') or 0}"
    if kind == "call":
        bare = ", without the configured headers" if station.text("with") == "nothing" else ""
        return _CALLS.get(station.text("call"), "sent a request") + bare
    if kind == "oauth":
        return f"looked where {where} says how one logs in"
    if kind == "dns" and station.flag("literal"):
        return f"took {station.shown('host')} as an address"
    words = {"dns": f"looked up {station.shown('host')}", "tls": f"spoke TLS with {where}"}
    return words.get(kind) or f"{'asked the proxy' if kind == 'proxy' else 'connected to'} {where}"


def _came(kind: str, station: Told) -> str:
    status, fault = station.whole("status"), station.text("fault")
    parts = [f"HTTP {status}"] if status is not None else []
    if fault and fault != "status":
        parts.append(_WORDS.get(fault) or said(fault, 40))
    parts += _details(kind, station)
    return ", ".join(part for part in parts if part) or "well"


def _details(kind: str, station: Told) -> Iterator[str]:
    if kind == "dns":
        yield from _looked_up(station)
    elif kind == "tcp":
        for one in station.parts("tries")[:4]:
            yield f"{one.shown('address', 50)} {_how(one)}"
    elif kind == "tls":
        yield station.text("protocol") and station.shown("protocol", 12)
        yield station.text("issuer") and f"issued by {station.shown('issuer', 60)}"
    elif kind == "oauth":
        found = [one for one in station.parts("documents") if one.text("state") == "found"]
        yield from (one.shown("url", 120) for one in found[:3])
    elif kind == "call":
        yield from (f"led to {hop.shown('to', 120)}" for hop in station.parts("hops")[:3])
        yield station.part("error").shown("message", 80)


def _looked_up(station: Told) -> Iterator[str]:
    if station.flag("literal"):
        yield "no name to look up" if station.flag("ok") else ""
        return
    yield from (said(text, 50) for text in station.texts("addresses")[:4])
    for one in station.parts("servers")[:3]:
        yield f"{one.shown('address', 50)} says {one.shown('rcode', 12) or 'nothing'}"


def _how(one: Told) -> str:
    word = one.text("errno")
    if word == "PENDING":
        return "was slower"
    return said(word, 20) or f"in {took(one.number('ms')) or 'no time'}"
