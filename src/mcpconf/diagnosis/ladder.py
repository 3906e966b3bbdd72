"""The ladder: looks at everything at once, for all servers that are asked about, and concludes.

It starts where the traffic starts: in the project's container where one runs, else on the host.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mcpconf.compiler import Compilation
from mcpconf.contract import dump_bridge, load_bridge
from mcpconf.diagnosis import judge_config
from mcpconf.diagnosis.attempt import Tried, Try, World, attempt
from mcpconf.diagnosis.conclude import Seen, conclude, way_of
from mcpconf.diagnosis.evidence import Gateway, Remembered, Written
from mcpconf.diagnosis.look_client import look_at_client
from mcpconf.diagnosis.look_host import look_at_gateway, look_at_written
from mcpconf.diagnosis.model import Diagnosis
from mcpconf.plan.terms import Planned
from mcpconf.readers.around import Target
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.places import Places
from mcpconf.readers.world import config_directory
from mcpconf.service import only, waiting

_THREADS = 24

T = TypeVar("T")
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


class _Looks(NamedTuple):
    gateway: Gateway
    written: Written
    memory: Remembered


def diagnose(asked: Asked, told: Told = lambda _name, _what: None) -> tuple[Diagnosis, ...]:
    """Diagnose the servers.  ``told`` hears what is being done, with a server's name or ""."""
    pool = ThreadPoolExecutor(_THREADS, "mcpconf-look")
    try:
        with waiting.private_folder() as folder:
            return asyncio.run(_climb(asked, told, pool, Path(folder)))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def _climb(
    asked: Asked, told: Told, pool: ThreadPoolExecutor, folder: Path
) -> tuple[Diagnosis, ...]:
    names = judge_config.known(asked.names, asked.compiled)
    looks = await _look(asked, pool, names)
    bridge = _way_in(asked, looks, folder)

    async def one(name: str) -> Diagnosis:
        began = time.monotonic()
        planned = judge_config.planned_of(name, asked.compiled)
        tried, unseen = await _try(asked, planned, bridge, pool)
        seen = Seen(
            name=name,
            compiled=asked.compiled,
            client=asked.configuration.request.client,
            gateway=looks.gateway,
            written=looks.written,
            memory=looks.memory,
            heard=tried.heard,
            secrets=tried.secrets,
            report=tried.report,
            unseen=unseen,
        )
        found = conclude(seen)
        told(name, "works" if found.works else "looked at")
        return found._replace(seconds=found.seconds or time.monotonic() - began)

    return tuple(await asyncio.gather(*map(one, names)))


async def _look(asked: Asked, pool: ThreadPoolExecutor, names: tuple[str, ...]) -> _Looks:
    loop = asyncio.get_running_loop()
    request = asked.configuration.request
    client = (
        Path(config_directory(request)),
        Path(request.home),
        asked.configuration.cwd,
        names,
        asked.compiled.survey.declared.variables,
    )
    gateway, written, memory = await asyncio.gather(
        loop.run_in_executor(pool, look_at_gateway, asked.places, asked.target.project),
        loop.run_in_executor(pool, look_at_written, asked.compiled, asked.target),
        loop.run_in_executor(pool, look_at_client, *client),
    )
    return _Looks(gateway, written, memory)


def _way_in(asked: Asked, looks: _Looks, folder: Path) -> Path | None:
    """A bridge.json for this host, with the gateway's own socket; None where it leads nowhere."""
    if not looks.gateway.answers or looks.written.bridge:
        return None
    there = load_bridge((asked.target.container / "bridge.json").read_text("utf-8"))
    path = folder / "bridge.json"
    socket = str(asked.places.gateway / only.SOCKET)
    path.write_text(dump_bridge(there._replace(socket=socket)), "ascii")
    return path


async def _try(
    asked: Asked, planned: Planned | None, bridge: Path | None, pool: ThreadPoolExecutor
) -> tuple[Tried, tuple[str, ...]]:
    """Try one server from this host; and what of it could not be tried."""
    way = way_of(planned)
    if planned is None or way == "nowhere":
        return Tried(), ()
    if way == "container" and not asked.start_here:
        return Tried(), ("it starts in the container, and none runs that could be looked into",)
    world = World(
        asked.places,
        asked.target.project,
        asked.configuration.cwd,
        asked.environ,
        asked.configuration.request.client.version,
        pool,
    )
    server = planned.classified.server
    one = Try(server.name, server.id, route=planned.route, target=_target(planned, way))
    if way == "container" or (way == "gateway" and bridge is not None):
        setting = waiting.Setting(
            bridge=bridge or Path(),
            cwd=asked.configuration.cwd,
            environ=asked.environ,
            blame=lambda _: "",
            start_stdio=True,
        )
        how = waiting.asked([planned], setting)[0]
        one = one._replace(command=how.command, env=how.env)
    return await attempt(one, world), ()


def _target(planned: Planned, way: str) -> dict[str, Any] | None:
    """What the wire is asked for a server that the container reaches by itself."""
    entry = planned.entry or {}
    if way != "direct":
        return None
    args, headers = entry.get("args"), entry.get("headers")
    url = args[1] if isinstance(args, list) else entry.get("url")
    given = {str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {}
    return {"url": str(url), "type": "http", "headers": given, "proxy": ""}
