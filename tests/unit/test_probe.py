"""What servers answer to the probe, and what the probe never says to them.  Loopback only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mcpconf import probe as probing
from mcpconf.errors import Failure
from mcpconf.model import Opaque, Remote, Scope, Server, Stdio, Text
from mcpconf.origin import Origin, Source
from mcpconf.readers.facts import Probe, probe_key, read_probes
from mcpconf.readers.world import read
from tests import clock

SECRET = "hunter2-Zq8xW1vB7nM3kL5p"
FOREIGN = "foreign-\x1b[31m-text"
RESULT = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": FOREIGN}}
Reply = bytes | Callable[[socket.socket], None]


def http(
    status: int = 200, body: object = b"", media: str = "application/json", **headers
) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {FOREIGN}", f"Content-Length: {len(content)}"]
    lines += [f"Content-Type: {media}"] if media else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


def rpc(result: object = RESULT) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": "that-of-the-request", "result": result}


ID = b'"that-of-the-request"'


def identity(request: bytes) -> bytes:
    """The id of a request, as long as ``ID``, so that the answer's length stays true."""
    with suppress(ValueError):
        found = json.loads(request.partition(b"\r\n\r\n")[2])
        return json.dumps(found["id"]).encode().ljust(len(ID))
    return ID


ERROR = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": FOREIGN}}


class Loopback:
    """A server on 127.0.0.1: keeps every byte that it gets, answers by the request's first line."""

    def __init__(self, replies: dict[str, Reply], context: ssl.SSLContext | None = None) -> None:
        self.replies = replies
        self.received: list[bytes] = []
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._socket.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            connection = (
                self._context.wrap_socket(plain, server_side=True) if self._context else plain
            )
            with connection:
                request = self._read(connection)
                self.received.append(request)
                line = request.partition(b" HTTP/")[0].decode("latin-1")
                reply = self.replies.get(line, self.replies.get("*", http(404)))
                if isinstance(reply, bytes):
                    connection.sendall(reply.replace(ID, identity(request)))
                else:
                    reply(connection)

    def _read(self, connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request and (piece := connection.recv(65536)):
            request += piece
            if not request[:1].isupper():
                return request  # a TLS handshake
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")),
            0,
        )
        while len(body) < length and (piece := connection.recv(65536)):
            body += piece
        return head + b"\r\n\r\n" + body

    @property
    def lines(self) -> list[str]:
        return [r.partition(b" HTTP/")[0].decode("latin-1") for r in self.received]

    def close(self) -> None:
        for each in (self._socket, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def loopback(context: ssl.SSLContext | None = None, **replies: Reply) -> Iterator[Loopback]:
    lines = {k.replace("_", " /", 1) if k != "any" else "*": v for k, v in replies.items()}
    server = Loopback(lines, context)
    try:
        yield server
    finally:
        server.close()


def remote(url: str, kind: str = "http", name: str = "s", **headers: str) -> Server:
    transport = Remote(kind, Text(url), {k: Text(v) for k, v in headers.items()})
    return entry(name, transport)


def entry(name: str, transport: Remote | Stdio) -> Server:
    origin = Origin(Source("x.json"), ("mcpServers", name))
    return Server(name, Scope.USER, origin, transport, Opaque({}))


def ask(*servers: Server, timeout: float = 3.0, **more) -> dict[str, Probe]:
    more = {"include_local": True, "now": lambda: 7.0} | more
    return probing.probe(servers, timeout=timeout, **more)


def verdict(url: str, kind: str = "http", **more) -> tuple[str, str]:
    server = remote(url, kind)
    (found,) = ask(server, **more).items()
    assert found[0] == probe_key(server.transport)
    return found[1].answer, found[1].detail


def sse(*events: str) -> bytes:
    return http(200, "".join(events).encode(), "text/event-stream; charset=utf-8")


MESSAGE = f"event: message\ndata: {json.dumps(rpc())}\n\n"
PRIMING = "id: 1\nretry: 5\ndata:\n\n"
NOTICE = 'data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'
OPEN = ("open", "200 and an MCP answer")
METADATA = ("oauth", "401 with resource metadata")

ANSWERS = [
    (http(200, rpc()), OPEN),
    (http(200, rpc(), "Application/JSON; charset=utf-8"), OPEN),
    (sse(MESSAGE), OPEN),
    (sse(PRIMING, ": comment\n\n", NOTICE, MESSAGE.replace("\n", "\r\n")), OPEN),
    (http(200, rpc("x")), ("none", "200 with JSON, but no MCP answer")),
    (http(200, {"result": {}}), ("none", "200 with JSON, but no MCP answer")),
    (http(200, [rpc()]), OPEN),  # a batch (2025-03-26)
    (http(200, rpc({"protocolVersion": 7})), OPEN),  # the client refuses it, but wants no login
    (http(200, rpc() | {"id": "another"}), ("none", "200 with JSON, but no MCP answer")),
    (http(200, b"[" * 60_000), ("none", "200 with JSON, but no MCP answer")),
    (http(200, b"\xff\xfe{"), ("none", "200 with JSON, but no MCP answer")),
    (http(200, b"1" * 6000), ("none", "200 with JSON, but no MCP answer")),
    (sse(NOTICE), ("none", "200 with events, but no MCP answer")),
    (sse(MESSAGE.rstrip()), ("none", "200 with events, but no MCP answer")),
    (http(200, b"<html>", "text/html; charset=x"), ("none", "200 with text/html")),
    (http(200, b"x", "text/" + "evil" * 9), ("none", "200 with another content type")),
    (http(200, b"", ""), ("none", "200 without content")),
    (http(202, b"", ""), ("none", "202 without content")),
    (http(200, ERROR), ("none", "200 with a JSON-RPC error")),
    (http(404, b"no", "text/plain"), ("none", "404")),
    (http(404, ERROR), ("none", "404 with a JSON-RPC error")),
    (http(405), ("none", "405")),
    (http(429), ("none", "429")),
    (http(500, b"x" * 300_000, "text/html"), ("none", "500")),
    (http(400, b"bad", "text/plain"), ("none", "400")),
    (http(403), ("refused", "403")),
    (http(403, rpc()), ("refused", "403")),
    (http(401), ("refused", "401 without OAuth metadata")),
    (http(401, rpc()), ("refused", "401 without OAuth metadata")),
    (http(401, WWW_Authenticate='Bearer realm="x"'), ("refused", "401 without OAuth metadata")),
    (http(401, WWW_Authenticate='Bearer Resource_Metadata="https://x/y"'), METADATA),
    (http(301, Location="/mcp/"), ("none", "301 turns the request into a GET")),
    (http(307, Location="https://example.com/"), ("none", "307 to another origin")),
    (http(301, Location="https://example.com/"), ("none", "301 turns the request into a GET")),
    (http(308, Location="http://[::bad/"), ("none", "308 to nowhere")),
    (http(307), ("none", "307 to nowhere")),
    (b"", ("none", "no valid HTTP answer")),
    (b"SSH-2.0-x\r\n", ("none", "no valid HTTP answer")),
    (http(200, rpc())[:-5], ("none", "no valid HTTP answer")),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "expected"), ANSWERS)
