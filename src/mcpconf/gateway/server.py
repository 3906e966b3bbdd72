"""The gateway as a program: it binds, serves until it is told to stop, and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from mcpconf.gateway import config, listeners
from mcpconf.gateway.child import Nursery
from mcpconf.gateway.control import Control
from mcpconf.gateway.decisions import DecisionLog
from mcpconf.gateway.door import Door
from mcpconf.gateway.gateway import Gateway
from mcpconf.gateway.options import Options
from mcpconf.gateway.projects import Projects
from mcpconf.gateway.routing import ALWAYS_KNOWN, Project
from mcpconf.gateway.service import Means
from mcpconf.gateway.source import Source
from mcpconf.gateway.stream import Archive

_LOOK = 1.0  # seconds between two looks at the state directory
_PRIME = 0.25
_FINISH = 2.0  # seconds in which calls that are under way may finish


def serve(options: Options) -> int:
    """Serve until SIGTERM, SIGINT or ``POST /stop``; returns the exit code.

    Raises:
        Failure: an address or a file cannot be used.

    """
    return asyncio.run(_Server(options).run())


class _Server:
    """One run of the gateway."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._listen: list[str] = []
        self._servers: list[asyncio.Server] = []
        self._doors: list[Door] = []
        self._stop = asyncio.Event()
        self._look: Callable[[], Mapping[str, Project] | None] = lambda: None

    async def run(self) -> int:
        soft, limit = listeners.raise_file_limit()
        nursery = Nursery(soft if soft < limit else None)
        log = DecisionLog(self._options.decisions)
        try:
            gateway = self._gateway(nursery, log)
            await self._bind(gateway, listeners.most_connections(limit))
            self._signals(gateway)
            log.write("started", listen=", ".join(self._listen))
            gc.freeze()  # what start-up has built stays: the collector need not look at it again
            await self._serve(gateway)
            await self._end(gateway)
            log.write("stopped")
        finally:
            for server in self._servers:
                server.close()
            await nursery.close()
            self._unlink()
            log.close()
        return 0

    def _gateway(self, nursery: Nursery, log: DecisionLog) -> Gateway:
        options = self._options
        source = self._source(log)
        known = ALWAYS_KNOWN | {h.lower() for h in options.hosts}
        known |= {f"[{a.host}]" if ":" in a.host else a.host for a in options.listen}
        gateway = Gateway(Means(source, nursery, Archive(), log), frozenset(known))
        gateway.use(self._look() or {})
        return gateway

    def _source(self, log: DecisionLog) -> Source:
        options = self._options
        if options.config is not None:
            token = options.token.reveal().encode() if options.token else b""
            project, source = config.project(options.config, token)
            self._look = _once({project.id: project})
            return source
        from mcpconf.gateway.keys import Keys  # noqa: PLC0415  stand-alone needs none of it

        projects = Projects(options.state, _complain(log))
        self._look = lambda: projects.found if projects.look() else None
        return Keys(options.state)

    # --- sockets --------------------------------------------------------------------------

    async def _bind(self, gateway: Gateway, most: int) -> None:
        options = self._options
        door = Door(gateway, most=most)
        self._doors.append(door)
        for address in options.listen:
            server = await listeners.listen_tcp(door, address)
            self._servers.append(server)
            host, port = server.sockets[0].getsockname()[:2]
            self._listen.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        if options.socket is not None:
            self._servers.append(await listeners.listen_unix(door, options.socket))
            self._listen.append(f"unix:{options.socket}")
        if options.control is not None:
            control = Control(
                gateway,
                options.version,
                self._listen,
                lambda: self._reload(gateway),
                self._stop.set,
            )
            self._doors.append(Door(control, most=64))
            self._servers.append(await listeners.listen_unix(self._doors[-1], options.control))

    def _unlink(self) -> None:
        for path in (self._options.socket, self._options.control):
            if path is not None:
                with contextlib.suppress(OSError):
                    Path(path).unlink()

    # --- life -----------------------------------------------------------------------------

    def _signals(self, gateway: Gateway) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, gateway)

    def _reload(self, gateway: Gateway) -> None:
        found = self._look()
        if found is not None:
            gateway.use(found)

    async def _serve(self, gateway: Gateway) -> None:
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _PRIME)
            now = loop.time()
            for service in gateway.services.values():
                service.prime(now)
            if now - looked >= _LOOK:
                looked = now
                self._tick(gateway, now)

    def _tick(self, gateway: Gateway, now: float) -> None:
        for door in self._doors:
            door.sweep()
        for service in tuple(gateway.services.values()):
            service.sweep(now)
        self._reload(gateway)

    async def _end(self, gateway: Gateway) -> None:
        """Take no new requests, let the ones under way finish for two seconds, end the rest."""
        gateway.stopping = True
        for server in self._servers:
            server.close()
        for door in self._doors:
            door.close_idle()
        loop = asyncio.get_running_loop()
        until = loop.time() + _FINISH
        while loop.time() < until and any(  # noqa: ASYNC110  many places, two seconds
            s.busy for s in gateway.services.values()
        ):
            await asyncio.sleep(0.02)
        gateway.close()
        await asyncio.sleep(0)  # what was written goes out


def _once(found: Mapping[str, Project]) -> Callable[[], Mapping[str, Project] | None]:
    """Give the projects the first time, and say that nothing has changed from then on."""
    waiting = [found]
    return lambda: waiting.pop() if waiting else None


def _complain(log: DecisionLog) -> Callable[[str], None]:
    """Say what is wrong with the state directory: at the start on stderr, later in the log."""

    def said(text: str) -> None:
        sys.stderr.write(f"mcpconf gateway: {text}\n")
        sys.stderr.flush()
        log.write("left-out", reason=text)

    return said
