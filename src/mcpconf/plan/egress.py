"""What may leave the container: the rows of all layers, merged, each with every reason.

A row of a project file counts only where the user allows the same: it came with a clone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mcpconf.contract import Because, EgressRow
from mcpconf.findings import Finding
from mcpconf.hosts import Destination, parse_destination
from mcpconf.model import ServerId
from mcpconf.names import Problem, quote
from mcpconf.plan.terms import Planned
from mcpconf.readers.policy import Policy
from mcpconf.readers.whitelist import Layer, Row, Shipped


class Layers(NamedTuple):
    """The whitelists, and the stacks that the project shows, each with its evidence."""

    shipped: Shipped
    policy: Policy
    detected: Mapping[str, str]


class _Wish(NamedTuple):
    """One reason for one destination on one port."""

    destination: Destination
    port: int
    because: Because
    server: ServerId | None = None


def merge(
    planned: Sequence[Planned], layers: Layers
) -> tuple[tuple[EgressRow, ...], list[Finding]]:
    """Merge all layers into rows, sorted by host, port and form."""
    findings: list[Finding] = []
    wishes = [
        *_base(layers),
        *_registries(planned, layers.shipped),
        *_stacks(layers),
        *_policy(layers.policy, findings),
        *_servers(planned, findings),
    ]
    by_place: dict[tuple[str, int, str], list[_Wish]] = {}
    for wish in wishes:
        place = (wish.destination.host, wish.port, wish.destination.form)
        by_place.setdefault(place, []).append(wish)
    rows = (_row(place, group) for place, group in sorted(by_place.items()))
    return tuple(rows), findings


def _row(place: tuple[str, int, str], wishes: list[_Wish]) -> EgressRow:
    servers = {w.server for w in wishes if w.server is not None}
    return EgressRow(
        host=place[0],
        port=place[1],
        form=place[2],
        servers=tuple(sorted(servers)),
        because=tuple(sorted({w.because for w in wishes}, key=_by_layer)),
    )


def _by_layer(because: Because) -> tuple[int, str]:
    """The general layers first, servers last; within a layer by the words."""
    order = [layer.value for layer in Layer]
    known = because.layer in order
    return order.index(because.layer) if known else len(order), because.text


def _wishes(row: Row, text: str) -> Iterator[_Wish]:
    for port in row.ports:
        yield _Wish(row.destination, port, Because(row.layer.value, text))


def _base(layers: Layers) -> Iterator[_Wish]:
    for row in layers.shipped.base:
        if not row.optional or layers.policy.optional:
            yield from _wishes(row, f"Claude Code: {row.why}")


def _registries(planned: Sequence[Planned], shipped: Shipped) -> Iterator[_Wish]:
    for one in planned:
        for row in shipped.registries:
            used = [r for r in one.runners if r in row.condition]
            for wish in _wishes(row, f"{used[0]}: {row.why}") if used else ():
                yield wish._replace(server=one.classified.server.id)


def chosen_stacks(layers: Layers) -> dict[str, str]:
    """The stacks that count, each with why: those that the project shows, or the user's list."""
    mine, kept = layers.policy.stacks, layers.policy.kept_stacks
    known = layers.shipped.stacks
    if mine is not None:
        chosen = {name: "your mcpconf.toml names it" for name in mine if name in known}
    else:
        chosen = {n: e for n, e in layers.detected.items() if kept is None or n in kept}
    for name in list(chosen):
        _include(name, known, chosen)
    return chosen


def _include(name: str, known: Mapping[str, object], chosen: dict[str, str]) -> None:
    stack = known[name]
    for included in getattr(stack, "includes", ()):
        if included in known and included not in chosen:
            chosen[included] = f"{name} includes it"
            _include(included, known, chosen)


def _stacks(layers: Layers) -> Iterator[_Wish]:
    for name, evidence in chosen_stacks(layers).items():
        stack = layers.shipped.stacks[name]
        for row in stack.rows:
            yield from _wishes(row, f"{stack.title} ({evidence}): {row.why}")


def _policy(policy: Policy, findings: list[Finding]) -> Iterator[_Wish]:
    mine = [r for r in policy.rows if r.layer is Layer.USER]
    for row in mine:
        yield from _wishes(row, row.why or "allowed in your mcpconf.toml")
    for row in policy.rows:
        if row.layer is not Layer.PROJECT:
            continue
        asked = [p for p in row.ports if not _covered(row.destination, p, mine)]
        for port in row.ports:
            if port not in asked:
                text = f"the project asks for it, and you allow it: {row.why}"
                yield _Wish(row.destination, port, Because(row.layer.value, text))
        if asked:
            findings.append(_unapproved(row, asked))


def _covered(asked: Destination, port: int, mine: Sequence[Row]) -> bool:
    """Whether the user opens the same; a host of the outside world and a peer never are."""
    return any(
        port in row.ports
        and covers(row.destination, asked.host)
        and (row.destination.form == "peer") is (asked.form == "peer")
        for row in mine
    )


def covers(destination: Destination, host: str) -> bool:
    """Tell whether a destination takes in a host (or is the same wildcard)."""
    if destination.host == host:
        return True
    if destination.form == "wildcard":
        return host.endswith(destination.host[1:])
    return destination.form == "network" and _in_network(destination.host, host)


def _in_network(network: str, host: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415  only for rows with networks

    try:
        return ip_address(host) in ip_network(network)
    except ValueError:
        return False


def _unapproved(row: Row, ports: list[int]) -> Finding:
    host = row.destination.host
    peer = row.destination.form == "peer"
    options = "".join(f" --port {p}" for p in ports if peer or p != 443)  # noqa: PLR2004  https
    return Finding(
        "MC082",
        f"the project asks for {quote(host)}, which you have not allowed",
        row.origin,
        (f"it says why: {quote(row.why)}" if row.why else "it does not say why",),
        (f"if you want that: mcpconf allow {'--peer ' if peer else ''}{host}{options}",),
    )


def _servers(planned: Sequence[Planned], findings: list[Finding]) -> Iterator[_Wish]:
    for one in planned:
        server = one.classified.server
        for need in one.needs:
            destination = parse_destination(need.host)
            if isinstance(destination, Problem):
                text = f"a host that {quote(server.name)} names stays closed: {destination.message}"
                findings.append(Finding("MC081", text, need.because.origin or server.origin))
                continue
            because = Because("server", need.because.text)
            yield _Wish(destination, need.port, because, server.id)
