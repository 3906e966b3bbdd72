"""The GET stream of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcpconf.gateway.front import Connection

if TYPE_CHECKING:
    from mcpconf.gateway.session import Session


class Listener:
    """What waits behind the connection of a GET stream."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self.connection = connection
        connection.waiting = self

    def gone(self) -> None:
        self._session.unlisten(self)

    def stalled(self, *, stalled: bool) -> None:
        """Nothing: the front ends a connection that does not read, and the events are kept."""

    def replace(self) -> None:
        """A newer GET stream takes over."""
        self.connection.waiting = None
        self.connection.end_stream()
