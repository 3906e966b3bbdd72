"""Connections as hostile or clumsy clients make them."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mcpconf.gateway import front
from mcpconf.gateway.door import Door
from mcpconf.gateway.http import Head
from tests import clock

from . import rig
from .rig import TOKEN, Gateway

HEAD = f"POST /default/s0/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"


def talk(gateway: Gateway, data: bytes, *, patience: float = 5) -> bytes:
    """Send bytes, and read until the gateway closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=patience) as sock:
        sock.sendall(data)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ("GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (HEAD + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        (HEAD + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + " folded\r\n\r\n", 400),
        (HEAD + "Content-Length: 70000000\r\n\r\n", 413),
        (HEAD + "A: " + "x" * 70_000, 431),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 505),
        (HEAD + "Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}", 417),
        (
            HEAD.replace("localhost", "evil.example")
            + "Content-Length: 2000000\r\n\r\n"
            + "x" * 9000,
            403,
        ),
        (HEAD.replace("Bearer", "Basic") + "Content-Length: 2000000\r\n\r\n" + "x" * 9000, 401),
        (HEAD + "Origin: https://evil.example\r\n\r\n", 403),
        (HEAD.replace("/s0/", "/none/") + "Content-Length: 0\r\n\r\n", 404),
    ],
)
def test_what_is_refused_gets_an_answer_and_the_connection_ends(
    shared: Gateway, data: str, status: int
) -> None:
    answer = talk(shared, data.encode("latin-1"))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"\r\n\r\n") == 1


def test_a_refused_token_asks_for_a_bearer(shared: Gateway) -> None:
    answer = shared.client(token="").greet()
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_unknown_server_is_named(shared: Gateway) -> None:
    answer = shared.client("none").greet()
    assert answer.status == 404
    assert answer.trouble["code"] == "unknown-server"


def test_requests_in_a_row_are_answered_in_that_row(shared: Gateway) -> None:
    ping = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}'
    client = shared.session()
    head = (HEAD + f"Mcp-Session-Id: {client.session}\r\n").encode()
    requests = b""
    for number in range(20):
        body = ping % number
        last = b"Connection: close\r\n" if number == 19 else b""
        requests += head + last + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = talk(shared, requests)
    assert answer.count(b"HTTP/1.1 200 OK") == 20
    at = [answer.index(b'"id":%d,' % number) for number in range(20)]
    assert at == sorted(at)


def test_a_request_may_come_in_pieces_and_chunks(shared: Gateway) -> None:
    body = json.dumps(shared.client().message("initialize", {"protocolVersion": rig.LEGACY}))
    chunks = "".join(f"{len(c):x}\r\n{c}\r\n" for c in (body[:10], body[10:])) + "0\r\n\r\n"
    data = (HEAD + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks).encode()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as sock:
        for at in range(0, len(data), 50):
            sock.sendall(data[at : at + 50])
            time.sleep(0.001)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert b"200 OK" in answer
    assert b"serverInfo" in answer


def test_a_client_may_ask_before_it_sends(shared: Gateway) -> None:
    body = b"not json"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as sock:
        sock.sendall(f"{HEAD}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff\xfe", b"{" * 10_000])
def test_bad_bodies_are_told_as_json_rpc(shared: Gateway, body: bytes) -> None:
    answer = shared.session().call_http("POST", body)
    assert answer.status == 400
    assert answer.message["error"]["code"] in {-32700, -32600}


def test_the_health_needs_no_token(shared: Gateway) -> None:
    answer = rig.Client(shared.port, "/healthz", "").call_http("GET")
    assert answer.message == {"status": "ok"}


def test_head_gets_no_body(shared: Gateway) -> None:
    for path in ("/healthz", "/default/s0/mcp"):
        answer = rig.Client(shared.port, path, TOKEN).call_http("HEAD")
        assert (answer.status, answer.body) == (405, b"")


