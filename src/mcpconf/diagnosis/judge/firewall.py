"""Judges a container's firewall: whether it is in force, has the last sync, and lets a host pass.

Pure.  Hosts that a container names are foreign: they stand in a command only where they are
spelled as hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcpconf.contract import EgressRow
from mcpconf.diagnosis.container_facts import Aim, Blocked, InContainer, Row
from mcpconf.diagnosis.evidence import Judged
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.firewall.site import SINK4, SINK6
from mcpconf.names import name_fault, quote

SYNC = Remedy("mcpconf sync", ("sync",), safe=True)
REFRESH = Remedy("mcpconf firewall refresh", ("firewall", "refresh"), safe=True)
_SINKS = frozenset({SINK4, SINK6})
_LIST, _RESOLVER, _HTTPS = "egress.json", "resolver", 443
_BY_LIST = frozenset({"name", "port", "subdomain", "record", "gate-name", "address", "sinkhole"})


def judge_firewall(seen: InContainer, aim: Aim) -> Judged:
    """Why a server that the container reaches itself does not get through."""
    fire = seen.fire
    if fire.state not in {"shut", "force", "faulty"}:
        return Judged(tuple(_sunk(seen, aim)))
    if aim.wish.way == "gateway":
        return Judged((), tuple(_faults(seen, aim)))
    if fire.state == "shut":
        return Judged((_shut(seen, aim),) if aim.wish.hosts else ())
    causes = [*_faults(seen, aim)] if aim.wish.hosts else []
    if aim.wish.way == "direct":
        causes += (*_hosts(seen, aim), *_led_out(seen, aim))
    return Judged(tuple(causes))


def _verdict(
    code: str,
    text: str,
    aim: Aim,
    notes: tuple[str, ...],
    *ways: Remedy,
    rung: Rung = Rung.FIREWALL,
) -> Verdict:
    finding = Finding(code, text, aim.at, notes, tuple(way.command for way in ways))
    return Verdict(rung, finding, None, ways[0] if ways else None)


def _shut(seen: InContainer, aim: Aim) -> Verdict:
    text = f"the firewall of the container {quote(seen.name)} could not be put in force"
    notes = (f"it says: {quote(seen.fire.why, 200)}", "nothing leaves the container until it is")
    again = Remedy("mcpconf firewall refresh", ("firewall", "refresh"), safe=True)
    start = {"ddev": "ddev restart", "devcontainer": "start the dev container again"}
    also = Remedy(start.get(aim.kind, "start the container again, and read what it says"))
    return _verdict("MC232", text, aim, notes, again, also)


def _faults(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """What the firewall finds wrong with itself."""
    name, faults = quote(seen.name), seen.fire.faults
    for fault, said in faults.items():
        notes = (f"it says: {quote(said, 300)}",)
        if fault == _RESOLVER:
            text = f"the resolver of the container {name} does not answer"
            yield _verdict("MC241", text, aim, notes, REFRESH, rung=Rung.DNS)
        elif fault == _LIST:
            text = f"the firewall of the container {name} has not taken up the last sync"
            yield _verdict("MC231", text, aim, notes, REFRESH)
        else:
            text = f"the firewall of the container {name} is not whole"
            yield _verdict("MC232", text, aim, notes, REFRESH)
    told, wrote = seen.fire.generation, aim.sync.generation
    if _LIST not in faults and told and wrote and told != wrote and _lacks(seen, aim):
        yield _stale(seen, aim)


def _lacks(seen: InContainer, aim: Aim) -> bool:
    """Whether a row that the server needs is not in force."""
    return any(not _in_force(seen.fire.rows, host, port) for host, port in aim.wish.hosts)


def _stale(seen: InContainer, aim: Aim) -> Verdict:
    text = f"the firewall of the container {quote(seen.name)} has not taken up the last sync"
    told, wrote = seen.fire.generation, aim.sync.generation
    notes = (f"it has {quote(told)}, the host wrote {quote(wrote)}",) if told != wrote else ()
    return _verdict("MC231", text, aim, notes, REFRESH)


def _sunk(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """What its resolver says where the firewall itself does not: unlisted names lead nowhere."""
    for host, _ in _nowhere(seen, aim):
        found = [(h, p) for h, p in aim.wish.hosts if h == host]
        yield from (_closed(h, p, aim) for h, p in found[:1])


def _led_out(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """A redirect to a host that is not open, which Claude Code follows and the bridge does not."""
    own = {host for host, _ in aim.wish.hosts}
    for host, port in _nowhere(seen, aim):
        if "url" in aim.wish.entry and host not in own:
            text = f"the firewall is shut for {quote(host, 80)}, to which {aim.name} redirects"
            ways = (Remedy("write the address to which it leads into its URL"),)
            notes = ("no row of the plan opens it: a server has no say in what is open",)
            yield _verdict("MC230", text, aim, notes, *_allow(host, port), *ways)


def _nowhere(seen: InContainer, aim: Aim) -> Iterator[tuple[str, int]]:
    """The hosts, with ports, whose names lead to the address of all names that are not listed."""
    stations = seen.wire.get(aim.wish.name, {}).get("stations")
    for station in stations if isinstance(stations, list) else ():
        told = station if isinstance(station, dict) else {}
        tries = [t.get("address") for t in told.get("tries") or () if isinstance(t, dict)]
        addresses, host, port = told.get("addresses") or tries, told.get("host"), told.get("port")
        if isinstance(addresses, list) and addresses and {*map(str, addresses)} <= _SINKS:
            yield str(host), port if isinstance(port, int) else _HTTPS


# --- one host ---------------------------------------------------------------------------------


def _hosts(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """Each host that a server is reached at: open in the plan, in force, and let through."""
    for host, port in aim.wish.hosts:
        if not _planned(aim.rows, host, port):
            yield _closed(host, port, aim)
        elif not _in_force(seen.fire.rows, host, port):
            yield _stale(seen, aim)
        else:
            attempts = [b for b in seen.fire.blocked if host in b.names and b.port in (0, port)]
            tried = seen.tried.get(aim.wish.name)
            recent = [b for b in attempts if tried is None or b.last >= tried.began - 1]
            if recent:
                yield _let_down(recent[-1], aim)


def _planned(rows: Sequence[EgressRow], host: str, port: int) -> bool:
    return any(row.port == port and covers(row.host, row.form, host) for row in rows)


def _in_force(rows: Sequence[Row], host: str, port: int) -> bool:
    return any(row.port == port and covers(row.host, row.form, host) for row in rows)


def covers(row: str, form: str, host: str) -> bool:
    """Whether a row is for a host."""
    name = row.removeprefix("*.")
    if form == "wildcard" or row.startswith("*."):
        return host.endswith(f".{name}")
    return row == host


def _closed(host: str, port: int, aim: Aim) -> Verdict:
    """The plan does not open it, or on another port only."""
    others = sorted({row.port for row in aim.rows if covers(row.host, row.form, host)})
    ways = tuple(_allow(host, port))
    if others:
        text = f"the firewall is shut for port {port} of {quote(host)}, where {aim.name} is"
        listed = ", ".join(map(str, others))
        notes = (f"it is open on {listed}",)
        return _verdict("MC234", text, aim, notes, *ways)
    text = f"the firewall is shut for {quote(host)}, where {aim.name} is"
    return _verdict("MC230", text, aim, ("no row of the plan opens it",), *ways)


def _let_down(blocked: Blocked, aim: Aim) -> Verdict:
    """It is listed and in force, and was refused all the same: the firewall says why."""
    host = quote(blocked.names[0] if blocked.names else blocked.address, 80)
    if blocked.reason == "rebind":
        text = f"{host}, where {aim.name} is, leads to an address inside, so it was refused"
        peer = Remedy("mcpconf allow --peer NAME --port PORT    (a service beside the container)")
        return _verdict("MC242", text, aim, (blocked.because[:200],), peer, rung=Rung.DNS)
    text = f"the firewall refused {host}, where {aim.name} is, though it is listed"
    return shut_for(blocked, text, aim, (), _HELPS.get(blocked.reason, ()))


_HELPS = {
    "expired": (Remedy("`grace` in mcpconf.toml says how long addresses stay open; raise it"),),
    "gate-again": (Remedy('`[firewall] mode = "default"` in mcpconf.toml'),),
    "gate-none": (Remedy('`[firewall] mode = "default"` in mcpconf.toml'),),
}


def shut_for(
    blocked: Blocked, text: str, aim: Aim, notes: tuple[str, ...], ways: Sequence[Remedy]
) -> Verdict:
    """A verdict on one attempt that was refused."""
    times = f"{blocked.times} times" if blocked.times > 1 else "once"
    why = f"refused {times}: {quote(blocked.because, 120)[1:-1]}"
    names = [n for n in blocked.names if blocked.port and not _planned(aim.rows, n, blocked.port)]
    listed = any(covers(row.host, row.form, n) for row in aim.rows for n in names)
    code = "MC234" if blocked.reason == "port" or listed else "MC230"
    return _verdict(code, text, aim, (why, *notes), *ways)


def opens(blocked: Blocked, aim: Aim) -> tuple[Remedy, ...]:
    """What opens an attempt, on the host; nothing where its host is not one."""
    host = blocked.names[0] if len(blocked.names) == 1 else ""
    port = blocked.port or _HTTPS
    if host and _planned(aim.rows, host, port):
        return (SYNC, REFRESH)
    if host and blocked.reason in _BY_LIST:
        return (*_allow(host, port), Remedy("mcpconf allow --blocked"))
    return (Remedy("mcpconf allow --blocked"),)


def _allow(host: str, port: int) -> Iterator[Remedy]:
    if "." not in host and host and not name_fault(host.lower()):
        yield Remedy(f"mcpconf allow --peer {host} --port {port} && mcpconf sync")
    plain = host.isascii() and "." in host and not host.startswith(("-", "*"))
    if plain and not name_fault(host.lower()):
        port_ = "" if port == _HTTPS else f" --port {port}"
        yield Remedy(f"mcpconf allow {host}{port_} && mcpconf sync")
