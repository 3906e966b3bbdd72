"""One connection of a client: requests in, answers and events out, with limits on time and space.

The protocol takes its bytes in a buffer that all connections share, so that ten thousand idle
ones cost a few hundred bytes each.  It knows nothing of MCP: an ``App`` says who may in, before a
byte of the body is read, and serves.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from mcpconf.gateway import http
from mcpconf.gateway.app import Refusal, Waiting
from mcpconf.gateway.http import BadRequest, Dechunker, Head

if TYPE_CHECKING:
    from mcpconf.gateway.door import Door

HEAD_TIME = 10.0  # seconds in which a request's head must be there
BODY_STALL = 20.0  # seconds without a byte of the body
WRITE_STALL = 20.0  # seconds in which a client takes nothing of what is sent
MOST_UNREAD = 64 * 1024 * 1024  # bytes that a client may leave untaken while more is sent
LINGER = 1.0  # seconds in which a client that was turned away may read the answer
_HIGH = 1024 * 1024
_PIPELINED = 64 * 1024
_REMEMBERED = 4096  # bytes of a head; what is longer is read again each time


class Connection(asyncio.BufferedProtocol):
    """One client's connection."""

    __slots__ = ("_body", "_buffer", "_busy", "_closing", "_head", "_keep", "_known", "_scanned",
                 "_ticket", "_transport", "door", "peer", "share", "waiting")  # fmt: skip

    def __init__(self, door: Door) -> None:
        self.door = door
        self.peer = ""
        self.share: object = None  # whose body it is that comes
        self.waiting: Waiting | None = None
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._scanned = 0
        self._head: Head | None = None
        self._ticket: Any = None
        self._known: tuple[bytes, object, Head, Any] | None = None
        self._body: Dechunker | None = None
        self._busy = False
        self._keep = True
        self._closing = False

    # --- asyncio --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH)
        self.peer = _peer(transport)
        self.door.count += 1
        self.door.reading[self] = self.door.loop.time() + HEAD_TIME
        self.door.make_room()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  its own signature
        door = self.door
        door.count -= 1
        self._closing = True
        door.idle.pop(self, None)
        for table in (door.reading, door.stalled, door.streaming):
            table.pop(self, None)
        door.let_go(self)
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.gone()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  its own signature
        return self.door.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._closing:
            return
        self._buffer += self.door.scratch[:nbytes]
        if self._busy:
            if len(self._buffer) > _PIPELINED:
                self._transport.pause_reading()
            return
        self._pump()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.door.stalled[self] = self.door.loop.time() + WRITE_STALL
        if self.waiting is not None:
            self.waiting.stalled(stalled=True)

    def resume_writing(self) -> None:
        self.door.stalled.pop(self, None)
        if self.waiting is not None:
            self.waiting.stalled(stalled=False)

    # --- reading --------------------------------------------------------------------------

    def _pump(self) -> None:
        try:
            while not self._busy and not self._closing and self._request():
                pass
        except BadRequest as bad:
            self.door.app.refused(self.peer, bad.status, bad.reason)
            self._turn_away(bad.status, bad.reason.encode(), "", "text/plain")
        except Refusal as refusal:
            self._turn_away(refusal.status, refusal.body, refusal.fields)

    def _request(self) -> bool:
        """Read on; True if a whole request was there and is being served, or was answered."""
        if self._head is None and not self._read_head():
            return False
        head = self._head
        assert head is not None
        body = self._read_body(head)
        if body is None:
            self.door.reading[self] = self.door.loop.time() + BODY_STALL
            self.share = self.door.app.share(self._ticket)
            self.door.hold(self, len(self._buffer) + (len(self._body.body) if self._body else 0))
            return False
        ticket, self._ticket, self._head, self._body = self._ticket, None, None, None
        self._busy, self._keep = True, head.keep_alive and not self.door.closing
        self.door.reading.pop(self, None)
        self.door.app.serve(self, head, ticket, body)
        return True

    def _read_head(self) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(buffer)
            _check_start(buffer)
            if self.door.idle.pop(self, self) is None or self not in self.door.reading:
                self.door.reading[self] = self.door.loop.time() + HEAD_TIME
            if len(buffer) > _REMEMBERED:
                self.door.hold(self, len(buffer))
            return False
        self.door.let_go(self)
        if end > http.LONGEST_HEAD:
            raise BadRequest(431, "the headers are larger than 64 KB")
        raw = bytes(buffer[:end])
        del buffer[: end + 4]
        self._scanned = 0
        self.door.idle.pop(self, None)
        self._head, self._ticket = self._admitted(raw)
        self._expect(self._head)
        return True

    def _admitted(self, raw: bytes) -> tuple[Head, Any]:
        """Most clients send the same head again and again: it is read and decided on once."""
        app, known = self.door.app, self._known
        if known is not None and known[0] == raw and known[1] is app.rules:
            return known[2], known[3]
        head = http.parse_head(raw)
        ticket = app.admit(self.peer, head)
        self._known = (raw, app.rules, head, ticket) if len(raw) <= _REMEMBERED else None
        return head, ticket

    def _expect(self, head: Head) -> None:
        expect = head.headers.get(b"expect")
        if expect is None:
            return
        if expect.lower() != b"100-continue":
            raise BadRequest(417, "that expectation is not known")
        if len(self._buffer) < head.length or head.length == http.CHUNKED:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self, head: Head) -> bytes | None:
        if head.length == http.CHUNKED:
            if self._body is None:
                self._body = Dechunker()
            return bytes(self._body.body) if self._body.feed(self._buffer) else None
        if len(self._buffer) < head.length:
            return None
        if len(self._buffer) == head.length:
            body = bytes(self._buffer)
            self._buffer.clear()
            return body
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return body

    def too_much(self) -> None:
        reason = "too many large requests are on their way"
        self.door.app.refused(self.peer, 503, reason)
        self._turn_away(503, reason.encode(), "", "text/plain")

    def too_slow(self) -> None:
        self.door.reading.pop(self, None)
        started = bool(self._buffer) or self._head is not None
        if started:
            self.door.app.refused(self.peer, 408, "the request did not come in time")
            self._turn_away(408, b"the request did not come in time", "", "text/plain")
        else:
            self.close()

    # --- answering ------------------------------------------------------------------------

    def respond(
        self, status: int, body: bytes = b"", fields: str = "", kind: str = "application/json"
    ) -> None:
        """Answer the request that is being served."""
        if self._closing:
            return
        if not self._keep:
            fields += "Connection: close\r\n"
        self._transport.write(http.answer(status, body, fields, kind))
        self._served()

    def open_stream(self, fields: str) -> None:
        """Begin an answer that is a stream of events."""
        if not self._closing:
            self._transport.write(http.stream_head(fields))
            self.door.streaming[self] = self.door.loop.time()

    def send_event(self, line: bytes, number: bytes) -> None:
        if self._closing:
            return
        if self.backlog > MOST_UNREAD:  # a server may send faster than the clock ends a client
            self._closing = True
            self.abort()
        else:
            self._transport.write(http.event(line, number))

    def end_stream(self) -> None:
        if not self._closing:
            self._transport.write(http.LAST_CHUNK)
            self._served()

    def beat(self) -> None:
        self.door.streaming[self] = self.door.loop.time()
        self._transport.write(http.HEARTBEAT)

    @property
    def backlog(self) -> int:
        """The bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def _served(self) -> None:
        self.waiting = None
        self.door.streaming.pop(self, None)
        self.door.let_go(self)
        if not self._keep or self.door.closing:
            self.close()
            return
        self._busy = False
        self._transport.resume_reading()
        self.door.idle[self] = None
        if self._buffer:
            self.door.loop.call_soon(self._pump)

    def _turn_away(
        self, status: int, body: bytes, fields: str, kind: str = "application/json"
    ) -> None:
        """Answer and close.  What still comes is read and dropped, or the answer would be lost."""
        fields += "Connection: close\r\n"
        self._transport.write(http.answer(status, body, fields, kind))
        self._closing = True
        self._buffer.clear()
        self._body = None
        self.door.reading.pop(self, None)
        self.door.let_go(self)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.door.loop.call_later(LINGER, self._transport.close)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._buffer.clear()
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def _check_start(buffer: bytearray) -> None:
    """Refuse at once what can never become a request."""
    if len(buffer) > http.LONGEST_HEAD:
        raise BadRequest(431, "the headers are larger than 64 KB")
    if b"\n\n" in buffer or (b"\n" in buffer and b"\r\n" not in buffer):
        raise BadRequest(400, "a line ends in a bare line feed")
    if not buffer[:1].isalpha():
        raise BadRequest(400, "that is not HTTP")


def _peer(transport: asyncio.Transport) -> str:
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return "unix"
    name = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "?"
