"""One client's conversation with one MCP server over HTTP, and what it survives.

The parts: ``session`` (who may speak when), ``delivery`` (sending, and sending again),
``replies`` (what comes back), ``listening`` (the server's own stream), ``pool`` (connections),
``heads`` (bytes).
"""

from __future__ import annotations

from mcpconf.bridge.connection import Farewell
from mcpconf.bridge.delivery import Delivery
from mcpconf.bridge.heads import Heads
from mcpconf.bridge.listening import Listening
from mcpconf.bridge.pool import Pool
from mcpconf.bridge.questions import Questions
from mcpconf.bridge.replies import Replies
from mcpconf.bridge.request import META, Request, stop_timer
from mcpconf.bridge.session import Session
from mcpconf.bridge.text import compact, is_id
from mcpconf.bridge.tools import Tools
from mcpconf.bridge.trouble import Trouble, may_have_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.reactor import Owner, Reactor
    from mcpconf.bridge.text import Message

_FAREWELL_LIMIT = 5.0
_OPENING_LIMIT = 20.0  # seconds for one attempt to initialize; then a fresh connection


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
        self.opening_limit = _OPENING_LIMIT
        self.closed = False
        self.tools = Tools()
        self.heads = Heads(endpoint)
        self.pool = Pool(self)
        self.session = Session(self)
        self.listening = Listening(self, transport)
        self.delivery = Delivery(self)
        self.replies = Replies(self)
        self.questions = Questions(self)
        self._pending: dict[tuple[bool, object], Request] = {}

    # what the owner asks for

    def send(self, line: bytes, message: Message, *, own: bool = False) -> Request:
        """Send a message; its answer, failure or acceptance comes through the owner.

        ``line`` is the message as it came, without its line feed; ``message`` is the same, parsed.
        """
        request = Request(line, message, self.reactor.now() + self.patience, own=own)
        if request.wants_answer:
            self.expect(request)
        elif request.method is None:
            self.questions.answers(request)
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
        old = request.version is not None and self.listening.old  # no connection ends with it
        known = request.sent and request.wants_answer and (old or request.version is None)
        self.forget(request)
        if known and (self.listening.postable if old else self.session_open):
            params: Message = {"requestId": request.id, "reason": "the client went away"}
            if old:
                params["_meta"] = {META + "protocolVersion": request.version}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self.send(compact(notice), notice, own=True)

    def again(self, request: Request) -> None:
        """Send a request again that was refused, now that ``headers`` gives others."""
        self.delivery.again(request)

    def give_up(self, request: Request, trouble: Trouble) -> None:
        """Fail a request that was refused."""
        self.fail(request, trouble)

    def hurry(self) -> None:
        """Somebody waits: try now instead of after the pause."""
        self.session.hurry()

    def reopen(self) -> None:
        """Begin the session anew, if there is none; ``owner.reopened`` tells when it is there."""
        self.session.reopen()

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

    # the requests

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

    def fail(self, request: Request, trouble: Trouble) -> None:
        """No answer will come."""
        if request.answered or self.closed:
            return
        request.answered = True
        self.forget(request)
        if request.about is not None:
            self.questions.lost(request, trouble)
        if request.resuming:
            trouble = may_have_run(trouble)
        if request is self.session.opening:
            self.session.abort(trouble)
        self.session.greet(request)
        if not request.cancelled and (not request.own or request.tag is not None):
            self.owner.failed(request, trouble)

    def settle(self, request: Request) -> None:
        """It is answered."""
        if self._pending.get(request.key) is request:
            del self._pending[request.key]
        stop_timer(request)
        if request.resuming:
            self.detach(request)  # the answer may have come on another stream

    def forget(self, request: Request) -> None:
        """Take a request out of everything that knows it."""
        if self._pending.get(request.key) is request:
            del self._pending[request.key]
        self.session.forget(request)
        self.listening.forget(request)
        self.pool.leave_line(request)
        stop_timer(request)
        self.detach(request)

    def detach(self, request: Request) -> None:
        """Close the connection that a request is on."""
        connection, request.connection = request.connection, None
        if connection is not None and connection.request is request:
            self.pool.discard(connection)


def _nothing() -> None:
    """Nobody waits."""
