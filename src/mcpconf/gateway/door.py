"""All connections of a listener: who reads, who idles, who is too slow."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict

from mcpconf.gateway.app import App
from mcpconf.gateway.front import Connection

BEAT = 15.0  # seconds between the comments that keep a stream alive
MOST_HELD = 256 * 1024 * 1024  # bytes of unfinished requests, of all connections together
_SCRATCH = 256 * 1024


class Door:
    """The connections of one listener, or of several: who reads, who idles, what they cost."""

    def __init__(self, app: App, *, most: int = 20_000) -> None:
        self.app = app
        self.most = most
        self.loop = asyncio.get_running_loop()
        self.scratch = memoryview(bytearray(_SCRATCH))
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        self.reading: dict[Connection, float] = {}
        self.streaming: dict[Connection, float] = {}
        self.stalled: dict[Connection, float] = {}
        self.count = 0
        self.closing = False
        self._held: dict[Connection, int] = {}
        self._weight = 0

    def protocol(self) -> Connection:
        return Connection(self)

    def make_room(self) -> None:
        """Close the connections that have idled longest when there are too many.

        If none idles, those go that have not said yet what they want, oldest first.
        """
        if self.count <= self.most:
            return
        oldest = next(iter(self.idle), None) or next(iter(self.reading), None)
        if oldest is not None:
            self.idle.pop(oldest, None)
            self.reading.pop(oldest, None)
            oldest.abort()

    def hold(self, connection: Connection, size: int) -> None:
        """A large request is on its way, and so much of it is here."""
        self._weight += size - self._held.get(connection, 0)
        self._held[connection] = size
        if self._weight > MOST_HELD:
            self._relieve()

    def let_go(self, connection: Connection) -> None:
        """It was answered, or is given up."""
        self._weight -= self._held.pop(connection, 0)

    def _relieve(self) -> None:
        """Turn away the largest request that whoever holds most is sending: not somebody else's."""
        shares: Counter[object] = Counter()
        for connection, size in self._held.items():
            shares[connection.share] += size
        most = max(shares, key=shares.__getitem__)
        theirs = [c for c in self._held if c.share == most and c in self.reading]
        if theirs:
            max(theirs, key=self._held.__getitem__).too_much()

    def sweep(self) -> None:
        """Called every second: ends what is too slow, and keeps streams alive."""
        now = self.loop.time()
        for connection, until in tuple(self.reading.items()):
            if now > until:
                connection.too_slow()
        for connection, until in tuple(self.stalled.items()):
            if now > until:
                connection.abort()
        for connection, last in tuple(self.streaming.items()):
            if now - last > BEAT:
                connection.beat()

    def close_idle(self) -> None:
        """No connection is kept alive any more."""
        self.closing = True
        for connection in tuple(self.idle):
            connection.close()
