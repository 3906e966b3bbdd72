"""A client's request that waits for its answer.

The answer is one JSON body.  It becomes a stream of events when there is more to say than the
answer, or when it takes long: then the client has an event id with which it can come back, should
its connection be cut.
"""

from __future__ import annotations

from typing import Protocol

from mcpconf.gateway.front import Connection
from mcpconf.gateway.stream import Stream


class Waiter(Protocol):
    """Who holds exchanges."""

    def left(self, exchange: Exchange) -> None:
        """The client's connection has gone."""

    def slowed(self, exchange: Exchange, *, stalled: bool) -> None:
        """The client does not take what is sent, or takes it again."""


class Exchange:
    """One request, the connection it came over, and how far the answer is."""

    __slots__ = ("connection", "fields", "key", "left_at", "may_stream", "message_id", "method",
                 "since", "size", "stream", "streaming", "tool", "waiter")  # fmt: skip

    def __init__(
        self, waiter: Waiter, connection: Connection, key: bytes, method: str, since: float
    ) -> None:
        self.waiter = waiter
        self.connection: Connection | None = connection
        self.key = key
        self.message_id = key
        self.method = method
        self.since = since
        self.size = 0  # of the request, which is kept until the answer
        self.tool = ""
        self.fields = ""
        self.may_stream = True
        self.streaming = False
        self.stream: Stream | None = None
        self.left_at = 0.0
        connection.waiting = self

    def begin(self, stream: Stream | None) -> None:
        """Turn the answer into a stream, of numbered events if there is a ``stream``."""
        self.streaming = True
        self.stream = stream
        if self.connection is not None:
            self.connection.open_stream(self.fields)
            if stream is not None:
                stream.wire = self.connection

    def tell(self, line: bytes) -> None:
        """One event before the answer."""
        if self.stream is not None:
            self.stream.send(line)
        elif self.connection is not None:
            self.connection.send_event(line, b"")

    def reply(self, line: bytes, status: int = 200) -> None:
        """The answer: the end of the exchange."""
        if self.stream is not None:
            self.stream.send(line)
            self.stream.finish()
        elif self.connection is not None and self.streaming:
            self.connection.send_event(line, b"")
            self.connection.end_stream()
        elif self.connection is not None:
            self.connection.respond(status, line, self.fields)
        self.connection = None

    def end(self) -> None:
        """End the stream without an answer."""
        if self.stream is not None:
            self.stream.finish()
        elif self.connection is not None and self.streaming:
            self.connection.end_stream()
        self.connection = None

    def go_on(self, connection: Connection, seen: int) -> None:
        """The client is back: go on over its new connection behind event ``seen``."""
        assert self.stream is not None
        old, self.connection = self.connection, connection
        if old is not None:
            old.waiting = None
            old.abort()
        connection.waiting = self
        connection.open_stream(self.fields)
        self.stream.attach(connection, seen)

    # --- front.Waiting --------------------------------------------------------------------

    def gone(self) -> None:
        self.connection = None
        if self.stream is not None:
            self.stream.wire = None
        self.waiter.left(self)

    def stalled(self, *, stalled: bool) -> None:
        self.waiter.slowed(self, stalled=stalled)
