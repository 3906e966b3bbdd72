"""The way beyond bridge and gateway: what the wire's report means for this server.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mcpconf.diagnosis.container_facts import InContainer
from mcpconf.diagnosis.evidence import Host, Remembered
from mcpconf.diagnosis.judge.report import About, Seen
from mcpconf.diagnosis.judge.trouble import wants_login
from mcpconf.diagnosis.judge.wire import judge_wire
from mcpconf.diagnosis.model import Rung, Shows, Step, Verdict
from mcpconf.diagnosis.wire_steps import wire_steps
from mcpconf.model import Remote
from mcpconf.secret import random_looking, secret_name, shown_url

_WANTS_LOGIN = "MC223"
_SLOW = 2000.0  # milliseconds


class Asked(NamedTuple):
    """What was asked, and by whom."""

    host: Host
    client: str
    memory: Remembered
    report: Mapping[str, Any] | None
    inside: InContainer | None


class Beyond(NamedTuple):
    """What came of it."""

    verdicts: tuple[Verdict, ...] = ()
    steps: tuple[Step, ...] = ()


def beyond(asked: Asked) -> Beyond:
    """Judge the report, if there is one."""
    if asked.report is None:
        return Beyond()
    host = asked.host
    verdicts = [_slow(v, asked) for v in judge_wire(asked.report, about(asked))]
    place = "container" if asked.inside and host.planned.route is None else "host"
    answer = asked.report.get("answer")
    if host.works and not (isinstance(answer, Mapping) and answer.get("works")):
        verdicts = []  # it was slower than the question's time, or weary of being asked twice
    stopped = _stopped(asked)
    if stopped is not None:
        verdicts = [stopped]
    if host.planned.route is not None:
        told = (wants_login(host) if v.finding.code == _WANTS_LOGIN else v for v in verdicts)
        verdicts = list(told)
    if asked.inside is None:
        verdicts = _as_shown_here(verdicts, asked)
    return Beyond(tuple(verdicts), tuple(wire_steps(asked.report, place)))


def _stopped(asked: Asked) -> Verdict | None:
    """The bridge follows no redirect to another origin, whatever lies behind it."""
    host = asked.host
    hop = next((h for h in Seen(asked.report).main.hops if h.flag("cross")), None)
    if host.code != "redirected" or host.planned.route is not None or hop is None:
        return None
    text = f"the server of {host.name} redirects to another origin, where the bridge stops"
    notes = (f"HTTP {hop.whole('status')} leads to {hop.shown('to', 120)}",)
    way = f"write the address to which it leads into its URL: {hop.shown('to', 120)}"
    found = host.verdict(Rung.HTTP, "MC273", text, notes)
    return found._replace(finding=found.finding._replace(help=(way,)))


def _slow(verdict: Verdict, asked: Asked) -> Verdict:
    """A server that answers slowly, each time, is not one that never answers."""
    first = Seen(asked.report).call("initialize")
    ms = first.number("ms") or 0.0
    if verdict.finding.code != "MC278" or not first.ok or ms < _SLOW:
        return verdict
    text = f"{asked.host.name} answers slowly: `initialize` alone takes {ms / 1000:.1f} s"
    notes = ("its tools were not told within the time of this look",)
    finding = verdict.finding._replace(code="MC285", message=text, notes=notes)
    return verdict._replace(finding=finding, shows=Shows("✔ Connected", "pending"))


def _as_shown_here(verdicts: Sequence[Verdict], asked: Asked) -> list[Verdict]:
    """With what Claude Code shows on this host, where it connects by itself."""
    direct = judge_wire(asked.report or {}, about(asked)._replace(through_gateway=False))
    shows = {v.finding.code: v.shows for v in direct}
    return [v._replace(shows=v.shows or shows.get(v.finding.code)) for v in verdicts]


def about(asked: Asked) -> About:
    """What the judges of the wire have to know of the server."""
    host, secrets = asked.host, asked.host.secrets
    server = host.planned.classified.server
    remote = host.planned.classified.remote
    resolved = secrets.resolved if secrets else None
    route = host.planned.route
    written = remote.headers if remote else {}
    names = [name for name, _ in resolved.headers] if resolved else list(written)
    place = asked.inside.name if asked.inside and route is None else ""
    return About(
        server=server.name,
        origin=server.origin,
        url=shown_url(remote.url) if remote else "",
        place="container" if place else "host",
        through_gateway=route is not None,
        type=remote.type if remote else "http",
        headers=tuple(names),
        keys=_keys(remote, names),
        helper=route is not None and route.headers_helper is not None,
        signed_in=bool(secrets and secrets.bearer),
        has_login=bool(secrets and secrets.login.state != "none" and not secrets.bearer),
        sign_in=host.sign_in.command if route is not None else "",
        client=asked.client,
        patience=asked.memory.timeout,
        container=place,
        firewall=_firewall(asked),
    )


def _keys(remote: Remote | None, names: Sequence[str]) -> tuple[str, ...]:
    """The headers that look like credentials; what a helper or a login added is one."""
    written = remote.headers if remote else {}

    def is_key(name: str) -> bool:
        text = written.get(name)
        if text is None or secret_name(name) or text.variables:
            return True
        return random_looking(text.reveal())

    return tuple(filter(is_key, names))


def _firewall(asked: Asked) -> str:
    inside, route = asked.inside, asked.host.planned.route
    if inside is None or route is not None:
        return ""
    return "none" if inside.fire.state == "absent" else ""
