"""What the parts of the gateway ask of each other."""

from __future__ import annotations

from typing import Any, Protocol

from mcpconf.gateway.trouble import Trouble

Message = dict[str, Any]


class Upstream(Protocol):
    """The way to a server, for one client session or for one shared conversation.

    ``key`` is the id under which the owner waits for the answer: None for notifications and
    answers.  If ``shares_ids`` the key must be the id in the line, or answers go astray.
    """

    shares_ids: bool
    probe_patience: float
    """Seconds until a server/discover counts as ignored; Claude Code gives it 2.7 (fact 47)."""
    hasty: bool
    """Whether the client of the next message tries again by itself, and wants to know soon."""

    def send(self, line: bytes, message: Message, key: bytes | None) -> None: ...
    def abandon(self, key: bytes) -> None:
        """Nobody waits for that answer any more: cancel the request."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class Owner(Protocol):
    """Who listens to an upstream."""

    def answered(self, key: bytes, line: bytes) -> None: ...
    def deliver(self, line: bytes, key: bytes | None) -> None:
        """A request or notification of the server; ``key``: on the stream of that request."""

    def failed(self, key: bytes, cause: Trouble) -> None: ...
    def restarted(self) -> None:
        """The server was started again under a living session, and is not quite the same."""
