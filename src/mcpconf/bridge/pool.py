"""The connections of one link: a few idle ones, a bound on the busy ones, a line for the rest."""

from __future__ import annotations

from mcpconf.bridge.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.link import Link
    from mcpconf.bridge.request import Request

_MOST_BUSY = 128
_MOST_IDLE = 64
_STALE = 60.0  # seconds; an idle connection older than that may have been forgotten on the way
_CAREFUL = 4.0  # seconds; older ones are not for what may be sent once: Node, uvicorn close after 5
_SOON = 1.0  # seconds; a server that closes sooner does so after each answer


class Pool:
    """Gives every request a connection of its own for as long as it takes."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._line: list[Request] = []
        self._closed = False
        self._fickle = 0.0  # until when the server is taken to close after each answer

    def carry(self, request: Request) -> None:
        """Start a request on an idle connection, on a new one, or when one is free."""
        if self._closed:
            return
        connection = self._fresh(request) if self._idle else None
        if connection is not None:
            self._busy.add(connection)
            self._link.delivery.start(connection, request)
        elif len(self._busy) >= _MOST_BUSY and request.wants_answer and not self._freed():
            self._line.append(request)
        else:
            connection = Connection(self._link.delivery, self._link.replies, request)
            request.connection = connection
            self._busy.add(connection)
            self._link.reactor.connect(self._link.endpoint, connection)

    def _freed(self) -> bool:
        """End a stream that goes on although its answer has come, or is not wanted any more."""
        for connection in self._busy:
            request = connection.request
            if request is not None and (request.answered or request.cancelled):
                self._busy.discard(connection)
                connection.request = request.connection = None
                connection.close()
                self._link.forget(request)
                return True
        return False

    def _fresh(self, request: Request) -> Connection | None:
        """An idle connection that will do.

        One that the server closes just now would not: whether a call went with it cannot be known.
        """
        now = self._link.reactor.now()
        limit = _CAREFUL if now >= self._fickle else 0.0
        while self._idle:
            connection = self._idle.pop()
            transport, age = connection.transport, now - connection.idle_since
            young = age < limit or (age < _STALE and self._link.delivery.may_repeat(request))
            if young and transport is not None and connection.reader.reusable:
                if transport.alive():
                    return connection
                self.doubt(connection)
            connection.close()
        return None

    def doubt(self, connection: Connection) -> None:
        """The server closed it, between two requests as far as is known."""
        now = self._link.reactor.now()
        if connection.idle_since and now - connection.idle_since < _SOON:
            self._fickle = now + _STALE

    def release(self, connection: Connection) -> None:
        """Its request is done: keep the connection, if it can be used again."""
        connection.request = None
        self._busy.discard(connection)
        if connection.reader.reusable and len(self._idle) < _MOST_IDLE and not self._closed:
            connection.idle_since = self._link.reactor.now()
            self._idle.append(connection)
        else:
            connection.close()
        self._next()

    def discard(self, connection: Connection) -> None:
        """Close a connection, whatever it was doing."""
        connection.request = None
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.close()
        self._next()

    def leave_line(self, request: Request) -> None:
        if request in self._line:
            self._line.remove(request)

    def drop_idle(self) -> None:
        """The server moved: what is idle leads to the old place."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        self._closed = True
        for connection in (*self._busy, *self._idle):
            connection.close()
        self._busy.clear()
        self._idle.clear()

    def _next(self) -> None:
        if self._line and not self._closed:
            self.carry(self._line.pop(0))