def test_many_idle_connections_disturb_nobody(gateway: Callable[..., Gateway]) -> None:
    """As many as this process may open, which is at least a thousand."""
    running = gateway({"s0": rig.stdio()})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else soft, hard))
    number = min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    before = memory(running)
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(number)]
    try:
        for sock in idle[::2]:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client = running.session()
        began = clock.now()
        for _ in range(20):
            assert client.tool("echo").status == 200
        assert clock.now() - began < 3
        assert memory(running) - before < 10 * number, "kilobytes; less than ten each"
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_strangers_leave_no_large_heads_behind(gateway: Callable[..., Gateway]) -> None:
    running = gateway({"s0": rig.stdio()})
    talk(running, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    before = memory(running)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 60_000 + b"\r\n\r\n"
    idle = [socket.create_connection(("127.0.0.1", running.port), 5) for _ in range(200)]
    try:
        for sock in idle:
            sock.sendall(request)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert memory(running) - before < 20 * len(idle), "kilobytes"
    finally:
        for sock in idle:
            sock.close()


def memory(running: Gateway) -> int:
    return int(Path(f"/proc/{running.pid}/status").read_text().split("VmRSS:")[1].split()[0])


# --- in this process, with shorter limits -------------------------------------------------------


class App:
    """Says what it was sent."""

    rules = object()

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.unread = 0

    def admit(self, peer: str, head: Head) -> str:
        return f"{peer} {head.target!r}"

    def share(self, ticket: str) -> bool:
        return "greedy" in ticket

    def refused(self, peer: str, status: int, reason: str) -> None:
        assert peer
        assert reason
        self.refusals.append(status)

    def serve(self, connection: front.Connection, head: Head, ticket: Any, body: bytes) -> None:
        assert ticket
        if head.target == b"/events":
            connection.open_stream("")
            for _ in range(64):
                connection.send_event(b"x" * 1_000_000, b"")
            self.unread = connection.backlog
            return
        connection.respond(200, b"x" * 8_000_000 if head.target == b"/large" else body)


class Hall(NamedTuple):
    """Connections in this process."""

    door: Door
    app: App
    port: int


async def _serving(test: Callable[[Hall], Any], most: int = 1000) -> None:
    app = App()
    door = Door(app, most=most)
    server = await asyncio.get_running_loop().create_server(door.protocol, "127.0.0.1", 0)

    async def sweep() -> None:
        while True:
            await asyncio.sleep(0.02)
            door.sweep()

    sweeping = asyncio.ensure_future(sweep())
    try:
        await test(Hall(door, app, server.sockets[0].getsockname()[1]))
    finally:
        sweeping.cancel()
        server.close()
        await server.wait_closed()


async def _awaited(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 0),
        (b"GET / HT", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", 408),
    ],
)
def test_a_slow_request_is_ended(monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int) -> None:
    monkeypatch.setattr(front, "HEAD_TIME", 0.1)
    monkeypatch.setattr(front, "BODY_STALL", 0.1)
    monkeypatch.setattr(front, "LINGER", 0.05)

    async def test(hall: Hall) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 3)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode() if status else b"")
        assert bool(answer) is bool(status)
        writer.close()
        await writer.wait_closed()
        assert hall.app.refusals == ([status] if status else [])

    asyncio.run(_serving(test))


def test_a_trickle_does_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "HEAD_TIME", 0.2)

    async def test(hall: Hall) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = asyncio.ensure_future(reader.read(12))
        for _ in range(100):
            writer.write(b"A: b\r\n")
            await asyncio.sleep(0.03)
            if answer.done():
                break
        assert await answer == b"HTTP/1.1 408"
        writer.close()
        await writer.wait_closed()

    asyncio.run(_serving(test))


def test_a_client_that_takes_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "WRITE_STALL", 0.2)

    async def test(hall: Hall) -> None:
        sock = socket.create_connection(("127.0.0.1", hall.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(200):
            await asyncio.sleep(0.02)
            if hall.door.count == 0:
                break
        assert hall.door.count == 0
        sock.close()

    asyncio.run(_serving(test))


def test_the_oldest_idle_connection_makes_room() -> None:
    async def test(hall: Hall) -> None:
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        opened = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            opened.append((reader, writer))
        for reader, _ in opened[:2]:
            assert await asyncio.wait_for(reader.read(), 3) == b""
        opened[4][1].write(request)
        assert b"200 OK" in await opened[4][0].readuntil(b"\r\n\r\n")
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()

    asyncio.run(_serving(test, most=3))


def test_who_sends_too_much_at_once_is_turned_away_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcpconf.gateway.door.MOST_HELD", 10_000_000)

    async def begin(hall: Hall, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n".encode())
        writer.write(b"x" * 3_900_000)
        return reader, writer

    async def test(hall: Hall) -> None:
        modest = await begin(hall, "/modest")
        greedy = [await begin(hall, "/greedy") for _ in range(4)]
        async with asyncio.timeout(4):
            await _awaited(lambda: hall.app.refusals == [503] * 3)
            modest[1].write(b"y" * 100_000)
            assert (await modest[0].readline()) == b"HTTP/1.1 200 OK\r\n"
        for _, writer in (modest, *greedy):
            writer.close()
        async with asyncio.timeout(4):
            await _awaited(lambda: hall.door.count == 0)
        assert not hall.door._held
        assert hall.door._weight == 0

    asyncio.run(_serving(test))


def test_unfinished_heads_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcpconf.gateway.door.MOST_HELD", 300_000)

    async def test(hall: Hall) -> None:
        writers = []
        for _ in range(8):
            _, writer = await asyncio.open_connection("127.0.0.1", hall.port)
            writer.write(b"GET / HTTP/1.1\r\nA: " + b"x" * 60_000)
            writers.append(writer)
        async with asyncio.timeout(4):
            await _awaited(lambda: hall.app.refusals == [503] * 3)
        for writer in writers:
            writer.close()
        async with asyncio.timeout(4):
            await _awaited(lambda: hall.door.count == 0)
        assert hall.door._weight == 0

    asyncio.run(_serving(test))


def test_a_flood_of_events_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "MOST_UNREAD", 5_000_000)

    async def test(hall: Hall) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", hall.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(4):
            await _awaited(lambda: hall.door.count == 1)
            await _awaited(lambda: hall.door.count == 0)
        assert hall.app.unread < 7_000_000
        writer.close()

    asyncio.run(_serving(test))
