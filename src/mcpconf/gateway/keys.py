"""Routes resolved by :mod:`mcpconf.credentials`: secrets from where they are written, logins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mcpconf import credentials
from mcpconf.contract import Route
from mcpconf.credentials import Credentials, Logins
from mcpconf.gateway.child import Command
from mcpconf.gateway.source import Headers, Missing, Reach


class Keys:
    """The secrets of this user's servers."""

    def __init__(self, state: Path) -> None:
        environ = dict(os.environ)
        self._credentials = Credentials(state, environ)
        self._logins = Logins(self._credentials, environ)

    def command(self, route: Route, project: str) -> Command:
        try:
            found = self._credentials.resolve(route, project)
        except credentials.Missing as missing:
            raise _told(missing) from None
        directory = project if os.path.isdir(project) else None
        return Command((found.command, *found.args), found.env, directory)

    async def reach(self, route: Route, project: str) -> Reach:
        try:
            found = await self._credentials.complete(route, project)
            return Reach(found.url, found.headers + await self._logins.headers(route, project))
        except credentials.Missing as missing:
            raise _told(missing) from None

    async def refused(
        self, route: Route, project: str, refusal: tuple[int, str], sent: Mapping[str, str]
    ) -> Reach:
        status, challenge = refusal
        token = sent.get("authorization", "").removeprefix("Bearer ")
        try:
            if route.headers_helper is not None:
                found = await self._credentials.complete(route, project, refused=True)
                return Reach(found.url, found.headers)
            fresh = await self._logins.refused(route, status, challenge, project, token=token)
            found = self._credentials.resolve(route, project)
        except credentials.Missing as missing:
            raise _told(missing) from None
        bearer: Headers = (("Authorization", f"Bearer {fresh}"),)
        return Reach(found.url, found.headers + bearer)

    def forget(self) -> None:
        self._logins.forget()


def _told(missing: credentials.Missing) -> Missing:
    return Missing(missing.code, missing.text, retry=missing.retry)
