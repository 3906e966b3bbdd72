"""The way beyond bridge and gateway: what the wire's report means for this server.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mcpconf.diagnosis.container_facts import InContainer
from mcpconf.diagnosis.evidence import Host, Remembered
from mcpconf.diagnosis.judge_report import About
from mcpconf.diagnosis.judge_trouble import wants_login
from mcpconf.diagnosis.judge_wire import judge_wire
from mcpconf.diagnosis.model import Rung, Step, Verdict
from mcpconf.model import Remote
from mcpconf.secret import random_looking, secret_name, shown_url

_WANTS_LOGIN = "MC223"
_STATIONS = {
    "proxy": Rung.TCP,
    "dns": Rung.DNS,
    "tcp": Rung.TCP,
    "tls": Rung.TLS,
    "call": Rung.MCP,
    "oauth": Rung.AUTH,
}


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
    verdicts = judge_wire(asked.report, about(asked))
    answer = asked.report.get("answer")
    if host.works and not (isinstance(answer, Mapping) and answer.get("works")):
        verdicts = []  # it was slower than the question's time, or weary of being asked twice
    if host.planned.route is not None:
        told = (wants_login(host) if v.finding.code == _WANTS_LOGIN else v for v in verdicts)
        verdicts = list(told)
    return Beyond(tuple(verdicts), tuple(_steps(asked)))


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


def _steps(asked: Asked) -> Iterator[Step]:
    """The stations as steps."""
    place = "container" if asked.inside and asked.host.planned.route is None else "host"
    stations = (asked.report or {}).get("stations")
    for station in stations if isinstance(stations, list) else ():
        if isinstance(station, Mapping):
            yield _step(station, place)


def _step(station: Mapping[str, Any], place: str) -> Step:
    kind = str(station.get("station"))
    ok, ms = station.get("ok"), station.get("ms")
    if station.get("call") == "discover" and station.get("fault") in ("rpc-error", "status"):
        ok = None  # it is of the older era, or fails later as well
    return Step(
        rung=_STATIONS.get(kind, Rung.MCP),
        place=place,
        tried=_tried(kind, station),
        came=_came(station),
        ok=ok if isinstance(ok, bool) else None,
        ms=float(ms) if isinstance(ms, int | float) else None,
    )


def _tried(kind: str, station: Mapping[str, Any]) -> str:
    where = f"{station.get('host', '')} port {station.get('port', '')}"
    if kind == "call":
        bare = ", without the configured headers" if station.get("with") == "nothing" else ""
        return f"sent it {station.get('call', '')} ({station.get('method') or 'POST'}){bare}"
    words = {"dns": "looked up", "tcp": "connected to", "tls": "spoke TLS with", "proxy": "asked"}
    return f"{words.get(kind, f'looked for {kind} of')} {where}"


def _came(station: Mapping[str, Any]) -> str:
    status, fault = station.get("status"), station.get("fault")
    parts = [f"HTTP {status}"] if isinstance(status, int) else []
    parts += [str(fault)] if fault else []
    addresses = station.get("addresses")
    if isinstance(addresses, list):
        parts += [", ".join(map(str, addresses[:4]))]
    return ", ".join(p for p in parts if p) or "fine"
