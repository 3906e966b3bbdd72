"""The bridge: stdio on the client's side, MCP over HTTP on the server's, and nothing lost between.

Claude Code starts one of these for each server.  It is one file on purpose: an image copies it and
needs nothing but python3 (3.9 or newer), so it imports the standard library alone, and of that only
what starts fast.

Messages pass as bytes.  Only ``id``, ``method`` and what has to become an HTTP header are looked at.

From the bottom up::

    ResponseReader, EventReader   bytes → responses, events: no socket, no clock
    Link                          one client's conversation with one server: sessions, retries, resume
    Loop                          sockets and timers for a process of its own (the gateway has another)
    Memory                        what the server said last time
    Bridge                        stdin and stdout around a Link; never makes the client wait at start

**Twice or not at all.**  A call that may have side effects is sent again only if the transport
proves that the first never arrived (:meth:`Transport.undelivered`), or if whoever answered says so:
a lost session, a redirect, 429, 502 and 503.  In every other case the client is told that the call
may have run.  (MCP 2025-11-25 §Tools: ``tools/call`` is not idempotent unless annotated so.)
"""

from __future__ import annotations

import errno
import json
import os
import re
import selectors
import socket
import stat
import sys
import time
from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol

    Message = dict[str, Any]
    Headers = dict[bytes, bytes]
    Pairs = Iterable[tuple[str, str]]

LONGEST = 64 * 1024 * 1024  # bytes of one message; results of 10 MB are real
_HEAD_LIMIT = 64 * 1024
_META = "io.modelcontextprotocol/"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_LISTS = frozenset(
    ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
)
# What may be asked twice without harm.  Everything else may have happened.
_REPEATABLE = _LISTS | frozenset(
    (
        "initialize", "server/discover", "ping", "prompts/get", "resources/read",
        "completion/complete", "logging/setLevel", "resources/subscribe",
        "resources/unsubscribe", "subscriptions/listen", "notifications/initialized",
        "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed",
        "roots/list",
    )
)  # fmt: skip
# The id of an answer, without parsing the rest.
_ANSWER = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*,\s*"(result|error)"'
)


# --- what can go wrong ------------------------------------------------------------------------


class Trouble:
    """Why a message could not be delivered or answered.

    ``code`` is one of a closed list (docs/architecture.md), ``text`` the cause in one clause.
    ``retry``: the server may only be late.  ``delivered``: False is a proof that it never arrived.
    """

    __slots__ = ("code", "delivered", "retry", "text")

    def __init__(
        self, code: str, text: str, *, retry: bool = False, delivered: bool | None = None
    ) -> None:
        self.code = code
        self.text = text
        self.retry = retry
        self.delivered = delivered

    def __repr__(self) -> str:
        return f"Trouble({self.code!r}, {self.text!r})"


class Malformed(Exception):  # noqa: N818  it says what the bytes are
    """The other side does not speak HTTP or MCP.  ``trouble`` says how."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.trouble = Trouble(code, text)


_MAY_HAVE_RUN = "; the call may have run, so it was not sent again"


# --- where a server is ------------------------------------------------------------------------


class Endpoint:
    """Where a server listens: ``http``, ``https`` or ``unix``, and the path of its MCP endpoint."""

    __slots__ = ("authority", "host", "path", "port", "scheme", "socket")

    def __init__(  # noqa: PLR0913  the parts of a URL
        self,
        scheme: str,
        host: str,
        port: int,
        path: str,
        *,
        socket: str = "",
        authority: str = "",
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.socket = socket
        shown = f"[{host}]" if ":" in host else host
        standard = port == (443 if scheme == "https" else 80)
        self.authority = authority or (shown if standard else f"{shown}:{port}")

    def __str__(self) -> str:
        return f"unix:{self.socket}" if self.scheme == "unix" else f"{self.scheme}://{self.authority}"

    def at(self, path: str) -> Endpoint:
        """The same server, another path."""
        parts = self.scheme, self.host, self.port, path
        return Endpoint(*parts, socket=self.socket, authority=self.authority)


def parse_endpoint(url: str) -> Endpoint:
    """Read ``http://…``, ``https://…`` or ``unix:/path.sock:/mcp``.

    Raises:
        ValueError: it is none of these; the message says what is wrong, never the URL.

    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("the URL holds characters that no URL has")
    if url.startswith("unix:"):
        path, _, inside = url[5:].rpartition(":")
        if not path.startswith("/") or not inside.startswith("/"):
            raise ValueError("write unix:/path/of.sock:/mcp")
        return Endpoint("unix", "localhost", 80, inside, socket=path, authority="localhost")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        raise ValueError("the URL does not begin with http:// or https://")
    cut = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:].partition("#")[0]
    if "@" in authority:
        raise ValueError("the URL holds a user name or password")
    host, port = _host_and_port(authority, 443 if scheme == "https" else 80)
    return Endpoint(scheme, host, port, path if path.startswith("/") else "/" + path)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError("the URL's address is not closed with `]`")
        port = tail[1:]
    else:
        host, _, port = authority.partition(":")
    if not host:
        raise ValueError("the URL has no host")
    if port and not (port.isdigit() and 0 < int(port) < 65536):  # noqa: PLR2004
        raise ValueError("the URL's port is not a number from 1 to 65535")
    return host.lower(), int(port or default)


# --- bytes to responses and events ------------------------------------------------------------

_IDLE, _HEAD, _LENGTH, _SIZE, _CHUNK, _CHUNK_END, _TRAILER, _TO_END = range(8)


class ResponseReader:
    """HTTP/1.1 responses of one connection (RFC 9112); what is odd is an error, never a guess.

    The sink gets ``head(status, headers)``, ``body(piece)`` and ``end()``.  Header names are in
    lower case, a name that comes twice is joined with a comma.
    """

    __slots__ = ("_buffer", "_left", "_sink", "_state", "reusable")

    def __init__(self, sink: Connection) -> None:
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
            if len(buffer) > _HEAD_LIMIT or (len(buffer) > 4 and not buffer.startswith(b"HTTP")):  # noqa: PLR2004
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
            self._state, self._left = _LENGTH, int(length)
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
            if len(buffer) > _HEAD_LIMIT:
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


class Event:
    """One server-sent event; ``id`` and ``retry`` (seconds) are None where it has none."""

    __slots__ = ("data", "id", "kind", "retry")

    def __init__(self) -> None:
        self.kind = b"message"
        self.data = b""
        self.id: bytes | None = None
        self.retry: float | None = None


class EventReader:
    """Server-sent events from bytes (HTML §9.2): every line end, data over several lines."""

    __slots__ = ("_data", "_event", "_held", "_parts", "_skip")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._skip = False
        self._event = Event()
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take a piece; returns the events that it completes.  Raises Malformed."""
        if self._skip and data.startswith(b"\n"):
            data = data[1:]
        self._skip = data.endswith(b"\r")
        if b"\n" not in data and b"\r" not in data:
            self._hold(data)
            return []
        text = b"".join((*self._parts, data))
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._parts, self._held = [], sum(map(len, self._data))
        self._hold(rest)
        events: list[Event] = []
        for line in lines:
            if line:
                self._field(line)
            elif self._data or self._event.id is not None or self._event.retry is not None:
                event, self._event = self._event, Event()
                event.data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data, self._held = [], len(rest)
                events.append(event)
        return events

    def _hold(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._held += len(data)
            if self._held > LONGEST:
                raise Malformed("too-big", f"one of its events is longer than {LONGEST >> 20} MiB")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event.kind = value
        elif name == b"id" and b"\0" not in value:
            self._event.id = value
        elif name == b"retry" and value.isdigit():
            self._event.retry = min(int(value[:6]) / 1000, 60.0)


def one_line(text: bytes) -> bytes:
    """A JSON text on one line: raw line ends can only be white space between tokens (RFC 8259 §2)."""
    if b"\n" in text or b"\r" in text:
        return text.replace(b"\r", b" ").replace(b"\n", b" ")
    return text


def compact(value: object) -> bytes:
    """Serialise as short as JSON goes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def plain(text: str, limit: int = 160) -> str:
    """Foreign text for a message: one line, printable ASCII, short."""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "..."


# --- requests ---------------------------------------------------------------------------------


class Request:
    """A message on its way to the server: a request, a notification, a response, or a stream.

    ``version`` is the protocol revision that the message itself names (2026-07-28 on), else None:
    then it belongs to the session.  ``own`` marks what the link or its owner asks for itself.
    """

    __slots__ = (
        "answered", "attempts", "cancelled", "connection", "deadline", "event_id", "hops", "id",
        "line", "method", "own", "params", "pause", "resuming", "sent", "stream", "tag", "timer",
        "version",
    )  # fmt: skip

    def __init__(self, line: bytes, message: Message, deadline: float, *, own: bool = False) -> None:
        self.line = line
        self.id: str | int | float | None = message.get("id")
        self.method: str | None = message.get("method")
        params = message.get("params")
        self.params: Message = params if isinstance(params, dict) else {}
        meta = self.params.get("_meta")
        version = meta.get(_META + "protocolVersion") if isinstance(meta, dict) else None
        self.version: str | None = version if isinstance(version, str) else None
        self.own = own
        self.deadline = deadline
        self.stream = False
        self.attempts = 0
        self.hops = 0
        self.sent = False
        self.answered = False
        self.cancelled = False
        self.resuming = False
        self.event_id: bytes | None = None
        self.pause: float | None = None
        self.connection: Connection | None = None
        self.timer: Timer | None = None
        self.tag: Any = None  # the owner's

    @property
    def wants_answer(self) -> bool:
        return self.method is not None and self.id is not None

    @property
    def key(self) -> tuple[bool, object]:
        """Tell ``1`` from ``"1"``: the two are different ids."""
        return isinstance(self.id, str), self.id