def test_an_answer_has_one_verdict_and_no_foreign_text(reply, expected) -> None:
    with loopback(POST_mcp=reply) as server:
        assert verdict(f"{server.url}/mcp") == expected


def test_the_first_request_is_the_clients() -> None:
    with loopback(any=http(200, rpc())) as server:
        assert verdict(f"{server.url}/a%20b/mcp?read_only=true") == OPEN
    (request,) = server.received
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a%20b/mcp?read_only=true HTTP/1.1\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert headers[b"accept"] == b"application/json, text/event-stream"
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"accept-encoding"] == b"identity"
    message = json.loads(body)
    assert (message["method"], message["params"]["protocolVersion"]) == ("initialize", "2025-11-25")
    assert message["params"]["clientInfo"]["name"] == "mcpconf"
    assert headers[b"user-agent"].startswith(b"mcpconf/")


PRM = {"resource": "https://x", "authorization_servers": ["https://as"]}
AS = {"issuer": "https://as", "authorization_endpoint": "https://as/authorize"}
WELL_KNOWN = "GET_.well-known/oauth-"


@pytest.mark.parametrize(
    ("line", "reply", "expected"),
    [
        ("protected-resource/a/mcp", http(200, PRM), "401 with resource metadata"),
        ("protected-resource", http(200, PRM), "401 with resource metadata"),
        ("authorization-server", http(200, AS), "401 with authorization server metadata"),
        ("protected-resource", http(200, {"resource": "x"}), ""),
        ("protected-resource", http(200, PRM, "text/html"), "401 with resource metadata"),
        ("protected-resource", http(200, b"<html>", "text/html"), ""),
        ("authorization-server", http(200, b"[]"), ""),
        ("protected-resource", http(200, b"{}" + b" " * 70_000), ""),
        ("protected-resource", http(404, PRM), ""),
        ("protected-resource", b"garbage", ""),
        ("protected-resource", http(307, Location="https://example.com/prm"), ""),
    ],
)
def test_oauth_metadata_is_looked_for_on_the_own_origin(line, reply, expected) -> None:
    replies = {WELL_KNOWN + line: reply, "POST_a/mcp?x=1": http(401, Set_Cookie="c=planted")}
    with loopback(**replies) as server:
        found = verdict(f"{server.url}/a/mcp?x=1")
        assert found == (
            ("oauth", expected) if expected else ("refused", "401 without OAuth metadata")
        )
    assert "GET /.well-known/oauth-protected-resource/a/mcp" in server.lines
    assert b"planted" not in b"".join(server.received)


