"""HTTP/1.1 responses from bytes (RFC 9112)."""

from __future__ import annotations

from mcpconf.bridge.limits import HEAD_LIMIT, LONGEST
from mcpconf.bridge.trouble import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    Headers = dict[bytes, bytes]

    class Sink(Protocol):
        """Where responses go."""

        def head(self, status: int, headers: Headers, /) -> None: ...
        def body(self, piece: bytes, /) -> None: ...
        def end(self) -> None: ...


_DIGITS = 18  # of a length; more would be too long as well
_IDLE, _HEAD, _LENGTH, _SIZE, _CHUNK, _CHUNK_END, _TRAILER, _TO_END = range(8)


class ResponseReader:
    """HTTP/1.1 responses of one connection (RFC 9112); what is odd is an error, never a guess.

    The sink gets ``head(status, headers)``, ``body(piece)`` and ``end()``.  Header names are in
    lower case, a name that comes twice is joined with a comma.
    """

    __slots__ = ("_buffer", "_left", "_sink", "_state", "reusable")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._state = _IDLE
        self._left = 0
        self.reusable = True

    def expect(self) -> None:
        """A request was sent: a response is due."""
        self._state = _HEAD

    @property
    def untouched(self) -> bool:
        """Whether nothing of the response has come yet."""
        return self._state == _HEAD and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take what came.  Raises Malformed."""
        state = self._state
        if not self._buffer and state in (_LENGTH, _CHUNK) and len(data) < self._left:
            self._left -= len(data)  # the middle of a large body: no copy
            self._sink.body(data)
            return
        self._buffer += data
        while self._state != _IDLE and self._step():
            pass
        if self._state == _IDLE and self._buffer:
            self.reusable = False  # nobody asked for this
            self._buffer.clear()

    def eof(self) -> bool:
        """The connection ended; returns whether the response may end so."""
        if self._state != _TO_END:
            return False
        self._finish()
        return True

    def _step(self) -> bool:
        state = self._state
        if state == _HEAD:
            return self._read_head()
        if state in (_LENGTH, _CHUNK, _TO_END):
            return self._read_body()
        return self._read_line()

    def _read_head(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > HEAD_LIMIT or (len(buffer) > 4 and not buffer.startswith(b"HTTP")):  # noqa: PLR2004
                raise Malformed("protocol", "what answers there does not speak HTTP")
            return False
        status, headers = _head(bytes(buffer[:end]))
        del buffer[: end + 4]
        if 100 <= status < 200:  # noqa: PLR2004  interim (RFC 9110 §15.2)
            return True
        self.reusable = b"close" not in headers.get(b"connection", b"").lower()
        self._frame(status, headers)
        self._sink.head(status, headers)
        if self._state == _LENGTH and not self._left:
            self._finish()
        return True

    def _frame(self, status: int, headers: Headers) -> None:
        coding = headers.get(b"transfer-encoding")
        length = headers.get(b"content-length")
        if status in (204, 304):
            self._state, self._left = _LENGTH, 0
        elif coding is not None:
            if coding.lower() != b"chunked" or length is not None:
                raise Malformed("protocol", "its answer is framed in a way that HTTP forbids")
            self._state = _SIZE
        elif length is None:
            self._state, self.reusable = _TO_END, False
        else:
            if not length.isdigit():
                raise Malformed("protocol", "its answer has a length that is no number")
            self._state, self._left = _LENGTH, int(length[:_DIGITS])
            if self._left > LONGEST:
                raise Malformed("too-big", f"its answer is longer than {LONGEST >> 20} MiB")

    def _read_body(self) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        if self._state == _TO_END:
            piece = bytes(buffer)
            buffer.clear()
            self._sink.body(piece)
            return False
        take = min(self._left, len(buffer))
        if take == len(buffer):
            piece = bytes(buffer)
            buffer.clear()
        else:
            piece = bytes(memoryview(buffer)[:take])
            del buffer[:take]
        self._left -= take
        self._sink.body(piece)
        if self._left:
            return False
        if self._state == _LENGTH:
            self._finish()
        elif self._state == _CHUNK:
            self._state = _CHUNK_END
        return True

    def _read_line(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n")
        if end < 0:
            if len(buffer) > HEAD_LIMIT:
                raise Malformed("protocol", "its answer is framed in a way that HTTP forbids")
            return False
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        if self._state == _SIZE:
            self._left = _chunk_size(line)
            self._state = _CHUNK if self._left else _TRAILER
        elif self._state == _CHUNK_END:
            if line:
                raise Malformed("protocol", "its answer is framed in a way that HTTP forbids")
            self._state = _SIZE
        elif not line:  # the end of the trailer
            self._finish()
        return True

    def _finish(self) -> None:
        self._state = _IDLE
        if self._buffer:
            self.reusable = False  # nobody asked for what follows
        self._sink.end()


def _head(text: bytes) -> tuple[int, Headers]:
    line, *fields = text.split(b"\r\n")
    if not line.startswith(b"HTTP/1.") or not line[9:12].isdigit() or line[8:9] != b" ":
        raise Malformed("protocol", "what answers there does not speak HTTP")
    headers: Headers = {}
    for field in fields:
        name, colon, value = field.partition(b":")
        if not colon or not name or name[0] in b" \t":
            raise Malformed("protocol", "its answer has a header line that HTTP forbids")
        name, value = name.lower(), value.strip(b" \t")
        headers[name] = headers[name] + b", " + value if name in headers else value
    if line.startswith(b"HTTP/1.0") and b"connection" not in headers:
        headers[b"connection"] = b"close"
    return int(line[9:12]), headers


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not 0 < len(digits) <= 8 or digits.strip(b"0123456789abcdefABCDEF"):  # noqa: PLR2004
        raise Malformed("protocol", "its answer is framed in a way that HTTP forbids")
    return int(digits, 16)
