"""Each fault on real sockets: the report is judged, and the cause is the one that was injected."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from typing import Any

import pytest
import trustme

from mcpconf.diagnosis.judge.wire import About, judge_wire
from mcpconf.diagnosis.model import Verdict
from mcpconf.wire import ask
from tests.wire.scripted import (
    CLOSE,
    HANG,
    RESET,
    SCHEMA,
    Asked,
    Server,
    answer,
    closed_port,
    error,
    healthy,
    result,
    serving,
)

PAGE = b"<!doctype html><title>Sign in</title>"
_DAY = dt.timedelta(days=1)


def causes(url: str, /, **more: Any) -> list[Verdict]:
    target = {"url": url, "seconds": 5.0, **more}
    report = ask(target)
    json.dumps(report).encode("ascii")
    about = About(
        "linear",
        url=url,
        type=target.get("type", "http"),
        headers=tuple(target.get("headers", {})),
        client=target.get("client", "2.1.328"),
    )
    return judge_wire(report, about)


def code(url: str, /, **more: Any) -> str:
    return ", ".join(v.finding.code for v in causes(url, **more))


def on(method: str, said: Any) -> Any:
    """A healthy server, but for one method."""
    return lambda asked: (
        (said(asked) if callable(said) else said) if asked.rpc == method else healthy(asked)
    )


def first(said: Any) -> Any:
    return lambda _: said


KEY = {"X-Api-Key": "kkkk-wrong-kkkk"}
TOKEN = {"Authorization": "Bearer tttt-wrong-tttt"}


def oauth(asked: Asked, wants: str = "authorization", **known: Any) -> bytes:
    """A server that wants a login, and says where."""
    origin = f"http://{asked.headers['host']}"
    if asked.path.startswith("/.well-known/oauth-protected-resource"):
        return answer(200, {"resource": origin, "authorization_servers": [origin]})
    if asked.path == "/.well-known/oauth-authorization-server":
        return answer(200, {"issuer": origin, "authorization_endpoint": origin + "/a", **known})
    if asked.path.startswith("/.well-known/"):
        return answer(404)
    assert wants
    return answer(401, {"error": "invalid_token"}, www_authenticate='Bearer error="invalid_token"')


def registering(asked: Asked) -> bytes:
    return oauth(asked, registration_endpoint="/register")


def only_for(name: str, value: str, status: int = 401) -> Any:
    return lambda asked: (
        healthy(asked) if asked.headers.get(name) == value else answer(status, {"no": "way"})
    )


_GREETS = {"protocolVersion": "2025-06-18", "capabilities": {}}


def _without_tools(asked: Asked) -> bytes:
    """The client does not ask such a server for its tools, and this one would not know."""
    said = {"protocolVersion": "2025-06-18", "capabilities": {"prompts": {}}}
    said["serverInfo"] = {"name": "x", "version": "1"}
    return result(asked, said)


HTTP = {
    "healthy": (healthy, "", {}),
    "404": (first(answer(404)), "MC268", {}),
    "410": (first(answer(410)), "MC268", {}),
    "405": (first(answer(405, allow="GET")), "MC269", {}),
    "400": (first(answer(400, {"error": "missing tenant"})), "MC269", {}),
    "402": (first(answer(402)), "MC269", {}),
    "429": (first(answer(429, retry_after="30")), "MC270", {}),
    "500": (first(answer(500)), "MC271", {}),
    "503": (first(answer(503, b"<html>", content_type="text/html")), "MC271", {}),
    "page": (first(answer(200, PAGE, content_type="text/html")), "MC272", {}),
    "text": (first(answer(200, b"It works!", content_type="text/plain")), "MC277", {}),
    "json": (first(answer(200, {"status": "ok"})), "MC277", {}),
    "list": (first(answer(200, b"[1, [2]]")), "MC277", {}),
    "broken json": (first(answer(200, b"{")), "MC277", {}),
    "deep json": (first(answer(200, b"[" * 100_000)), "MC277", {}),
    "empty": (first(answer(200)), "MC276", {}),
    "204": (first(answer(204)), "MC276", {}),
    "ssh": (first(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "MC277", {}),
    "hang": (first(HANG), "MC278", {"seconds": 1.0}),
    "cut in the body": (
        first(lambda sock: sock.sendall(answer(200, {"a": 1})[:-3]) or HANG is None), "MC249", {}
    ),
    "reset": (first(RESET), "MC249", {}),
    "close": (first(CLOSE), "MC249", {}),
    "bad framing": (first(b"HTTP/1.1 200 X\r\nContent-Length: x\r\n\r\n"), "MC277", {}),
    "401": (first(answer(401)), "MC260", {}),
    "401, metadata empty": (
        lambda a: answer(200, b" ") if a.path.startswith("/.well") else answer(401), "MC260", {}
    ),
    "login": (registering, "MC223", {}),
    "login, no registration": (oauth, "MC266", {}),
    "key": (only_for("x-api-key", "right"), "MC263", {"headers": KEY}),
    "key, with oauth": (registering, "MC263", {"headers": KEY}),
    "key, 403": (
        lambda a: answer(403 if "x-api-key" in a.headers else 401), "MC263", {"headers": KEY}
    ),
    "token": (only_for("authorization", "right"), "MC262", {"headers": TOKEN}),
    "token, with oauth": (registering, "MC262", {"headers": TOKEN}),
    "token hurts": (only_for("authorization", None), "MC262", {"headers": TOKEN}),
    "token, 403": (
        lambda a: answer(403 if "authorization" in a.headers else 401), "MC262", {"headers": TOKEN}
    ),
    "403": (first(answer(403, PAGE, content_type="text/html")), "MC264", {}),
    "403 for all": (first(answer(403)), "MC264", {"headers": TOKEN}),
    "scope": (
        first(answer(403, www_authenticate='Bearer error="insufficient_scope", scope="all"')),
        "MC225",
        {"headers": TOKEN},
    ),
    "empty authorization": (registering, "MC297", {"headers": {"Authorization": ""}}),
    "literal": (registering, "MC021", {"headers": {"Authorization": "Bearer ${NOT_SET}"}}),
    "slash": (
        lambda a: answer(301, location="/mcp/") if a.path == "/mcp" else healthy(a), "MC273", {}
    ),
    "302": (lambda a: answer(302, location="/x") if a.path == "/mcp" else healthy(a), "MC273", {}),
    "307": (lambda a: answer(307, location="/x") if a.path == "/mcp" else healthy(a), "", {}),
    "308": (lambda a: answer(308, location="x") if a.path == "/mcp" else healthy(a), "", {}),
    "login page": (
        lambda a: answer(302, location="/login")
        if a.path == "/mcp"
        else answer(200, PAGE, content_type="text/html"),
        "MC272",
        {},
    ),
    "circle": (first(answer(307, location="/mcp")), "MC275", {}),
    "nowhere": (first(answer(307, location="ftp://[")), "MC273", {}),
    "redirect without": (first(answer(307)), "MC273", {}),
    "version": (lambda a: healthy(a, version="1999-01-01"), "MC281", {}),
    "refuses": (on("initialize", lambda a: error(a, -32000, "licence")), "MC282", {}),
    "initialized 500": (on("notifications/initialized", answer(500)), "MC271", {}),
    "initialized 404": (on("notifications/initialized", answer(404)), "MC282", {}),
    "session lost": (on("tools/list", answer(404)), "MC282", {}),
    "portal": (first(answer(511, PAGE, content_type="text/html")), "MC272", {}),
    "unknown version": (
        on("initialize", lambda a: error(a, -32602, "Unsupported protocol version", 400)),
        "MC281",
        {},
    ),
    "another resource": (
        lambda a: answer(200, {"resource": "https://other.example", "authorization_servers": ["x"]})
        if a.path.startswith("/.well-known/oauth-protected-resource")
        else registering(a),
        "MC266",
        {},
    ),
    "a login that is nowhere": (
        lambda a: answer(200, {"authorization_servers": [f"http://127.0.0.1:{closed_port()}"]})
        if a.path.startswith("/.well-known/oauth-protected-resource")
        else answer(404 if a.path.startswith("/.well-known/") else 401),
        "MC266",
        {},
    ),
    "tools 401": (on("tools/list", answer(401)), "MC284", {}),
    "tools 403": (on("tools/list", answer(403)), "MC284", {"headers": TOKEN}),
    "tools error": (on("tools/list", error), "MC283", {}),
    "tools 500": (on("tools/list", answer(500)), "MC283", {}),
    "tools odd": (on("tools/list", lambda a: result(a, {"tools": 7})), "MC283", {}),
    "tools hang": (on("tools/list", HANG), "MC283", {"seconds": 1.0}),
    "no name of its own": (on("initialize", lambda a: result(a, {**_GREETS, "serverInfo": {}})),
                           "MC277", {}),
    "a tool without a schema": (on("tools/list", lambda a: result(a, {"tools": [{"name": "a"}]})),
                                "MC283", {}),
    "no tools declared": (on("initialize", _without_tools), "", {}),
    "no tools": (lambda a: healthy(a, tools=0), "", {}),
    "discover hangs": (on("server/discover", HANG), "MC294", {"seconds": 2.0}),
    "discover resets": (on("server/discover", RESET), "", {}),
    "sse on http": (healthy, "MC279", {"type": "sse"}),
    "sse 404": (first(answer(404)), "MC268", {"type": "sse"}),
    "sse 401": (first(answer(401)), "MC260", {"type": "sse"}),
    "sse page": (first(answer(200, PAGE, content_type="text/html")), "MC272", {"type": "sse"}),
    "sse hangs": (first(HANG), "MC278", {"type": "sse", "seconds": 1.0}),
    "sse elsewhere": (
        first(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n"
              b"event: endpoint\ndata: http://other.example/m\n\n"),
        "MC277",
        {"type": "sse"},
    ),
    "line end in a header": (healthy, "MC269", {"headers": {"X-Key": "a\nb"}}),
    "letter beyond Latin-1": (healthy, "MC269", {"headers": {"X-Key": "\u20ac"}}),
}  # fmt: skip


@pytest.mark.parametrize("name", HTTP)
def test_the_cause_is_the_injected_one(name: str) -> None:
    script, wanted, more = HTTP[name]
    with serving(script) as server:
        assert code(server.url(), **more) == wanted


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9/mcp", "ftp://127.0.0.1:9/", "http://", "x"])
def test_a_url_of_something_else(url: str) -> None:
    assert code(url) == "MC061"


def test_nothing_listens() -> None:
    assert code(f"http://127.0.0.1:{closed_port()}/mcp") == "MC245"


def test_a_name_that_does_not_exist() -> None:
    assert code("https://mcp.example.invalid/mcp") == "MC240"


def test_a_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", closed_port()))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)
    assert code("https://mcp.example.com/mcp") == "MC242"


def test_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", again)
    assert code("https://mcp.example.com/mcp") == "MC241"


def test_packets_get_no_answer() -> None:
    """A listener with a full queue drops what comes, as a packet filter does."""
    full = Server(healthy, backlog=0)
    held = [socket.socket() for _ in range(3)]
    for sock in held:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", full.port))
    assert code(full.url(), seconds=0.8) == "MC246"
    for sock in (*held, full.socket):
        sock.close()


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="laboratory")


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context(made: trustme.LeafCert) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(found)
    return found


def test_certificates(authority: trustme.CA, ca: str) -> None:
    now = dt.datetime.now(dt.UTC)
    old = {"not_before": now - 9 * _DAY, "not_after": now - 2 * _DAY}
    new = {"not_before": now + 2 * _DAY, "not_after": now + 9 * _DAY}
    for made, wanted in (
        (authority.issue_cert("127.0.0.1"), ""),
        (authority.issue_cert("intranet.example"), "MC251"),
        (authority.issue_cert("127.0.0.1", **old), "MC252"),
        (authority.issue_cert("127.0.0.1", **new), "MC252"),
        (trustme.CA().issue_cert("127.0.0.1"), "MC250"),
    ):
        with serving(tls=context(made)) as server:
            found = causes(server.url(), ca=ca)
            assert ", ".join(v.finding.code for v in found) == wanted
            if wanted == "MC251":
                assert "it names `intranet.example`" in found[0].finding.notes
            if wanted == "MC252":
                assert " on 20" in found[0].finding.notes[1]


def test_the_authority_may_be_given_as_text(authority: trustme.CA) -> None:
    pem = authority.cert_pem.bytes().decode()
    with serving(tls=context(authority.issue_cert("127.0.0.1"))) as server:
        assert code(server.url(), roots=pem) == ""


def test_plain_and_tls_ports(authority: trustme.CA) -> None:
    with serving() as server:
        assert code(server.url().replace("http:", "https:")) == "MC253"
    with serving(tls=context(authority.issue_cert("127.0.0.1"))) as server:
        assert code(server.url().replace("https:", "http:")) == "MC254"


def test_a_certificate_of_the_client(authority: trustme.CA, ca: str) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        found = context(authority.issue_cert("127.0.0.1"))
        found.verify_mode = ssl.CERT_REQUIRED
        found.minimum_version = found.maximum_version = version
        authority.configure_trust(found)
        with serving(tls=found) as server:
            assert code(server.url(), ca=ca) == "MC255"


def test_http_that_leads_to_https(authority: trustme.CA, ca: str) -> None:
    """308 keeps the request, but loses the Authorization: it is another origin (fact 51)."""
    script = only_for("authorization", TOKEN["Authorization"])
    with serving(script, tls=context(authority.issue_cert("127.0.0.1"))) as there:
        with serving(first(answer(308, location=there.url()))) as here:
            assert code(here.url(), ca=ca, headers=TOKEN) == "MC274"
            assert code(here.url(), ca=ca, headers=KEY) == "MC263"
        with serving(first(answer(301, location=there.url()))) as here:
            assert code(here.url(), ca=ca) == "MC273"


def test_a_redirect_to_nobody_says_so() -> None:
    away = f"http://127.0.0.1:{closed_port()}/mcp"
    with serving(first(answer(307, location=away))) as server:
        (found,) = causes(server.url())
    assert found.finding.code == "MC245"
    assert found.finding.notes[0] == f"a redirect (HTTP 307) has led to `{away}`"


# --- proxies ----------------------------------------------------------------------------------


def test_the_variable_of_a_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    (found,) = causes("http://127.0.0.1:1/mcp", proxy="env")
    assert found.finding.code == "MC248"
    assert found.finding.help[0] == "correct `ALL_PROXY`"


def test_proxies() -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    with serving() as server:
        assert code(server.url(), proxy=dead) == "MC248"
        assert code(server.url(), proxy="socks5://127.0.0.1:1") == ""
        for status in (403, 407, 502):
            with serving(first(answer(status))) as proxy:
                url = server.url().replace("http:", "https:")
                assert code(url, proxy=proxy.url("")) == "MC248"
    with serving(healthy) as proxy:  # a proxy that knows what it is asked, in absolute form
        assert code("http://mcp.example.com/mcp?a=b", proxy=proxy.url("")) == ""
        assert {asked.path for asked in proxy.asked} == {"http://mcp.example.com/mcp?a=b"}
        assert proxy.asked[0].headers["host"] == "mcp.example.com"


# --- the transports ---------------------------------------------------------------------------


def old_transport(asked: Asked) -> Any:
    """A server of 2024-11-05: answers come in the stream."""
    if asked.method == "GET":

        def stream(sock: socket.socket) -> bool:
            head = b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n"
            STREAMS.append(sock)  # before anybody knows where to post
            sock.sendall(head + b"event: endpoint\r\ndata: /back?session=1\r\n\r\n")
            return _NEVER.wait(5)

        return stream
    if asked.path != "/back?session=1":
        return answer(405, allow="GET")
    if "id" in asked.body:
        body = healthy(asked).partition(b"\r\n\r\n")[2]
        STREAMS[-1].sendall(b"event: message\ndata: " + body + b"\n\n")
    return answer(202)


STREAMS: list[socket.socket] = []
_NEVER = threading.Event()


def test_the_old_transport() -> None:
    with serving(old_transport) as server:
        assert code(server.url(), type="sse") == ""
        assert code(server.url()) == ""
        assert code(server.url(), client="2.1.197") == "MC280"


def test_answers_as_events() -> None:
    def events(asked: Asked) -> bytes:
        said = healthy(asked)
        head, _, body = said.partition(b"\r\n\r\n")
        if not body or asked.rpc == "server/discover":
            return said
        stream = b": hello\n\nevent: message\ndata: {}\n\ndata: " + body + b"\n\n"
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-")]
        return b"\r\n".join([*kept, b"Content-Type: text/event-stream"]) + b"\r\n\r\n" + stream

    with serving(events) as server:
        assert code(server.url()) == ""


def test_the_stateless_era() -> None:
    def modern(asked: Asked) -> bytes:
        version = asked.headers.get("mcp-protocol-version")
        if version != "2026-07-28" or asked.headers["mcp-method"] != asked.rpc:
            return error(asked, -32022, status=400)
        if asked.rpc == "server/discover":
            return result(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {}})
        return result(asked, {"tools": [{"name": "one", **SCHEMA}], "resultType": "complete"})

    with serving(modern) as server:
        assert ask({"url": server.url()})["answer"]["era"] == "modern"
        assert code(server.url()) == ""
        assert code(server.url(), client="2.1.197") == "MC281"


# --- no false alarm ---------------------------------------------------------------------------


def test_a_hundred_healthy_runs() -> None:
    with serving() as server:
        assert {code(server.url(), headers=TOKEN) for _ in range(100)} == {""}


def test_slow_servers_are_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpconf.diagnosis.judge.mcp._SLOW", 0.2)
    script = on("initialize", lambda a: _NEVER.wait(0.3) or healthy(a))
    with serving(script) as server:
        assert code(server.url()) == "MC285"
