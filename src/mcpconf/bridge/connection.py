"""One HTTP connection of a link; it carries one request at a time."""

from __future__ import annotations

from mcpconf.bridge.events import EventReader
from mcpconf.bridge.limits import LONGEST
from mcpconf.bridge.responses import ResponseReader
from mcpconf.bridge.trouble import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from mcpconf.bridge.events import Event
    from mcpconf.bridge.reactor import Transport
    from mcpconf.bridge.request import Request
    from mcpconf.bridge.responses import Headers
    from mcpconf.bridge.trouble import Trouble

    class Carrier(Protocol):
        """Who has a request on the connection."""

        def connected(self, connection: Connection, /) -> None: ...
        def unreachable(self, connection: Connection, trouble: Trouble, /) -> None: ...
        def broken(self, connection: Connection, trouble: Trouble, /) -> None: ...
        def lost(self, connection: Connection, /) -> None: ...

    class Reader(Protocol):
        """Who reads what comes back."""

        def begun(self, connection: Connection, /) -> None: ...
        def event(self, request: Request, event: Event, /) -> None: ...
        def ended(self, connection: Connection, /) -> None: ...


_MOST_PARTS = 1024


class Connection:
    """One HTTP connection of a link.  It carries one request at a time."""

    __slots__ = ("_delivery", "_events", "_parts", "_replies", "headers", "idle_since", "reader",
                 "request", "size", "status", "streaming", "transport")  # fmt: skip

    def __init__(self, carrier: Carrier, replies: Reader, request: Request) -> None:
        self._delivery = carrier
        self._replies = replies
        self.request: Request | None = request
        self.transport: Transport | None = None
        self.reader = ResponseReader(self)
        self.idle_since = 0.0
        self.status = 0
        self.headers: Headers = {}
        self.streaming = False
        self.size = 0
        self._parts: list[bytes | bytearray] = []
        self._events = EventReader()

    def start(self, request: Request, data: bytes) -> None:
        """Send a request on an open connection."""
        transport = self.transport
        assert transport is not None
        self.request = request
        request.connection = self
        request.sent = True
        self._parts, self.size, self.streaming = [], 0, False
        self.reader.expect()
        transport.mark()
        transport.write(data)

    # what the reactor says

    def opened(self, transport: Transport) -> None:
        self.transport = transport
        self._delivery.connected(self)

    def failed(self, trouble: Trouble) -> None:
        self._delivery.unreachable(self, trouble)

    def data(self, data: bytes) -> None:
        try:
            self.reader.feed(data)
        except Malformed as fault:
            self._delivery.broken(self, fault.trouble)

    def closed(self) -> None:
        if not self.reader.eof():
            self._delivery.lost(self)

    # what the reader says

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        kind = headers.get(b"content-type", b"").lower()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Malformed("compressed", "it compresses although it was asked not to")
        self.streaming = status == 200 and kind.startswith(b"text/event-stream")  # noqa: PLR2004
        if self.streaming:
            self._events = EventReader()
        self._replies.begun(self)

    def body(self, piece: bytes) -> None:
        request = self.request
        if request is None:
            return
        if not self.streaming:
            self.size += len(piece)
            if self.size > LONGEST:
                raise Malformed("too-big", f"its answer is longer than {LONGEST >> 20} MiB")
            self._parts.append(piece)
            if len(self._parts) > _MOST_PARTS:
                self._gather()
            return
        for event in self._events.feed(piece):
            if self.request is request:  # else it was discarded on the way
                self._replies.event(request, event)

    def _gather(self) -> None:
        """Many small pieces would take many times their size."""
        whole, *rest = self._parts
        whole = whole if isinstance(whole, bytearray) else bytearray(whole)
        whole += b"".join(rest)
        self._parts = [whole]

    def end(self) -> None:
        self._replies.ended(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def take_text(self) -> bytes:
        """The body, where it is no stream; it is not kept here any longer."""
        parts, self._parts = self._parts, []
        whole = parts[0] if len(parts) == 1 else b""
        return whole if whole and isinstance(whole, bytes) else b"".join(parts)


class Farewell:
    """A connection that says goodbye and waits for no answer longer than it takes to arrive."""

    def __init__(self, data: bytes, done: Callable[[], None]) -> None:
        self._data = data
        self._done: Callable[[], None] | None = done
        self._transport: Transport | None = None

    def opened(self, transport: Transport) -> None:
        self._transport = transport
        if self._done is None:  # it took too long
            transport.close()
        else:
            transport.write(self._data)

    def data(self, data: bytes) -> None:
        del data
        self.over()

    def closed(self) -> None:
        self.over()

    def failed(self, trouble: Trouble) -> None:
        del trouble
        self.over()

    def over(self) -> None:
        done, self._done = self._done, None
        if self._transport is not None:
            self._transport.close()
        if done is not None:
            done()
