"""One client's conversation with one MCP server over HTTP, and what it survives.

**Twice or not at all.**  A call that may have side effects is sent again only if the transport
proves that the first never arrived (:meth:`Transport.undelivered`), or if whoever answered says
that nothing was done: a lost session, a redirect, 429, 502, 503, a gateway of ours.  In every
other case the client is told that the call may have run.  (MCP 2025-11-25, Tools: a call is not
idempotent unless its tool is annotated so.)
"""

from __future__ import annotations

from mcpconf.bridge.connection import Farewell
from mcpconf.bridge.heads import Heads
from mcpconf.bridge.listening import Listening
from mcpconf.bridge.pool import Pool
from mcpconf.bridge.request import REPEATABLE, Request
from mcpconf.bridge.session import Session
from mcpconf.bridge.text import (
    ANSWER,
    ANSWERS,
    CHECKED,
    NO_ANSWER,
    compact,
    error_line,
    identity_in,
    is_id,
    is_sound,
    messages,
    one_line,
    parsed,
)
from mcpconf.bridge.tools import Tools
from mcpconf.bridge.trouble import MAY_HAVE_RUN, Trouble, may_have_run, refusal, said_by_gateway
from mcpconf.bridge.verdict import Exchange, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mcpconf.bridge.connection import Connection
    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.events import Event
    from mcpconf.bridge.reactor import Owner, Reactor
    from mcpconf.bridge.text import Message

_OPENING_LIMIT = 20.0  # seconds for one attempt to initialize; then a fresh connection
_FAREWELL_LIMIT = 5.0