if TYPE_CHECKING:

    class Timer(Protocol):
        """Something that will happen; unless it is cancelled."""

        def cancel(self) -> None: ...

    class Transport(Protocol):
        """An open byte stream, given by the reactor."""

        def write(self, data: bytes) -> None: ...
        def close(self) -> None: ...
        def mark(self) -> None:
            """A new request begins here."""

        def undelivered(self) -> bool:
            """Whether it is proven that nothing since the mark has reached the other side."""

        def alive(self) -> bool:
            """Whether the other side has not closed it, as far as this machine knows by now."""

    class Stream(Protocol):
        """What the reactor tells about one connection."""

        def opened(self, transport: Transport) -> None: ...
        def data(self, data: bytes) -> None: ...
        def closed(self) -> None: ...
        def failed(self, trouble: Trouble) -> None: ...

    class Reactor(Protocol):
        """Sockets and timers; single-threaded, it only ever calls back."""

        def now(self) -> float: ...
        def after(self, seconds: float, call: Callable[[], None]) -> Timer: ...
        def connect(self, endpoint: Endpoint, stream: Stream) -> None: ...

    class Owner(Protocol):
        """Whom a link works for."""

        def deliver(self, line: bytes, request: Request | None) -> None:
            """The server sent a request or notification, on this request's stream if any."""

        def answered(self, request: Request, line: bytes) -> None: ...
        def failed(self, request: Request, trouble: Trouble) -> None: ...
        def accepted(self, request: Request) -> None: ...
        def headers(self, request: Request) -> Pairs: ...
        def refused(self, request: Request, status: int, challenge: str) -> bool:
            """401 or 403 came.  True: the owner calls ``again`` or ``give_up`` later."""

        def reopened(self) -> None:
            """The session was lost and there is a new one: what is known may be old."""


