"""Concluding: from everything that was seen to one diagnosis a server.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mcpconf.clients import Client
from mcpconf.compiler import Compilation
from mcpconf.diagnosis import container_steps
from mcpconf.diagnosis.beyond import Asked, beyond
from mcpconf.diagnosis.container_facts import Aim, InContainer, NoContainer, Sync, wish_of
from mcpconf.diagnosis.evidence import Gateway, Heard, Host, Judged, Remembered, Secrets, Written
from mcpconf.diagnosis.judge import config as judge_config
from mcpconf.diagnosis.judge import trouble as judge_trouble
from mcpconf.diagnosis.judge.client import Using, judge_client
from mcpconf.diagnosis.judge.container import judge_absence, judge_container
from mcpconf.diagnosis.judge.host import judge_host
from mcpconf.diagnosis.judge.talk import judge_talk, refused_before
from mcpconf.diagnosis.model import Diagnosis, Rung, Step, Verdict
from mcpconf.diagnosis.shown import with_shows
from mcpconf.diagnosis.starving import starved
from mcpconf.diagnosis.steps import host_steps, log_step
from mcpconf.model import BRIDGE, Remote
from mcpconf.plan.terms import Planned
from mcpconf.service.handshake import Outcome

_OVERHEAD = 1.5  # seconds that bridge and gateway may take to start, on a busy machine
_LOGIN, _ORPHANED = "MC223", "MC293"
_WANTS_LOGIN = frozenset({_LOGIN, "login-needed"})


class Seen(NamedTuple):
    """Everything that was seen of one server.

    ``heard``, ``secrets`` and ``report`` (of the wire) are from this host; ``inside`` is None where
    no container was looked into, and ``absent`` then why.  ``kind`` is that of the project's
    container.
    """

    name: str
    compiled: Compilation
    client: Client
    gateway: Gateway = Gateway()
    written: Written = Written()
    memory: Remembered = Remembered()
    heard: Heard | None = None
    secrets: Secrets | None = None
    report: Mapping[str, Any] | None = None
    inside: InContainer | None = None
    absent: NoContainer | None = None
    sync: Sync = Sync()
    kind: str = "none"
    hanging: tuple[str, ...] = ()  # those before it that hang, where the client runs
    unseen: tuple[str, ...] = ()


def way_of(planned: Planned | None) -> str:
    """How the container reaches a server: gateway, direct, container or nowhere."""
    if planned is None or planned.entry is None:
        return "nowhere"
    if planned.route is not None:
        return "gateway"
    direct = planned.entry.get("command") == BRIDGE or "url" in planned.entry
    return "direct" if direct else "container"


def conclude(seen: Seen) -> Diagnosis:
    """Judge it all, and put the verdicts in the ladder's order."""
    config = judge_config.judge_config(seen.name, seen.compiled)
    planned = judge_config.planned_of(seen.name, seen.compiled)
    steps = tuple(judge_config.steps(seen.name, seen.compiled, config))
    start = seen.inside.name if seen.inside else "host"
    if planned is None or planned.entry is None:
        return Diagnosis(seen.name, start, "nowhere", steps, ordered(config))
    unset = judge_config.unset_variable(seen.name, seen.compiled)
    within = _within(seen)
    host = Host(planned, seen.gateway, seen.written, seen.secrets, seen.heard, within, unset)
    there, there_steps = _container(seen, host)
    asked = Asked(host, seen.client.version, seen.memory, _report(seen), seen.inside)
    wired = beyond(asked)
    judged = config + judge_host(host) + there + Judged(wired.verdicts)
    judged += judge_client(_using(seen, host, wired.verdicts), seen.memory)
    heard = within or seen.heard
    log = seen.memory.log.get(seen.name)
    if log and not host.works:
        there_steps += (log_step(log),)
    if heard is not None and heard.works:
        judged += Judged(tuple(judge_talk(host, heard, seen.client.version)))
        judged += Judged((), tuple(refused_before(host, seen.gateway, seen.memory.now)))
    late = starved(planned, seen.hanging, seen.memory.at_once)
    judged += Judged((late,) if late else ())
    return Diagnosis(
        server=seen.name,
        start=start,
        way=way_of(planned),
        steps=tuple(sorted((*steps, *host_steps(host), *there_steps, *wired.steps), key=_rung)),
        verdicts=with_shows(ordered(_settled(judged, seen, host)), way_of(planned)),
        tools=heard.outcome.tools if heard else None,
        unseen=seen.unseen,
        seconds=heard.seconds if heard else 0.0,
    )


