"""Concluding: from everything that was seen to one diagnosis a server.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mcpconf.clients import Client
from mcpconf.compiler import Compilation
from mcpconf.diagnosis import judge_config, judge_trouble
from mcpconf.diagnosis.evidence import Gateway, Heard, Host, Judged, Remembered, Secrets, Written
from mcpconf.diagnosis.judge_client import Using, judge_client
from mcpconf.diagnosis.judge_host import judge_host
from mcpconf.diagnosis.model import Diagnosis, Rung, Step, Verdict
from mcpconf.diagnosis.steps import host_steps
from mcpconf.model import BRIDGE, Remote, Server
from mcpconf.plan.terms import Planned

_LOGIN = "MC223"


class Seen(NamedTuple):
    """Everything that was seen of one server, from this host."""

    name: str
    compiled: Compilation
    client: Client
    gateway: Gateway = Gateway()
    written: Written = Written()
    memory: Remembered = Remembered()
    heard: Heard | None = None
    secrets: Secrets | None = None
    report: Mapping[str, Any] | None = None
    start: str = "host"
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
    if planned is None or planned.entry is None:
        return Diagnosis(seen.name, seen.start, "nowhere", steps, ordered(config))
    unset = judge_config.unset_variable(seen.name, seen.compiled)
    host = Host(planned, seen.gateway, seen.written, seen.secrets, seen.heard, unset)
    judged = config + judge_host(host)
    beyond = () if host.works and host.heard and host.heard.outcome.tools else of_wire(seen, host)
    judged += Judged(beyond) + judge_client(_using(seen, host, beyond), seen.memory)
    judged = _settled(judged, seen, host)
    return Diagnosis(
        server=seen.name,
        start=seen.start,
        way=way_of(planned),
        steps=(*steps, *host_steps(host), *_wire_steps(seen)),
        verdicts=ordered(judged),
        tools=seen.heard.outcome.tools if seen.heard else None,
        unseen=seen.unseen,
        seconds=seen.heard.seconds if seen.heard else 0.0,
    )


def _settled(judged: Judged, seen: Seen, host: Host) -> Judged:
    """See to it that a server that does not work has a cause, and mention what is odd beside it."""
    if host.works:
        return judged
    broken = [v for v in judged.causes if v.rung is not Rung.CLIENT]
    if not broken and host.heard is not None:
        judged += Judged((judge_trouble.beyond(host),))
    if judged.causes:
        odd = judge_config.written_oddly(seen.name, seen.compiled)
        judged += Judged((), odd)
    return judged


def ordered(judged: Judged) -> tuple[Verdict, ...]:
    """The causes by rung, then what is only mentioned; each code once."""
    causes = sorted(judged.causes, key=lambda v: v.rung)
    mentions = sorted(judged.mentions, key=lambda v: v.rung)
    return tuple({(v.finding.code, v.finding.message): v for v in (*causes, *mentions)}.values())


# --- the wire ---------------------------------------------------------------------------------


def of_wire(seen: Seen, host: Host) -> tuple[Verdict, ...]:
    """What the questions to the server itself show."""
    if seen.report is None:
        return ()
    verdicts = judged_wire(seen, host)
    if host.planned.route is None:
        return verdicts
    return tuple(
        judge_trouble.wants_login(host) if v.finding.code == _LOGIN else v for v in verdicts
    )


def judged_wire(seen: Seen, host: Host) -> tuple[Verdict, ...]:
    from importlib import import_module  # noqa: PLC0415

    module = import_module("mcpconf.diagnosis.judge_wire")
    del host
    return tuple(module.judge_wire(seen.report, None))


def _wire_steps(seen: Seen) -> Iterator[Step]:
    del seen
    yield from ()


# --- the client -------------------------------------------------------------------------------


def _using(seen: Seen, host: Host, beyond: tuple[Verdict, ...]) -> Using:
    server = host.planned.classified.server
    assert isinstance(server, Server)
    remote = server.transport if isinstance(server.transport, Remote) else None
    codes = {v.finding.code for v in beyond} | {host.code}
    refused = {"MC260", "MC262", "MC263", "MC264", "MC266", "MC267", "refused-login"}
    return Using(
        server=server,
        client=seen.client,
        remote=remote if seen.start == "host" or _goes_itself(host) else None,
        seconds=_slowest(seen),
        wants_login=bool(codes & {_LOGIN, "login-needed"}),
        refused=bool(codes & {*refused, _LOGIN, "login-needed"}),
    )


def _goes_itself(host: Host) -> bool:
    return "url" in (host.planned.entry or {})


def _slowest(seen: Seen) -> float | None:
    """How long the server itself took, as far as that is known for certain."""
    if seen.heard is None or not seen.heard.works:
        return None
    if seen.report is None:
        return min(seen.heard.seconds, 2.0)  # what is beside it may have been slow
    return float(seen.report["answer"]["seconds"])
