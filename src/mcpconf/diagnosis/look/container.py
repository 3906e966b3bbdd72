"""Looks at a project's container: everything at once, within a time.

It raises nothing of the container's: what does not answer is said in ``unseen``.  Everything runs
in the container as in ``containers/inside.py`` and ``containers/agent.py``; what comes back is
text that a hostile agent may have written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from mcpconf.containers import agent, inspection, program, running
from mcpconf.containers.agent import Agent
from mcpconf.containers.engine import NoAnswer, called
from mcpconf.containers.running import HERE, Container, Place
from mcpconf.diagnosis.container_facts import (
    Blocked,
    Fire,
    Held,
    InContainer,
    NoContainer,
    Reach,
    Tried,
    Wish,
)
from mcpconf.diagnosis.look import client_there as look_client_there
from mcpconf.diagnosis.look import firewall as look_firewall
from mcpconf.diagnosis.look import reach as look_reach
from mcpconf.diagnosis.look import script as look_script
from mcpconf.diagnosis.look import start as look_start
from mcpconf.diagnosis.look.client_there import ClientThere
from mcpconf.diagnosis.roots import roots_as_text
from mcpconf.errors import Failure
from mcpconf.names import quote

_RECENT = 900.0  # seconds for which what was refused still counts
_AFTER = 2.0  # seconds by which clocks, and what is written down, may differ
_THREADS = 16
_FACTS = 9.0  # seconds for what is a matter of milliseconds where nothing is in the way
_SHELL = 2.5  # seconds for a login shell to say its PATH
_ENGINE = 5.0  # seconds for an engine to say something about a container


T = TypeVar("T")


class Look(NamedTuple):
    """What to look at.

    ``project`` is the launch directory on the host, ``wire`` the targets (``mcpconf.wire``) to be
    asked from inside, by the server's name, ``seconds`` the time for a server to answer.
    """

    project: str
    wishes: tuple[Wish, ...] = ()
    wire: Mapping[str, Mapping[str, Any]] = {}
    seconds: float = 8.0


def find(
    place: Place, environ: Mapping[str, str], name: str = "", patience: float = _ENGINE
) -> Container | NoContainer:
    """The project's running container, or why there is none to look at.  Raises nothing.

    It is ``HERE`` where mcpconf itself runs in one that has the firewall: no engine is asked then.
    """
    if not name and program.is_inside():
        return HERE
    try:
        found = (
            [running.named(name, environ)] if name else running.running(place, environ, patience)
        )
    except Failure as why:
        kind = why.__cause__.kind if isinstance(why.__cause__, NoAnswer) else "engine"
        return NoContainer(kind, why.message, why.help or "")
    if not found:
        return NoContainer("none", "no container of this project runs")
    if len(found) > 1:
        names = tuple(one.name for one in found)
        return NoContainer("several", f"{len(found)} containers of this project run", "", names)
    return found[0]


def look(container: Container, asked: Look) -> InContainer | NoContainer:
    """Everything that is seen of it within about ``asked.seconds``.  Raises nothing."""
    try:
        seen = inspection.inspect(container, _ENGINE)
    except NoAnswer as why:
        return NoContainer(why.kind, str(why), why.help)
    who = agent.at_home(container, agent.agent_of(seen, asked.project), _SHELL)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = _together(pool, container, who, asked)
    fire = found.fire
    failed = [t for t in found.tried.values() if t.tools is None]
    if failed and fire.state in ("force", "faulty"):
        since = time.time() - min(t.began for t in failed) + _AFTER
        fresh = look_firewall.refused(container, since, _ENGINE)
        fire = fire._replace(blocked=(*fire.blocked, *fresh))
    return found._replace(fire=fire, user=who.user, why_user=who.because, variables=seen.variables)


class _Jobs(NamedTuple):
    """What is under way."""

    held: Future[Held]
    tries: Future[Mapping[str, Tried]]
    reach: Future[Reach]
    fire: Future[Fire]
    blocked: Future[tuple[Blocked, ...]]
    client: Future[ClientThere]
    wires: Mapping[str, Future[dict[str, Any] | None]]


class _Taking:
    """Takes what comes of a job, and remembers what did not come, and why."""

    def __init__(self, patience: float) -> None:
        self.unseen: list[str] = []
        self._patience = patience

    def of(self, what: str, job: Future[T], instead: T) -> T:
        try:
            return job.result(self._patience)
        except Failure as why:
            self.not_seen(what, why.message)
        except (TimeoutError, OSError, NoAnswer):
            self.not_seen(what, "it took too long")
        return instead

    def not_seen(self, what: str, why: str) -> None:
        if why:
            self.unseen.append(f"{what}: {quote(why, 300)[1:-1]}")


def _together(
    pool: ThreadPoolExecutor, container: Container, who: Agent, asked: Look
) -> InContainer:
    """Ask for all of it at once, and take what came."""
    seconds = max(asked.seconds, _FACTS)
    names = [wish.name for wish in asked.wishes]
    jobs = _Jobs(
        held=pool.submit(look_script.held, container, who, _commands(asked.wishes), seconds),
        tries=pool.submit(_tries, container, who, asked),
        reach=pool.submit(_reach, container, who, asked),
        fire=pool.submit(look_firewall.look, container, seconds),
        blocked=pool.submit(look_firewall.refused, container, _RECENT, seconds),
        client=pool.submit(look_client_there.look, container, who, names, seconds),
        wires={n: pool.submit(_wire, container, who, t) for n, t in asked.wire.items()},
    )
    return _taken(container, jobs, _Taking(seconds + 6))


def _taken(container: Container, jobs: _Jobs, taking: _Taking) -> InContainer:
    held = _kept(jobs.held, taking)
    trouble = "; ".join(taking.unseen) if held is None else ""
    reports = {name: taking.of("the wire", job, None) for name, job in jobs.wires.items()}
    there = taking.of("the client's files", jobs.client, ClientThere("", {}, {}, {}))
    fire = taking.of("the firewall", jobs.fire, Fire())
    if fire.state in {"foreign", "unseen"}:
        taking.not_seen("the firewall", fire.why)
    reach = taking.of("the way to the gateway", jobs.reach, Reach())
    if reach.state == "unseen":
        taking.not_seen("the way to the gateway", reach.words)
    tried = taking.of("the servers", jobs.tries, {})
    blocked = taking.of("what was refused", jobs.blocked, ())
    return InContainer(
        name=container.name,
        engine=called(container.engine),
        held=held,
        trouble=trouble,
        tried=tried,
        wire={name: report for name, report in reports.items() if report is not None},
        reach=reach,
        fire=fire._replace(blocked=blocked),
        client=there.documents,
        logs=there.logs,
        environ=there.environ,
        unseen=(*taking.unseen, *_without_python(reports)),
    )


def _kept(job: Future[Held], taking: _Taking) -> Held | None:
    nothing = Held()
    held = taking.of("what the container holds", job, nothing)
    return None if held is nothing else held


def _reach(container: Container, who: Agent, asked: Look) -> Reach:
    if all(wish.way != "gateway" for wish in asked.wishes):
        return Reach()
    return look_reach.reach(container, who, max(2, round(min(asked.seconds, 5))))


def _tries(container: Container, who: Agent, asked: Look) -> Mapping[str, Tried]:
    return look_start.try_all(container, who, asked.wishes, asked.seconds)


def _commands(wishes: Sequence[Wish]) -> list[str]:
    found = (wish.entry.get("command") for wish in wishes)
    return list(dict.fromkeys(c for c in found if isinstance(c, str) and c))[:200]


def _without_python(reports: Mapping[str, object]) -> tuple[str, ...]:
    if any(report is None for report in reports.values()):
        return ("the connection itself was not looked at inside: no python3 there answers",)
    return ()


def _wire(container: Container, who: Agent, target: Mapping[str, Any]) -> dict[str, Any] | None:
    """A report of the wire from inside; with variables to be put in, as the agent."""
    from mcpconf.wire import bundle  # noqa: PLC0415  it reads its own sources

    seconds = float(target.get("seconds", 10.0))
    if target.get("header_vars") or "env" in (target.get("proxy"), target.get("ca")):
        command = agent.python_of_agent(container, who, [])
    else:
        command = agent.python(container, [])
    encrypted = str(target.get("url", "")).startswith("https:")
    roots = {"roots": roots_as_text()} if encrypted else {}
    told = bundle.program({**roots, **target}).encode()
    _, out, _ = program.whole(command, quote(container.name), seconds + 3, told)
    with suppress(ValueError, RecursionError):
        report = json.loads(out)
        if isinstance(report, dict) and isinstance(report.get("stations"), list):
            return report
    return None
