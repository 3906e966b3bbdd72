"""Real sockets on the loopback: addresses, proofs of delivery, TLS, back-pressure."""

# ruff: noqa: ARG001, ARG002, ARG005  what stands in for something has its signature

from __future__ import annotations

import datetime as dt
import errno
import os
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from mcpconf.bridge import Endpoint, Trouble, parse_endpoint
from mcpconf.bridge import race as race_module
from mcpconf.bridge.loop import Loop
from mcpconf.bridge.race import Race

REQUEST, ANSWER = b"q" * 300, b"a" * 300


class Client:
    """A stream that notes what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.got = b""
        self.ended = False
        self.proof: bool | None = None
        self.trouble: Trouble | None = None

    def opened(self, transport: Any) -> None:
        self.transport = transport

    def data(self, data: bytes) -> None:
        self.got += data

    def closed(self) -> None:
        self.ended = True
        self.proof = self.transport.undelivered()

    def failed(self, trouble: Trouble) -> None:
        self.trouble = trouble

    @property
    def decided(self) -> bool:
        return self.transport is not None or self.trouble is not None


def turn_until(loop: Loop, condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = loop.now() + seconds
    while not condition():
        left = until - loop.now()
        assert left > 0, "this did not come"
        loop.turn(min(left, loop._next() or left, 0.05))


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop._selector.close()


def listener(kind: str, tmp_path: Path, backlog: int = 5) -> tuple[socket.socket, Endpoint]:
    if kind == "tcp":
        server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        return server, Endpoint("http", "127.0.0.1", server.getsockname()[1], "/")
    path = str(tmp_path / "s")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(backlog)
    return server, parse_endpoint(f"unix:{path}:/")


def connected(loop: Loop, endpoint: Endpoint) -> Client:
    client = Client()
    loop.connect(endpoint, client)
    turn_until(loop, lambda: client.decided)
    return client


class TestProof:
    """``undelivered`` is a proof: what may have been read is never called undelivered."""

    @pytest.fixture(params=["tcp", "unix"])
    def kind(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(params=[0, 3])
    def pair(
        self, request: pytest.FixtureRequest, kind: str, loop: Loop, tmp_path: Path
    ) -> Iterator[tuple[Client, socket.socket]]:
        """A connection that carried some exchanges: the kernel delays acknowledgements then."""
        server, endpoint = listener(kind, tmp_path)
        client = connected(loop, endpoint)
        peer, _ = server.accept()
        peer.settimeout(5)
        for _ in range(request.param):
            client.transport.mark()
            client.transport.write(REQUEST)
            assert peer.recv(1000) == REQUEST
            peer.sendall(ANSWER)
            client.got = b""
            turn_until(loop, lambda: client.got == ANSWER)
        yield client, peer
        client.transport.close()
        peer.close()
        server.close()

    def ask(self, client: Client) -> None:
        client.transport.mark()
        client.transport.write(REQUEST)

    def reset(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    def test_read_then_closed(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        self.ask(client)
        assert peer.recv(1000) == REQUEST
        peer.close()
        turn_until(loop, lambda: client.ended)
        assert client.proof is False

    def test_read_then_reset(self, loop: Loop, pair: Any) -> None:
        """The acknowledgement of what was read is still delayed when the reset comes."""
        client, peer = pair
        self.ask(client)
        assert peer.recv(1000) == REQUEST
        self.reset(peer)
        turn_until(loop, lambda: client.ended)
        assert client.proof is False

    def test_read_then_answered_in_part(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        self.ask(client)
        assert peer.recv(1000) == REQUEST
        peer.sendall(b"HTTP/1.1 200")
        self.reset(peer)
        turn_until(loop, lambda: client.ended)
        assert client.proof is False

    def test_closed_before_it_was_written(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        peer.close()
        self.ask(client)
        turn_until(loop, lambda: client.ended)
        assert client.proof is True

    def test_reset_before_it_was_written(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        self.reset(peer)
        self.ask(client)
        turn_until(loop, lambda: client.ended)
        assert client.proof is True

    def test_closed_unread(self, loop: Loop, pair: Any, kind: str) -> None:
        """A Unix socket tells; with TCP the other kernel has it, and that is all that is known."""
        client, peer = pair
        self.ask(client)
        peer.close()
        turn_until(loop, lambda: client.ended)
        if kind == "unix":
            assert client.proof is True
        assert client.proof is not None

    def test_silence_is_no_proof(self, loop: Loop, pair: Any, monkeypatch: Any) -> None:
        """Perhaps only the acknowledgements are lost (TCP_USER_TIMEOUT)."""
        client, _ = pair
        self.ask(client)

        class Silent:
            family = client.transport._sock.family

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def recv(self, *args: Any) -> bytes:
                raise OSError(errno.ETIMEDOUT, "timed out")

        real = client.transport._sock
        monkeypatch.setattr(client.transport, "_acked", lambda: client.transport._marked)
        client.transport._sock = Silent()
        client.transport._read()
        assert client.ended
        assert client.proof is False

    def test_alive_sees_that_it_was_closed(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        assert client.transport.alive()
        peer.close()
        turn_until(loop, lambda: not client.transport.alive())

    def test_alive_sees_bytes_that_nobody_asked_for(self, loop: Loop, pair: Any) -> None:
        client, peer = pair
        peer.sendall(b"x")
        selectors_ready(client.transport._fd)
        assert not client.transport.alive()


def selectors_ready(fd: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        assert selector.select(5)


class TestAddresses:
    def test_a_dead_ipv6_address_does_not_hold_up_a_live_ipv4_one(self, loop: Loop) -> None:
        server, endpoint = listener("tcp", Path("/"))
        addresses = [
            (socket.AF_INET6, ("::1", free_port(socket.AF_INET6), 0, 0)),
            (socket.AF_INET, ("127.0.0.1", endpoint.port)),
        ]
        loop.addresses = lambda _, found: found(addresses)
        client = connected(loop, Endpoint("http", "both.invalid", endpoint.port, "/"))
        assert client.transport is not None
        client.transport.close()
        server.close()

    def test_an_address_that_drops_packets_costs_a_quarter_of_a_second(
        self, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server, endpoint = listener("tcp", tmp_path)
        real = race_module._connected
        monkeypatch.setattr(
            race_module,
            "_connected",
            lambda sock, at: errno.EINPROGRESS if at[0] == "127.0.0.2" else real(sock, at),
        )
        addresses = [(socket.AF_INET, (a, endpoint.port)) for a in ("127.0.0.2", "127.0.0.1")]
        loop.addresses = lambda _, found: found(list(addresses))
        named = Endpoint("http", "two.invalid", endpoint.port, "/")
        watch, loop.watch = loop.watch, lambda fd, mask, call: None
        client = Client()
        begun = loop.now()
        loop.connect(named, client)
        loop.watch = watch
        turn_until(loop, lambda: client.decided)
        assert 0.2 < loop.now() - begun < 2
        again = Client()
        begun = loop.now()
        loop.connect(named, again)  # the lucky one is first now
        turn_until(loop, lambda: again.decided)
        assert loop.now() - begun < 0.2
        for one in (client, again):
            one.transport.close()
        server.close()

    def test_two_addresses_that_answer_in_one_turn(self, loop: Loop, tmp_path: Path) -> None:
        """The second one is closed by then."""
        server, endpoint = listener("tcp", tmp_path)
        client = Client()
        race = Race(loop, endpoint, client)
        addresses = [(socket.AF_INET, ("127.0.0.1", endpoint.port))] * 2
        loop.addresses = lambda _, found: found(list(addresses))
        calls: list[Callable[[int], None]] = []
        watch = loop.watch
        loop.watch = lambda fd, mask, call: calls.append(call)
        race.start()
        race._next()
        if not client.decided:  # the loopback connects at once at times
            loop.watch = watch
            first, second = calls[0], calls[-1]
            first(selectors.EVENT_WRITE)
            second(selectors.EVENT_WRITE)
        assert client.transport is not None
        client.transport.close()
        server.close()

    def test_a_kernel_without_ipv6(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        real = race_module.open_socket

        def only_ipv4(family: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return real(family)

        monkeypatch.setattr(race_module, "open_socket", only_ipv4)
        port = free_port(socket.AF_INET)
        client = connected(loop, Endpoint("http", "localhost", port, "/"))
        assert client.trouble is not None
        assert "connection refused" in client.trouble.text
        assert client.trouble.delivered is False

    def test_too_many_open_files(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        def none_left(family: int) -> socket.socket:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(race_module, "open_socket", none_left)
        client = connected(loop, Endpoint("http", "127.0.0.1", 1, "/"))
        assert client.trouble is not None
        assert "Too many open files" in client.trouble.text

    @pytest.mark.parametrize("name", ["a" * 64 + ".invalid", "a..invalid", "no-such.invalid"])
    def test_a_name_that_cannot_be_looked_up(self, loop: Loop, name: str) -> None:
        client = connected(loop, Endpoint("http", name, 80, "/"))
        assert client.trouble is not None
        assert client.trouble.code == "dns"
        assert name in client.trouble.text
        assert client.trouble.retry

    def test_a_unix_socket_that_is_not_there(self, loop: Loop, tmp_path: Path) -> None:
        client = connected(loop, parse_endpoint(f"unix:{tmp_path}/none:/"))
        assert client.trouble is not None
        assert "not there" in client.trouble.text

    def test_a_unix_socket_whose_path_is_too_long(self, loop: Loop) -> None:
        client = connected(loop, parse_endpoint(f"unix:/{'a' * 200}:/"))
        assert client.trouble is not None
        assert client.trouble.code == "unreachable"

    def test_a_unix_socket_whose_queue_is_full_is_not_connected(
        self, loop: Loop, tmp_path: Path
    ) -> None:
        server, endpoint = listener("unix", tmp_path, backlog=0)
        clients = [Client() for _ in range(5)]
        for client in clients:
            loop.connect(endpoint, client)
        turn_until(loop, lambda: all(client.decided for client in clients))
        assert clients[0].transport is not None
        assert clients[-1].trouble is not None
        assert clients[-1].trouble.retry
        assert clients[-1].trouble.delivered is False
        for client in clients:
            if client.transport is not None:
                client.transport.close()
        server.close()


def free_port(family: int) -> int:
    with socket.socket(family) as sock:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return int(sock.getsockname()[1])


class TestTls:
    CA = trustme.CA()

    @pytest.fixture
    def serve(self) -> Iterator[Callable[[Any], int]]:
        opened: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def start(cert: Any) -> int:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            cert.configure_cert(context)
            server = socket.create_server(("127.0.0.1", 0))
            opened.append(server)

            def accept() -> None:
                try:
                    peer, _ = server.accept()
                    with context.wrap_socket(peer, server_side=True) as secured:
                        secured.sendall(secured.recv(1000).upper())
                except OSError:
                    return

            thread = threading.Thread(target=accept)
            thread.start()
            threads.append(thread)
            return int(server.getsockname()[1])

        yield start
        for thread in threads:
            thread.join(30)
        for server in opened:
            server.close()

    @pytest.fixture(autouse=True)
    def _trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "ca.pem"
        self.CA.cert_pem.write_to_path(str(path))
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(path))

    def test_a_server_that_is_trusted(self, loop: Loop, serve: Any) -> None:
        port = serve(self.CA.issue_cert("localhost"))
        client = connected(loop, Endpoint("https", "localhost", port, "/"))
        assert client.trouble is None
        client.transport.mark()
        client.transport.write(b"hello")
        turn_until(loop, lambda: client.ended)
        assert client.got == b"HELLO"
        assert client.proof is False

    @pytest.mark.parametrize(
        ("case", "words"),
        [("host", "match"), ("expired", "expired"), ("stranger", "issuer"), ("itself", "self")],
    )
    def test_a_server_that_is_not(self, loop: Loop, serve: Any, case: str, words: str) -> None:
        now = dt.datetime.now(dt.UTC)
        cert = {
            "host": lambda: self.CA.issue_cert("other.invalid"),
            "expired": lambda: self.CA.issue_cert(
                "localhost", not_after=now - dt.timedelta(days=1)
            ),
            "stranger": lambda: Bare(trustme.CA().issue_cert("localhost")),
            "itself": SelfSigned,
        }[case]()
        client = connected(loop, Endpoint("https", "localhost", serve(cert), "/"))
        assert client.trouble is not None
        assert client.trouble.code == "tls"
        assert words in client.trouble.text
        assert client.trouble.delivered is False
        assert not client.trouble.retry

    def test_a_server_without_tls(self, loop: Loop, tmp_path: Path) -> None:
        server, endpoint = listener("tcp", tmp_path)

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        client = connected(loop, Endpoint("https", "127.0.0.1", endpoint.port, "/"))
        thread.join(30)
        server.close()
        assert client.trouble is not None
        assert client.trouble.code == "tls"

    def test_extra_certificates_that_are_not_there(
        self, loop: Loop, serve: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Node warns and goes on: so what is wrong is the server's certificate."""
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", "/nonexistent.pem")
        port = serve(Bare(self.CA.issue_cert("localhost")))
        client = connected(loop, Endpoint("https", "localhost", port, "/"))
        assert client.trouble is not None
        assert "issuer" in client.trouble.text


