"""HTTP/1.1 requests, read strictly (RFC 9112), and answers.

Whatever two programs could read in two ways is refused: bare line feeds (§2.2), folded lines
(§5.2), space before a colon (§5.1), a length given twice or together with chunks (§6.3), sloppy
chunks (§7.1).  Nothing here touches a socket.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 64 * 1024 * 1024

REASONS = {
    100: "Continue",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}

_LINE = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization",
                   b"origin", b"mcp-session-id", b"mcp-protocol-version", b"last-event-id",
                   b"mcp-method", b"mcp-name", b"content-type", b"expect"})  # fmt: skip
PATIENT = b"mcpconf-bridge"  # our own bridge: it waits for late servers by itself
_MOST_FIELDS = 200
_LONGEST_CHUNK_LINE = 1024
CHUNKED = -1


class BadRequest(Exception):  # noqa: N818  theirs, not ours
    """The request is not taken.  The connection is closed after the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head(NamedTuple):
    """A request's first line and headers.  ``length`` is the body's, or ``CHUNKED``."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    length: int
    keep_alive: bool


def parse_head(raw: bytes) -> Head:
    """Read what stands before the empty line.

    Raises:
        BadRequest: it is malformed, ambiguous or too large.

    """
    first, *fields = raw.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise BadRequest(400, "the request line is malformed")
    if line[3] != b"1":
        raise BadRequest(505, "only HTTP/1.1 is spoken here")
    headers = _fields(fields)
    if b"host" not in headers:
        raise BadRequest(400, "there is no Host header")
    connection = headers.get(b"connection", b"").lower()
    return Head(line[1], line[2], headers, _length(headers), b"close" not in connection)


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    if len(lines) > _MOST_FIELDS:
        raise BadRequest(431, "there are too many headers")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadRequest(400, "a header is malformed")
        name, value = field[1].lower(), field[2].rstrip(b" \t")
        if name in headers:
            if name in _ONCE:
                raise BadRequest(400, f"the header {name.decode()} is there twice")
            value = headers[name] + b", " + value
        headers[name] = value
    return headers


def _length(headers: dict[bytes, bytes]) -> int:
    coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise BadRequest(400, "Content-Length and Transfer-Encoding are both there")
        if coding.lower() != b"chunked":
            raise BadRequest(501, "no other transfer coding than chunked is known")
        return CHUNKED
    if length is None:
        return 0
    if not length.isdigit() or len(length) > len(str(LONGEST_BODY)) + 9:
        raise BadRequest(400, "Content-Length is not a number")
    if int(length) > LONGEST_BODY:
        raise BadRequest(413, "the body is larger than 64 MB")
    return int(length)


class Dechunker:
    """A chunked body, piece by piece (RFC 9112 §7.1).  Trailers are refused."""

    def __init__(self) -> None:
        self.body = bytearray()
        self._left = 0
        self._state = "size"

    def feed(self, buffer: bytearray) -> bool:
        """Take from the front of ``buffer`` what belongs to the body; True at its end."""
        at = 0
        while self._state != "done":
            taken = self._step(buffer, at)
            if taken < 0:
                break
            at += taken
        del buffer[:at]
        return self._state == "done"

    def _step(self, buffer: bytearray, at: int) -> int:
        """Return how many bytes were taken; -1 if more are needed."""
        if self._state == "data":
            return self._data(buffer, at)
        if self._state == "size":
            return self._size(buffer, at)
        if len(buffer) - at < 2:  # noqa: PLR2004
            return -1
        if buffer[at : at + 2] != b"\r\n":
            raise BadRequest(400, "a chunk does not end where it says")
        self._state = "done" if self._state == "last" else "size"
        return 2

    def _data(self, buffer: bytearray, at: int) -> int:
        piece = min(self._left, len(buffer) - at)
        if not piece:
            return -1
        self.body += buffer[at : at + piece]
        self._left -= piece
        if not self._left:
            self._state = "end"
        return piece

    def _size(self, buffer: bytearray, at: int) -> int:
        end = buffer.find(b"\r\n", at, at + _LONGEST_CHUNK_LINE)
        if end < 0:
            if len(buffer) - at >= _LONGEST_CHUNK_LINE:
                raise BadRequest(400, "the size of a chunk is malformed")
            return -1
        size = _CHUNK.fullmatch(buffer, at, end)
        if size is None:
            raise BadRequest(400, "the size of a chunk is malformed")
        self._left = int(size[1], 16)
        if len(self.body) + self._left > LONGEST_BODY:
            raise BadRequest(413, "the body is larger than 64 MB")
        self._state = "data" if self._left else "last"
        return end + 2 - at


def answer(
    status: int, body: bytes = b"", fields: str = "", kind: str = "application/json"
) -> bytes:
    """A whole answer.  ``fields`` are further header lines, each with its line end."""
    content = f"Content-Type: {kind}\r\n" if body else ""
    first = f"HTTP/1.1 {status} {REASONS[status]}\r\n"
    head = f"{first}{content}{fields}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def stream_head(fields: str = "") -> bytes:
    """The head of an answer that is a stream of events."""
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        f"X-Accel-Buffering: no\r\n{fields}Transfer-Encoding: chunked\r\n\r\n"
    ).encode("latin-1")


def event(line: bytes, number: bytes = b"") -> bytes:
    """One server-sent event as one chunk.  The line has no line feed in it."""
    if b"\r" in line:
        line = line.replace(b"\r", b" ")
    mark = b"id: " + number + b"\n" if number else b""
    size = len(line) + len(mark) + 23
    return b"%x\r\n%bevent: message\ndata: %b\n\n\r\n" % (size, mark, line)


LAST_CHUNK = b"0\r\n\r\n"
HEARTBEAT = b"3\r\n:\n\n\r\n"
