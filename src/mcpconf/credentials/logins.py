"""The gateway's side of logins: a token at once, renewed before it expires.

The fast path is one ``lstat``.  A token that is about to expire is renewed behind the scenes while
the old one still serves; one that has expired is renewed first.  There is one renewal at a time for
a login, whoever asks: tasks share it here, processes share the lock in ``store.py``.  A login made
by ``mcpconf gateway login`` is seen with the next call, because its file has changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials.address import Address, address, is_safe
from mcpconf.credentials.challenge import read_challenge
from mcpconf.credentials.child import ask
from mcpconf.credentials.login_state import (
    LoginState,
    early,
    expired,
    needed,
    state_of,
    step_up,
)
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.store import KEYRING, Login, Store
from mcpconf.model import Json, sha256_hex

if TYPE_CHECKING:
    from mcpconf.credentials import Credentials

_PAUSE = 5.0  # after a renewal that failed
_JUST_NOW = 10.0  # seconds: a token that is refused right after its renewal is not renewed again

_UNAUTHORIZED, _FORBIDDEN = 401, 403
Ask = Callable[[Mapping[str, Json], Mapping[str, str]], Awaitable[dict[str, Json]]]


class _Held(NamedTuple):
    stamp: tuple[int, ...]
    login: Login


class Logins:
    """Tokens for routes, for one event loop."""

    def __init__(
        self, credentials: Credentials, environ: Mapping[str, str], ask: Ask = ask
    ) -> None:
        self._credentials = credentials
        self._environ = environ
        self._ask = ask
        self._store = Store(credentials.state)
        self._held: dict[str, _Held] = {}
        self._fetching: dict[str, asyncio.Task[Login]] = {}
        self._renewing: dict[str, asyncio.Task[Login]] = {}
        self._renewed_at: dict[str, float] = {}
        self._failed: dict[str, tuple[float, Missing]] = {}

    def __repr__(self) -> str:
        return f"Logins({len(self._held)} held)"

    async def headers(self, route: Route, project: str = "") -> tuple[tuple[str, str], ...]:
        """Return the Authorization header of a route, or nothing where it needs no login.

        A route whose headers, or whose headersHelper, have an Authorization never gets one (fact
        50).  One that is not known to want a login gets one if somebody has logged in there.

        Raises:
            Missing: as for :meth:`token` and ``Credentials.complete``.

        """
        resolved = await self._credentials.complete(route, project)
        if resolved.authorizes:
            return ()
        if route.kind != "oauth":
            where = address(resolved.url)
            if where is None or self._store.stamp(where.id) is None:
                return ()
        return (("Authorization", f"Bearer {await self.token(route, project)}"),)

    async def token(self, route: Route, project: str = "") -> str:
        """Return a token that has not expired, as far as we know.

        Raises:
            Missing: ``login-needed``, ``login-expired``, ``secret-missing`` (permissions); with
                ``retry``: ``unreachable``, ``timeout``, ``tls``, ``dns``.

        """
        where = self._address(route, project)
        login = await self._login(where, route)
        now = time.time()
        if login.outlives(now + early(login)):
            return login.access_token
        if not login.refreshable:
            if login.outlives(now):
                return login.access_token
            raise expired(route)
        if login.outlives(now):
            if not self._pausing(where.id):
                self._renew(where, login, route)
            return login.access_token
        return await self._renewed(where, login, route)

    async def refused(
        self, route: Route, status: int, challenge: str, project: str = "", *, token: str = ""
    ) -> str:
        """Return another token after a 401, or say why there is none.

        ``challenge`` is the answer's WWW-Authenticate; ``token`` is the one that was refused:
        where it has been replaced meanwhile, nothing is renewed.

        Raises:
            Missing: ``step-up``: the login does not allow enough; ``login-needed``,
                ``login-expired``; ``refused-login``: no login helps; and as for :meth:`token`.

        """
        where = self._address(route, project)
        self._refuse(where, route, status, challenge)
        login = await self._login(where, route)
        if token and login.access_token != token and login.outlives(time.time()):
            return login.access_token
        if time.monotonic() - self._renewed_at.get(where.id, -_JUST_NOW) < _JUST_NOW:
            if token:
                text = "it refuses the token that its own authorization server has just issued"
                raise Missing("refused-login", text)
            return login.access_token
        if not login.refreshable:
            raise expired(route)
        return await self._renewed(where, login, route)

    def _refuse(self, where: Address, route: Route, status: int, challenge: str) -> None:
        """Say why no other token would help, if none would."""
        asked = read_challenge(challenge)
        if status == _FORBIDDEN and asked.error == "insufficient_scope":
            self._store.put_note(where.id, {"challenge": asked.header()})
            raise step_up(route, asked)
        if status != _UNAUTHORIZED:
            raise Missing("refused-login", f"it refuses the request (HTTP {status})")
        if self._store.stamp(where.id) is None:
            self._store.put_note(where.id, {"challenge": asked.header()})
            raise needed(route)

    def forget(self) -> None:
        """Look at every login anew (``POST /logins``)."""
        self._held.clear()
        self._failed.clear()
        self._renewed_at.clear()

    def state(self, route: Route, project: str = "") -> LoginState:
        """Return what is known of the login of a route.

        Raises:
            Missing: as for ``Credentials.resolve``.

        """
        where = address(self._credentials.resolve(route, project).url)
        if where is None:
            return LoginState("none")
        try:
            login = self._store.read(where.id)
        except Missing as missing:
            return LoginState("unreadable", note=missing.text)
        return state_of(login)

    def _address(self, route: Route, project: str) -> Address:
        resolved = self._credentials.resolve(route, project)
        where = address(resolved.url)
        if resolved.authorizes:
            raise Missing("refused-login", "it refuses the Authorization that is configured")
        if where is None:
            raise Missing("login-needed", "its URL is not one that takes a login")
        if not is_safe(resolved.url):
            text = "its URL is not https, so no token is sent there"
            raise Missing("refused-login", text)
        return where

    async def _login(self, where: Address, route: Route) -> Login:
        stamp = self._store.stamp(where.id)
        if stamp is None:
            self._held.pop(where.id, None)
            raise needed(route)
        held = self._held.get(where.id)
        if held and held.stamp == stamp:
            return held.login
        login = self._read(where, route)
        if login.where == KEYRING and login.secrets is None:
            fetched = self._fetching.get(where.id)
            if fetched is None:
                fetched = asyncio.create_task(self._fetch(where, login))
                self._fetching[where.id] = fetched
                fetched.add_done_callback(lambda _: self._fetching.pop(where.id, None))
            login = await asyncio.shield(fetched)
        if not login.access_token:
            raise needed(route)
        self._held[where.id] = _Held(stamp, login)
        return login

    async def _fetch(self, where: Address, login: Login) -> Login:
        """Have the worker take the token out of the keyring."""
        answer = await self._ask(self._question("token", where), self._environ)
        return login._replace(secrets={"tokens": {"access_token": answer.get("token")}})

    def _read(self, where: Address, route: Route) -> Login:
        login = self._store.read(where.id)
        if login is None or login.server != where.url:
            raise needed(route)
        if login.expired:
            raise expired(route)
        return login

    async def _renewed(self, where: Address, login: Login, route: Route) -> str:
        failed = self._failed.get(where.id)
        if failed and self._pausing(where.id):
            raise failed[1]
        return (await asyncio.shield(self._renew(where, login, route))).access_token

    def _pausing(self, login_id: str) -> bool:
        failed = self._failed.get(login_id)
        return failed is not None and time.monotonic() - failed[0] < _PAUSE

    def _renew(self, where: Address, login: Login, route: Route) -> asyncio.Task[Login]:
        task = self._renewing.get(where.id)
        if task is None:
            task = asyncio.create_task(self._ask_for_another(where, login, route))
            self._renewing[where.id] = task
            task.add_done_callback(lambda done: self._ended(where.id, done))
        return task

    async def _ask_for_another(self, where: Address, login: Login, route: Route) -> Login:
        """Have the login renewed; ``stale`` keeps a second process from doing it again."""
        question = self._question("refresh", where) | {"stale": sha256_hex(login.access_token)}
        try:
            answer = await self._ask(question, self._environ)
        except Missing as missing:
            told = {"login-expired": expired, "login-needed": needed}.get(missing.code)
            raise (told(route) if told else missing) from None
        self._failed.pop(where.id, None)
        self._renewed_at[where.id] = time.monotonic()
        fresh = self._read(where, route)
        if fresh.where == KEYRING:
            fresh = fresh._replace(secrets={"tokens": {"access_token": answer.get("token")}})
        stamp = self._store.stamp(where.id)
        if stamp and fresh.access_token:
            self._held[where.id] = _Held(stamp, fresh)
        return fresh

    def _ended(self, login_id: str, task: asyncio.Task[Login]) -> None:
        del self._renewing[login_id]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Missing) and error.retry:
            self._failed[login_id] = (time.monotonic(), error)

    def _question(self, what: str, where: Address) -> dict[str, Json]:
        return {"do": what, "state": str(self._credentials.state), "login": where.id}
