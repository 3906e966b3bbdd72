# ruff: noqa: ARG002  the names are those of the protocols
"""A world on paper for a link: a reactor whose sockets are lists, and a server that is a method.

Nothing waits: ``World.settle`` lets the server answer what was written, ``World.pass_time`` moves
the clock to the next timer, again and again, up to a moment.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from typing import Any

from mcpconf.bridge import Endpoint, Link, Trouble

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "pay"}}
REFUSED = Trouble("unreachable", "nothing listens there", retry=True, delivered=False)


def line(message: object) -> bytes:
    return json.dumps(message).encode()


class Timer:
    def __init__(self, due: float, number: int, call: Callable[[], None]) -> None:
        self.order = due, number
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.order < other.order


class Asked:
    """One HTTP request as the server sees it."""

    def __init__(self, wire: Wire, data: bytes) -> None:
        self.wire = wire
        self.raw = data
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        self.verb, self.path, version = first.split(" ")
        assert version == "HTTP/1.1"
        pairs = [field.partition(": ") for field in fields]
        self.headers = {name.lower(): value for name, _, value in pairs}
        assert len(self.headers) == len(pairs), "a header twice"
        self.message: dict[str, Any] = json.loads(self.body) if self.body else {}
        self.method = self.message.get("method", self.verb)
        self.session = self.headers.get("mcp-session-id")

    def say(self, status: int, body: bytes = b"", headers: str = "") -> None:
        self.wire.feed(
            b"HTTP/1.1 %d Said\r\n%sContent-Length: %d\r\n\r\n%s"
            % (status, headers.encode(), len(body), body)
        )

    def result(self, value: object = None, headers: str = "") -> None:
        answer = {"jsonrpc": "2.0", "id": self.message["id"], "result": value or {}}
        self.say(200, line(answer), "Content-Type: application/json\r\n" + headers)

    def begin_stream(self) -> None:
        self.wire.feed(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, text: bytes) -> None:
        self.wire.feed(b"%x\r\n%s\r\n" % (len(text), text))

    def end_stream(self) -> None:
        self.wire.feed(b"0\r\n\r\n")


class Wire:
    """A transport: what was written waits in the world's inbox for the server."""

    def __init__(self, world: World, stream: Any) -> None:
        self.world, self.stream = world, stream
        self.closed = False
        self.proof = False
        self.is_alive = True

    def write(self, data: bytes) -> None:
        self.world.inbox.append((self, data))

    def close(self) -> None:
        self.closed = True

    def mark(self) -> None:
        pass

    def undelivered(self) -> bool:
        return self.proof

    def alive(self) -> bool:
        return self.is_alive and not self.closed

    def feed(self, data: bytes) -> None:
        if not self.closed:
            self.stream.data(data)

    def cut(self, *, proof: bool = False) -> None:
        """The other side closes it."""
        if not self.closed:
            self.proof = proof
            self.stream.closed()
            self.closed = True


class World:
    """Reactor, owner and server in one.  ``asked`` is every HTTP request that was written."""

    def __init__(self, *, transport: str = "http", patience: float = 30.0) -> None:
        self.clock = 1000.0
        self.timers: list[Timer] = []
        self.inbox: list[tuple[Wire, bytes]] = []
        self.asked: list[Asked] = []
        self.wires: list[Wire] = []
        self.down: Trouble | None = None
        self.sessions = 0
        self.rules: dict[str, Callable[[Asked], None]] = {"GET": lambda asked: asked.say(405)}
        self.answers: list[dict[str, Any]] = []
        self.failures: list[tuple[Any, Trouble]] = []
        self.taken: list[str | None] = []
        self.told: list[bytes] = []
        self.reopenings = 0
        self.pairs: tuple[tuple[str, str], ...] = ()
        self.on_refused: Callable[[Any], bool] = lambda _: False
        self.endpoint = Endpoint("http", "127.0.0.1", 80, "/mcp")
        self.link = Link(self, self.endpoint, self, transport=transport, patience=patience)

    # the reactor

    def now(self) -> float:
        return self.clock

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(self.clock + seconds, len(self.timers) + self.sessions, call)
        heapq.heappush(self.timers, timer)
        return timer

    def connect(self, endpoint: Endpoint, stream: Any) -> None:
        if self.down is not None:
            stream.failed(self.down)
            return
        wire = Wire(self, stream)
        self.wires.append(wire)
        stream.opened(wire)

    # the owner

    def deliver(self, text: bytes, request: Any) -> None:
        self.told.append(text)

    def answered(self, request: Any, text: bytes) -> None:
        self.answers.append(json.loads(text))

    def failed(self, request: Any, trouble: Trouble) -> None:
        self.failures.append((request.id, trouble))

    def accepted(self, request: Any) -> None:
        self.taken.append(request.method)

    def headers(self, request: Any) -> Any:
        return self.pairs

    def refused(self, request: Any, status: int, challenge: str) -> bool:
        return self.on_refused(request)

    def reopened(self) -> None:
        self.reopenings += 1

    # the server

    def serve(self, asked: Asked) -> None:
        rule = self.rules.get(str(asked.method))
        if rule is not None:
            rule(asked)
        elif asked.method == "initialize":
            self.sessions += 1
            result = {"protocolVersion": "2025-11-25", "capabilities": {}}
            asked.result(result, f"Mcp-Session-Id: s{self.sessions}\r\n")
        elif "id" not in asked.message or "method" not in asked.message:
            asked.say(202)
        elif asked.session != f"s{self.sessions}":
            asked.say(404, b"no such session")
        else:
            asked.result({"of": asked.method})

    # the test

    def settle(self, most: int = 500) -> None:
        """Let the server answer, until there is nothing to answer."""
        while self.inbox:
            self.serve_one()
            assert len(self.asked) <= most, "this never ends"

    def serve_one(self) -> None:
        wire, data = self.inbox.pop(0)
        if not wire.closed:
            asked = Asked(wire, data)
            self.asked.append(asked)
            self.serve(asked)

    def pass_time(self, seconds: float, most: int = 500) -> None:
        until = self.clock + seconds
        self.settle(most)
        while self.timers and self.timers[0].order[0] <= until:
            timer = heapq.heappop(self.timers)
            self.clock = max(self.clock, timer.order[0])
            if timer.call is not None:
                timer.call()
            self.settle(most)
        self.clock = until

    def send(self, message: dict[str, Any], **options: Any) -> Any:
        return self.link.send(line(message), message, **options)

    def call(self, identity: object = 7, name: str = "pay", **more: Any) -> Any:
        params = {"name": name, **more}
        return self.send({**CALL, "id": identity, "params": params})

    def begin(self) -> None:
        """Initialize, as a client does."""
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c"}}
        self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self.settle()
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.settle()
        self.answers.clear()
        self.taken.clear()

    def times(self, method: str) -> int:
        return sum(asked.method == method for asked in self.asked)

    @property
    def said(self) -> list[tuple[Any, str]]:
        """What became of every request: its id, and ``answer`` or the code of the trouble."""
        good = [(a["id"], "answer") for a in self.answers]
        return good + [(identity, trouble.code) for identity, trouble in self.failures]

    def assert_clean(self) -> None:
        """Nothing is kept for a request that is over."""
        assert self.link.in_flight == 0
        assert not self.link.session._waiting
        assert not self.link.listening._line
        assert not self.link.pool._line
