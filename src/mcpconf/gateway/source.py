"""Where a route's command, address and secrets come from.

The gateway asks for them when it needs them, so a rotated secret needs no restart.  Usually that
is :mod:`mcpconf.credentials` (``keys.py``); stand-alone it is one file (``config.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mcpconf.contract import Route
from mcpconf.gateway.child import Command

Headers = tuple[tuple[str, str], ...]


class Missing(Exception):  # noqa: N818  it is the user's to mend
    """Something is not there.  ``code`` is one of trouble's; ``text`` names no value."""

    def __init__(self, code: str, text: str, *, retry: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry = retry


@dataclass(frozen=True, repr=False)
class Reach:
    """How to reach a remote server: full of secrets, so it has no repr."""

    url: str
    headers: Headers = ()


class Source(Protocol):
    """Resolves routes, and logs in for them.  ``project`` is the project's directory.

    Everything raises :class:`Missing` where something is not there.
    """

    def command(self, route: Route, project: str) -> Command: ...

    async def reach(self, route: Route, project: str) -> Reach: ...

    async def refused(
        self, route: Route, project: str, refusal: tuple[int, str], sent: Mapping[str, str]
    ) -> Reach:
        """After 401 or 403 (status and challenge) to these headers: what to try once more."""

    def forget(self) -> None:
        """Look at every login anew."""