class Connection:
    """One HTTP connection of a link.  It carries one request at a time."""

    __slots__ = ("_events", "_parts", "endpoint", "headers", "idle_since", "link", "reader",
                 "request", "size", "status", "streaming", "transport")  # fmt: skip

    def __init__(self, link: Link, request: Request) -> None:
        self.link = link
        self.request: Request | None = request
        self.endpoint = link.endpoint
        self.transport: Transport | None = None
        self.reader = ResponseReader(self)
        self.idle_since = 0.0
        self.status = 0
        self.headers: Headers = {}
        self.streaming = False
        self.size = 0
        self._parts: list[bytes] = []
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
        self.link.connected(self)

    def failed(self, trouble: Trouble) -> None:
        self.link.unreachable(self, trouble)

    def data(self, data: bytes) -> None:
        try:
            self.reader.feed(data)
        except Malformed as fault:
            self.link.broken(self, fault.trouble)

    def closed(self) -> None:
        if not self.reader.eof():
            self.link.lost(self)

    # what the reader says

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        kind = headers.get(b"content-type", b"").lower()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Malformed("compressed", "it compresses although it was asked not to")
        self.streaming = status == 200 and kind.startswith(b"text/event-stream")  # noqa: PLR2004
        if self.streaming:
            self._events = EventReader()
        self.link.begun(self)

    def body(self, piece: bytes) -> None:
        request = self.request
        if request is None:
            return
        if not self.streaming:
            self.size += len(piece)
            if self.size > LONGEST:
                raise Malformed("too-big", f"its answer is longer than {LONGEST >> 20} MiB")
            self._parts.append(piece)
            return
        for event in self._events.feed(piece):
            self.link.event(request, event)

    def end(self) -> None:
        self.link.ended(self)

    @property
    def text(self) -> bytes:
        """The body, where it is no stream."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


# --- the link ---------------------------------------------------------------------------------

_LOST = re.compile(rb"session", re.IGNORECASE)
_AGAIN = frozenset((301, 302, 307, 308))
_BUSY = frozenset((429, 502, 503))
_PARALLEL = 128  # connections of one link; more wait in line
_KEPT = 16  # idle connections
_STALE = 60.0  # seconds; an idle connection older than that may have been forgotten on the way
_OPENING_LIMIT = 20.0  # seconds for one attempt to initialize; then a fresh connection
_GREETING_LIMIT = 2.0


class Link:
    """One client's conversation with one MCP server over HTTP.

    It hides what can be hidden: a server that is not up yet or was restarted, a lost session, stale
    connections, 429, 502 and 503, a broken stream.  ``transport`` is ``http`` (Streamable HTTP),
    ``sse`` (the one of 2024-11-05) or ``auto``: http, and sse where the server knows nothing else.
    ``patience`` is how long a message waits for a server that is not there, in seconds.
    """

    def __init__(
        self,
        reactor: Reactor,
        endpoint: Endpoint,
        owner: Owner,
        *,
        transport: str = "auto",
        patience: float = 30.0,
    ) -> None:
        self.reactor = reactor
        self.endpoint = endpoint
        self.owner = owner
        self.patience = patience
        self.trouble: Trouble | None = None  # the last one, while the server is away
        self.version: str | None = None
        self.session: str | None = None
        self.harmless: set[str] = set()  # tools that are annotated read-only or idempotent
        self._transport = transport
        self._path = endpoint.path
        self._post_path: str | None = None  # of the old transport, told by its stream
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._line: list[Request] = []  # more than _PARALLEL
        self._pending: dict[tuple[bool, object], Request] = {}
        self._waiting: list[Request] = []  # for the session
        self._first: Request | None = None  # the client's initialize
        self._opening: Request | None = None
        self._greeting: Request | None = None
        self._greeted = False
        self._listening: Request | None = None  # the GET stream
        self._listen_pause = 0.0
        self._mirrored: dict[str, dict[str, str]] = {}  # tool → argument → header (2026-07-28)
        self._subscribed: dict[str, bytes] = {}
        self._level: bytes | None = None
        self._expiry: Timer | None = None
        self._closed = False
        self._heads: dict[object, tuple[object, bytes]] = {}

    # what the client wants

    def send(self, line: bytes, message: Message, *, own: bool = False) -> Request:
        """Send a message; its answer, failure or acceptance comes through the owner.

        ``line`` is the message as it came, without its line feed; ``message`` is the same, parsed.
        """
        request = Request(line, message, self.reactor.now() + self.patience, own=own)
        if request.version is None:
            self._note(request)
        if request.wants_answer:
            self._pending[request.key] = request
        self._route(request)
        return request

    def find(self, identity: object) -> Request | None:
        """The client's request of that id which is not answered yet."""
        return self._pending.get((isinstance(identity, str), identity))

    def abandon(self, request: Request) -> None:
        """Nobody waits for the answer any more: say so to the server, where it knows of it."""
        if request.answered or request.cancelled:
            return
        request.cancelled = True
        known = request.sent
        self._forget(request)
        if known and request.version is None and request.wants_answer and self.session_open:
            params = {"requestId": request.id, "reason": "the client went away"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self.send(compact(notice), notice, own=True)

    def drop(self, request: Request) -> bool:
        """Take back what was not sent yet; returns whether that was possible."""
        if request.sent and request.connection is not None:
            return False
        request.cancelled = True
        self._forget(request)
        return True

    def again(self, request: Request) -> None:
        """Send a request again that was refused, now that ``headers`` gives others."""
        self._submit(request)

    def give_up(self, request: Request, trouble: Trouble) -> None:
        """Fail a request that was refused."""
        self._fail(request, trouble)

    def hurry(self) -> None:
        """Somebody waits: try now instead of after the pause."""
        opening = self._opening
        if opening is not None and opening.timer is not None:
            opening.timer.cancel()
            opening.timer = None
            self._submit(opening)

    @property
    def session_open(self) -> bool:
        """Whether initialize was answered and its session is not known to be lost."""
        return self._opening is None and self.version is not None

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    def move(self, endpoint: Endpoint) -> None:
        """The server lives somewhere else from now on."""
        self.endpoint = endpoint
        self._path = endpoint.path
        self._heads.clear()
        for connection in self._idle:
            _close(connection)
        self._idle.clear()

    def close(self, done: Callable[[], None] | None = None) -> None:
        """End the session (DELETE) and every connection; ``done`` is called when it is over."""
        self._closed = True
        finish = done or _nothing
        for request in list(self._pending.values()):
            self._forget(request)
        self._stop_listening()
        for connection in (*self._busy, *self._idle):
            _close(connection)
        self._busy.clear()
        self._idle.clear()
        if self._expiry is not None:
            self._expiry.cancel()
        if self.session is None or self._post_path is not None:
            finish()
            return
        head = self._head("DELETE", Request(b"", {}, 0.0))
        self.reactor.connect(self.endpoint, _Farewell(head + b"\r\n", finish))

    # the session of the legacy era

    def _note(self, request: Request) -> None:
        """Remember what a new session would have to be told again."""
        method, params = request.method, request.params
        if method == "initialize":
            if not request.own:
                self._first = request
                self._subscribed.clear()
                self._level = None
            self._opening, self._greeting, self._greeted = request, None, False
            self.session = self.version = None
            self._heads.clear()
        elif method == "logging/setLevel":
            self._level = request.line
        elif method == "resources/subscribe":
            self._subscribed[str(params.get("uri"))] = request.line
        elif method == "resources/unsubscribe":
            self._subscribed.pop(str(params.get("uri")), None)

    def _route(self, request: Request) -> None:
        """Send now, or when there is a session."""
        if request.version is not None or request is self._opening or self._first is None:
            self._submit(request)
        elif request.method == "notifications/initialized" and self.session_open:
            self._greeting = request
            self._submit(request)
            self.reactor.after(_GREETING_LIMIT, lambda: self._greet(request))
        elif self._opening is not None or self._greeting is not None:
            self._wait(request)
        elif self.version is None:
            self._wait(request)
            self._reopen()
        else:
            self._submit(request)

    def _wait(self, request: Request) -> None:
        self._waiting.append(request)
        self.hurry()
        if self._expiry is None:
            self._expiry = self.reactor.after(0.25, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        now = self.reactor.now()
        for request in [r for r in self._waiting if r.deadline <= now]:
            self._fail(request, self.trouble or Trouble("timeout", "it does not answer", retry=True))
        if self._waiting:
            self._expiry = self.reactor.after(0.25, self._expire)

    def _reopen(self) -> None:
        """The session is gone: begin a new one with the client's own initialize."""
        first = self._first
        if first is None or self._opening is not None or self._closed:
            return
        self._stop_listening()
        replay = Request(first.line, _parsed(first.line), self.reactor.now() + self.patience, own=True)
        self._note(replay)
        self._submit(replay)

    def _opened(self, request: Request, line: bytes) -> None:
        """Initialize was answered."""
        result = _parsed(line).get("result")
        self._opening = None
        self.trouble = None
        if not isinstance(result, dict):
            if request.own:
                self._abort(Trouble("session-lost", "it refuses a new session"))
            return
        version = result.get("protocolVersion")
        self.version = version if isinstance(version, str) and version.isascii() else None
        if self.version is None:
            self.version = "2025-03-26"  # the spec's default for a server that does not say
        self._heads.clear()
        if request.own:
            self._introduce()
        else:
            self._flush()

    def _introduce(self) -> None:
        """Say to a new session what the client said to the old one."""
        notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._route(Request(compact(notice), notice, self.reactor.now() + self.patience, own=True))

    def _greet(self, request: Request) -> None:
        """The server knows that the client is ready (or takes too long to say so)."""
        if request is not self._greeting:
            return
        self._greeting, self._greeted = None, True
        if request.own:
            for line in (*self._subscribed.values(), *((self._level,) if self._level else ())):
                self._replay(line)
            self.owner.reopened()
        self._flush()
        self._listen()

    def _replay(self, line: bytes) -> None:
        message = _parsed(line)
        message["id"] = f"mcpconf-{message.get('id')}"
        request = Request(compact(message), message, self.reactor.now() + self.patience, own=True)
        self._pending[request.key] = request
        self._submit(request)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._route(request)

    def _abort(self, trouble: Trouble) -> None:
        """No new session can be had now: who waits for it is told."""
        self._opening = None
        self.trouble = trouble
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._fail(request, trouble)

    # sending

    def _submit(self, request: Request) -> None:
        if self._closed or request.cancelled:
            return
        if self._transport == "sse" and not request.stream and self._post_path is None:
            self._line.append(request)
            self._listen()
            return
        connection = self._take_idle()
        if connection is not None:
            self._busy.add(connection)
            self._start(connection, request)
        elif len(self._busy) >= _PARALLEL and not request.stream:
            self._line.append(request)
        else:
            connection = Connection(self, request)
            request.connection = connection
            self._busy.add(connection)
            self.reactor.connect(self.endpoint, connection)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            transport = connection.transport
            fresh = self.reactor.now() - connection.idle_since < _STALE
            if transport is not None and fresh and transport.alive():
                return connection
            _close(connection)
        return None

    def connected(self, connection: Connection) -> None:
        """A new connection is open."""
        request = connection.request
        if request is None or request.cancelled or self._closed:
            self._discard(connection)
        else:
            self._start(connection, request)

    def _start(self, connection: Connection, request: Request) -> None:
        try:
            data = self._encode(request)
        except ValueError as fault:
            self._release(connection, reusable=False)
            self._fail(request, Trouble("protocol", str(fault), delivered=False))
            return
        if request is self._opening:
            request.timer = self.reactor.after(_OPENING_LIMIT, lambda: self._too_slow(request))
        connection.start(request, data)

    def _too_slow(self, request: Request) -> None:
        request.timer = None
        connection = request.connection
        if connection is not None and connection.request is request and request is self._opening:
            connection.request = None
            self._discard(connection)
            self._retry(request, Trouble("timeout", "it accepts connections and does not answer"))

    def _encode(self, request: Request) -> bytes:
        if request.stream or (request.resuming and request.event_id is not None):
            resume = b""
            if request.event_id is not None:
                resume = b"Last-Event-ID: " + request.event_id + b"\r\n"
            return self._head("GET", request) + resume + b"\r\n"
        line = request.line
        return self._head("POST", request) + b"Content-Length: %d\r\n\r\n" % len(line) + line

    def _head(self, method: str, request: Request) -> bytes:
        """Everything up to the length; the same bytes as long as nothing changes."""
        pairs = self.owner.headers(request)
        modern = request.version is not None
        opening = request.method == "initialize"
        key = (method, opening, modern)
        known = self._heads.get(key)
        if known is not None and known[0] is pairs:
            head = known[1]
        else:
            head = self._fixed_head(method, pairs, session=not (modern or opening))
            self._heads[key] = (pairs, head)
        return head + self._modern_head(request) if modern else head

    def _fixed_head(self, method: str, pairs: Pairs, *, session: bool) -> bytes:
        path = self._post_path if self._post_path is not None and method == "POST" else self._path
        accept = "text/event-stream" if method == "GET" else "application/json, text/event-stream"
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.endpoint.authority}",
            f"Accept: {accept}",
            "Accept-Encoding: identity",
        ]
        if method == "POST":
            lines.append("Content-Type: application/json")
        if session and self.session is not None:
            lines.append(f"Mcp-Session-Id: {self.session}")
        if session and self.version is not None:
            lines.append(f"MCP-Protocol-Version: {self.version}")
        lines += [f"{name}: {_header_value(value)}" for name, value in pairs]
        return "\r\n".join((*lines, "")).encode("latin-1")

    def _modern_head(self, request: Request) -> bytes:
        """The headers that mirror a stateless message (MCP 2026-07-28, Streamable HTTP)."""
        params = request.params
        lines = [f"MCP-Protocol-Version: {_header_value(request.version or '')}"]
        lines.append(f"Mcp-Method: {_header_value(request.method or '')}")
        name = params.get(_NAMED.get(request.method or "", ""))
        if isinstance(name, str):
            lines.append(f"Mcp-Name: {mirrored(name)}")
        arguments = params.get("arguments")
        if request.method == "tools/call" and isinstance(arguments, dict):
            for argument, header in self._mirrored.get(str(name), {}).items():
                value = arguments.get(argument)
                if value is not None:
                    text = value if isinstance(value, str) else json.dumps(value)
                    lines.append(f"Mcp-Param-{header}: {mirrored(text)}")
        return "\r\n".join((*lines, "")).encode("latin-1")

    # what comes back

    def begun(self, connection: Connection) -> None:
        """The head of an answer is there."""
        request = connection.request
        if request is None:
            return
        if request.method == "initialize" and connection.status == 200:  # noqa: PLR2004
            session = connection.headers.get(b"mcp-session-id", b"").decode("latin-1")
            self.session = session if session.isprintable() and session else None
        if request.stream and connection.streaming:
            self._listen_pause = 0.0
            self.trouble = None

    def event(self, request: Request, event: Event) -> None:
        """One event of a stream."""
        if event.id is not None:
            request.event_id = event.id
        if event.retry is not None:
            request.pause = event.retry
        if event.kind == b"endpoint":
            self._endpoint(request, event.data)
        elif event.data and event.kind == b"message":
            self._message(request, one_line(event.data))

    def _message(self, request: Request, line: bytes) -> None:
        """One message of a stream: the answer to this request or another, or the server's own."""
        found = _ANSWER.match(line, 0, 512)
        if found is None or len(line) <= _CHECKED:
            message = _parsed(line)
            if not message:
                return  # not JSON: nothing that a client could read
            if "method" in message:
                self.owner.deliver(line, None if request.stream else request)
                return
            key = isinstance(message.get("id"), str), message.get("id")
        else:
            identity = json.loads(found[1])
            key = isinstance(identity, str), identity
        target = self._pending.get(key)
        if target is not None:
            self._answer(target, line)

    def ended(self, connection: Connection) -> None:
        """A response is complete."""
        request, status, text = connection.request, connection.status, connection.text
        streamed, headers = connection.streaming, connection.headers
        self._release(connection, reusable=connection.reader.reusable)
        if request is None:
            return
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        if request.stream:
            self._listened(request, status)
        elif streamed:
            self._stream_over(request)
        elif status < 300:  # noqa: PLR2004
            self._succeeded(request, headers, text)
        else:
            self._unsuccessful(request, status, headers, text)

    def _succeeded(self, request: Request, headers: Headers, text: bytes) -> None:
        if not request.wants_answer:
            self._accept(request)
        elif text.strip():
            self._whole(request, headers, text)
        elif self._post_path is None:
            self._fail(request, Trouble("not-mcp", "it answers without content"))

    def _whole(self, request: Request, headers: Headers, text: bytes) -> None:
        """A JSON body: mostly the answer itself, byte for byte."""
        line = one_line(text)
        found = _ANSWER.match(line, 0, 512)
        if found is not None and json.loads(found[1]) == request.id and _is_sound(line):
            self._answer(request, line)
            return
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        messages = _messages(line)
        if messages is None:
            what = plain(kind.decode("latin-1"), 40) or "something without a type"
            self._fail(request, Trouble("not-mcp", f"it answers with {what} instead of JSON-RPC"))
            return
        for message in messages:
            self._message(request, compact(message))
        if not request.answered:
            self._fail(request, Trouble("not-mcp", "its JSON is no answer to the request"))

    def _unsuccessful(self, request: Request, status: int, headers: Headers, text: bytes) -> None:
        """A status of 300 or more."""
        legacy = request.version is None
        if status in (401, 403):
            challenge = headers.get(b"www-authenticate", b"").decode("latin-1")
            if not self.owner.refused(request, status, challenge):
                self._fail(request, refusal(status))
        elif status in (404, 400) and legacy and self.session and _session_lost(status, text):
            self._session_lost(request)
        elif status in _AGAIN and self._redirect(request, headers):
            self._submit(request)
        elif status in _BUSY:
            self._busy_server(request, status, headers)
        elif not self._error_answer(request, text):
            self._other_status(request, status, text)

    def _session_lost(self, request: Request) -> None:
        if request.resuming:
            text = "its session was lost during the call"
            self._fail(request, Trouble("session-lost", text + _MAY_HAVE_RUN))
            return
        if request.method == "initialize":
            self._fail(request, Trouble("session-lost", "it answers initialize with a lost session"))
            return
        request.sent = False
        request.attempts += 1
        if request.attempts > 8:  # noqa: PLR2004  a server that loses every session
            self._fail(request, Trouble("session-lost", "it loses every session at once"))
        elif request.method == "notifications/initialized":
            self._greeting = None
            self._reopen()
        else:
            self._waiting.append(request)
            self._reopen()

    def _redirect(self, request: Request, headers: Headers) -> bool:
        """Follow within the origin only: credentials and messages go nowhere else."""
        request.hops += 1
        path = same_origin_path(self.endpoint, headers.get(b"location", b"").decode("latin-1"))
        if path is None or request.hops > 5:  # noqa: PLR2004
            return False
        self._path = path
        self._heads.clear()
        return True

    def _busy_server(self, request: Request, status: int, headers: Headers) -> None:
        wait = headers.get(b"retry-after", b"")
        if wait.isdigit():
            request.pause = min(float(wait), 5.0)
        self._retry(request, Trouble("http-status", f"it answers HTTP {status}", retry=True))

    def _error_answer(self, request: Request, text: bytes) -> bool:
        """A status with a JSON-RPC error: pass that on, under the request's id."""
        message = _parsed(text)
        error = message.get("error")
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            return False
        if not request.wants_answer:
            self._accept(request)
        elif message.get("id") == request.id:
            self._answer(request, one_line(text))
        else:
            answer = {"jsonrpc": "2.0", "id": request.id, "error": error}
            self._answer(request, compact(answer))
        return True

    def _other_status(self, request: Request, status: int, text: bytes) -> None:
        del text
        if request.method == "initialize" and self._transport == "auto" and status in (400, 404, 405):
            self._transport = "sse"
            request.tag = request.tag or status
            self._submit(request)
            return
        if not request.wants_answer and request.method != "notifications/initialized":
            self._accept(request)
            return
        if status // 100 == 3:  # noqa: PLR2004
            trouble = Trouble("redirected", f"it redirects elsewhere (HTTP {status})")
        elif status == 404:  # noqa: PLR2004
            trouble = Trouble("http-status", "there is no MCP endpoint at its path (HTTP 404)")
        else:
            trouble = Trouble("http-status", f"it answers HTTP {status}")
        if request.resuming:
            trouble = Trouble("session-lost", trouble.text + _MAY_HAVE_RUN)
        self._fail(request, trouble)

    def _stream_over(self, request: Request) -> None:
        """The stream of a request ended; without the answer it is taken up again, if it can be."""
        if request.answered or not request.wants_answer:
            if not request.wants_answer:
                self._accept(request)
            return
        if request.cancelled:
            return
        self._resume(request, "its stream ended before the answer")

    def _resume(self, request: Request, why: str) -> None:
        if request.event_id is None or request.version is not None:
            if request.method in _REPEATABLE:
                self._retry(request, Trouble("protocol", why, retry=True))
            else:
                self._fail(request, Trouble("protocol", why + _MAY_HAVE_RUN))
            return
        if not request.resuming:
            request.attempts = 0
        request.resuming = True
        request.deadline = max(request.deadline, self.reactor.now() + self.patience)
        self._retry(request, Trouble("protocol", why + _MAY_HAVE_RUN, retry=True))

    def _answer(self, request: Request, line: bytes) -> None:
        request.answered = True
        self._pending.pop(request.key, None)
        connection = request.connection
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        if request.resuming and connection is not None and connection.request is request:
            connection.request = None  # the answer came on another stream
            self._discard(connection)
        if request.method == "tools/list":
            self._learn_tools(line)
        if request is self._opening:
            self._open_with(request, line)
        elif request is self._greeting:
            self._greet(request)
        elif not request.own or request.tag is not None:
            self.owner.answered(request, line)

    def _open_with(self, request: Request, line: bytes) -> None:
        """Initialize: tell the owner before what waited for the session is sent."""
        if not request.own:
            self.owner.answered(request, line)
        self._opened(request, line)

    def _accept(self, request: Request) -> None:
        if request is self._greeting:
            self._greet(request)
        if not request.own:
            self.owner.accepted(request)

    def _learn_tools(self, line: bytes) -> None:
        """Which tools mirror arguments in headers, and which may be called twice."""
        if b"x-mcp-header" not in line and b"Hint" not in line:
            return
        result = _parsed(line).get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._learn_tool(tool["name"], tool)

    def _learn_tool(self, name: str, tool: Message) -> None:
        schema = tool.get("inputSchema")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        headers = {
            argument: kind["x-mcp-header"]
            for argument, kind in (properties if isinstance(properties, dict) else {}).items()
            if isinstance(kind, dict) and _is_token(kind.get("x-mcp-header"))
        }
        if headers:
            self._mirrored[name] = headers
        hints = tool.get("annotations")
        if isinstance(hints, dict) and (hints.get("readOnlyHint") or hints.get("idempotentHint")):
            self.harmless.add(name)

    # what fails

    def unreachable(self, connection: Connection, trouble: Trouble) -> None:
        """No connection could be made, so nothing was delivered."""
        request, connection.request = connection.request, None
        self._discard(connection)
        if request is None:
            return
        request.connection = None
        if request.stream:
            self._listen_later()
        elif trouble.retry:
            self._retry(request, trouble)
        else:
            self._fail(request, trouble)

    def broken(self, connection: Connection, trouble: Trouble) -> None:
        """The answer cannot be read."""
        request, connection.request = connection.request, None
        self._discard(connection)
        if request is None:
            return
        if request.stream:
            self._listen_later()
        else:
            self._fail(request, trouble)

    def lost(self, connection: Connection) -> None:
        """The connection ended in the middle."""
        request, connection.request = connection.request, None
        untouched, transport = connection.reader.untouched, connection.transport
        self._discard(connection)
        if request is None or request.cancelled:
            return
        request.connection = None
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        if request.stream:
            self._listened(request, connection.status if not untouched else 0)
            return
        if request.answered:
            return
        if connection.streaming and not untouched:
            self._resume(request, "the connection was cut before the answer")
        elif self._may_repeat(request) or (
            untouched and transport is not None and transport.undelivered()
        ):
            self._retry(request, Trouble("unreachable", "it closes the connection", retry=True))
        else:
            self._fail(
                request, Trouble("unreachable", "it closed the connection" + _MAY_HAVE_RUN)
            )

    def _may_repeat(self, request: Request) -> bool:
        if request.method == "tools/call":
            return str(request.params.get("name")) in self.harmless
        return request.method is None or request.method in _REPEATABLE

    def _retry(self, request: Request, trouble: Trouble) -> None:
        """Try again after a pause, as long as there is patience."""
        request.connection = None
        request.attempts += 1
        self.trouble = trouble
        now = self.reactor.now()
        if now >= request.deadline:
            self._fail(request, trouble)
            return
        pause = min(1.0, 0.02 * 2 ** min(request.attempts, 6))
        if request.pause is not None:
            pause, request.pause = max(0.02, request.pause), None
        request.timer = self.reactor.after(pause, lambda: self._retried(request))

    def _retried(self, request: Request) -> None:
        request.timer = None
        self._submit(request)

    def _fail(self, request: Request, trouble: Trouble) -> None:
        if request.answered or self._closed:
            return
        cancelled = request.cancelled
        if request is self._opening and self._transport == "sse" and isinstance(request.tag, int):
            trouble = Trouble("http-status", f"it answers HTTP {request.tag}")  # of the POST
            self._transport, request.tag = "auto", None
        request.answered = True
        self._forget(request)
        if request is self._opening:
            self._abort(trouble)
        elif request is self._greeting:
            self._greet(request)
        if not cancelled and not (request.own and request.tag is None):
            self.owner.failed(request, trouble)

    def _forget(self, request: Request) -> None:
        if self._pending.get(request.key) is request:
            del self._pending[request.key]
        for queue in (self._waiting, self._line):
            if request in queue:
                queue.remove(request)
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        connection, request.connection = request.connection, None
        if connection is not None and connection.request is request:
            connection.request = None
            self._discard(connection)

    def _release(self, connection: Connection, *, reusable: bool) -> None:
        connection.request = None
        self._busy.discard(connection)
        if reusable and len(self._idle) < _KEPT and not self._closed:
            connection.idle_since = self.reactor.now()
            self._idle.append(connection)
        else:
            _close(connection)
        if self._line and (self._post_path is not None or self._transport != "sse"):
            self._submit(self._line.pop(0))

    def _discard(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        _close(connection)
        if self._line and (self._post_path is not None or self._transport != "sse"):
            self._submit(self._line.pop(0))

    # the server's own stream: GET, and all there is in the old transport

    def _listen(self) -> None:
        if self._listening is not None or self._closed:
            return
        if self._transport != "sse" and not (self._greeted and self.session_open):
            return
        stream = Request(b"", {}, 0.0, own=True)
        stream.stream = True
        self._listening = stream
        self._submit(stream)

    def _listen_later(self) -> None:
        stream, self._listening = self._listening, None
        if self._transport == "sse":
            self._sse_over(Trouble("unreachable", "its stream cannot be opened", retry=True))
            return
        self._listen_pause = min(max(0.25, self._listen_pause * 2), 15.0)
        pause = self._listen_pause
        if stream is not None and stream.pause is not None:
            pause = max(stream.pause, 0.05)
        self.reactor.after(pause, lambda: self._listen_again(stream))

    def _listen_again(self, before: Request | None) -> None:
        if before is not None and self._listening is None and self.session_open:
            self._listen()
            if self._listening is not None:
                self._listening.event_id = before.event_id

    def _listened(self, stream: Request, status: int) -> None:
        """The stream ended, or was refused."""
        if stream is not self._listening:
            return
        if self._transport == "sse":
            self._listening = None
            refused = status not in (0, 200)
            text = f"it answers HTTP {status}" if refused else "its stream was cut"
            self._sse_over(Trouble("http-status" if refused else "unreachable", text, retry=not refused))
        elif status in (0, 200, 502, 503):
            self._listen_later()
        elif status in (404, 400) and self.session is not None and self._greeted:
            self._listening = None
            if status == 404:  # noqa: PLR2004
                self._reopen()
        # anything else: it offers no stream, and is not asked again in this session

    def _stop_listening(self) -> None:
        stream, self._listening = self._listening, None
        self._post_path = None if self._transport == "sse" else self._post_path
        if stream is not None:
            stream.cancelled = True
            self._forget(stream)

    def _endpoint(self, request: Request, data: bytes) -> None:
        """The old transport says where to post (MCP 2024-11-05, HTTP with SSE)."""
        if request is not self._listening:
            return
        path = same_origin_path(self.endpoint, data.decode("latin-1").strip())
        if path is None:
            self._listening = None
            self._sse_over(Trouble("redirected", "its stream names an endpoint elsewhere"))
            return
        self._post_path = path
        self._heads.clear()
        line, self._line = self._line, []
        for waiting in line:
            self._submit(waiting)

    def _sse_over(self, trouble: Trouble) -> None:
        """In the old transport the stream is the session."""
        self._post_path = None
        self._heads.clear()
        line, self._line = self._line, []
        opening = self._opening
        for request in list(self._pending.values()):
            if request is not opening and request not in line and request.sent:
                if self._may_repeat(request):
                    line.append(request)
                else:
                    self._fail(request, Trouble(trouble.code, trouble.text + _MAY_HAVE_RUN))
        self.version = None
        for request in line:
            if request is not opening:
                request.sent = False
                self._waiting.append(request)
        if opening is not None:
            self._opening_lost(opening, trouble)
        elif self._waiting or self._greeted:
            self.reactor.after(0.2, self._reopen)

    def _opening_lost(self, opening: Request, trouble: Trouble) -> None:
        connection, opening.connection = opening.connection, None
        if connection is not None and connection.request is opening:
            connection.request = None
            self._discard(connection)
        if trouble.retry:
            self._retry(opening, trouble)
        else:
            self._fail(opening, trouble)


class _Farewell:
    """A connection that says goodbye and waits for no answer longer than it takes to arrive."""

    def __init__(self, data: bytes, done: Callable[[], None]) -> None:
        self._data = data
        self._done: Callable[[], None] | None = done
        self._transport: Transport | None = None

    def opened(self, transport: Transport) -> None:
        self._transport = transport
        transport.write(self._data)

    def data(self, data: bytes) -> None:
        del data
        self._over()

    def closed(self) -> None:
        self._over()

    def failed(self, trouble: Trouble) -> None:
        del trouble
        self._over()

    def _over(self) -> None:
        done, self._done = self._done, None
        if self._transport is not None:
            self._transport.close()
        if done is not None:
            done()


def _nothing() -> None:
    """Nobody waits."""


def _close(connection: Connection) -> None:
    if connection.transport is not None:
        connection.transport.close()


def refusal(status: int) -> Trouble:
    """401 or 403 without anybody who could sign in."""
    if status == 401:  # noqa: PLR2004
        return Trouble("refused-login", "it wants a login (HTTP 401 Unauthorized)")
    return Trouble("refused-login", "it refuses access (HTTP 403 Forbidden)")


def same_origin_path(endpoint: Endpoint, location: str) -> str | None:
    """The path of a redirect that stays with the same server; None where it leaves it."""
    if location.startswith("/") and not location.startswith("//"):
        path = location.partition("#")[0]
        return path if path.isascii() and path.isprintable() and " " not in path else None
    if "://" not in location:
        base = endpoint.path.partition("?")[0].rpartition("/")[0]
        return same_origin_path(endpoint, f"{base}/{location}") if location else None
    try:
        there = parse_endpoint(location)
    except ValueError:
        return None
    mine = endpoint.scheme, endpoint.host, endpoint.port
    return there.path if (there.scheme, there.host, there.port) == mine else None


def mirrored(value: str) -> str:
    """A value of a message as a header value (MCP 2026-07-28: the rest goes in Base64)."""
    safe = value == value.strip() and all(" " <= c <= "~" for c in value)
    if safe and not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    from base64 import b64encode  # noqa: PLC0415  rare

    return f"=?base64?{b64encode(value.encode()).decode()}?="


def _header_value(value: str) -> str:
    if any(c in "\r\n\0" for c in value) or any(ord(c) > 255 for c in value):  # noqa: PLR2004
        raise ValueError("a header holds characters that HTTP does not allow")
    return value


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _is_token(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 64 and _TOKEN.issuperset(name)  # noqa: PLR2004


_CHECKED = 64 * 1024  # bytes; up to here an answer is checked to be JSON before it is passed on


def _is_sound(line: bytes) -> bool:
    """Whether a client can read this line.  Of large ones only both ends are looked at."""
    if len(line) <= _CHECKED:
        return bool(_parsed(line))
    return line.rstrip().endswith(b"}")


def _parsed(text: bytes) -> Message:
    """A JSON object; {} where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _messages(text: bytes) -> list[Message] | None:
    """One message or a batch (2025-03-26); None where it is neither."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = value if isinstance(value, list) else [value]
    return found if all(isinstance(m, dict) for m in found) else None


def _session_lost(status: int, text: bytes) -> bool:
    return status == 404 or _LOST.search(text, 0, 4096) is not None  # noqa: PLR2004


# --- sockets and timers -----------------------------------------------------------------------

_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)
_CONNECT_LIMIT = 5.0
_NEXT_ADDRESS = 0.25  # seconds until the next address gets its chance (RFC 8305)
_TCP_INFO_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info (Linux 4.1)


class _Delayed:
    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: _Delayed) -> bool:
        return self.due < other.due