@pytest.mark.parametrize("kind", ["http", "sse"])
def test_no_metadata_is_asked_for_elsewhere(kind) -> None:
    with loopback(any=http(200, PRM | AS)) as other, loopback() as server:
        named = f'Bearer resource_metadata="{other.url}/prm"'
        server.replies["*"] = http(401, WWW_Authenticate=named)
        assert verdict(f"{server.url}/a", kind) == ("oauth", "401 with resource metadata")
        assert len(server.received) == 1
        server.replies |= {
            "*": http(401),
            "GET /.well-known/oauth-protected-resource": http(
                200, PRM | {"authorization_servers": [other.url]}
            ),
        }
        assert verdict(f"{server.url}/b", kind) == ("oauth", "401 with resource metadata")
    assert other.received == []


def test_a_server_without_initialize_is_asked_in_the_modern_way() -> None:
    def answer(connection: socket.socket) -> None:
        modern = b"server/discover" in server.received[-1]
        reply = http(200, rpc({"supportedVersions": []})) if modern else http(400, ERROR)
        connection.sendall(reply.replace(ID, identity(server.received[-1])))

    with loopback(any=answer) as server:
        assert verdict(f"{server.url}/mcp") == OPEN
    head = server.received[1].lower()
    assert b"mcp-method: server/discover" in head
    assert b"mcp-protocol-version: 2026-07-28" in head
    assert len(server.received) == 2


def test_a_session_is_ended() -> None:
    result = RESULT | {"protocolVersion": "2025-06-18"}
    opened = http(200, rpc(result), Mcp_Session_Id="abc-1")
    with loopback(POST_mcp=opened, DELETE_mcp=http(405)) as server:
        assert verdict(f"{server.url}/mcp") == OPEN
    assert server.lines == ["POST /mcp", "DELETE /mcp"]
    assert b"mcp-session-id: abc-1\r\n" in server.received[1].lower()
    assert b"mcp-protocol-version: 2025-06-18\r\n" in server.received[1].lower()


def test_a_session_that_does_not_end_changes_nothing() -> None:
    opened = http(200, rpc(), Mcp_Session_Id="abc-1")
    with loopback(POST_mcp=opened, DELETE_mcp=lambda c: c.recv(1)) as server:
        assert verdict(f"{server.url}/mcp", timeout=0.3) == OPEN


def test_the_old_transport_opens_a_stream() -> None:
    event = "event: endpoint\r\ndata: /messages?id=1\r\n\r\n"

    def stream(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event.encode()
        )
        connection.recv(1)  # it stays open until the probe leaves

    with loopback(
        GET_sse=stream, GET_other=sse(MESSAGE), GET_here=http(301, Location="/sse")
    ) as server:
        assert verdict(f"{server.url}/sse", "sse") == OPEN
        assert verdict(f"{server.url}/here", "sse") == OPEN
        assert verdict(f"{server.url}/other", "sse") == (
            "none",
            "200 with events, but no MCP answer",
        )
        assert verdict(f"{server.url}/post", "sse") == ("none", "404")
    assert all(line.startswith("GET ") for line in server.lines)


