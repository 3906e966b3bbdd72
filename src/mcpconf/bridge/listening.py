"""The server's own stream: a GET beside the requests, and all there is in the old transport.

Streamable HTTP (2025-03-26 on): the stream is optional, and opened again when it was cut.
HTTP with SSE (2024-11-05): the stream *is* the session, and its first event says where to post.
"""

from __future__ import annotations

from mcpconf.bridge.endpoint import same_origin_path
from mcpconf.bridge.request import Request
from mcpconf.bridge.trouble import Trouble, may_have_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.link import Link

_SHORTEST, _LONGEST = 0.25, 15.0  # seconds until a stream that was cut is opened again
_STEADY = 5.0  # seconds; a stream that lasted as long was no failure
_ENDPOINT_LIMIT = 20.0  # seconds in which an old server says where to post
_NO_STREAM = 405
_PASSING = frozenset((0, 408, 429, 500, 502, 503, 504))  # no answer for good


class Listening:
    """``transport`` is ``http``, ``sse`` (the old one) or ``auto``: whichever the server knows."""

    def __init__(self, link: Link, transport: str) -> None:
        self._link = link
        self.transport = transport
        self._stream: Request | None = None
        self._pause = 0.0
        self._since = 0.0  # when it last began to flow in this session; 0: never
        self._flowing = False
        self._line: list[Request] = []  # in the old transport: until there is an endpoint
        self._doubt: Trouble | None = None  # what spoke against the new transport

    @property
    def old(self) -> bool:
        return self.transport == "sse"

    @property
    def postable(self) -> bool:
        """Whether it is known where to post."""
        return not self.old or self._link.heads.post_path is not None

    def ready_for(self, request: Request) -> bool:
        """Whether a message can be sent; if not it is kept until it can."""
        if self.postable:
            return True
        self._line.append(request)
        self.open()
        return False

    def try_old(self, request: Request, trouble: Trouble) -> bool:
        """Initialize was refused as a server does that knows only the old transport."""
        if self.transport != "auto":
            return False
        self.transport, self._doubt = "sse", trouble
        self._link.submit(request)
        return True

    def open(self, after: bytes | None = None) -> None:
        """Open the stream, if there is none; ``after``: the last event of the one before."""
        if self._stream is not None or self._link.closed:
            return
        if not self.old and not (self._link.session.greeted and self._link.session.is_open):
            return
        self._stream = stream = Request(b"", {}, 0.0, own=True)
        stream.stream, stream.event_id = True, after
        if self.old:
            self._link.reactor.after(_ENDPOINT_LIMIT, lambda: self._too_slow(stream))
        self._link.pool.carry(stream)

    def stop(self) -> None:
        stream, self._stream = self._stream, None
        self._since = 0.0
        if stream is not None:
            stream.cancelled = True
            self._link.forget(stream)
        if self.old:
            self._link.heads.post_path = None
            self._link.heads.forget()
            for request in self._accepted(Trouble("session-lost", "its session was lost")):
                self._link.delivery.again(request)

    def forget(self, request: Request) -> None:
        if request in self._line:
            self._line.remove(request)

    def begun(self) -> None:
        """The stream flows."""
        self._since, self._flowing = self._link.reactor.now(), True

    def over(self, stream: Request, status: int, *, streamed: bool) -> None:
        """The stream ended (it was ``streamed``) or did not come to be; status 0: unreachable."""
        if stream is not self._stream:
            return
        if self.old:
            self._stream = None
            self._old_over(status, streamed=streamed)
        elif streamed or status in _PASSING:
            self._later(stream)
        elif status == 404 and self._since:  # noqa: PLR2004  it did offer one before
            self._stream = None
            self._since = 0.0
            self._link.session.close()
            self._link.session.reopen()
        # anything else: it offers no stream, and is not asked again in this session

    def _later(self, stream: Request) -> None:
        self._stream = None
        now = self._link.reactor.now()
        steady = self._flowing and now - self._since >= _STEADY
        self._flowing = False
        self._pause = min(max(_SHORTEST, 0.0 if steady else self._pause * 2), _LONGEST)
        pause = self._pause if stream.pause is None else max(stream.pause, 0.05)
        session = self._link.heads.session
        self._link.reactor.after(pause, lambda: self._again(stream, session))

    def _again(self, before: Request, session: str | None) -> None:
        same = session == self._link.heads.session
        self.open(before.event_id if same else None)

    # the old transport

    def endpoint(self, request: Request, data: bytes) -> None:
        """The stream says where to post.  Never to another server."""
        if request is not self._stream or not self.old:
            return
        link = self._link
        path = same_origin_path(link.endpoint, data.decode("latin-1").strip())
        if path is None:
            self.stop()
            text = "its stream names an endpoint on another server"
            self._fail_all(Trouble("redirected", text))
            return
        link.heads.post_path = path
        link.heads.forget()
        line, self._line = self._line, []
        for waiting in line:
            link.submit(waiting)

    def _old_over(self, status: int, *, streamed: bool) -> None:
        link = self._link
        link.heads.post_path = None
        link.heads.forget()
        if streamed or status in _PASSING:
            cut = Trouble("unreachable", "its stream was cut", retry=True)
            away = None if streamed or status else link.trouble
            self._cut(away or cut)
            return
        trouble = Trouble("http-status", f"it answers HTTP {status} instead of a stream")
        if self._doubt is not None:
            trouble, self._doubt, self.transport = self._doubt, None, "auto"
        self._fail_all(trouble)

    def _too_slow(self, stream: Request) -> None:
        if stream is self._stream and self._link.heads.post_path is None:
            self._link.detach(stream)
            self._link.away(Trouble("timeout", "its stream does not say where to post", retry=True))
            status = 0 if self._doubt is None else _NO_STREAM  # it is not an old server after all
            self.over(stream, status, streamed=False)

    def _fail_all(self, trouble: Trouble) -> None:
        line, self._line = self._line, []
        for request in line:
            self._link.fail(request, trouble)

    def _cut(self, trouble: Trouble) -> None:
        """The session went with its stream: what can be asked again is, in the next one."""
        link = self._link
        opening = link.session.opening
        unsent, self._line = self._line, []
        unsent += self._accepted(trouble)
        link.session.close()
        for request in unsent:
            link.detach(request)
            if request is not opening:
                request.sent = False
                link.delivery.retry(request, trouble)
        if opening is not None and opening not in unsent:
            link.detach(opening)
            link.delivery.retry(opening, trouble)
        elif opening is not None:
            link.delivery.retry(opening, trouble)
        else:
            link.reactor.after(_SHORTEST, link.session.reopen)

    def _accepted(self, trouble: Trouble) -> list[Request]:
        """What waits for an answer on the stream that is gone; returns what may be asked again."""
        link = self._link
        again: list[Request] = []
        for request in link.unanswered():
            on_its_way = request.sent and request.timer is None
            if request is link.session.opening or not on_its_way:
                continue
            if link.delivery.may_repeat(request):
                request.sent = False
                again.append(request)
            else:
                link.fail(request, may_have_run(trouble))
        return again