class Loop:
    """Sockets and timers of a process that does nothing else."""

    def __init__(self) -> None:
        self.running = True
        self.tls: Any = None
        self._selector = selectors.DefaultSelector()
        self._timers: list[_Delayed] = []
        self._lucky: dict[tuple[str, int], Any] = {}  # the address that worked last

    now = staticmethod(time.monotonic)

    def after(self, seconds: float, call: Callable[[], None]) -> _Delayed:
        timer = _Delayed(self.now() + seconds, call)
        heappush(self._timers, timer)
        return timer

    def connect(self, endpoint: Endpoint, stream: Stream) -> None:
        _Race(self, endpoint, stream).start()

    def watch(self, fd: int, mask: int, call: Callable[[int], None]) -> None:
        """Call back when a descriptor is ready; a mask of 0 stops it."""
        if not mask:
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
        elif fd in self._selector.get_map():
            self._selector.modify(fd, mask, call)
        else:
            self._selector.register(fd, mask, call)

    def run(self) -> None:
        """Until ``running`` is false."""
        while self.running:
            self.turn(self._next())

    def turn(self, limit: float | None) -> None:
        """Wait once, and do what is due."""
        for key, mask in self._selector.select(limit):
            key.data(mask)
        timers = self._timers
        if timers:
            now = self.now()
            while timers and timers[0].due <= now:
                call = heappop(timers).call
                if call is not None:
                    call()

    def _next(self) -> float | None:
        timers = self._timers
        while timers and timers[0].call is None:
            heappop(timers)
        return max(0.0, timers[0].due - self.now()) if timers else None

    def addresses(self, endpoint: Endpoint, found: Callable[[Any], None]) -> None:
        """Look a name up without waiting for it; ``found`` gets the list, or the error."""
        known = _numeric(endpoint.host, endpoint.port)
        if known:
            found(known)
            return
        import _thread  # noqa: PLC0415  only for names

        here, there = socket.socketpair()
        answer: list[Any] = []

        def ask() -> None:
            try:
                kind = socket.SOCK_STREAM
                answer.append(socket.getaddrinfo(endpoint.host, endpoint.port, 0, kind))
            except OSError as error:
                answer.append(error)
            there.close()

        def told(mask: int) -> None:
            del mask
            self.watch(here.fileno(), 0, told)
            here.close()
            result = answer[0]
            if not isinstance(result, OSError):
                result = [(family, address) for family, _, _, _, address in result]
            found(result)

        self.watch(here.fileno(), selectors.EVENT_READ, told)
        _thread.start_new_thread(ask, ())

    def lucky(self, endpoint: Endpoint, addresses: list[Any]) -> list[Any]:
        """The address that worked last, first."""
        best = self._lucky.get((endpoint.host, endpoint.port))
        return sorted(addresses, key=lambda a: a != best) if best in addresses else addresses

    def worked(self, endpoint: Endpoint, address: object) -> None:
        self._lucky[endpoint.host, endpoint.port] = address