def test_a_server_of_the_old_transport_is_known_behind_the_new_type() -> None:
    endpoint = "event: endpoint\ndata: /messages\n\n"
    with loopback(POST_sse=http(405), GET_sse=sse(endpoint)) as server:
        assert verdict(f"{server.url}/sse") == OPEN
        server.replies["GET /sse"] = http(401)
        assert verdict(f"{server.url}/sse") == ("refused", "401 without OAuth metadata")
    assert server.lines.count("POST /sse") == 2


# --- what does not come through -----------------------------------------------------------------


def hang(connection: socket.socket) -> None:
    connection.recv(1)


def trickle(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.02)


def trickle_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.02)


@pytest.mark.parametrize("reply", [hang, trickle, trickle_headers])
def test_who_never_finishes_is_cut(reply) -> None:
    with loopback(any=reply) as server:
        start = clock.now()
        assert verdict(f"{server.url}/mcp", timeout=0.3) == ("none", "timed out after 0.3 s")
        assert clock.now() - start < 2


def flood(connection: socket.socket, kind: bytes, chunk: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
    while True:
        connection.sendall(chunk)


@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
@pytest.mark.parametrize("chunk", [b" " * 65536, b"\n" * 65536, b"data: x\n" * 8192, b"\r" * 65536])
def test_a_body_without_end_is_left_after_64_kib(kind, chunk) -> None:
    with loopback(any=lambda c: flood(c, kind, chunk)) as server:
        expected = ("none", "more than 64 KiB without an MCP answer")
        assert verdict(f"{server.url}/mcp", timeout=5) == expected


def test_bytes_in_chunks_of_one_do_not_stall_the_others() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with loopback(any=head + b"1\r\n:\r\n" * 10000 + b"0\r\n\r\n") as server:
        start = clock.now()
        expected = ("none", "200 with events, but no MCP answer")
        assert verdict(f"{server.url}/mcp") == expected
        assert clock.now() - start < 2


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert verdict(f"http://127.0.0.1:{port}/mcp") == ("none", "connection refused")


def test_names(monkeypatch) -> None:
    def lookup(code: int) -> Callable[..., list]:
        def fail(*_args, **_more) -> list:
            raise socket.gaierror(code, FOREIGN)

        return fail

    monkeypatch.setattr(socket, "getaddrinfo", lookup(socket.EAI_NONAME))
    assert verdict("http://mcp.example.com/mcp") == ("none", "no such host")
    monkeypatch.setattr(socket, "getaddrinfo", lookup(socket.EAI_AGAIN))
    assert verdict("http://mcp.example.com/mcp") == ("none", "the DNS did not answer")


def test_a_lookup_that_hangs_holds_nobody_up(monkeypatch) -> None:
    done, genuine = threading.Event(), socket.getaddrinfo

    def lookup(host, *args, **more) -> list:
        if host in ("prompt.example.com", b"prompt.example.com"):
            return genuine("127.0.0.1", *args, **more)
        done.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    hanging = [remote(f"http://h{n}.example.com/mcp") for n in range(40)]
    with loopback(any=http(200, rpc())) as server:
        start = clock.now()
        prompt = remote(f"http://prompt.example.com:{server.port}/mcp")
        found = ask(*hanging, prompt, timeout=0.3, limit=50)
        assert clock.now() - start < 3
    done.set()
    assert sorted(p.answer for p in found.values()) == ["none"] * 40 + ["open"]


def test_thirty_servers_and_some_that_hang() -> None:
    with loopback(any=http(200, rpc())) as server:
        server.replies |= {f"POST /hang{n}": hang for n in range(10)}
        paths = [f"hang{n}" for n in range(10)] + list(map(str, range(20)))
        start = clock.now()
        found = ask(*(remote(f"{server.url}/{path}") for path in paths), timeout=0.5)
        assert clock.now() - start < 2.5  # one after the other they would take 5 s
    assert [p.answer for p in found.values()] == ["none"] * 10 + ["open"] * 20


def test_the_limit_holds() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def count(connection: socket.socket) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        connection.sendall(http(200, rpc()))

    with loopback(any=count) as server:
        found = ask(*(remote(f"{server.url}/{n}") for n in range(9)), limit=3)
    assert len(found) == 9
    assert most <= 3


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_everything_and_no_thread_holds_the_exit_up() -> None:
    def interrupt(connection: socket.socket) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        connection.recv(1)

    with loopback(POST_mcp=interrupt, any=hang) as server:
        before = set(threading.enumerate())
        start = clock.now()
        with pytest.raises(KeyboardInterrupt):
            ask(
                *(remote(f"{server.url}/{n}") for n in range(3)),
                remote(f"{server.url}/mcp"),
                timeout=30,
            )
        assert clock.now() - start < 9
        names = ("(some)", "(look_up)")
        ours = [t for t in threading.enumerate() if t not in before and t.name.endswith(names)]
    assert all(thread.daemon for thread in ours)  # nobody waits for them


# --- what is never said -------------------------------------------------------------------------


def test_no_secret_is_sent(monkeypatch, tmp_path) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with loopback(any=http(401, Set_Cookie=f"sid={SECRET}")) as server:
        host = f"127.0.0.1:{server.port}"
        variable = Text("http://x", f"{server.url}/short", safe="${TOKEN}", variables=("TOKEN",))
        unset = Text(f"{server.url}/${{X}}", variables=("X",), missing=("X",))
        servers = [
            remote(f"{server.url}/headers", Authorization=f"Bearer {SECRET}", X_Api_Key=SECRET),
            remote(f"http://me:{SECRET}@{host}/user"),
            remote(f"http://me@{host}/user"),
            remote(f"http://@{host}/user"),
            remote(f"{server.url}/query?api_key=short"),
            remote(f"{server.url}/query?q={SECRET}"),
            remote(f"{server.url}/path/{SECRET}/mcp"),
            remote(f"{server.url}/fragment#{SECRET}"),
            remote(f"ws://{host}/ws", "ws"),
            remote(f"ws://{host}/ws"),
            entry("v", Remote("http", variable)),
            entry("u", Remote("http", unset)),
        ]
        found = ask(*servers)
        assert list(found) == [probe_key(servers[0].transport)]
    everything = b"".join(server.received).lower()
    assert SECRET.lower().encode() not in everything
    assert b"authorization" not in everything.replace(b"oauth-authorization-server", b"")
    assert b"cookie" not in everything
    assert {line.split("/")[1] for line in server.lines} == {"headers", ".well-known"}


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed_within_the_origin_only(status) -> None:
    with loopback(any=http(200, rpc())) as other, loopback(any=http(404)) as server:
        server.replies |= {
            "POST /here": http(status, Location="there"),
            "DELETE /here": http(status, Location="there"),
            "POST /there": http(200, rpc(), Mcp_Session_Id="s1"),
            "POST /user": http(
                status, Location=f"http://me:{SECRET}@127.0.0.1:{server.port}/there"
            ),
            "POST /away": http(status, Location=f"{other.url}/mcp"),
            "POST /round": http(status, Location="/round"),
        }
        assert verdict(f"{server.url}/here") == OPEN
        assert verdict(f"{server.url}/user") == OPEN
        assert verdict(f"{server.url}/away") == ("none", f"{status} to another origin")
        assert verdict(f"{server.url}/round") == ("none", "too many redirects")
    assert other.received == []
    assert server.lines.count("DELETE /there") == 1
    assert server.lines.count("DELETE /user") == 1  # as the client: where it was opened
    assert b"authorization" not in b"".join(server.received).lower()


def test_a_name_to_which_a_redirect_leads_is_not_even_looked_up(monkeypatch) -> None:
    genuine, asked = socket.getaddrinfo, []

    def lookup(host, *rest, **more) -> list:
        asked.append(host)
        return genuine("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with loopback(any=http(307, Location="http://tells.example.org/mcp")) as server:
        found = verdict(f"http://mcp.example.com:{server.port}/mcp")
        assert found == ("none", "307 to another origin")
    assert asked == ["mcp.example.com"]


def test_what_is_near_is_left_alone_unless_wanted(monkeypatch) -> None:
    genuine = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: genuine("127.0.0.1", *rest, **more)
    )
    with loopback(any=http(200, rpc())) as server:
        for host in (
            "localhost",
            "127.0.0.1",
            "2130706433",
            "[::1]",
            "host.docker.internal",
            "a.test",
        ):
            assert ask(remote(f"http://{host}:{server.port}/mcp"), include_local=False) == {}
        assert server.received == []
        assert (
            len(ask(remote(f"http://mcp.example.com:{server.port}/mcp"), include_local=False)) == 1
        )


@pytest.mark.parametrize("local", [False, True])
def test_a_reserved_address_is_never_asked(monkeypatch, local) -> None:
    genuine = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: genuine("127.0.0.1", *rest, **more)
    )
    hosts = ("0.0.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "203.0.113.9", "a.invalid", "240.1")
    with loopback(any=http(200, rpc())) as server:
        for host in hosts:
            there = remote(f"http://{host}:{server.port}/mcp")
            assert ask(there, include_local=local) == {}, host
    assert server.received == []


def test_what_is_near_in_another_spelling_is_asked_if_wanted() -> None:
    with loopback(any=http(200, rpc())) as server:
        for host in ("127.1", "0x7f.0.0.1", "[::ffff:127.0.0.1]"):
            there = remote(f"http://{host}:{server.port}/mcp")
            assert ask(there, include_local=False) == {}
        assert verdict(f"http://127.1:{server.port}/mcp") == OPEN


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://xn--a/",
        "http://xn--a.com:99999/",
        "http://[/",
        "http://\u00fc\u2024\u2024.com/",
        "//xn--\u00fc/",
        "http://a:b:c/",
        "/\u00fc?\u00fc",
        "http://%ff/",
    ],
)
def test_a_redirect_to_no_url_is_the_verdict_of_one_server(status, location) -> None:
    bad = http(status, Location="@").replace(b"@", location.encode())
    with loopback(any=bad) as server, loopback(any=http(200, rpc())) as other:
        found = ask(remote(f"{server.url}/mcp"), remote(f"{other.url}/mcp", name="t"))
        assert [p.answer for p in found.values()] == ["none", "open"]
        assert ask(remote(f"{server.url}/sse", "sse")).popitem()[1].answer == "none"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("\u00fc=true", "%C3%BC=true"),
        ("a b'<\">{}=", "a%20b%27%3C%22%3E{}="),
        ("%20=&%=", "%20=&%="),
        ("\tq=\n", "q="),
    ],
)
def test_a_query_is_sent_as_the_client_sends_it(written, sent) -> None:
    with loopback(any=http(200, rpc())) as server:
        assert verdict(f"{server.url}/mcp?{written}") == OPEN
        assert [line.partition("?")[2] for line in server.lines] == [sent]


