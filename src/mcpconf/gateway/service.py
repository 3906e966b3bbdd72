"""One server of one project, while the gateway runs: its sessions, its processes, its health."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mcpconf.contract import Route
from mcpconf.gateway import headers
from mcpconf.gateway.backoff import Backoff
from mcpconf.gateway.child import Child, Command, Nursery
from mcpconf.gateway.decisions import DecisionLog
from mcpconf.gateway.exchange import Exchange
from mcpconf.gateway.metrics import Tally
from mcpconf.gateway.modern import Shared
from mcpconf.gateway.ports import Owner, Upstream
from mcpconf.gateway.routing import Project
from mcpconf.gateway.session import Session
from mcpconf.gateway.source import Headers, Reach, Source
from mcpconf.gateway.stdio import process
from mcpconf.gateway.stream import Archive
from mcpconf.gateway.trouble import Trouble, error_line, trouble

IDLE_SESSION = 3600.0  # seconds without traffic after which a session ends
IDLE_LISTENING = 8 * 3600.0  # the same where the client holds its GET stream open
IDLE_SHARED = 600.0
IDLE_REFUSED = 30.0  # the same for a server that did not answer the probe, and may be late
_STATES = {"login-needed": "login-needed", "login-expired": "login-needed",
           "step-up": "login-needed", "stale-route": "stale"}  # fmt: skip


@dataclass(frozen=True)
class Means:
    """What all services share."""

    source: Source
    nursery: Nursery
    archive: Archive
    log: DecisionLog


class LastError:
    """What went wrong last, for status."""

    def __init__(self, cause: Trouble) -> None:
        self.at = time.time()
        self.cause = cause


class Service:
    """A server behind the gateway."""

    def __init__(self, means: Means, project: Project, route: Route) -> None:
        self.means = means
        self.project = project.id
        self.path = project.path
        self.route = route
        self.loop = asyncio.get_running_loop()
        self.nursery = means.nursery
        self.archive = means.archive
        self.backoff = Backoff()
        self.tally = Tally()
        self.mirrored: headers.Mirrored = {}
        self.legacy_only = False
        self.sessions: dict[bytes, Session] = {}
        self.opening: set[Session] = set()
        self.children: set[Child] = set()
        self.said = b""
        self.state = "idle"
        self.since = time.time()
        self.last_error: LastError | None = None
        self._shared: Shared | None = None

    # --- clients --------------------------------------------------------------------------

    def open_session(self) -> Session:
        session = Session(self)
        self.opening.add(session)
        return session

    def admit(self, session: Session) -> None:
        """The server has answered initialize: the session's id counts from now on."""
        self.opening.discard(session)
        self.sessions[session.id] = session

    def forget(self, session: Session) -> None:
        self.opening.discard(session)
        self.sessions.pop(session.id, None)
        self._rest()

    @property
    def shared(self) -> Shared:
        if self._shared is None:
            self._shared = Shared(self)
        return self._shared

    @property
    def clients(self) -> int:
        return len(self.sessions) + len(self.opening)

    @property
    def weight(self) -> int:
        """The bytes of the requests that wait for an answer, their clients gone or not."""
        holders = (*self.sessions.values(), *self.opening)
        shared = self._shared.waiting if self._shared is not None else {}
        waiting = (*(h.waiting for h in holders), shared)
        return sum(exchange.size for held in waiting for exchange in held.values())

    # --- the server -----------------------------------------------------------------------

    def upstream(self, owner: Owner) -> Upstream:
        """A new way to the server."""
        if self.route.transport == "stdio":
            return process(self, owner)
        if self.route.transport == "ws":
            from mcpconf.gateway.websocket import web_socket  # noqa: PLC0415  rarely needed

            return web_socket(self, owner)
        from mcpconf.gateway.remote import HttpUpstream  # noqa: PLC0415  not for processes

        return HttpUpstream(self, owner)

    def command(self) -> Command:
        """What to run; raises :class:`~mcpconf.gateway.source.Missing`."""
        return self.means.source.command(self.route, self.path)

    async def reach(self) -> Reach:
        """Where the remote server is now, with its secrets."""
        return await self.means.source.reach(self.route, self.path)

    async def refused(self, status: int, challenge: str, sent: Headers) -> Reach:
        """The server has answered 401 or 403: what to try once more."""
        names = {name.lower(): value for name, value in sent}
        refusal = status, challenge
        return await self.means.source.refused(self.route, self.path, refusal, names)

    def starting(self) -> None:
        if self.state not in {"ready", "starting"}:
            self._is("starting")

    def garbage(self) -> None:
        """A line that is no message; it is dropped and counted."""
        self.tally.garbage += 1

    def count(self, exchange: Exchange, now: float, line: bytes) -> None:
        """A request was answered by the server."""
        self.tally.took(now - exchange.since)
        if self.state != "ready":
            self._is("ready")
        if exchange.method == "tools/list":
            headers.learn(line, self.mirrored)

    def error(self, exchange: Exchange, cause: Trouble) -> bytes:
        """Count a trouble, and word it for the client."""
        self.tally.errors[cause.code] += 1
        if cause.code not in {"shutting-down", "session-lost"}:
            self.last_error = LastError(cause)
            self._is(_STATES.get(cause.code, "failing"))
        return error_line(self.route.name, self.route.server, exchange.message_id, cause)

    def _is(self, state: str) -> None:
        if state == self.state:
            return
        self.state, self.since = state, time.time()
        last = self.last_error if state not in {"ready", "starting", "idle"} else None
        code, reason = (last.cause.code, last.cause.text) if last else ("", "")
        self.means.log.write(
            "state", project=self.project, server=self.route.server, state=state, code=code,
            reason=reason,
        )  # fmt: skip

    def _rest(self) -> None:
        if not self.clients and self._shared is None and self.state in {"ready", "starting"}:
            self._is("idle")

    def stderr(self) -> bytes:
        """The last that its processes have written there; for the user, never for clients."""
        return b"".join(child.said for child in self.children) or self.said

    # --- time -----------------------------------------------------------------------------

    def prime(self, now: float) -> None:
        for session in self.sessions.values():
            if session.waiting:
                session.prime(now)

    def sweep(self, now: float) -> None:
        """End what nobody uses any more."""
        for session in tuple(self.sessions.values()):
            session.sweep(now)
            limit = IDLE_LISTENING if session.listening else IDLE_SESSION
            if session.deserted(now) or (not session.waiting and now - session.used > limit):
                session.close()
        shared = self._shared
        limit = IDLE_REFUSED if self.legacy_only else IDLE_SHARED
        if shared is not None and not shared.waiting and now - shared.used > limit:
            shared.close()
            self._shared = None
            self._rest()

    def close(self, code: str, text: str) -> None:
        """The route is gone, has changed, or the gateway stops."""
        cause = trouble(code, text)
        for session in (*self.sessions.values(), *self.opening):
            session.close(cause)
        if self._shared is not None:
            self._shared.close(cause)
            self._shared = None

    @property
    def busy(self) -> bool:
        """Tell whether somebody waits for an answer."""
        if self._shared is not None and any(
            e.method != "subscriptions/listen" for e in self._shared.waiting.values()
        ):
            return True
        return any(s.waiting for s in (*self.sessions.values(), *self.opening))