def _numeric(host: str, port: int) -> list[Any]:
    """Addresses that need no look-up; ``localhost`` is this machine whatever a resolver says."""
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return [(family, (host, port) if family == socket.AF_INET else (host, port, 0, 0))]
    return []


class _Race:
    """One connection from several addresses: the first that answers wins (RFC 8305)."""

    def __init__(self, loop: Loop, endpoint: Endpoint, stream: Stream) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._stream = stream
        self._left: list[Any] = []
        self._trying: dict[socket.socket, Any] = {}
        self._error = 0
        self._over = False
        self._timer: _Delayed | None = None
        self._limit: _Delayed | None = None

    def start(self) -> None:
        if self._endpoint.scheme == "unix":
            self._found([(socket.AF_UNIX, self._endpoint.socket)])
        else:
            self._loop.addresses(self._endpoint, self._found)

    def _found(self, addresses: list[Any] | OSError) -> None:
        if isinstance(addresses, OSError):
            host = self._endpoint.host
            why = addresses.strerror or "no such name"
            text = f"the name {host} cannot be looked up ({why})"
            self._stream.failed(Trouble("dns", text, retry=True, delivered=False))
            return
        self._left = self._loop.lucky(self._endpoint, addresses)
        self._limit = self._loop.after(_CONNECT_LIMIT, self._too_late)
        self._next()

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._over:
            return
        if not self._left:
            if not self._trying:
                self._lose(unreachable(self._endpoint, self._error))
            return
        family, address = self._left.pop(0)
        sock = _open_socket(family)
        self._trying[sock] = address
        error = sock.connect_ex(address)
        if error not in _IN_PROGRESS:
            self._drop(sock, error)
        elif error == 0:
            self._ready(sock)
        else:
            self._loop.watch(sock.fileno(), selectors.EVENT_WRITE, lambda _: self._ready(sock))
            self._timer = self._loop.after(_NEXT_ADDRESS, self._next)

    def _ready(self, sock: socket.socket) -> None:
        self._loop.watch(sock.fileno(), 0, _ignore)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._drop(sock, error)
            return
        address = self._trying.pop(sock)
        self._end()
        if self._endpoint.scheme != "unix":
            self._loop.worked(self._endpoint, (sock.family, address))
        SocketTransport(self._loop, sock, self._stream, self._endpoint).begin()

    def _drop(self, sock: socket.socket, error: int) -> None:
        self._error = self._error or error
        self._trying.pop(sock, None)
        self._loop.watch(sock.fileno(), 0, _ignore)
        sock.close()
        self._next()

    def _too_late(self) -> None:
        if not self._over:
            self._lose(unreachable(self._endpoint, errno.ETIMEDOUT))

    def _lose(self, trouble: Trouble) -> None:
        self._end()
        self._stream.failed(trouble)

    def _end(self) -> None:
        self._over = True
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()
        for sock in self._trying:
            self._loop.watch(sock.fileno(), 0, _ignore)
            sock.close()
        self._trying.clear()