def test_a_url_of_which_nothing_can_be_made_stops_no_other() -> None:
    with loopback(any=http(200, rpc())) as server:
        odd = [
            remote("https://xn--a.com/", name="a"),
            remote(f"{server.url}/mcp?\ud800=", name="c"),
        ]
        found = ask(*odd, remote(f"{server.url}/mcp", name="d"), timeout=0.5)
        assert "open" in [p.answer for p in found.values()]


def test_commands_are_not_asked_but_what_they_wrap_is() -> None:
    with loopback(any=http(200, rpc())) as server:
        url = f"{server.url}/mcp"
        args = tuple(map(Text, ("-y", "mcp-remote", url, "--header", f"X-Key: {SECRET}")))
        wrapped = entry("w", Stdio(Text("npx"), args))
        plain = entry("p", Stdio(Text("node"), (Text(url),)))
        assert [p.answer for p in ask(wrapped, plain).values()] == ["open"]
    assert SECRET.encode() not in b"".join(server.received)


def test_one_endpoint_is_asked_once() -> None:
    with loopback(any=http(200, rpc())) as server:
        assert len(ask(remote(f"{server.url}/mcp"), remote(f"{server.url}/mcp", name="t"))) == 1
    assert len(server.received) == 1


# --- proxies and certificates -------------------------------------------------------------------


