"""Strict mode: ways to show the gate one name and the far server another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.netns.lab.addresses import CDN4, host4
from tests.netns.redteam.candidate import NAMES
from tests.netns.redteam.suite import Attempt, Suite, allow, deny

_GOOD, _EVIL = "good.cdn.test", "evil.cdn.test"
_WEB = {"dst": CDN4, "port": 80}
_TLS = {"dst": CDN4, "port": 443, "kind": "tls"}
_FEW = 60
_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3


def http(suite: Suite) -> None:
    """Requests on port 80 to the address that a listed and another name share."""
    suite.applied()
    suite.hands.ask("resolve", name=_GOOD)
    suite.attempts(*_http_denied(), *_http_allowed())


def tls(suite: Suite) -> None:
    """First messages on port 443 to that address."""
    suite.applied([*NAMES, "*.wild.test", "allowed3.test:8443", host4(18)])
    for name in (_GOOD, "x.wild.test", "allowed3.test"):
        suite.hands.ask("resolve", name=name)
    suite.attempts(*_tls_denied(), *_tls_allowed())
    _the_gate_itself(suite)


def _text(*lines: str, end: str = "\r\n") -> str:
    return end.join((*lines, "X-Token: {tok}", "", ""))


def _http_denied() -> Iterator[Attempt]:
    evil = {"host": _EVIL}
    get, good = "GET / HTTP/1.1", f"Host: {_GOOD}"
    absolute = f"http://{_EVIL}/"
    for name, text, need in (
        ("absolute-form", _text(f"GET {absolute} HTTP/1.1", good), {"path": absolute}),
        ("two-hosts", _text(get, good, f"Host: {_EVIL}"), evil),
        ("two-hosts-reversed", _text(get, f"Host: {_EVIL}", good), {"hosts": [_EVIL, _GOOD]}),
        ("host-with-port", _text(get, f"Host: {_EVIL}:80"), {"host": f"{_EVIL}:80"}),
        ("host-upper-case", _text(get, "Host: EVIL.CDN.TEST"), {"host": "EVIL.CDN.TEST"}),
        ("host-trailing-dot", _text(get, f"Host: {_EVIL}."), {"host": f"{_EVIL}."}),
        ("host-suffix", _text(get, f"Host: {_GOOD}.{_EVIL}"), {"host": f"{_GOOD}.{_EVIL}"}),
        ("host-prefix", _text(get, f"Host: x{_GOOD}"), {"host": f"x{_GOOD}"}),
        ("host-userinfo", _text(get, f"Host: {_GOOD}@{_EVIL}"), {"host": f"{_GOOD}@{_EVIL}"}),
        ("host-port-trick", _text(get, f"Host: {_GOOD}:@{_EVIL}"), {"host": f"{_GOOD}:@{_EVIL}"}),
        ("host-space-before-colon", _text(get, f"Host : {_EVIL}", good), {"hosts": [_EVIL, _GOOD]}),
        ("host-nul", _text(get, f"Host: {_EVIL}\0.{_GOOD}"), {"host": f"{_EVIL}\0.{_GOOD}"}),
        ("host-list", _text(get, f"Host: {_GOOD}, {_EVIL}"), {"host": f"{_GOOD}, {_EVIL}"}),
        ("host-address", _text(get, f"Host: {CDN4}"), {"host": CDN4}),
        ("host-empty", _text(get, "Host:"), {"host": ""}),
        ("no-host", _text("GET / HTTP/1.0"), {"host": ""}),
        ("connect", _text(f"CONNECT {_EVIL}:443 HTTP/1.1", good), {"method": "CONNECT"}),
        ("line-feeds", _text(get, f"Host: {_EVIL}", end="\n"), evil),
        ("pipelined", _alive(_GOOD) + _text(get, f"Host: {_EVIL}"), evil),
        ("smuggled", _smuggled(), evil),
    ):
        yield deny(f"http.{name}", "l7", **_WEB, request=text, answers=2, need=need)
    second = {"request": _alive(_GOOD), "second": _text(get, f"Host: {_EVIL}")}
    yield deny("http.second-request", "l7", **_WEB, **second, need=evil)
    yield deny("http.version-0.9", "l7", **_WEB, request="GET /{tok}\r\n")
    yield deny("http.not-http", "l7", **_WEB, kind="raw")
    yield deny("http.version-2", "l7", **_WEB, request=_version_2(), need=evil)
    yield deny("http.tls-on-80", "l7", dst=CDN4, port=80, kind="tls", sni=_EVIL)


def _http_allowed() -> Iterator[Attempt]:
    get = "GET / HTTP/1.1"
    for name, text in (
        ("host-with-port", _text(get, f"Host: {_GOOD}:80")),
        ("host-upper-case", _text(get, "Host: GOOD.CDN.TEST")),
        ("lower-case-header", _text(get, f"host:{_GOOD}")),
        ("large", _text(get, f"Host: {_GOOD}", f"Cookie: {'c' * 8000}")),
        ("post", _text("POST / HTTP/1.1", f"Host: {_GOOD}", "Content-Length: 4") + "body"),
    ):
        yield allow(f"http.good.{name}", **_WEB, request=text)
    good = _text(get, f"Host: {_GOOD}")
    yield allow("http.good.second-request", **_WEB, request=_alive(_GOOD), second=good)
    upgrade = _text(get, f"Host: {_GOOD}", "Connection: Upgrade", "Upgrade: websocket", _KEY)
    yield allow("http.good.websocket", **_WEB, request=upgrade, second="frames of {tok}\r\n")
    yield allow("http.good.byte-by-byte", **_WEB, request=good, piece=1)
    other = {"name": "allowed.test", "port": 80, "v": 6}
    yield allow("http.good.ipv6", "allow6", **other)


def _alive(host: str) -> str:
    return _text("GET / HTTP/1.1", f"Host: {host}", "Connection: keep-alive")


def _smuggled() -> str:
    """A request in the body of another, for a server that believes the length and not the chunks."""
    inner = _text("GET / HTTP/1.1", f"Host: {_EVIL}")
    head = _text(
        "POST / HTTP/1.1",
        f"Host: {_GOOD}",
        "Connection: keep-alive",
        "Content-Length: 4",
        "Transfer-Encoding: chunked",
    )
    return f"{head}{len(inner) + 7:x}\r\n{inner}\r\n0\r\n\r\n"


def _version_2() -> str:
    """HTTP/2 without TLS (RFC 9113, 3.3): preface, settings, headers for the other name."""

    def literal(name: str, value: str) -> bytes:
        words = (name.encode(), value.encode())
        return b"\x00" + b"".join(bytes([len(word)]) + word for word in words)

    def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
        head = len(body).to_bytes(3, "big") + bytes([kind, flags])
        return head + stream.to_bytes(4, "big") + body

    fields = ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", _EVIL))
    block = b"".join(literal(*field) for field in (*fields, ("x-token", "{tok}__________")))
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    return (preface + frame(1, 5, 1, block)).decode("latin-1")


def _tls_denied() -> Iterator[Attempt]:
    seen = {"sni": _EVIL}
    inner = {"sni": _EVIL, "host": _GOOD}
    yield deny("tls.byte-by-byte", "l7", **_TLS, **inner, piece=1, timeout=5, need=seen)
    yield deny("tls.two-records", "l7", **_TLS, **inner, records=2, need=seen)
    yield deny("tls.many-records", "l7", **_TLS, **inner, records=40, need=seen)
    for name, sni in (
        ("upper-case", "EVIL.CDN.TEST"),
        ("trailing-dot", f"{_EVIL}."),
        ("suffix", f"{_GOOD}.{_EVIL}"),
        ("prefix", f"x{_GOOD}"),
        ("subdomain", f"x.{_GOOD}"),
        ("apex-of-wildcard", "wild.test"),
        ("name-of-another-port", "allowed3.test"),
    ):
        yield deny(f"tls.{name}", "l7", **_TLS, sni=sni, need={"sni": sni})
    none = {"sni": "", "host": _GOOD}
    yield deny("tls.no-sni-in-two-records", "l7", **_TLS, **none, records=2, need={"sni": None})
    yield deny("tls.long-hello", "l7", **_TLS, **inner, alpn=300, need=seen)
    yield deny("tls.http-on-443", "l7", dst=CDN4, port=443, host=_GOOD)


def _tls_allowed() -> Iterator[Attempt]:
    good = {"sni": _GOOD}
    yield allow("tls.good.byte-by-byte", **_TLS, **good, piece=1, timeout=5)
    yield allow("tls.good.upper-case", **_TLS, sni="GOOD.CDN.TEST")
    yield allow("tls.good.long-hello", **_TLS, **good, alpn=300)
    yield allow("tls.good.wildcard", name="x.wild.test", port=443, kind="tls", v=4)
    yield allow("tls.good.another-port", name="allowed3.test", port=8443, kind="tls", v=4)
    yield allow("tls.good.ipv6", "allow6", name="allowed.test", port=443, kind="tls", v=6)
    address = {"dst": host4(18), "port": 443, "kind": "tls"}
    yield allow("tls.good.address-without-sni", **address, sni="", host=host4(18))


def _the_gate_itself(suite: Suite) -> None:
    """Its own ports lead nowhere, above all not back to it."""
    ports = sorted(set(re.findall(r":(\d+) .*haproxy", suite.lab.force("ss -Hltnp"))))
    suite.right("gate.found", "suite", bool(ports), "no haproxy listens")
    straight = [{"dst": "127.0.0.1", "port": int(port)} for port in ports]
    suite.attempts(
        *(deny(f"gate.straight.tls-{n}", "l7", **each, kind="tls", sni=_GOOD, host=_GOOD)
          for n, each in enumerate(straight)),
        *(deny(f"gate.straight.http-{n}", "l7", **each, host=_GOOD)
          for n, each in enumerate(straight)),
    )  # fmt: skip
    sockets = len(suite.lab.force("ss -Htn state established").splitlines())
    suite.right("gate.no-loop", "l7", sockets < _FEW, f"{sockets} connections")
    suite.right("gate.works-after", "allow", suite.can(name=_GOOD, v=4), "dead")
