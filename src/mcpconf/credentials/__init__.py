"""Secrets of servers, put in on the host when they are needed.

A route names where its secrets are written (``contract.Ref``); :class:`Credentials` reads them
there, each time they have changed.  Logins are made by ``mcpconf gateway login`` and kept by
:class:`Logins`.  What cannot be had is :class:`Missing`, with the cause and the way out, and never
with a value.  In the gateway, for one request of a remote server::

    resolved = await credentials.complete(route, project)      # url, configured headers
    added = resolved.headers + await logins.headers(route, project)
    # answered 401 or 403: once per request, with what was sent and what was answered
    if route.headers_helper: resolved = await credentials.complete(route, project, refused=True)
    else: token = await logins.refused(route, status, www_authenticate, project, token=sent)

for a process ``credentials.resolve(route, project)``, and ``logins.forget()`` on ``POST /logins``.

Both are for one asyncio loop, and import nothing but the standard library: everything that needs
the ``mcp`` SDK or ``keyring`` runs in a process of its own (``worker.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mcpconf.contract import Route
from mcpconf.credentials.helper import Helpers, command_of
from mcpconf.credentials.login_state import LoginState
from mcpconf.credentials.logins import Logins
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.resolved import Resolved
from mcpconf.credentials.routes import Routes
from mcpconf.model import Json

__all__ = ["Credentials", "LoginState", "Logins", "Missing", "Resolved"]


class Credentials:
    """What routes come to on this machine.

    Args:
        state: mcpconf's state directory (``Places.state``).
        environ: the variables that the gateway was started with.

    """

    def __init__(self, state: Path, environ: Mapping[str, str]) -> None:
        self.state = state
        self._routes = Routes(environ)
        self._helpers = Helpers()

    def __repr__(self) -> str:
        return "Credentials(***)"

    def resolve(self, route: Route, project: str = "") -> Resolved:
        """Return the URL and headers, or the process, of a route.

        Cheap when nothing has changed (a ``stat`` a file), so it may be called for each request.
        ``project`` is the project's directory (``contract.Routes.project``).  A headersHelper is
        not asked: see :meth:`complete`.

        Raises:
            Missing: ``stale-route`` or ``secret-missing``.

        """
        return self._routes.resolve(route, project)

    def entry(self, route: Route) -> dict[str, Json]:
        """Return the entry as it is written.  It holds secrets.

        Raises:
            Missing: ``stale-route``: it is not the one that was compiled.

        """
        return self._routes.entry(route)

    async def complete(self, route: Route, project: str = "", *, refused: bool = False) -> Resolved:
        """Return the same with the headers that its headersHelper prints, if it has one.

        ``refused`` says that the server answered 401 to the last ones, so that the helper is
        asked again.

        Raises:
            Missing: ``stale-route``, ``secret-missing`` or ``helper-failed``.

        """
        resolved = self.resolve(route, project)
        if route.headers_helper is None:
            return resolved
        line = self._routes.written(route, route.headers_helper)
        command = command_of(route, line, resolved.url, self._routes.environment(project))
        key = (project, route.server)
        return resolved.with_headers(await self._helpers.headers(key, command, refused=refused))
