"""What a connection asks of the program behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mcpconf.gateway.http import Head

if TYPE_CHECKING:
    from mcpconf.gateway.front import Connection


class Refusal(Exception):  # noqa: N818  theirs, not ours
    """The request is answered without being served."""

    def __init__(self, status: int, body: bytes = b"", fields: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.fields = fields


class Waiting(Protocol):
    """What waits behind a connection that is being served."""

    def gone(self) -> None: ...
    def stalled(self, *, stalled: bool) -> None: ...


class App(Protocol):
    """What serves the requests.

    ``rules`` is another object whenever equal heads may be decided on differently from now on.
    """

    @property
    def rules(self) -> object: ...

    def admit(self, peer: str, head: Head) -> Any:  # noqa: ANN401  the app's own ticket
        """Return a ticket for :meth:`serve`, or raise :class:`Refusal`."""

    def share(self, ticket: Any) -> object:  # noqa: ANN401
        """Whose request it is: those who share something get no more than others do."""

    def serve(self, connection: Connection, head: Head, ticket: Any, body: bytes) -> None:  # noqa: ANN401
        """Answer now, or later with the connection's ``waiting`` set."""

    def refused(self, peer: str, status: int, reason: str) -> None:
        """A request was malformed or too slow."""