def test_the_proxy_is_that_of_the_given_environment(monkeypatch) -> None:
    with loopback(any=http(200, rpc())) as server, loopback(any=http(200, rpc())) as proxy:
        url = f"{server.url}/mcp"
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert verdict(url) == OPEN
        assert proxy.received == []
        for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            assert verdict(url, environ={name: proxy.url}) == OPEN
        assert verdict(url, environ={"HTTP_PROXY": proxy.url.removeprefix("http://")}) == OPEN
        assert len(server.received) == 1
        for spared in ("*", "127.0.0.1", f"a.b, 127.0.0.1:{server.port}"):
            assert verdict(url, environ={"HTTP_PROXY": proxy.url, "NO_PROXY": spared}) == OPEN
    assert proxy.lines == [f"POST {url}"] * 4
    for unusable in ("socks5://127.0.0.1:1", "http://127.0.0.1:x"):
        assert verdict(url, environ={"HTTP_PROXY": unusable}) == (
            "none",
            "its proxy is not an HTTP proxy",
        )
    dead = {"HTTP_PROXY": proxy.url}
    assert verdict(url, environ=dead) == ("none", "its proxy: connection refused")


def test_a_proxy_that_does_not_open_the_tunnel() -> None:
    with loopback(any=http(407, Proxy_Authenticate="Basic")) as proxy:
        found = verdict("https://mcp.example.com/mcp", environ={"HTTPS_PROXY": proxy.url})
    assert found == ("none", "its proxy does not let it through")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=x -addext subjectAltName=IP:127.0.0.1 -keyout - -out -"
    done = subprocess.run(command.split(), capture_output=True, check=True)
    file.write_bytes(done.stdout)
    return file


