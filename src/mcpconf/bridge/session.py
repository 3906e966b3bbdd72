"""The session of the legacy era (2024-11-05 to 2025-11-25): begun, and begun anew when lost."""

from __future__ import annotations

from mcpconf.bridge.request import Request
from mcpconf.bridge.text import compact, parsed
from mcpconf.bridge.trouble import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.link import Link
    from mcpconf.bridge.reactor import Timer

_GREETING_LIMIT = 2.0  # seconds until a server is taken to know that the client is ready
_LOOK = 0.25
_MOST_LOSSES = 3  # of one request; what is lost again and again is not the session
_MOST_GREETINGS = 3
_UNSAID = "2025-03-26"  # the version of a server that names none (MCP 2025-06-18, Transports)


class Session:
    """Who may speak when.

    Messages wait while ``initialize`` is on its way and until the server knows that the client is
    ready.  When the session is lost, the client's own ``initialize`` is sent again, then what a new
    session would not know: subscriptions and the log level.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._first: Request | None = None  # the client's initialize
        self.opening: Request | None = None
        self._greeting: Request | None = None
        self.greeted = False
        self._unwelcome = 0  # greetings that lost their session at once
        self.answer = b""  # to the last initialize
        self._ready = False  # the client has said that it is
        self._anew = False  # it is not the client's first session
        self._waiting: list[Request] = []
        self._subscribed: dict[str, bytes] = {}
        self._level: bytes | None = None
        self._expiry: Timer | None = None

    @property
    def is_open(self) -> bool:
        """Whether initialize was answered, and the session is not known to be lost."""
        return self.opening is None and self._link.heads.version is not None

    def take(self, request: Request) -> None:
        """A message of the client: send it now, or when there is a session."""
        if request.method == "initialize":
            self._first = request
            self._ready = False
            self._subscribed.clear()
            self._level = None
            self._begin(request)
            return
        self._note(request)
        if request.method == "notifications/initialized" and self._first is not None:
            self._ready = True
            if self.is_open and self._greeting is None:
                self._greet_with(request)
            return  # otherwise it is said as soon as there is a session
        self._route(request)

    def _note(self, request: Request) -> None:
        """Remember what a new session would have to be told."""
        uri = str(request.params.get("uri"))
        if request.method == "logging/setLevel":
            self._level = request.line
        elif request.method == "resources/subscribe":
            self._subscribed[uri] = request.line
        elif request.method == "resources/unsubscribe":
            self._subscribed.pop(uri, None)

    def again(self, request: Request) -> None:
        """A message whose first attempt failed."""
        if request is self._greeting:
            self._link.submit(request)
        else:
            self._route(request)

    def _route(self, request: Request) -> None:
        if self._first is None or request is self.opening:
            self._link.submit(request)
        elif self.opening is not None or self._greeting is not None:
            self._wait(request)
        elif self._link.heads.version is None:
            self._wait(request)
            self.reopen()
        else:
            self._link.submit(request)

    # waiting

    def _wait(self, request: Request) -> None:
        self._waiting.append(request)
        self.hurry()
        if self._expiry is None:
            self._expiry = self._link.reactor.after(_LOOK, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        now = self._link.reactor.now()
        last = self._link.trouble or Trouble("timeout", "it does not answer")
        late = Trouble(last.code, last.text, retry=True, delivered=False, said=last.said)
        for request in [r for r in self._waiting if min(r.deadline, r.haste) <= now]:
            self._link.fail(request, late)
        if self._waiting:
            self._expiry = self._link.reactor.after(_LOOK, self._expire)

    def hurry(self) -> None:
        """Somebody waits: try now instead of after the pause."""
        opening = self.opening
        if opening is not None and opening.connection is None and opening.timer is not None:
            opening.timer.cancel()
            opening.timer = None
            self._link.submit(opening)

    def forget(self, request: Request) -> None:
        if request in self._waiting:
            self._waiting.remove(request)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._route(request)

    # beginning

    def _begin(self, request: Request) -> None:
        self.opening, self._greeting, self.greeted = request, None, False
        self._link.listening.stop()
        heads = self._link.heads
        heads.session = heads.version = None
        heads.forget()
        self._link.submit(request)

    def reopen(self) -> None:
        """Begin anew with the client's own initialize."""
        first, link = self._first, self._link
        if first is None or self.opening is not None or self.is_open or link.closed:
            return
        replay = Request(
            first.line, parsed(first.line), link.reactor.now() + link.patience, own=True
        )
        link.expect(replay)
        self._begin(replay)

    def opened(self, request: Request, line: bytes) -> None:
        """Initialize was answered, with a result or an error."""
        self.opening = None
        result = parsed(line).get("result")
        if not isinstance(result, dict):
            self.abort(Trouble("session-lost", "it refuses to begin a session", delivered=False))
            return
        self.answer, self._anew = line, request.own
        version = result.get("protocolVersion")
        named = isinstance(version, str) and version.isascii() and version.isprintable()
        self._link.heads.version = version if named else _UNSAID
        self._link.heads.forget()
        if self._ready:
            notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            self._greet_with(Request(compact(notice), notice, float("inf"), own=True))
        else:
            self._flush()

    def _greet_with(self, request: Request) -> None:
        self._greeting = request
        self._link.submit(request)
        self._link.reactor.after(_GREETING_LIMIT, lambda: self.greet(request))

    def greet(self, request: Request) -> None:
        """The server knows that the client is ready, or takes too long to say so."""
        if request is not self._greeting:
            return
        self._greeting, self.greeted, self._unwelcome = None, True, 0
        if self._anew:
            for line in (*self._subscribed.values(), *((self._level,) if self._level else ())):
                self._replay(line)
            self._link.owner.reopened()
        self._flush()
        self._link.listening.open()

    def _replay(self, line: bytes) -> None:
        message = parsed(line)
        message["id"] = f"mcpconf-again-{message.get('id')}"
        link = self._link
        request = Request(compact(message), message, link.reactor.now() + link.patience, own=True)
        link.expect(request)
        link.submit(request)

    # ending

    def lost(self, request: Request) -> None:
        """The server does not know the session: it has not done what this request asks."""
        request.losses += 1
        request.sent = False
        if request.losses > _MOST_LOSSES:
            self._link.fail(request, Trouble("session-lost", "it loses every session at once"))
            return
        if request is self._greeting:
            self._unwelcome += 1
            if self._unwelcome > _MOST_GREETINGS:
                self.greet(request)  # it wants none
                return
        if request.session == self._link.heads.session:  # else there is another already
            self.close()
        if request is self._greeting:
            self._greeting = None
            self.reopen()
        elif request.own or request.method is None:
            self._link.questions.lost(request)  # nobody asked that in the next session
            self.reopen()
        else:
            self._route(request)

    def close(self) -> None:
        """What is known of the session holds no more."""
        if self.opening is None:
            self._link.heads.session = self._link.heads.version = None
            self._link.heads.forget()

    def abort(self, trouble: Trouble) -> None:
        """No session can be had now: who waits for one is told."""
        self.opening = None
        self._link.away(trouble)
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._link.fail(request, trouble)

    def stop(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