def _ignore(mask: int) -> None:
    del mask


def unreachable(endpoint: Endpoint, error: int) -> Trouble:
    """No address could be connected to: say how that failed."""
    reasons = {
        errno.ECONNREFUSED: "nothing listens there (connection refused)",
        errno.ETIMEDOUT: "no answer; something on the way drops the packets",
        errno.EHOSTUNREACH: "no route, or a firewall refuses it",
        errno.ENETUNREACH: "there is no network",
        errno.EACCES: "a firewall refuses it",
        errno.EPERM: "a firewall refuses it",
        errno.ENOENT: "its socket is not there",
    }
    why = reasons.get(error) or (os.strerror(error) if error else "it has no address")
    return Trouble("unreachable", f"{endpoint}: {why}", retry=True, delivered=False)


def _open_socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family == socket.AF_UNIX:
        return sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 20_000)
    ):  # fmt: skip
        option = getattr(socket, name, None)
        if option is not None:  # a connection that died silently is noticed in 20 to 35 s
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock


class SocketTransport:
    """An open socket, with or without TLS."""

    def __init__(self, loop: Loop, sock: socket.socket, stream: Stream, endpoint: Endpoint) -> None:
        self._loop = loop
        self._sock: Any = sock
        self._stream = stream
        self._endpoint = endpoint
        self._fd = sock.fileno()
        self._out: list[bytes] = []
        self._tls = endpoint.scheme == "https"
        self._written = 0
        self._marked = 0
        self._reset = False
        self._open = True

    def begin(self) -> None:
        if not self._tls:
            self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)
            self._stream.opened(self)
            return
        try:
            context = self._loop.tls = self._loop.tls or tls_context()
            host = self._endpoint.host
            self._sock = context.wrap_socket(
                self._sock, server_hostname=host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            self._tls_failed(error)
            return
        self._fd = self._sock.fileno()
        timer = self._loop.after(_CONNECT_LIMIT, self._handshake_late)
        self._handshake(timer)

    def _handshake_late(self) -> None:
        if self._open:
            self.close()
            trouble = Trouble("tls", "it does not answer the TLS handshake", retry=True)
            self._stream.failed(trouble)

    def _handshake(self, timer: _Delayed) -> None:
        import ssl  # noqa: PLC0415  5 ms that plain HTTP does not need

        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(self._fd, selectors.EVENT_READ, lambda _: self._handshake(timer))
            return
        except ssl.SSLWantWriteError:
            self._loop.watch(self._fd, selectors.EVENT_WRITE, lambda _: self._handshake(timer))
            return
        except (OSError, ValueError) as error:
            timer.cancel()
            self._tls_failed(error)
            return
        timer.cancel()
        self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)
        self._stream.opened(self)

    def _tls_failed(self, error: Exception) -> None:
        self.close()
        why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        reset = isinstance(error, ConnectionError)
        text = f"TLS with {self._endpoint.host} fails ({plain(str(why), 80)})"
        self._stream.failed(Trouble("tls", text, retry=reset, delivered=False))

    def mark(self) -> None:
        if self._tls:
            self._marked = self._acked()
        else:
            self._marked = self._written

    def alive(self) -> bool:
        """Look whether the other side has closed it, before anything is written."""
        if not self._open:
            return False
        if self._tls:
            return not self._readable()
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False  # the end, or bytes that nobody asked for

    def _readable(self) -> bool:
        import select  # noqa: PLC0415  selectors has imported it

        return bool(select.select([self._fd], [], [], 0)[0])

    def undelivered(self) -> bool:
        """Whether the kernel of the other side has confirmed nothing since the mark.

        TCP: no byte of it was acknowledged (RFC 4898 tcpEStatsAppHCThruOctetsAcked).  Unix socket:
        it was closed with what we wrote unread.
        """
        if self._written == 0:
            return True
        if self._sock.family == socket.AF_UNIX:
            return self._reset
        acked = self._acked()
        return acked >= 0 and acked <= self._marked

    def _acked(self) -> int:
        """Bytes of ours that the other side has acknowledged; -1 where nobody tells."""
        if sys.platform != "linux":
            return -1
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        except OSError:
            return -1
        if len(info) < _TCP_INFO_ACKED + 8:
            return -1
        acked = int.from_bytes(info[_TCP_INFO_ACKED : _TCP_INFO_ACKED + 8], sys.byteorder)
        return max(0, acked - 1)  # the SYN counts as one

    def write(self, data: bytes) -> None:
        self._written += len(data)
        if self._out:
            self._out.append(data)
            return
        rest = self._send(data)
        if rest:
            self._out.append(rest)
            self._loop.watch(self._fd, selectors.EVENT_READ | selectors.EVENT_WRITE, self._ready)

    def _send(self, data: bytes) -> bytes:
        """Send what fits; returns the rest.  An error shows when the socket is read."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return data
        except OSError as error:
            if self._tls and error.__class__.__name__.startswith("SSLWant"):
                return data
            self._reset = error.errno in (errno.EPIPE, errno.ECONNRESET)
            return b""
        return data[sent:] if sent < len(data) else b""

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and self._open:
            self._read()

    def _flush(self) -> None:
        while self._out:
            rest = self._send(self._out[0])
            if rest:
                self._out[0] = rest
                return
            del self._out[0]
        if self._open:
            self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)

    def _read(self) -> None:
        try:
            data = self._sock.recv(262144)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if self._tls and error.__class__.__name__.startswith("SSLWant"):
                return
            self._reset = self._reset or error.errno == errno.ECONNRESET
            data = b""
        if not data:
            self._loop.watch(self._fd, 0, _ignore)
            self._stream.closed()
            self.close()
            return
        self._stream.data(data)
        if self._tls and self._open and self._sock.pending():
            self._read()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.watch(self._fd, 0, _ignore)
            self._sock.close()


def tls_context() -> Any:
    """The system's certificates, and those that the client is told to trust as well."""
    import ssl  # noqa: PLC0415

    context = ssl.create_default_context()
    extra = os.environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        context.load_verify_locations(extra)
    return context


# --- what the server said last time -----------------------------------------------------------

_REMEMBERED = _LISTS | {"initialize", "server/discover"}
_MEMORY_LIMIT = 8 * 1024 * 1024


