"""Sending, and sending again: what becomes of connections and of the requests on them.

**Twice or not at all.**  A call that may have side effects is sent again only if the transport
proves that the first never arrived (:meth:`Transport.undelivered`), or if whoever answered says
that nothing was done: a lost session, a redirect, 429, 502, 503, a gateway of ours.  In every
other case the client is told that the call may have run.  (MCP 2025-11-25, Tools: a call is not
idempotent unless its tool is annotated so.)
"""

from __future__ import annotations

from mcpconf.bridge.request import REPEATABLE, Request, stop_timer
from mcpconf.bridge.trouble import MAY_HAVE_RUN, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.connection import Connection
    from mcpconf.bridge.link import Link


class Delivery:
    """Writes requests on connections, and decides what follows when one is lost."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def start(self, connection: Connection, request: Request) -> None:
        """Write a request on an open connection."""
        if not (request.stream or self._link.listening.postable):
            self._link.pool.discard(connection)  # meanwhile nobody knows where to post
            self.again(request)
            return
        if self._link.questions.out_of_session(request):
            self._link.pool.discard(connection)
            self._link.questions.lost(request)
            return
        try:
            pairs = self._link.owner.headers(request)
            data = self._link.heads.encode(request, pairs, self._link.tools)
        except ValueError as fault:
            self._link.pool.discard(connection)
            self._link.fail(request, Trouble("protocol", str(fault), delivered=False))
            return
        if request is self._link.session.opening:
            request.timer = self._link.reactor.after(
                self._link.opening_limit, lambda: self._too_slow(request)
            )
        request.session = self._link.heads.session
        connection.start(request, data)

    def _too_slow(self, request: Request) -> None:
        request.timer = None
        if request is self._link.session.opening and request.connection is not None:
            self._link.detach(request)
            trouble = Trouble("timeout", "it accepts connections and does not answer", retry=True)
            self.retry(request, trouble)

    def connected(self, connection: Connection) -> None:
        """A new connection is open."""
        request = connection.request
        if request is None or request.cancelled or self._link.closed:
            self._link.pool.discard(connection)
        else:
            self.start(connection, request)

    def unreachable(self, connection: Connection, trouble: Trouble) -> None:
        """No connection could be made, so nothing was delivered."""
        request = self._without(connection)
        if request is None:
            return
        if request.stream:
            self._link.away(trouble)
            self._link.listening.over(request, 0, streamed=False)
        elif trouble.retry:
            self.retry(request, trouble)
        else:
            self._link.fail(request, trouble)

    def broken(self, connection: Connection, trouble: Trouble) -> None:
        """The response cannot be read."""
        request = self._without(connection)
        if request is None:
            return
        if request.stream:
            self._link.listening.over(request, 0, streamed=False)
        else:
            self._link.fail(request, trouble)

    def lost(self, connection: Connection) -> None:
        """The connection ended in the middle."""
        untouched, streaming = connection.reader.untouched, connection.streaming
        if untouched or connection.request is None:
            self._link.pool.doubt(connection)
        proof = connection.transport is not None and connection.transport.undelivered()
        request = self._without(connection)
        if request is None:
            return
        if request.cancelled or request.answered:
            self._link.forget(request)
            return
        stop_timer(request)
        if request.stream:
            self._link.listening.over(request, 0, streamed=streaming and not untouched)
        elif streaming and not untouched:
            self._link.replies.stream_over(request, "the connection was cut before the answer")
        elif self.may_repeat(request) or request.resuming or (untouched and proof):
            self.retry(request, Trouble("unreachable", "it closes the connection", retry=True))
        else:
            text = "it closed the connection before the answer" + MAY_HAVE_RUN
            self._link.fail(request, Trouble("unreachable", text))

    def _without(self, connection: Connection) -> Request | None:
        request = connection.request
        self._link.pool.discard(connection)
        if request is not None:
            request.connection = None
        return request

    def may_repeat(self, request: Request) -> bool:
        """Whether a request may be sent again although the first may have arrived."""
        if request.method == "tools/call":
            return str(request.params.get("name")) in self._link.tools.harmless
        return request.method is None or request.method in REPEATABLE

    def retry(self, request: Request, trouble: Trouble) -> None:
        """Try again after a pause, as long as there is patience."""
        request.attempts += 1
        self._link.away(trouble)
        limit = request.deadline
        if trouble.delivered is False:
            limit = min(limit, request.haste)
        if self._link.reactor.now() >= limit:
            self._link.fail(request, trouble)
            return
        pause = min(1.0, 0.02 * 2 ** min(request.attempts, 6))
        if request.pause is not None:
            pause, request.pause = max(0.02, request.pause), None
        request.timer = self._link.reactor.after(pause, lambda: self.again(request))

    def again(self, request: Request) -> None:
        request.timer = None
        if request.version is None and not request.stream:
            self._link.session.again(request)  # there may be another by now, or none
        else:
            self._link.submit(request)
