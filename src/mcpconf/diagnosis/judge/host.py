"""Judging the host's side: the gateway, the last sync, secrets and logins.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf import __version__
from mcpconf.contract import Route, Routes, dump_routes
from mcpconf.diagnosis.evidence import RESTART, START, SYNC, Host, Judged, chmod
from mcpconf.diagnosis.judge.process import of_process
from mcpconf.diagnosis.judge.trouble import behind
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.origin import Origin, Source

_REPLACED = RESTART._replace(safe=True)  # a gateway that hangs serves nobody


def judge_host(host: Host) -> Judged:
    """Every cause on the host's side, and what to mention beside another one."""
    causes = list(_last_sync(host))
    mentions: list[Verdict] = []
    if host.planned.route is not None:
        causes += _gateway(host)
        causes += _known(host, host.planned.route)
        causes += behind(host)
        mentions += _other_version(host)
    elif not host.inside:
        causes += of_process(host)
    if causes and host.written.blocked and any(v.remedy is SYNC for v in causes):
        causes += (Verdict(Rung.CONFIG, f) for f in host.written.blocked)
    return Judged(tuple(causes), tuple(mentions))


# --- the last sync ----------------------------------------------------------------------------


def _last_sync(host: Host) -> Iterator[Verdict]:
    """Whether the container's file has the entry as it would be written now."""
    servers, name = host.written.servers, host.planned.classified.server.name
    if servers is None:
        text = f"nothing was written for the container yet, so it has no {host.name}"
        yield host.verdict(Rung.CONTAINER, "MC201", text, remedy=SYNC)
    elif name not in servers:
        text = f"the last sync did not give the container {host.name}"
        notes = ("it was added, or changed its state, since then",)
        yield host.verdict(Rung.CONTAINER, "MC200", text, notes, SYNC)
    elif servers[name] != host.planned.entry:
        text = f"the last sync gave the container another entry for {host.name}"
        notes = ("it has changed since then; the container keeps the old one",)
        yield host.verdict(Rung.CONTAINER, "MC200", text, notes, SYNC)


# --- the gateway ------------------------------------------------------------------------------


def _gateway(host: Host) -> Iterator[Verdict]:
    gateway = host.gateway
    if gateway.pid is None and gateway.trouble:
        text = f"it cannot be seen whether the gateway runs: {gateway.trouble}"
        yield host.verdict(Rung.GATEWAY, "MC215", text, (_behind(host),))
    elif gateway.pid is None:
        yield _not_running(host)
    elif gateway.trouble:
        text = f"the gateway (process {gateway.pid or 'unknown'}) runs, but does not answer"
        yield host.verdict(Rung.GATEWAY, "MC218", text, (gateway.trouble,), _REPLACED)
    else:
        yield from _way_in(host)


def _not_running(host: Host) -> Verdict:
    text = f"the gateway does not run, and {host.name} is reached through it"
    listed = ", ".join(f"`{a}`" for a in host.gateway.occupied)
    if not listed:
        return host.verdict(Rung.GATEWAY, "MC215", text, remedy=START)
    notes = (f"it cannot start either: another program listens on {listed}",)
    found = host.verdict(Rung.GATEWAY, "MC215", text, notes)
    ways = (
        "end that program (`mcpconf gateway start` says which it is), then: mcpconf gateway start",
        'or put `gateway = ":PORT"` with another port into your mcpconf.toml, then: mcpconf sync',
    )
    return found._replace(finding=found.finding._replace(help=ways))


def _behind(host: Host) -> str:
    return f"{host.name} is reached through it"


def _way_in(host: Host) -> Iterator[Verdict]:
    """Whether containers would get in: with what is in bridge.json, where it listens."""
    written, route = host.written, host.planned.route
    synced = route is not None and route.server in (written.routes or {})
    known = route is not None and route.server in host.gateway.rows
    if written.bridge and synced:
        text = f"the container cannot learn where the gateway is: bridge.json: {written.bridge}"
        at = Origin(Source(written.bridge_path))
        found = Finding("MC205", text, at, (_behind(host),), (SYNC.command,))
        yield Verdict(Rung.BRIDGE, found, None, SYNC)
    elif (
        known
        and host.code == "refused-login"
        and "token" in host.words
        and "bridge.json" in host.words
    ):
        text = "the gateway refuses the token that the container was given"
        notes = ("the token was made anew, or removed, since the last sync",)
        yield host.verdict(Rung.GATEWAY, "MC226", text, notes, SYNC)
    elif host.words.startswith("no gateway answers"):
        text = "the gateway runs, but takes no connections on its socket"
        yield host.verdict(Rung.GATEWAY, "MC218", text, (host.words,), _REPLACED)
    if host.gateway.unheard and not (host.inside and host.inside.works):
        missing = ", ".join(f"`{a}`" for a in host.gateway.unheard)
        text = f"the gateway does not listen on {missing}, where containers look for it"
        notes = ("it decided where to listen when it started; the settings are newer",)
        yield host.verdict(Rung.GATEWAY, "MC216", text, notes, RESTART)


def _other_version(host: Host) -> Iterator[Verdict]:
    version = host.gateway.version
    if version and version != __version__ and not host.works:
        text = f"the gateway is mcpconf {version[:40]!a}, this is {__version__}"
        notes = ("`mcpconf gateway start` exchanges one of another version",)
        yield host.verdict(Rung.GATEWAY, "MC216", text, notes, START)


# --- what it knows ----------------------------------------------------------------------------


def _known(host: Host, route: Route) -> Iterator[Verdict]:
    """Whether the gateway has the route as it would be written now."""
    routes, gateway = host.written.routes, host.gateway
    written = (routes or {}).get(route.server)
    if written is None:
        if host.written.servers is not None:
            text = f"the gateway has no route to {host.name}: the last sync wrote none"
            yield host.verdict(Rung.ROUTE, "MC219", text, remedy=SYNC)
    elif _text(written) != _text(route) or host.code == "stale-route":
        text = f"the entry of {host.name} has changed since the last sync, so it is not used"
        notes = ("the gateway acts only on the text that was synced",)
        yield host.verdict(Rung.ROUTE, "MC220", text, notes, SYNC)
    elif (gateway.answers and route.server not in gateway.rows) or host.code == "unknown-server":
        yield _left_out(host)


def _left_out(host: Host) -> Verdict:
    """The sync wrote the route, and the gateway does not have it."""
    reason = host.gateway.left_out
    text = f"the gateway does not know {host.name}, though the last sync wrote its route"
    if not reason:
        return host.verdict(Rung.ROUTE, "MC219", text, remedy=_REPLACED)
    command = reason.partition("run `")[2].partition("`")[0]
    remedy = chmod(command) or SYNC
    notes = (f"it left the project out: {reason}",)
    return host.verdict(Rung.ROUTE, "MC219", text, notes, remedy)


def _text(route: Route) -> str:
    """A route as text, without its reasons."""
    return dump_routes(Routes("", "", (route._replace(because=()),)))