class Memory:
    """The answers to initialize and the lists, kept for a start at which the server is late.

    One file a server, in the user's cache.  It is nobody's truth: a damaged one counts as none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._answers: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        try:
            with open(self._path, encoding="utf-8") as file:
                text = file.read(_MEMORY_LIMIT + 1)
            document = json.loads(text)
            answers = document["answers"] if document.get("version") == 1 else {}
            self._answers = {k: v for k, v in answers.items() if _parsed(str(v).encode())}
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            self._answers = {}
        self._written = dict(self._answers)

    def __contains__(self, question: str) -> bool:
        return question in self._answers

    @staticmethod
    def question(request: Request) -> str | None:
        """What a request asks, whatever its id; None where answers are not kept."""
        if request.method not in _REMEMBERED:
            return None
        if request.method in _LISTS:
            cursor = request.params.get("cursor")
            era = request.version or ""
            return f"{request.method} {era} {json.dumps(cursor)}"
        return request.method

    def keep(self, question: str, line: bytes) -> bool:
        """Remember an answer; returns whether it differs from the one before."""
        message = _parsed(line)
        if not isinstance(message.get("result"), dict):
            return False
        message.pop("id", None)
        text = json.dumps(message["result"], separators=(",", ":"))
        changed = self._answers.get(question) != text
        self._answers[question] = text
        return changed

    def recall(self, question: str, identity: object) -> bytes | None:
        """The answer of last time, under a new id; it never claims to be fresh."""
        text = self._answers.get(question)
        if text is None:
            return None
        result = _parsed(text.encode())
        if "ttlMs" in result:
            result["ttlMs"] = 0
        return compact({"jsonrpc": "2.0", "id": identity, "result": result})

    def save(self) -> None:
        """Write what changed; whoever cannot write has a slower start, nothing else."""
        if self._answers == self._written:
            return
        text = json.dumps({"version": 1, "answers": self._answers})
        if len(text) > _MEMORY_LIMIT:
            return
        temporary = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self._path)
        except OSError:
            return
        self._written = dict(self._answers)


# --- the bridge -------------------------------------------------------------------------------

_ANSWER_WITHIN = 1.2  # seconds until the client is answered from memory
_PROBE_WITHIN = 2.0  # seconds until server/discover is refused; Claude Code waits 2.7
_RETRY_AFTER = 5.0  # seconds between attempts at what cannot work before somebody mends it
_SIDES = ("tools", "prompts", "resources")


class Target:
    """Which server: where it is, which headers it wants, and what to call it.

    ``load`` reads it anew: a sync may move the gateway while bridges run.
    """

    def __init__(self, name: str, url: str = "", config: str = "") -> None:
        self.name = name
        self.gateway = not url
        self._url = url
        self._config = config
        self._stamp: object = None
        self.endpoint: Endpoint | None = parse_endpoint(url) if url else None
        self.headers: Sequence[tuple[str, str]] = ()

    def load(self) -> Trouble | None:
        """Look where the server is now; returns what is wrong, if anything."""
        if not self.gateway:
            return None
        try:
            status = os.stat(self._config)
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            if stamp == self._stamp:
                return None
            with open(self._config, "rb") as file:
                self._read(json.loads(file.read(_HEAD_LIMIT)))
        except FileNotFoundError:
            return self._bad(f"{self._config} is not there; run `mcpconf sync` on the host")
        except OSError as error:
            return self._bad(f"{self._config} cannot be read ({error.strerror})")
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._bad(f"{self._config} is not what `mcpconf sync` writes; run it again")
        self._stamp = stamp
        return None

    def _read(self, document: Message) -> None:
        if document["version"] != 1:
            raise ValueError("another version")
        path = f"/{document['project']}/{self.name}/mcp"
        if not _PLAIN.match(path):
            raise ValueError("not an id")
        where = f"unix:{document['socket']}:{path}" if document.get("socket") else ""
        if not where:
            gateway = document["gateway"]
            host = str(gateway["host"])
            shown = f"[{host}]" if ":" in host else host
            where = f"http://{shown}:{int(gateway['port'])}{path}"
        self.endpoint = parse_endpoint(where)
        self.headers = (("Authorization", f"Bearer {_header_value(str(document['token']))}"),)

    def _bad(self, text: str) -> Trouble:
        return Trouble("secret-missing", text, delivered=False)


_PLAIN = re.compile(r"(?:/[A-Za-z0-9._-]+)+\Z")
_NOWHERE = Endpoint("unix", "localhost", 80, "/", socket="/nonexistent/mcpconf")


class Bridge:
    """The client's stdin and stdout around one link."""

    def __init__(self, target: Target, memory: Memory, *, patience: float = 30.0) -> None:
        self.loop = Loop()
        self.target = target
        self.memory = memory
        self._trouble = target.load()
        endpoint = target.endpoint or _NOWHERE
        self.link = Link(self.loop, endpoint, self, patience=patience)
        self._patience = patience
        self._in: list[bytes] = []
        self._held = 0
        self._out: list[bytes] = []
        self._listed: dict[tuple[bool, object], Request] = {}  # answered from memory, still asked
        self._greeting: Request | None = None  # the client's initialize, answered or not
        self._away = False  # the client was answered from memory, and the server not yet
        self._made_up = False  # ... and there was no memory
        self._asked = 0
        self._since = 0.0  # when the server was last known to be away
        self._limit = _start_limit()
        self._leaving = False

    # --- the link's owner

    def headers(self, request: Request) -> Sequence[tuple[str, str]]:
        del request
        return self.target.headers

    def deliver(self, line: bytes, request: Request | None) -> None:
        del request
        self._write(line)

    def accepted(self, request: Request) -> None:
        """Stdio has no acknowledgement."""

    def refused(self, request: Request, status: int, challenge: str) -> bool:
        del challenge
        if not self.target.gateway or status != 401:  # noqa: PLR2004
            return False
        before = self.target.headers
        self._look_again()
        if self.target.headers == before:
            return False
        self.link.again(request)
        return True

    def reopened(self) -> None:
        self._ask_lists()

    def answered(self, request: Request, line: bytes) -> None:
        """The server answered."""
        trouble = self._trouble_in(line) if self.target.gateway and b'"mcpconf"' in line else None
        if trouble is not None:
            self._gateway_says(request, trouble, line)
            return
        question = Memory.question(request)
        if question is None:
            self._write(line)
            return
        changed = self.memory.keep(question, line)
        late = request.tag == "late" or request.own
        if request.method == "initialize":
            self._arrived()
        if not late:
            self._write(line)
        elif changed and request.method in _LISTS:
            self._announce(request.method or "")

    def failed(self, request: Request, trouble: Trouble) -> None:
        """No answer will come."""
        self._since = self._since or self.loop.now()
        if request.own or request.tag == "late":
            if request.method == "initialize":
                self._try_later(trouble)
            return
        if request.method == "server/discover":
            self._refuse_probe(request)
        elif request.method == "initialize":
            self._no_start(request, trouble)
        elif request.wants_answer:
            question = Memory.question(request)
            known = self.memory.recall(question, request.id) if question else None
            if known is not None and trouble.retry:
                self._write(known)
            else:
                self._error(request.id, trouble)

    # --- the client

    def client(self, line: bytes) -> None:
        """One line of stdin."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._write(_error_line(None, -32700, "this line is not JSON"))
            return
        if isinstance(message, list):
            for part in message:  # a batch of 2025-03-26: the answers come one by one
                self._message(compact(part), part)
        else:
            self._message(line, message)

    def _message(self, line: bytes, message: object) -> None:
        if not isinstance(message, dict) or not _is_id(message.get("id")):
            self._write(_error_line(None, -32600, "this is no JSON-RPC message"))
            return
        method = message.get("method")
        if method is None or method == "tools/call":  # the usual way, without a look to the sides
            self._send(line, message)
        elif method == "initialize":
            self._initialize(line, message)
        elif method == "server/discover":
            self._discover(line, message)
        elif method == "notifications/cancelled":
            self._cancel(line, message)
        elif method == "ping" and self._away and "id" in message:
            self._write(compact({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
        else:
            self._list(self._send(line, message))

    def _send(self, line: bytes, message: Message) -> Request:
        if self.target.gateway:
            self._look_again()
        request = self.link.send(line, message)
        if self._since and request.wants_answer:
            gone = self.loop.now() - self._since
            request.deadline = self.loop.now() + max(2.0, self._patience - gone)
        return request

    def _look_again(self) -> None:
        self._trouble = self.target.load()
        endpoint = self.target.endpoint
        if endpoint is not None and str(endpoint) + endpoint.path != self._where():
            self.link.move(endpoint)

    def _where(self) -> str:
        return str(self.link.endpoint) + self.link.endpoint.path

    def _initialize(self, line: bytes, message: Message) -> None:
        if self._trouble is not None and "initialize" not in self.memory:
            self._look_again()
        request = self._send(line, message)
        self._greeting = request
        request.deadline = float("inf")
        known = "initialize" in self.memory
        wait = _ANSWER_WITHIN if known else self._limit
        if not request.answered:
            self.loop.after(wait, lambda: self._start_without(request))

    def _start_without(self, request: Request) -> None:
        """The server is late: answer the client all the same."""
        if request.answered and request.tag != "gone":
            return
        if request.tag == "late":
            return
        known = self.memory.recall("initialize", request.id)
        self._away = True
        self._since = self._since or self.loop.now()
        if request.tag != "gone":
            request.tag = "late"
        if known is not None:
            self._write(_in_version(known, request))
        else:
            self._made_up = True
            self._write(self._introduction(request))

    def _introduction(self, request: Request) -> bytes:
        """What can honestly be said of a server that was never seen."""
        why = self.link.trouble or self._trouble
        text = f"{self.target.name} has not answered yet" + (f": {why.text}" if why else "")
        side = {"listChanged": True}
        result = {
            "protocolVersion": request.params.get("protocolVersion", "2025-11-25"),
            "capabilities": {"tools": side, "prompts": side, "resources": side},
            "serverInfo": {"name": self.target.name, "version": "not reached"},
            "instructions": f"{text}. Its tools appear when it does. {self._advice()}",
        }
        return compact({"jsonrpc": "2.0", "id": request.id, "result": result})

    def _no_start(self, request: Request, trouble: Trouble) -> None:
        """Initialize failed for good, or for now."""
        mends = trouble.retry or self.target.gateway
        if "initialize" in self.memory or mends:
            request.tag = "gone"
            self._start_without(request)
            self._try_later(trouble)
        else:
            self._error(request.id, trouble)

    def _try_later(self, trouble: Trouble) -> None:
        self.link.trouble = trouble
        self.loop.after(_RETRY_AFTER, self._try_again)

    def _try_again(self) -> None:
        if self.link.version is None and self._greeting is not None and not self._leaving:
            self._open_again()

    def _open_again(self) -> None:
        """Initialize once more, for the client that was answered long ago."""
        first = self._greeting
        if first is None or self.link.session_open:
            return
        self._look_again()
        request = self.link.send(first.line, _parsed(first.line))
        request.deadline = float("inf")
        request.tag = "late"

    def _arrived(self) -> None:
        """The server is there after all."""
        self._since = 0.0
        if self._away:
            self._away = False
            self.loop.after(0.0, self._ask_lists)

    def _discover(self, line: bytes, message: Message) -> None:
        if "initialize" in self.memory and "server/discover" not in self.memory:
            self._refuse_probe(Request(line, message, 0.0))  # it spoke the older protocol last time
            return
        request = self._send(line, message)
        known = "server/discover" in self.memory
        wait = _ANSWER_WITHIN if known else _PROBE_WITHIN
        self.loop.after(wait, lambda: self._probe_late(request))

    def _probe_late(self, request: Request) -> None:
        if request.answered or request.tag == "late":
            return
        known = self.memory.recall("server/discover", request.id)
        if known is not None:
            request.tag = "late"
            self._write(known)
        else:
            self.link.drop(request) or self.link.abandon(request)
            self._refuse_probe(request)

    def _refuse_probe(self, request: Request) -> None:
        """At once, so that the client falls back to initialize."""
        text = "this server is asked with initialize"
        self._write(_error_line(request.id, -32601, text))

    def _cancel(self, line: bytes, message: Message) -> None:
        params = message.get("params")
        identity = params.get("requestId") if isinstance(params, dict) else None
        request = self.link.find(identity)
        if request is None:
            if self.link.session_open:
                self._send(line, message)
        elif request.version is not None or not request.sent:
            self.link.abandon(request)  # closing the stream is how 2026-07-28 cancels
        else:
            request.cancelled = True
            self._send(line, message)

    def _list(self, request: Request) -> None:
        """A list that is late is answered as it was last time."""
        question = Memory.question(request)
        if question is None or question not in self.memory or request.answered:
            return
        wait = 0.0 if self._away else _ANSWER_WITHIN
        self.loop.after(wait, lambda: self._list_late(question, request))

    def _list_late(self, question: str, request: Request) -> None:
        if request.answered or request.tag == "late":
            return
        known = self.memory.recall(question, request.id)
        if known is not None:
            request.tag = "late"
            request.deadline = float("inf")
            self._write(known)

    def _ask_lists(self) -> None:
        """Ask for the lists again, to see whether what the client knows still holds."""
        if self._made_up:
            self._made_up = False
            for method in _LISTS:
                self._announce(method)
            return
        for method in sorted(_LISTS):
            if f"{method}  null" in self.memory:
                self._asked += 1
                message = {"jsonrpc": "2.0", "id": f"mcpconf:{self._asked}", "method": method}
                self.link.send(compact(message), message, own=True).tag = "own"

    def _announce(self, method: str) -> None:
        side = method.partition("/")[0]
        notice = {"jsonrpc": "2.0", "method": f"notifications/{side}/list_changed"}
        self._write(compact(notice))

    # --- trouble in words

    def _trouble_in(self, line: bytes) -> Trouble | None:
        """What the gateway says about a server that it cannot reach."""
        error = _parsed(line).get("error")
        data = error.get("data") if isinstance(error, dict) else None
        found = data.get("mcpconf") if isinstance(data, dict) else None
        if not isinstance(error, dict) or not isinstance(found, dict):
            return None
        return Trouble(
            str(found.get("code")),
            str(error.get("message")),
            retry=found.get("retry") is True,
            delivered=False if found.get("delivered") is False else None,
        )

    def _gateway_says(self, request: Request, trouble: Trouble, line: bytes) -> None:
        self.link.trouble = trouble
        self._since = self._since or self.loop.now()
        if request.method == "initialize":
            self.link.version = None
            if request.tag == "late":
                self._try_later(trouble)
            elif trouble.retry and request.tag is None:
                self._retry_start(request)
            else:
                self._no_start(request, trouble)
        elif request.method == "server/discover" and request.tag != "late":
            self._refuse_probe(request)
        elif request.tag in ("late", "own"):
            return
        elif trouble.retry and trouble.delivered is False and self.loop.now() < request.deadline:
            self.loop.after(0.5, lambda: self._once_more(request))
        else:
            self._write(line)

    def _retry_start(self, request: Request) -> None:
        """The gateway is there and the server behind it is not: ask again, the client waits."""
        again = Request(request.line, _parsed(request.line), 0.0)
        self.loop.after(0.5, lambda: self._start_once_more(request))
        del again

    def _start_once_more(self, request: Request) -> None:
        if self._leaving or request is not self._greeting:
            return
        if request.tag == "late":
            self._open_again()
            return
        request.answered = False
        fresh = self.link.send(request.line, _parsed(request.line))
        fresh.deadline = float("inf")
        fresh.tag = request.tag
        self._greeting = fresh
        begun = getattr(self, "_begun", None) or self.loop.now()
        self._begun = begun
        known = "initialize" in self.memory
        left = begun + (_ANSWER_WITHIN if known else self._limit) - self.loop.now()
        self.loop.after(max(0.0, left), lambda: self._start_without(fresh))

    def _once_more(self, request: Request) -> None:
        deadline = request.deadline
        fresh = self.link.send(request.line, _parsed(request.line))
        fresh.deadline = deadline

    def _error(self, identity: object, trouble: Trouble) -> None:
        text = f"{self.target.name}: {trouble.text}. {self._advice()}"
        data = {"code": trouble.code, "retry": trouble.retry, "delivered": trouble.delivered}
        self._write(_error_line(identity, -32000, text, {"mcpconf": data}))

    def _advice(self) -> str:
        return f"To see why, run `mcpconf explain {self.target.name}` on the host."

    # --- stdin and stdout

    def run(self) -> int:
        """Until stdin ends; returns the exit code."""
        loop = self.loop
        loop.watch(0, selectors.EVENT_READ, self._readable)
        mode = os.fstat(1).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            os.set_blocking(1, False)
        loop.run()
        self.memory.save()
        return 0

    def _readable(self, mask: int) -> None:
        del mask
        data = os.read(0, 262144)
        if not data:
            self.loop.watch(0, 0, _ignore)
            self.leave()
            return
        if b"\n" not in data:
            self._in.append(data)
            self._held += len(data)
            if self._held > LONGEST:
                self._in, self._held = [b"\0"], 1  # no JSON any more: refused at its line end
            return
        *lines, rest = (b"".join((*self._in, data)) if self._in else data).split(b"\n")
        self._in, self._held = ([rest], len(rest)) if rest else ([], 0)
        for line in lines:
            if line.strip():
                self.client(line)

    def _write(self, line: bytes) -> None:
        if self._out:
            self._out += (line, b"\n")
            return
        self._out = [line, b"\n"]
        self._flush()

    def _flush(self, mask: int = 0) -> None:
        del mask
        out = self._out
        try:
            while out:
                sent = os.writev(1, out[:64])
                while sent and out and sent >= len(out[0]):
                    sent -= len(out.pop(0))
                if sent:
                    out[0] = out[0][sent:]
        except (BlockingIOError, InterruptedError):
            self.loop.watch(1, selectors.EVENT_WRITE, self._flush)
            return
        except OSError:  # nobody reads any more
            out.clear()
            self.leave()
        self.loop.watch(1, 0, _ignore)

    def leave(self) -> None:
        """The client is gone: end the session, wait for that no longer than it is worth."""
        if self._leaving:
            return
        self._leaving = True
        self.loop.after(0.6, self._stop)
        self.link.close(self._stop)

    def _stop(self) -> None:
        self.loop.running = False


def _is_id(identity: object) -> bool:
    return identity is None or (
        isinstance(identity, (str, int, float)) and not isinstance(identity, bool)
    )


def _error_line(identity: object, code: int, text: str, data: object = None) -> bytes:
    error: Message = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return compact({"jsonrpc": "2.0", "id": identity, "error": error})


def _in_version(line: bytes, request: Request) -> bytes:
    """The remembered answer in the revision that the client asks for, if it is of another."""
    wanted = request.params.get("protocolVersion")
    message = _parsed(line)
    if not isinstance(wanted, str) or message["result"].get("protocolVersion", "") <= wanted:
        return line
    message["result"]["protocolVersion"] = wanted
    return compact(message)


def _start_limit() -> float:
    """How long the client waits for initialize: its MCP_TIMEOUT (ms), 30 s by default."""
    text = os.environ.get("MCP_TIMEOUT", "")
    patience = int(text) / 1000 if text.isdigit() and len(text) < 9 else 30.0  # noqa: PLR2004
    return max(0.5, min(patience - 0.5, patience * 0.85))


# --- the command ------------------------------------------------------------------------------

USAGE = """\
usage: mcpconf-bridge NAME [--config FILE]     through the gateway
       mcpconf-bridge --url URL                directly: http://, https:// or unix:/SOCKET:/PATH

