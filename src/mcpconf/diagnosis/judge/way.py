"""Judges the way from a container to the gateway, and whether its token is taken.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf.diagnosis.container_facts import Aim, InContainer
from mcpconf.diagnosis.container_terms import GATEWAY_AGAIN, SYNC, restart, verdict
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.names import quote


def way_to_gateway(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """What keeps the container from the gateway; nothing for a server that is not behind it."""
    reach = seen.reach
    if aim.wish.way != "gateway" or aim.gateway is False:
        return  # a gateway that does not run is the host's matter
    if reach.token is False:
        yield _token(seen, aim)
    elif reach.state in REACHES:
        yield _out_of_reach(seen, aim)


REACHES = {
    "name": "the name does not resolve there",
    "refused": "nothing listens there for containers (connection refused)",
    "silent": "no answer: something on the way drops the packets",
    "unreachable": "there is no way, or a firewall refuses it",
    "other": "something else than a gateway answers there",
}


def _token(seen: InContainer, aim: Aim) -> Verdict:
    held, name = seen.held, quote(seen.name)
    there = held.digests.get("bridge.json", "") if held else ""
    older = bool(there and aim.sync.digests.get("bridge.json", there) != there)
    text = f"the gateway refuses the token of the container {name}"
    if older:
        notes = ("its `/etc/mcpconf/bridge.json` is another one than the host's",)
        return verdict(Rung.GATEWAY, "MC226", text, aim, notes, restart(aim, seen.name))
    notes = ("it is the one that the last sync wrote; the gateway knows another, or none",)
    return verdict(Rung.GATEWAY, "MC226", text, aim, notes, SYNC, GATEWAY_AGAIN)


def _out_of_reach(seen: InContainer, aim: Aim) -> Verdict:
    reach, name = seen.reach, quote(seen.name)
    where = quote(f"{reach.host}:{reach.port}", 100) if reach.host else "its address"
    shut = any(
        b.port == reach.port and (b.address in reach.addresses or reach.host in b.names)
        for b in seen.fire.blocked
    )
    if shut or seen.fire.state == "shut":
        text = f"the firewall of the container {name} is shut for the gateway at {where}"
        why = ("what it has in force is older than the gateway's address, or nothing is",)
        refresh = Remedy("mcpconf firewall refresh", ("firewall", "refresh"), safe=True)
        return verdict(Rung.GATEWAY, "MC231", text, aim, why, refresh)
    text = f"the container {name} does not reach the gateway at {where}"
    notes = (REACHES[reach.state], *_addresses(reach.addresses))
    return verdict(Rung.GATEWAY, "MC217", text, aim, notes, *_ways(reach.state, aim))


def _addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    listed = ", ".join(quote(address) for address in addresses[:4])
    return (f"the name leads to {listed}",) if listed else ()


def _ways(state: str, aim: Aim) -> tuple[Remedy, ...]:
    if state == "name":
        host = "--add-host=host.docker.internal:host-gateway"
        return (Remedy(f"start the container with {host}"), restart(aim, ""))
    if state == "refused":
        return (GATEWAY_AGAIN, Remedy("mcpconf gateway status    (shows where it listens)"))
    if state in {"silent", "unreachable"}:
        return (
            Remedy("let the host's own firewall (ufw, firewalld) take packets of containers there"),
            Remedy("mcpconf firewall verify"),
        )
    return (Remedy("see what listens on that port of the host, or set `gateway` in mcpconf.toml"),)
