"""One HTTP request and its answer over one connection; whatever comes is read up to a limit."""

from __future__ import annotations

import contextlib
import socket
import ssl
import zlib

from mcpconf.bridge.events import EventReader
from mcpconf.bridge.responses import ResponseReader
from mcpconf.bridge.trouble import Malformed
from mcpconf.wire.fault import MOST_BYTES, Clock, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Wanted = Callable[[bytes, bytes], bool]

_EVENT_STREAM = "text/event-stream"


class Answer:
    """What came back; it is the sink of the reader, too.

    ``wanted`` is asked of each event of a stream; reading ends with the first one that it wants.
    """

    def __init__(self, clock: Clock, wanted: Wanted | None, most: int = MOST_BYTES) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.length = 0
        self.complete = False
        self.found: bytes | None = None
        self.first_ms: float | None = None
        self._clock, self._most = clock, most
        self.wanted = wanted
        self._events: EventReader | None = None

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status, self.first_ms = status, self._clock.ms()
        self.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in headers.items()}
        if self.media == _EVENT_STREAM:
            self._events = EventReader()

    def body(self, piece: bytes) -> None:
        self.length += len(piece)
        if self.length > self._most:
            raise Fault("too-big")
        if self._events is None:
            self.pieces.append(piece)
            return
        for event in self._events.feed(piece):
            if self.found is None and self.wanted and self.wanted(event.kind, event.data):
                self.found = event.data

    def end(self) -> None:
        self.complete = True

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def content(self) -> bytes:
        """The event that was wanted, or the whole body, decoded."""
        if self._events is not None:
            return self.found or b""
        body = b"".join(self.pieces)
        if self.headers.get("content-encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
            with contextlib.suppress(zlib.error):
                return zlib.decompressobj(47).decompress(body, MOST_BYTES)
        return body


def send(sock: socket.socket, request: bytes, clock: Clock) -> None:
    """Send all.  Raises Fault."""
    try:
        sock.settimeout(clock.left())
        sock.sendall(request)
    except OSError as error:
        raise fault_of(error) from None


def read(sock: socket.socket, reader: ResponseReader, answer: Answer, clock: Clock) -> None:
    """Read until the answer is complete, or what was wanted has come.  Raises Fault."""
    while not answer.complete and answer.found is None:
        try:
            sock.settimeout(clock.left())
            piece = sock.recv(65536)
            if piece:
                reader.feed(piece)
            elif not reader.eof():
                raise Fault("closed" if answer.status is None else "cut")
        except OSError as error:
            raise fault_of(error) from None
        except Malformed as malformed:
            kind = malformed.trouble.code
            raise Fault("too-big" if kind == "too-big" else "not-http") from None


def fault_of(error: OSError) -> Fault:
    if isinstance(error, (socket.timeout, TimeoutError)):
        return Fault("timeout")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return Fault("reset")
    if isinstance(error, ssl.SSLError):
        reason = str(getattr(error, "reason", "") or "")
        return Fault("tls-alert", reason=reason[:80]) if "ALERT" in reason else Fault("closed")
    return Fault("reset")