Stands between an MCP client (stdio) and a server (HTTP).
  --config FILE   where the gateway is (default /etc/mcpconf/bridge.json, $MCPCONF_BRIDGE_CONFIG)
  --cache DIR     what servers said last time (default ~/.cache/mcpconf/bridge); "" keeps nothing
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the bridge; returns the exit code: 0 when the client left, 2 for wrong words."""
    options = _options(list(sys.argv[1:] if words is None else words))
    if options is None:
        sys.stderr.write(USAGE)
        return 2
    name, url, config, cache = options
    try:
        target = Target(name or parse_endpoint(url).host, url, config)
    except ValueError as fault:
        sys.stderr.write(f"mcpconf-bridge: {fault}\n")
        return 2
    path = os.path.join(cache, _slug(url or name) + ".json") if cache else os.devnull
    bridge = Bridge(target, Memory(path))
    _on_signals(bridge)
    try:
        return bridge.run()
    except (KeyboardInterrupt, BrokenPipeError):
        return 0


def _options(words: list[str]) -> tuple[str, str, str, str] | None:
    values = {
        "--url": "",
        "--config": os.environ.get("MCPCONF_BRIDGE_CONFIG") or "/etc/mcpconf/bridge.json",
        "--cache": _default_cache(),
    }
    name = ""
    while words:
        word = words.pop(0)
        if word in values and words:
            values[word] = words.pop(0)
        elif not word.startswith("-") and not name:
            name = word
        else:
            return None
    if "://" in name or name.startswith("unix:"):
        name, values["--url"] = "", name
    if bool(name) == bool(values["--url"]):
        return None
    return name, values["--url"], values["--config"], values["--cache"]


def _default_cache() -> str:
    cache = os.environ.get("MCPCONF_BRIDGE_CACHE")
    if cache is not None:
        return cache
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "mcpconf", "bridge")


def _slug(text: str) -> str:
    """A file name for a server: readable, and another one for every text."""
    from zlib import crc32  # noqa: PLC0415

    shown = re.sub(r"[^A-Za-z0-9]+", "-", text.partition("?")[0])[:60].strip("-")
    return f"{shown}-{crc32(text.encode('utf-8', 'replace')):08x}"


def _on_signals(bridge: Bridge) -> None:
    """Claude Code ends its servers with SIGINT."""
    import signal  # noqa: PLC0415

    here, there = socket.socketpair()
    there.setblocking(False)
    signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)

    def come(mask: int) -> None:
        del mask
        here.recv(64)
        bridge.leave()

    bridge.loop.watch(here.fileno(), selectors.EVENT_READ, come)
    bridge.signals = there  # type: ignore[attr-defined]  kept open
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _noted)


def _noted(number: int, frame: object) -> None:
    """The wake-up descriptor has it."""


if __name__ == "__main__":
    sys.exit(main())
