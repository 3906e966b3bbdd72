"""The ladder: looks at everything at once, for all servers that are asked about, and concludes.

It starts where the traffic starts: in the project's container where one runs, else on the host.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from mcpconf.compiler import Compilation
from mcpconf.containers.running import Place
from mcpconf.contract import dump_bridge, load_bridge
from mcpconf.diagnosis.attempt import SECONDS, WIRE, Tried, Try, World, attempt
from mcpconf.diagnosis.checks.known_secrets import of_servers
from mcpconf.diagnosis.conclude import Seen, conclude, way_of
from mcpconf.diagnosis.container_facts import InContainer, NoContainer, sync_of, wish_of
from mcpconf.diagnosis.evidence import Remembered
from mcpconf.diagnosis.judge import config as judge_config
from mcpconf.diagnosis.look import container as look_container
from mcpconf.diagnosis.look.client import look_at_client, patience, remembered
from mcpconf.diagnosis.look.container import Look
from mcpconf.diagnosis.look.host import look_at_gateway, look_at_written
from mcpconf.diagnosis.model import Diagnosis
from mcpconf.diagnosis.repeated import hiding, told_by_others, told_there
from mcpconf.diagnosis.starving import SILENT, before
from mcpconf.model import Stdio
from mcpconf.names import quote
from mcpconf.plan.terms import Planned
from mcpconf.readers.around import Target
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.places import Places
from mcpconf.readers.world import config_directory
from mcpconf.service import only, waiting

_THREADS = 24
_AT_ONCE = 12  # servers that are tried from this host

Told = Callable[[str, str], None]


class Asked(NamedTuple):
    """What to diagnose: servers by name, () all of the project's.

    ``environ`` are the variables of this shell.  ``container`` names one where the user has to
    choose; ``start_here``: servers that start in the container are tried on the host.
    """

    configuration: Configuration
    places: Places
    compiled: Compilation
    target: Target
    environ: Mapping[str, str]
    names: tuple[str, ...] = ()
    container: str = ""
    start_here: bool = False


def diagnose(asked: Asked, told: Told = lambda _name, _what: None) -> tuple[Diagnosis, ...]:
    """Diagnose the servers.  ``told`` hears what is being done, with a server's name or ""."""
    pool = ThreadPoolExecutor(_THREADS, "mcpconf-look")
    try:
        with waiting.private_folder() as folder:
            return asyncio.run(_climb(asked, told, pool, Path(folder)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Looks:
    """The looks at the surroundings, once for all servers; each is awaited by whoever needs it."""

    def __init__(self, asked: Asked, names: tuple[str, ...], pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        request = asked.configuration.request
        self.asked, self.names, self.pool = asked, names, pool
        self.gateway = loop.run_in_executor(
            pool, look_at_gateway, asked.places, asked.target.project
        )
        self.written = loop.run_in_executor(pool, look_at_written, asked.compiled, asked.target)
        self.sync = loop.run_in_executor(pool, sync_of, asked.target.container)
        self.container = loop.run_in_executor(
            pool, look_container.find, _place(asked), asked.environ, asked.container
        )
        self.memory = loop.run_in_executor(
            pool,
            look_at_client,
            Path(config_directory(request)),
            Path(request.home),
            asked.configuration.cwd,
            names,
            asked.compiled.survey.declared.variables,
        )
        self.inside = asyncio.create_task(self._look_inside())
        self.gate = asyncio.Semaphore(_AT_ONCE)

    async def _look_inside(self) -> InContainer | NoContainer:
        container, asked = await self.container, self.asked
        if isinstance(container, NoContainer):
            return container
        rows = asked.compiled.plan.egress.rows
        found = _with_those_before(self.names, asked.compiled, inside=True)
        wishes = tuple(w for p in found if (w := wish_of(p, rows)))
        targets = {p.classified.server.name: t for p in found if (t := _target(asked, p))}
        look = Look(asked.configuration.cwd, wishes, targets, SECONDS)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, look_container.look, container, look)


def _place(asked: Asked) -> Place:
    """What the project's containers are known by."""
    configuration = asked.configuration
    root = str(asked.target.root or configuration.cwd)
    roots = dict.fromkeys((root, configuration.cwd, configuration.key))
    return Place(asked.target.container, tuple(roots))


async def _climb(
    asked: Asked, told: Told, pool: ThreadPoolExecutor, folder: Path
) -> tuple[Diagnosis, ...]:
    names = judge_config.known(asked.names, asked.compiled)
    told("", f"looking at {len(names)} server{'' if len(names) == 1 else 's'}")
    looks = _Looks(asked, names, pool)
    tries = {
        p.classified.server.name: asyncio.create_task(_try(p, looks, folder))
        for p in _with_those_before(names, asked.compiled, inside=False)
    }

    async def one(name: str) -> Diagnosis:
        began = time.monotonic()
        planned = judge_config.planned_of(name, asked.compiled)
        way = way_of(planned)
        tried = await tries[name] if name in tries else Tried()
        hide = hiding(of_servers(asked.compiled.survey.declared), tried)
        there = await looks.inside if way != "nowhere" else None
        seen = Seen(
            name=name,
            compiled=asked.compiled,
            client=asked.configuration.request.client,
            gateway=await looks.gateway,
            written=await looks.written,
            memory=_memory(await looks.memory, there),
            heard=told_by_others(tried.heard, hide),
            secrets=tried.secrets,
            report=tried.report,
            inside=told_there(there, name, hide) if isinstance(there, InContainer) else None,
            absent=there if isinstance(there, NoContainer) else None,
            sync=await looks.sync,
            kind=asked.target.kind,
            hanging=await _hanging(name, asked, tries, there),
            unseen=_unseen(way, there, asked),
        )
        found = conclude(seen)
        told(name, "works" if found.works else "looked at")
        return found._replace(seconds=found.seconds or time.monotonic() - began)

    return tuple(await asyncio.gather(*map(one, names)))


def _with_those_before(
    names: Sequence[str], compiled: Compilation, *, inside: bool
) -> list[Planned]:
    """The servers of these names, and those that the client starts before them."""
    found: dict[str, Planned] = {}
    for name in names:
        planned = judge_config.planned_of(name, compiled)
        if planned is not None:
            earlier = before(name, compiled, inside=inside)
            found |= {p.classified.server.name: p for p in (*earlier, planned)}
    return list(found.values())


async def _hanging(
    name: str,
    asked: Asked,
    tries: Mapping[str, asyncio.Task[Tried]],
    there: InContainer | NoContainer | None,
) -> tuple[str, ...]:
    """Those before it that start and say nothing, where the client runs."""
    inside = there if isinstance(there, InContainer) else None
    found = []
    for planned in before(name, asked.compiled, inside=inside is not None):
        server = planned.classified.server.name
        if inside is not None:
            seen = inside.tried.get(server)
            silent = seen is not None and seen.tools is None and seen.code in SILENT
        else:
            heard = (await tries[server]).heard
            silent = heard is not None and not heard.works and heard.outcome.code in SILENT
        found += [server] if silent else []
    return tuple(found)


def _memory(here: Remembered, there: InContainer | NoContainer | None) -> Remembered:
    """What the client remembers where it runs."""
    if not isinstance(there, InContainer):
        return here
    found = remembered(there.client.get("needs-auth"), there.client.get("credentials"), time.time())
    return found._replace(place=there.name, timeout=patience(there.environ.get("MCP_TIMEOUT")))


def _unseen(way: str, there: InContainer | NoContainer | None, asked: Asked) -> tuple[str, ...]:
    """What could not be looked at."""
    if isinstance(there, InContainer):
        return there.unseen
    if there is None:
        return ()
    why = there.why or "no container of this project runs"
    if there.kind == "several":
        why = f"{why}: say which with --container ({', '.join(map(quote, there.names))})"
    if way == "container" and not asked.start_here:
        return (f"it starts in the container, and {why}; --start-here tries it on this host",)
    return (f"the container: {why}",)


async def _way_in(looks: _Looks, folder: Path) -> Path | None:
    """A bridge.json for this host, with the gateway's own socket; None where it leads nowhere."""
    gateway, written = await looks.gateway, await looks.written
    if not gateway.answers or written.bridge:
        return None
    asked = looks.asked
    there = load_bridge((asked.target.container / "bridge.json").read_text("utf-8"))
    path = folder / "bridge.json"
    socket = str(asked.places.gateway / only.SOCKET)
    path.write_text(dump_bridge(there._replace(socket=socket)), "ascii")
    return path


async def _try(planned: Planned | None, looks: _Looks, folder: Path) -> Tried:
    """Try one server from this host, where that can tell something."""
    way, asked = way_of(planned), looks.asked
    if planned is None or way == "nowhere" or (way == "container" and not asked.start_here):
        return Tried()
    if way == "direct" and not isinstance(await looks.container, NoContainer):
        return Tried()
    server = planned.classified.server
    one = Try(server.name, server.id, route=planned.route, target=_target(asked, planned))
    if isinstance(server.transport, Stdio) and _world(looks).client != "2.1.197":
        one = one._replace(probe=isinstance(await looks.container, NoContainer))
    bridge = await _way_in(looks, folder) if way == "gateway" else None
    if way == "container" or bridge is not None:
        setting = waiting.Setting(
            bridge=bridge or Path(),
            cwd=asked.configuration.cwd,
            environ=asked.environ,
            blame=lambda _: "",
            start_stdio=True,
        )
        how = waiting.asked([planned], setting)[0]
        one = one._replace(command=how.command, env=how.env)
    async with looks.gate:
        return await attempt(one, _world(looks))


def _world(looks: _Looks) -> World:
    configuration = looks.asked.configuration
    return World(
        looks.asked.places,
        looks.asked.target.project,
        configuration.cwd,
        looks.asked.environ,
        configuration.request.client.version,
        looks.pool,
    )


def _target(asked: Asked, planned: Planned) -> dict[str, Any] | None:
    """What the wire is asked for a server that the container reaches by itself."""
    entry = planned.entry or {}
    if way_of(planned) != "direct":
        return None
    args, headers = entry.get("args"), entry.get("headers")
    url = args[1] if isinstance(args, list) else entry.get("url")
    given = {str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {}
    client = asked.configuration.request.client.version
    asks = {"url": str(url), "type": "http", "headers": given}
    return {**asks, "proxy": "env", "ca": "env", "seconds": WIRE, "client": client}
