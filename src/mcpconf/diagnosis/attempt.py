"""Trying one server from this host: the handshake as the container would do it, then the wire.

A server behind the gateway is greeted through a bridge and the gateway's own socket.  Where that
does not succeed soon, the server itself is asked beside it, station by station, with the headers
that the gateway adds, so that the gateway's word (`unreachable`) gets its cause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials.missing import Missing
from mcpconf.diagnosis.evidence import File, Heard, Secrets, Taken
from mcpconf.diagnosis.look.command import look_at_command
from mcpconf.diagnosis.look.host import look_at_secrets
from mcpconf.diagnosis.look.taking import taken
from mcpconf.diagnosis.roots import trusted_roots
from mcpconf.errors import Failure
from mcpconf.readers.places import Places
from mcpconf.service.control import NoAnswer, ask, read
from mcpconf.service.first_question import answers_discover
from mcpconf.service.handshake import Outcome, handshake

SECONDS = 7.0  # for a handshake
WIRE = 6.0  # for a server that is asked without them
_SOON = 1.5  # then the wire is asked beside the handshake
_LAST = _AT_ONCE = 0.3
_TAKING = 3.0  # for a conversation that is only looked at
_OLD_CLIENT = "2.1.197"
_SILENT = ("server-silent", "timeout")
_HELPER = 9.0  # for a headersHelper, which has ten seconds in the gateway
_LAST_WORDS = 2000  # characters
_PROBE = 3.0  # what the client waits for an answer to its first probe (fact 56)
_NOT_BEYOND = (  # what the gateway says of itself and of processes: the wire would add nothing
    "secret-missing helper-failed stale-route unknown-server spawn-failed server-exited "
    "server-silent server-garbage login-expired step-up"
).split()
_GARBAGE = "it writes something else than MCP to its output"
_FIRST_ANSWER = {"MCP_TIMEOUT": "2000"}  # milliseconds: then the bridge says what it waits for

Report = Mapping[str, Any]


class Try(NamedTuple):
    """How one server is tried.

    ``command`` starts a bridge, or the server itself; () where no handshake is possible.
    ``target`` is what the wire is asked for a server without a route; None where nothing is.
    ``probe``: the client starts it here, and asks it ``server/discover`` first.
    """

    name: str
    server: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    route: Route | None = None
    target: Mapping[str, Any] | None = None
    probe: bool = False


class World(NamedTuple):
    """What all tries share."""

    places: Places
    project: str  # its id
    folder: str  # its directory
    environ: Mapping[str, str]
    client: str
    pool: ThreadPoolExecutor


class Tried(NamedTuple):
    """What came of it."""

    heard: Heard | None = None
    secrets: Secrets | None = None
    report: Report | None = None


async def attempt(one: Try, world: World) -> Tried:
    """Try a server; it takes ten seconds at most."""
    if not one.command:
        secrets, report = await _beyond(one, world, "")
        return Tried(_of_wire(report) if one.route is None else None, secrets, report)
    began, clock = time.monotonic(), time.time()
    said: list[Outcome] = []
    alarm = asyncio.Event()

    def hear(outcome: Outcome) -> None:
        said.append(outcome)
        alarm.set()

    hands = asyncio.create_task(_greet(one, world, hear))
    ringing = asyncio.create_task(alarm.wait())
    soon = _AT_ONCE if one.route and one.route.headers_helper else _SOON  # it may take its time
    await asyncio.wait({hands, ringing}, timeout=soon, return_when=asyncio.FIRST_COMPLETED)
    ringing.cancel()
    if hands.done() and hands.result().tools:
        heard = Heard("host", hands.result(), time.monotonic() - began)
        return Tried(await _as_taken(heard, one, world))
    code = hands.result().code if hands.done() else ""
    beyond = asyncio.create_task(_beyond(one, world, code))
    await asyncio.wait({hands, beyond}, return_when=asyncio.FIRST_COMPLETED)
    if not hands.done():
        await _until_clear(hands, beyond)
    seconds = time.monotonic() - began
    outcome = hands.result() if hands.done() and not hands.cancelled() else _last(said)
    secrets, report = await beyond
    if outcome.late and one.route is not None:
        outcome = await asyncio.to_thread(_blamed, outcome, one, world, clock)
    if outcome.tools is None and one.route is not None and _is_process(one):
        outcome = await asyncio.to_thread(_with_last_words, outcome, one, world)
    heard = await _looked_at(Heard("host", outcome, seconds), one, world, secrets)
    return Tried(heard, secrets, report)


async def _looked_at(heard: Heard, one: Try, world: World, secrets: Secrets | None) -> Heard:
    """With a second look, where it answers, cannot be started, or says nothing."""
    if heard.works:
        return await _as_taken(heard, one, world)
    code = heard.outcome.code
    if code == "spawn-failed":
        return heard._replace(file=await asyncio.to_thread(_command_of, one, world, secrets))
    if _is_process(one) and code in _SILENT:
        return heard._replace(taken=await _taken(one, world))
    return heard


async def _as_taken(heard: Heard, one: Try, world: World) -> Heard:
    """With what the client makes of a server that answers."""
    probing = _probed(one, world) if heard.outcome.tools else asyncio.sleep(0)
    probed, looked = await asyncio.gather(probing, _taken(one, world))
    return heard._replace(probed=probed, taken=looked)


async def _taken(one: Try, world: World) -> Taken | None:
    environ = {**world.environ, **(_FIRST_ANSWER if one.route is not None else {}), **one.env}
    old = world.client == _OLD_CLIENT
    return await taken(one.command, environ, world.folder, _TAKING, old=old)


def _command_of(one: Try, world: World, secrets: Secrets | None) -> File | None:
    """The file of the command that the gateway, or this program, could not start."""
    resolved = secrets.resolved if secrets else None
    word = resolved.command if resolved else "" if one.route else one.command[0]
    path = dict(resolved.env if resolved else one.env).get("PATH") or world.environ.get("PATH", "")
    return look_at_command(word, path, world.folder) if word else None


async def _greet(one: Try, world: World, hear: Callable[[Outcome], None]) -> Outcome:
    bridge = _FIRST_ANSWER if one.route is not None else {}
    environ = {**world.environ, **bridge, **one.env}
    return await handshake(one.command, environ, world.folder, SECONDS, hear)


async def _probed(one: Try, world: World) -> bool | None:
    """Whether a process that the client itself starts answers its first probe; others: None."""
    if not one.probe or not _is_process(one):
        return None
    command, environ = one.command, {**world.environ, **one.env}
    if one.route is not None:  # the bridge would answer for it
        secrets = await look_at_secrets(one.route, world.folder, world.places.state, world.environ)
        if secrets.resolved is None:
            return None
        command = (secrets.resolved.command, *secrets.resolved.args)
        environ = dict(secrets.resolved.env)
    return await answers_discover(command, environ, world.folder, _PROBE)


async def _until_clear(
    hands: asyncio.Task[Outcome], beyond: asyncio.Task[tuple[Secrets | None, Report | None]]
) -> None:
    """Wait on for a server that may come, and no longer for one that does not answer the wire."""
    secrets, report = beyond.result()
    works = report is not None and report["answer"]["works"]
    renews = secrets is not None and secrets.login.state == "refreshable"
    patient = works or renews or report is None
    await asyncio.wait({hands}, timeout=SECONDS if patient else _LAST)
    if not hands.done():
        hands.cancel()
        with suppress(asyncio.CancelledError):
            await hands


def _last(said: list[Outcome]) -> Outcome:
    return said[-1] if said else Outcome(code="timeout", message="it does not answer", late=True)


def _blamed(outcome: Outcome, one: Try, world: World, since: float) -> Outcome:
    """What the gateway met meanwhile; an error that it had before counts for nothing."""
    with suppress(NoAnswer, Failure, KeyError, TypeError, ValueError):
        for row in ask(world.places.gateway, "GET", "/status", timeout=1.0)["servers"]:
            error = row["last_error"]
            mine = (row["project"], row["server"]) == (world.project, one.server)
            if mine and error and float(error["at"]) >= int(since):
                return outcome._replace(code=str(error["code"]), message=str(error["message"]))
    return _of_process(outcome, one, world) if _is_process(one) else outcome


def _of_process(outcome: Outcome, one: Try, world: World) -> Outcome:
    """What a process behind the gateway does that does not answer: it is silent, or chats."""
    with suppress(NoAnswer, Failure):
        page = read(world.places.gateway, "/metrics", timeout=1.0)
        label = f'garbage_lines_total{{project="{world.project}",server="{one.server}"}}'
        line = next((x for x in page.splitlines() if label in x), "")
        if line and not line.endswith(" 0"):
            return outcome._replace(code="server-garbage", message=_GARBAGE)
    return outcome._replace(code="server-silent", message=f"no answer within {SECONDS:g} s")


def _with_last_words(outcome: Outcome, one: Try, world: World) -> Outcome:
    """With what the process has written to its standard error last."""
    with suppress(NoAnswer, Failure):
        path = f"/stderr/{world.project}/{one.server}"
        said = read(world.places.gateway, path, timeout=1.0)
        return outcome._replace(words=said[-_LAST_WORDS:])
    return outcome


def _is_process(one: Try) -> bool:
    route = one.route
    return route.url is None and route.url_ref is None if route else one.target is None


# --- the wire ---------------------------------------------------------------------------------


async def _beyond(one: Try, world: World, code: str) -> tuple[Secrets | None, Report | None]:
    """Put the secrets in and ask the server itself, where that can tell more than the gateway."""
    secrets, target = None, one.target
    if one.route is not None:
        route = one.route
        if code == "helper-failed":  # it has just taken its time
            route = route._replace(headers_helper=None)
        secrets = await _secrets(route, world)
        resolved = secrets.resolved
        if code in _NOT_BEYOND or resolved is None or not resolved.url:
            return secrets, None
        kind = {"type": one.route.transport, "url": resolved.url, "proxy": ""}
        target = {**kind, "headers": dict(resolved.headers), "own_origin": True}
    if target is None:
        return secrets, None
    from mcpconf.wire import ask as ask_wire  # noqa: PLC0415  only when something is wrong

    asked = {"ca": "env", "roots": trusted_roots(), "seconds": WIRE, "client": world.client}
    asked |= target
    loop = asyncio.get_running_loop()
    return secrets, await loop.run_in_executor(world.pool, ask_wire, asked)


async def _secrets(route: Route, world: World) -> Secrets:
    try:
        async with asyncio.timeout(_HELPER):
            return await look_at_secrets(route, world.folder, world.places.state, world.environ)
    except TimeoutError:
        text = (
            f"it takes longer than {_HELPER:g} of the 10 seconds that it has;"
            " run it by hand to see why"
        )
        return Secrets(None, Missing("helper-failed", text))


def _of_wire(report: Report | None) -> Heard | None:
    """The wire's own handshake, for a server that is reached without bridge and gateway."""
    if report is None:
        return None
    answer = report["answer"]
    seconds = float(answer["seconds"])
    if not answer["works"]:
        return Heard("host", Outcome(code="wire", message=str(answer["stopped"])), seconds)
    return Heard("host", Outcome(tools=answer["tools"] or 0), seconds)