class Bare:
    """A certificate without the authority that issued it."""

    def __init__(self, cert: Any) -> None:
        self.cert = cert

    def configure_cert(self, context: ssl.SSLContext) -> None:
        with (
            self.cert.private_key_pem.tempfile() as key,
            self.cert.cert_chain_pems[0].tempfile() as chain,
        ):
            context.load_cert_chain(chain, key)


class SelfSigned:
    def configure_cert(self, context: ssl.SSLContext) -> None:
        ca = trustme.CA()
        with ca.private_key_pem.tempfile() as key, ca.cert_pem.tempfile() as chain:
            context.load_cert_chain(chain, key)


class TestFull:
    def test_nothing_is_read_while_nobody_takes_it(self, loop: Loop, tmp_path: Path) -> None:
        server, endpoint = listener("tcp", tmp_path)
        client = connected(loop, endpoint)
        peer, _ = server.accept()
        loop.full = True
        peer.sendall(b"x")
        other = Client()  # something else that wakes the loop
        loop.connect(endpoint, other)
        turn_until(loop, lambda: bool(loop._held))
        loop.turn(0)
        assert client.got == b""
        loop.go_on()
        turn_until(loop, lambda: client.got == b"x")
        for thing in (client.transport, other.transport, peer, server):
            thing.close()

    def test_a_large_request_goes_out_while_it_is_held(self, loop: Loop, tmp_path: Path) -> None:
        server, endpoint = listener("tcp", tmp_path)
        client = connected(loop, endpoint)
        peer, _ = server.accept()
        loop.full = True
        peer.sendall(b"x")
        turn_until(loop, lambda: bool(loop._held))
        size = 20_000_000
        got = []

        def read() -> None:
            left = size
            while left:
                left -= len(peer.recv(1 << 20))
            got.append(1)

        thread = threading.Thread(target=read)
        thread.start()
        client.transport.write(bytes(size))
        turn_until(loop, lambda: bool(got))
        thread.join()
        assert client.got == b""
        for thing in (client.transport, peer, server):
            thing.close()


class TestTimers:
    def test_come_in_their_order_and_not_when_cancelled(self, loop: Loop) -> None:
        seen: list[str] = []
        loop.after(0.02, lambda: seen.append("b"))
        loop.after(0.01, lambda: seen.append("a"))
        loop.after(0.015, lambda: seen.append("never")).cancel()
        turn_until(loop, lambda: len(seen) == 2)
        assert seen == ["a", "b"]
