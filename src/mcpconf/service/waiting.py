"""``mcpconf wait``: every server of the project's plan, asked at once as the container would ask.

Servers behind the gateway are reached through the bridge and the gateway's own socket, with the
project's token; servers that the container reaches directly through the bridge alone.  Servers that
start in the container are not started here, unless that is asked for.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import ContractError, dump_bridge, load_bridge
from mcpconf.errors import Failure
from mcpconf.expand import Variables, expand
from mcpconf.model import BRIDGE, Json
from mcpconf.plan.terms import Planned
from mcpconf.readers.around import Target
from mcpconf.readers.places import Places
from mcpconf.service import only
from mcpconf.service.control import NoAnswer, ask
from mcpconf.service.handshake import Outcome, handshake
from mcpconf.service.process import program

_AT_ONCE = 16
_LOOK = 1.0  # seconds between two questions to the gateway
_FIRST_ANSWER = {"MCP_TIMEOUT": "2000"}  # milliseconds: then the bridge says what it waits for


class Asked(NamedTuple):
    """One server and how it is reached: ``gateway``, ``direct``, ``container`` or ``nowhere``."""

    name: str
    server: str
    way: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    because: str = ""


class Answer(NamedTuple):
    """What came of it.  ``state`` is ready, failed, late or container (not asked)."""

    asked: Asked
    state: str
    seconds: float = 0.0
    outcome: Outcome = Outcome()


class Setting(NamedTuple):
    """Where the servers are asked from.

    ``bridge`` is the way to the gateway, as a file; ``blame`` says what the gateway knows against a
    server, "" if nothing.
    """

    bridge: Path
    cwd: str
    environ: Mapping[str, str]
    blame: Callable[[str], str]
    start_stdio: bool = False


def asked(planned: Sequence[Planned], setting: Setting) -> list[Asked]:
    """How each server is reached."""
    return [_asked(p, setting) for p in planned]


def _asked(planned: Planned, setting: Setting) -> Asked:
    server, entry = planned.classified.server, planned.entry
    if entry is None:
        return Asked(server.name, server.id, "nowhere", because=planned.because[-1].text)
    if planned.route is not None:
        command = (*program(), "bridge", server.id, "--config", str(setting.bridge), "--cache", "")
        return Asked(server.name, server.id, "gateway", command)
    url = _direct_url(entry)
    if entry.get("headers"):
        why = "it is reached with its secrets from inside the container"
        return Asked(server.name, server.id, "container", because=why)
    if url is not None:
        command = (*program(), "bridge", "--url", str(url), "--cache", "")
        return Asked(server.name, server.id, "direct", command)
    if not setting.start_stdio:
        return Asked(server.name, server.id, "container", because="it starts in the container")
    return _started_here(server.name, server.id, entry, setting)


def _direct_url(entry: Mapping[str, Json]) -> Json:
    args = entry.get("args")
    if entry.get("command") == BRIDGE and isinstance(args, list):
        return args[1]  # ["--url", URL]
    return entry.get("url")


def _started_here(name: str, server: str, entry: Mapping[str, Json], setting: Setting) -> Asked:
    variables = Variables((setting.environ, None))

    def filled(text: object) -> str:
        return expand(str(text), variables).reveal()

    args, env = entry.get("args"), entry.get("env")
    words = [entry.get("command"), *(args if isinstance(args, list) else [])]
    added = {k: filled(v) for k, v in env.items()} if isinstance(env, dict) else {}
    return Asked(name, server, "container", tuple(map(filled, words)), added)


def way_to_the_gateway(target: Target, places: Places, folder: Path) -> Path:
    """A bridge.json for this host: the container's, with the gateway's own socket.

    Raises:
        Failure: no sync wrote one, or no gateway runs.

    """
    socket = places.gateway / only.SOCKET
    if only.running(places.gateway) is None or not socket.exists():
        raise Failure(
            "the gateway does not run, and some of the servers are behind it",
            help="mcpconf gateway start",
        )
    try:
        there = load_bridge((target.container / "bridge.json").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ContractError) as error:
        raise Failure(
            f"{target.container / 'bridge.json'} cannot be used: {_words(error)}",
            note="it says how the container reaches the gateway",
            help="mcpconf sync    (after `sync --out DIR`, give `wait` the same `--out DIR`)",
        ) from None
    path = folder / "bridge.json"
    path.write_text(dump_bridge(there._replace(socket=str(socket))), "ascii")
    return path


def blame(places: Places, project: str) -> Callable[[str], str]:
    """Ask the gateway what went wrong last with a server of the project."""

    def last_error(server: str) -> str:
        with suppress(NoAnswer, Failure, KeyError, TypeError):
            for row in ask(places.gateway, "GET", "/status", timeout=1.0)["servers"]:
                if (row["project"], row["server"]) == (project, server) and row["last_error"]:
                    return str(row["last_error"]["message"])
        return ""

    return last_error


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def wait(
    servers: Sequence[Asked],
    setting: Setting,
    seconds: float,
    told: Callable[[Answer], None],
) -> list[Answer]:
    """Ask all of them at once; ``told`` hears of everything that happens, and each end."""

    async def everybody() -> list[Answer]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(server: Asked) -> Answer:
            if not server.command:
                state = "failed" if server.way == "nowhere" else "container"
                return Answer(server, state, outcome=Outcome(message=server.because))
            async with gate:
                answer = await _ask(server, setting, seconds, told)
            told(answer)
            return answer

        return await asyncio.gather(*map(one, servers))

    return asyncio.run(everybody())


async def _ask(
    server: Asked, setting: Setting, seconds: float, told: Callable[[Answer], None]
) -> Answer:
    began = time.monotonic()
    bridge = {} if server.way == "container" else _FIRST_ANSWER
    environ = {**setting.environ, **bridge, **server.env}

    def heard(outcome: Outcome) -> None:
        told(Answer(server, "waiting", time.monotonic() - began, outcome))

    watching = asyncio.ensure_future(_watch(server, setting, heard))
    try:
        outcome = await handshake(server.command, environ, setting.cwd, seconds, heard)
    finally:
        watching.cancel()
    if outcome.late and server.way == "gateway":
        outcome = outcome._replace(message=setting.blame(server.server) or outcome.message)
    state = "ready" if outcome.tools is not None else "late" if outcome.late else "failed"
    return Answer(server, state, time.monotonic() - began, outcome)


async def _watch(server: Asked, setting: Setting, heard: Callable[[Outcome], None]) -> None:
    """Ask the gateway meanwhile what keeps it."""
    while server.way == "gateway":
        await asyncio.sleep(_LOOK)
        text = await asyncio.to_thread(setting.blame, server.server)
        if text:
            heard(Outcome(message=text, late=True))


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """A directory of this user alone, for as long as the servers are asked."""
    return tempfile.TemporaryDirectory(prefix="mcpconf-")