def _rung(step: Step) -> int:
    return step.rung


def _within(seen: Seen) -> Heard | None:
    """The handshake from inside the container, if there was one."""
    tried = seen.inside.tried.get(seen.name) if seen.inside else None
    if seen.inside is None:
        return None
    if tried is not None:
        return Heard(
            seen.inside.name, tried.outcome, tried.seconds, tried.probed, taken=tried.taken
        )
    report = seen.inside.wire.get(seen.name)
    answer = report.get("answer") if report else None
    if not isinstance(answer, Mapping):
        return None
    tools, seconds = answer.get("tools"), answer.get("seconds")
    works = answer.get("works") is True
    known = tools if isinstance(tools, int) else 0
    outcome = Outcome(tools=known) if works else Outcome(code="wire")
    took = float(seconds) if isinstance(seconds, int | float) else 0.0
    return Heard(seen.inside.name, outcome, took)


def _container(seen: Seen, host: Host) -> tuple[Judged, tuple[Step, ...]]:
    """What the container shows of this server."""
    rows = seen.compiled.plan.egress.rows
    wish = wish_of(host.planned, rows)
    if seen.inside is None and seen.absent is not None:
        return Judged(judge_absence(seen.absent, host.at, contained=seen.kind != "none")), ()
    if seen.inside is None or wish is None:
        return Judged(), ()
    aim = Aim(wish, host.at, seen.sync, seen.kind, seen.gateway.answers, rows)
    return judge_container(seen.inside, aim), container_steps.steps(seen.inside, aim)


def _report(seen: Seen) -> Mapping[str, Any] | None:
    """What the wire told: from inside where it was asked there."""
    inside = seen.inside.wire.get(seen.name) if seen.inside else None
    return inside or seen.report


def _settled(judged: Judged, seen: Seen, host: Host) -> Judged:
    """See to it that a server that does not work has a cause, and mention what is odd beside it."""
    if host.works:
        return judged
    if any(v.finding.code == _ORPHANED for v in judged.causes):  # then that is why it asks
        judged = judged._replace(causes=tuple(v for v in judged.causes if v.finding.code != _LOGIN))
    broken = [v for v in judged.causes if v.rung is not Rung.CLIENT]
    if not broken and (host.heard is not None or host.inside is not None):
        answers = seen.report is not None and seen.report["answer"]["works"] is True
        judged += Judged((judge_trouble.beyond(host, answers=answers),))
    if judged.causes:
        odd = judge_config.written_oddly(seen.name, seen.compiled)
        judged += Judged((), odd)
    return judged


def ordered(judged: Judged) -> tuple[Verdict, ...]:
    """The causes by rung, then what is only mentioned; each code once."""
    causes = sorted(judged.causes, key=lambda v: v.rung)
    mentions = sorted(judged.mentions, key=lambda v: v.rung)
    found: dict[str, Verdict] = {}
    for verdict in (*causes, *mentions):
        found.setdefault(verdict.finding.code, verdict)
    return tuple(found.values())


def _using(seen: Seen, host: Host, wired: tuple[Verdict, ...]) -> Using:
    """The client's side: on the host it connects by itself, in the container by its entry."""
    server = host.planned.classified.server
    remote = server.transport if isinstance(server.transport, Remote) else None
    by_itself = seen.inside is None or "url" in (host.planned.entry or {})
    codes = {host.code, *(v.finding.code for v in wired)}
    return Using(
        server=server,
        client=seen.client,
        remote=remote if by_itself else None,
        seconds=_seconds(seen, host),
        wants_login=bool(codes & _WANTS_LOGIN),
    )


def _seconds(seen: Seen, host: Host) -> float | None:
    """How long a server took that works, where the wire does not tell it more exactly."""
    heard = host.inside or host.heard
    if heard is None or not heard.works:
        return None
    if host.planned.route is None:
        return heard.seconds if way_of(host.planned) == "container" else None
    told = seen.report is not None and seen.report["answer"]["works"]
    return None if told else heard.seconds - _OVERHEAD