class Link:
    """Hides a server that is late or was restarted, lost sessions, stale connections, cut streams.

    ``transport`` is ``http``, ``sse`` (that of 2024-11-05) or ``auto``.  ``patience`` is how long a
    message waits for a server that is not there, in seconds; ``request.deadline`` changes it.
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
        self.owner = owner
        self.patience = patience
        self.trouble: Trouble | None = None  # the last one, while the server is away
        self.away_since = 0.0
        self.closed = False
        self.tools = Tools()
        self.heads = Heads(endpoint)
        self.pool = Pool(self)
        self.session = Session(self)
        self.listening = Listening(self, transport)
        self._pending: dict[tuple[bool, object], Request] = {}

    # what the owner asks for

    def send(self, line: bytes, message: Message, *, own: bool = False) -> Request:
        """Send a message; its answer, failure or acceptance comes through the owner.

        ``line`` is the message as it came, without its line feed; ``message`` is the same, parsed.
        """
        request = Request(line, message, self.reactor.now() + self.patience, own=own)
        if request.wants_answer:
            self.expect(request)
        if request.version is None:
            self.session.take(request)
        else:
            self.submit(request)
        return request

    def find(self, identity: object) -> Request | None:
        """The request of that id which is not answered yet."""
        return self._pending.get((isinstance(identity, str), identity)) if is_id(identity) else None

    def subscription(self) -> object:
        """The id of the client's subscriptions/listen (2026-07-28); None without."""
        listens = (r for r in self._pending.values() if r.method == "subscriptions/listen")
        return next((request.id for request in listens), None)

    def abandon(self, request: Request) -> None:
        """Nobody waits for the answer any more; a server that has the request is told."""
        if request.answered or request.cancelled or request is self.session.opening:
            return  # initialize cannot be cancelled (MCP 2025-11-25, Cancellation)
        request.cancelled = True
        known = request.sent and request.version is None and request.wants_answer
        self.forget(request)
        if known and self.session_open:
            params = {"requestId": request.id, "reason": "the client went away"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self.send(compact(notice), notice, own=True)

    def again(self, request: Request) -> None:
        """Send a request again that was refused, now that ``headers`` gives others."""
        self._retried(request)

    def give_up(self, request: Request, trouble: Trouble) -> None:
        """Fail a request that was refused."""
        self.fail(request, trouble)

    def hurry(self) -> None:
        """Somebody waits: try now instead of after the pause."""
        self.session.hurry()

    def reopen(self) -> None:
        """Begin the session anew, if there is none; ``owner.reopened`` tells when it is there."""
        self.session.reopen_if_closed()

    def move(self, endpoint: Endpoint) -> None:
        """The server lives somewhere else from now on."""
        self.heads.move(endpoint)
        self.pool.drop_idle()

    def close(self, done: Callable[[], None] | None = None) -> None:
        """End the session (DELETE) and every connection; ``done`` is called when that is over."""
        finish = done or _nothing
        for request in self.unanswered():
            self.forget(request)
        self.closed = True
        self.listening.stop()
        self.pool.close()
        self.session.stop()
        if self.heads.session is None or self.listening.old:
            finish()
            return
        goodbye = self.heads.farewell(self.owner.headers(Request(b"", {}, 0.0)))
        farewell = Farewell(goodbye, finish)
        self.reactor.after(_FAREWELL_LIMIT, farewell.over)
        self.reactor.connect(self.endpoint, farewell)

    @property
    def endpoint(self) -> Endpoint:
        return self.heads.endpoint

    @property
    def session_open(self) -> bool:
        """Whether there is a session, as far as is known."""
        return self.session.is_open

    def away(self, trouble: Trouble) -> None:
        """The server cannot be reached, or not used."""
        if self.trouble is None:
            self.away_since = self.reactor.now()
        self.trouble = trouble

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    # sending

    def expect(self, request: Request) -> None:
        """An answer with this request's id belongs to it."""
        self._pending[request.key] = request

    def unanswered(self) -> list[Request]:
        return list(self._pending.values())

    def submit(self, request: Request) -> None:
        """Send a request as soon as there is a connection."""
        if request.cancelled:
            self.forget(request)
        elif not self.closed and self.listening.ready_for(request):
            self.pool.carry(request)

    def start(self, connection: Connection, request: Request) -> None:
        """Write a request on an open connection."""
        try:
            pairs = self.owner.headers(request)
            data = self.heads.encode(request, pairs, self.tools)
        except ValueError as fault:
            self.pool.discard(connection)
            self.fail(request, Trouble("protocol", str(fault), delivered=False))
            return
        if request is self.session.opening:
            request.timer = self.reactor.after(_OPENING_LIMIT, lambda: self._too_slow(request))
        request.session = self.heads.session
        connection.start(request, data)

    def _too_slow(self, request: Request) -> None:
        request.timer = None
        if request is self.session.opening and request.connection is not None:
            self.detach(request)
            trouble = Trouble("timeout", "it accepts connections and does not answer", retry=True)
            self.retry(request, trouble)

    # what a connection says

    def connected(self, connection: Connection) -> None:
        """A new connection is open."""
        request = connection.request
        if request is None or request.cancelled or self.closed:
            self.pool.discard(connection)
        else:
            self.start(connection, request)

    def begun(self, connection: Connection) -> None:
        """The head of a response is there."""
        request = connection.request
        if request is None:
            return
        if request.method == "initialize" and connection.status == 200:  # noqa: PLR2004
            session = connection.headers.get(b"mcp-session-id", b"").decode("latin-1")
            self.heads.session = session if session and session.isprintable() else None
            self.heads.forget()
        if request.stream and connection.streaming:
            self.listening.begun()

    def event(self, request: Request, event: Event) -> None:
        """One event of a stream."""
        request.heard = True
        if event.id is not None:
            request.event_id = event.id or None
        if event.retry is not None:
            request.pause = event.retry
        if event.kind == b"endpoint":
            self.listening.endpoint(request, event.data)
        elif event.data and event.kind == b"message":
            self._message(request, one_line(event.data))

    def _message(self, request: Request, line: bytes) -> None:
        """One message: the answer to this request or another, or the server's own."""
        found = ANSWER.match(line, 0, 512)
        if found is None or len(line) <= CHECKED:
            message = parsed(line)
            if not message:
                self._batch(request, line)
                return
            if "method" in message:
                self.owner.deliver(line, None if request.stream else request)
                return
            identity = message.get("id")
            if not ANSWERS & message.keys():
                line = error_line(identity, NO_ANSWER, "the server's answer is empty")
        elif is_sound(line):
            identity = identity_in(found[1])
        else:
            return
        target = self.find(identity)
        if target is not None:
            self._answer(target, line)

    def _batch(self, request: Request, line: bytes) -> None:
        """Several messages in one event (2025-03-26), or nothing that a client could read."""
        if line.lstrip().startswith(b"["):
            for message in messages(line) or ():
                self._message(request, compact(message))

    def ended(self, connection: Connection) -> None:
        """A response is complete."""
        request, status, headers = connection.request, connection.status, connection.headers
        streamed, text = connection.streaming, connection.take_text()
        self.pool.release(connection)
        if request is None:
            return
        request.connection = None
        _stop_timer(request)
        if request.stream:
            self.listening.over(request, status, streamed=streamed)
        elif streamed:
            self._stream_over(request, "its stream ended before the answer")
        elif self.listening.old and status < 300:  # noqa: PLR2004
            if not request.wants_answer:
                self._accept(request)  # the answer to a request comes on the stream
        else:
            session = request.session is not None
            exchange = Exchange(request, status, headers, text, self.endpoint, session=session)
            self._judged(request, exchange)

    def _judged(self, request: Request, exchange: Exchange) -> None:  # noqa: C901  a table
        verdict = judge(exchange)
        kind, value = verdict.kind, verdict.value
        if kind == "answer":
            self._answer(request, value)
        elif kind == "accepted":
            self._accept(request)
        elif kind == "messages":
            self._several(request, value)
        elif kind == "refused":
            if not self.owner.refused(request, *value):
                self.fail(request, refusal(value[0]))
        elif kind == "lost":
            self._session_lost(request)
        elif kind == "elsewhere":
            self.heads.path = value
            self.heads.forget()
            self.submit(request)
        elif kind == "busy":
            request.pause = value[0] if value[0] is not None else request.pause
            self.retry(request, value[1])
        elif kind == "failed" or not self.listening.try_old(request, value):
            self.fail(request, value)

    def _several(self, request: Request, lines: list[bytes]) -> None:
        for line in lines:
            self._message(request, line)
        if not request.answered:
            self.fail(request, Trouble("not-mcp", "its JSON is no answer to the request"))

    def _session_lost(self, request: Request) -> None:
        if request.resuming:
            text = "its session was lost during the call" + MAY_HAVE_RUN
            self.fail(request, Trouble("session-lost", text))
        else:
            self.session.lost(request)

    def _stream_over(self, request: Request, why: str) -> None:
        """A stream ended; without the answer it is taken up again, if it can be."""
        if request.answered or request.cancelled:
            self.forget(request)
        elif not request.wants_answer:
            self._accept(request)
        elif request.event_id is not None and request.version is None:
            request.attempts = 0 if not request.resuming else request.attempts
            request.resuming = True
            if request.heard:  # a stream that only ends is not taken up for ever
                request.deadline = max(request.deadline, self.reactor.now() + self.patience)
                request.heard = False
            self.retry(request, Trouble("protocol", why + MAY_HAVE_RUN, retry=True))
        elif self.may_repeat(request):
            self.retry(request, Trouble("protocol", why, retry=True))
        else:
            self.fail(request, Trouble("protocol", why + MAY_HAVE_RUN))

    # answers

    def _answer(self, request: Request, line: bytes) -> None:
        if request.answered:
            return  # on another stream
        trouble = said_by_gateway(line)
        if trouble is not None and (trouble.retry or request is self.session.opening):
            self._gateway_says(request, trouble)
            return
        request.answered = True
        self.trouble = self.trouble if trouble is not None else None
        self._over(request)
        if request.method == "tools/list":
            self.tools.learn(line)
        if request is self.session.opening:
            if not request.own:
                self.owner.answered(request, line)  # before what waited for the session is sent
            self.session.opened(request, line)
        elif not request.own or request.tag is not None:
            self.owner.answered(request, line)

    def _over(self, request: Request) -> None:
        if self._pending.get(request.key) is request:
            del self._pending[request.key]
        _stop_timer(request)
        if request.resuming:
            self.detach(request)  # the answer may have come on another stream

    def _gateway_says(self, request: Request, trouble: Trouble) -> None:
        """Our gateway is there, and the server behind it is not."""
        self.detach(request)
        if trouble.retry:
            self.retry(request, trouble)
        else:
            self.fail(request, trouble)

    def _accept(self, request: Request) -> None:
        self.session.greet(request)
        if not request.own:
            self.owner.accepted(request)

    # what fails

    def unreachable(self, connection: Connection, trouble: Trouble) -> None:
        """No connection could be made, so nothing was delivered."""
        request = self._without(connection)
        if request is None:
            return
        if request.stream:
            self.away(trouble)
            self.listening.over(request, 0, streamed=False)
        elif trouble.retry:
            self.retry(request, trouble)
        else:
            self.fail(request, trouble)

    def broken(self, connection: Connection, trouble: Trouble) -> None:
        """The response cannot be read."""
        request = self._without(connection)
        if request is None:
            return
        if request.stream:
            self.listening.over(request, 0, streamed=False)
        else:
            self.fail(request, trouble)

    def lost(self, connection: Connection) -> None:
        """The connection ended in the middle."""
        untouched, streaming = connection.reader.untouched, connection.streaming
        if untouched or connection.request is None:
            self.pool.doubt(connection)
        proof = connection.transport is not None and connection.transport.undelivered()
        request = self._without(connection)
        if request is None:
            return
        if request.cancelled or request.answered:
            self.forget(request)
            return
        _stop_timer(request)
        if request.stream:
            self.listening.over(request, 0, streamed=streaming and not untouched)
        elif streaming and not untouched:
            self._stream_over(request, "the connection was cut before the answer")
        elif self.may_repeat(request) or request.resuming or (untouched and proof):
            self.retry(request, Trouble("unreachable", "it closes the connection", retry=True))
        else:
            text = "it closed the connection before the answer" + MAY_HAVE_RUN
            self.fail(request, Trouble("unreachable", text))

    def _without(self, connection: Connection) -> Request | None:
        request = connection.request
        self.pool.discard(connection)
        if request is not None:
            request.connection = None
        return request

    def may_repeat(self, request: Request) -> bool:
        """Whether a request may be sent again although the first may have arrived."""
        if request.method == "tools/call":
            return str(request.params.get("name")) in self.tools.harmless
        return request.method is None or request.method in REPEATABLE

    def retry(self, request: Request, trouble: Trouble) -> None:
        """Try again after a pause, as long as there is patience."""
        request.attempts += 1
        self.away(trouble)
        limit = request.deadline
        if trouble.delivered is False:
            limit = min(limit, request.haste)
        if self.reactor.now() >= limit:
            self.fail(request, trouble)
            return
        pause = min(1.0, 0.02 * 2 ** min(request.attempts, 6))
        if request.pause is not None:
            pause, request.pause = max(0.02, request.pause), None
        request.timer = self.reactor.after(pause, lambda: self._retried(request))

    def _retried(self, request: Request) -> None:
        request.timer = None
        if request.version is None and not request.stream:
            self.session.again(request)  # there may be another by now, or none
        else:
            self.submit(request)

    def fail(self, request: Request, trouble: Trouble) -> None:
        """No answer will come."""
        if request.answered or self.closed:
            return
        request.answered = True
        self.forget(request)
        if request.resuming:
            trouble = may_have_run(trouble)
        if request is self.session.opening:
            self.session.abort(trouble)
        self.session.greet(request)
        if not request.cancelled and (not request.own or request.tag is not None):
            self.owner.failed(request, trouble)

    def forget(self, request: Request) -> None:
        """Take a request out of everything that knows it."""
        if self._pending.get(request.key) is request:
            del self._pending[request.key]
        self.session.forget(request)
        self.listening.forget(request)
        self.pool.leave_line(request)
        _stop_timer(request)
        self.detach(request)

    def detach(self, request: Request) -> None:
        """Close the connection that a request is on."""
        connection, request.connection = request.connection, None
        if connection is not None and connection.request is request:
            self.pool.discard(connection)


def _stop_timer(request: Request) -> None:
    if request.timer is not None:
        request.timer.cancel()
        request.timer = None


def _nothing() -> None:
    """Nobody waits."""
