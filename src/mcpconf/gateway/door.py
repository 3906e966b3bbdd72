"""All connections of a listener: who reads, who idles, who is too slow."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from mcpconf.gateway.app import App
from mcpconf.gateway.front import Connection

BEAT = 15.0  # seconds between the comments that keep a stream alive
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