def test_certificates_are_verified_with_those_of_the_environment(certificate, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with loopback(context, any=http(200, rpc())) as server:
        url = f"{server.url}/mcp"
        missing = {"NODE_EXTRA_CA_CERTS": "/nonexistent"}
        assert verdict(url, environ=missing) == ("none", "TLS certificate not valid")
        assert not b"".join(server.received).strip()
        assert verdict(url, environ={"NODE_EXTRA_CA_CERTS": str(certificate)}) == OPEN
        name = f"https://localhost:{server.port}/mcp"  # not what the certificate says
        extra = {"NODE_EXTRA_CA_CERTS": str(certificate)}
        assert verdict(name, environ=extra) == ("none", "TLS certificate not valid")


def test_tls_and_plain_mixed_up(certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with loopback(context) as tls, loopback(any=http(200, rpc())) as plain:
        plainly = verdict(f"http://127.0.0.1:{tls.port}/mcp")
        assert plainly == ("none", "its port speaks TLS")
        assert verdict(f"https://127.0.0.1:{plain.port}/mcp") == ("none", "no TLS handshake")


# --- what is kept and reported ------------------------------------------------------------------


def test_the_cache_is_read_back(tmp_path) -> None:
    cache = tmp_path / "new" / "facts.json"
    known = {"a": Probe("open", "x", 1.0), "b": Probe("none", "404", 2.0)}
    probing.save(cache, known, {"b": Probe("oauth", "y", 3.5)})
    assert read_probes(read(cache), 9.0)[0] == {"a": known["a"], "b": Probe("oauth", "y", 3.5)}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.parent.stat().st_mode) == 0o700
    document = json.loads(cache.read_text())
    assert document["version"] == 1
    assert document["probes"]["b"] == {"answer": "oauth", "detail": "y", "at": 3.5}
    assert list(document["probes"]) == ["a", "b"]
    first = cache.read_bytes()
    probing.save(cache, dict(reversed(read_probes(read(cache), 9.0)[0].items())), {})
    assert cache.read_bytes() == first
    assert os.listdir(cache.parent) == ["facts.json"]


def test_the_cache_keeps_the_newest(tmp_path) -> None:
    cache = tmp_path / "facts.json"
    known = {f"k{n}": Probe("open", "x", float(n)) for n in range(600)}
    probing.save(
        cache, known, {"new": Probe("none", "x", 1e9), "odd": Probe("none", "x", float("inf"))}
    )
    found = read_probes(read(cache), 9.0)[0]
    assert len(found) == 500
    assert "new" in found
    assert "odd" not in found
    assert min(p.at for p in found.values()) == 101


def test_a_cache_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as failure:
        probing.save(tmp_path / "file" / "facts.json", {}, {})
    assert "could not be written" in failure.value.message
    assert failure.value.help


def test_findings_say_who_did_not_answer() -> None:
    silent = remote("https://a.example.com/mcp", name="evil\x1b[2J`", X_Key="v")
    fine = remote("https://b.example.com/mcp")
    found = {
        probe_key(silent.transport): Probe("none", "no such host", 1.0),
        probe_key(fine.transport): Probe("refused", "403", 1.0),
    }
    (finding,) = probing.findings([silent, fine, remote("https://c.example.com/")], found)
    assert finding.code == "MC101"
    assert finding.message == r"`evil\x1b[2J\x60` did not answer the probe: no such host"
    assert finding.origin is not None
    assert finding.origin.pointer[-1] == "url"
    assert finding.help == ("correct the host in its URL",)
    assert "no secret" in finding.notes[0]
