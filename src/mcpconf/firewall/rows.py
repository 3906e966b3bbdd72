"""What is open: the rows of the policy, their addresses, what went through.  Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from mcpconf.firewall.policy import NameRow, NearRow, Policy, StaticRow
from mcpconf.firewall.sets import FAMILIES, name_set, near_set
from mcpconf.firewall.tables import Tables
from mcpconf.firewall.tokens import Domain, Network, names_above, read_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


# A rule for one address, as iptables and as nft print it.
_PLACE = re.compile(
    r"(?:-d|ip6? daddr) (\S+) (?:-p tcp .*--dport|tcp dport) (\d+) .*(?:-j MCP-OK|goto mcp-ok)"
)


class OpenRow(NamedTuple):
    """A row in force.  Packets and bytes are those sent to its addresses since they came.

    Several names may share an address; each then has all of its packets.  -1: nobody counts.
    """

    host: str
    port: int
    form: str  # name, wildcard, address, network, peer
    addresses: tuple[str, ...]
    packets: int
    bytes: int
    servers: tuple[str, ...]
    because: str


class Counts:
    """Looks up what went to an address: by the sets that names fill, by the rules of the others."""

    def __init__(self, tables: Tables) -> None:
        self._members = {(one.set, one.address): one for one in tables.members}
        self._rules: dict[tuple[Network, int], tuple[int, int]] = {}
        for _, found in tables.filters:
            for rule in found.rules:
                place = _PLACE.match(rule.text) if rule.chain == "MCP-OUT" else None
                network = read_network(place[1]) if place else None
                if place and network is not None:
                    self._rules[network, int(place[2])] = (rule.packets, rule.bytes)

    def member(self, sets: Sequence[str], address: str) -> tuple[int, int] | None:
        """Packets and bytes to a member of one of these sets; None where it is in none."""
        for name in sets:
            one = self._members.get((name, address))
            if one is not None:
                return one.packets, one.bytes
        return None

    def rule(self, network: Network, port: int) -> tuple[int, int] | None:
        return self._rules.get((network, port))


def open_rows(
    policy: Policy,
    learned: Mapping[str, Sequence[str]],
    hosts: Sequence[tuple[str, Network]],
    counts: Counts,
    because: Mapping[tuple[str, int], str],
) -> list[OpenRow]:
    """Every row, in the order of the policy: names, addresses, the container's own side."""
    below: dict[str, list[str]] = {}
    for name in learned:
        for above in names_above(name):
            below.setdefault(above, []).append(name)
    rows: list[OpenRow] = []
    for row in policy.names:
        names = below.get(row.domain.name, []) if row.domain.wild else [row.domain.name]
        sets = [name_set(family, row.port) for family in FAMILIES]
        rows.append(_open_row(row, _in_sets(names, learned, sets, counts), because))
    rows += [
        _open_row(row, _by_rule([row.network], row.port, counts), because) for row in policy.static
    ]
    for near in policy.near:
        rows.append(_open_row(near, _near_counts(near, learned, hosts, counts), because))
    return rows


_Counted = dict[str, tuple[int, int]]


def _in_sets(
    names: Iterable[str], learned: Mapping[str, Sequence[str]], sets: Sequence[str], counts: Counts
) -> _Counted:
    addresses = (address for name in names for address in learned.get(name, ()))
    found = ((address, counts.member(sets, address)) for address in dict.fromkeys(addresses))
    return {address: counted for address, counted in found if counted is not None}


def _by_rule(networks: Iterable[Network], port: int, counts: Counts) -> _Counted:
    found = ((network, counts.rule(network, port)) for network in networks)
    return {_short(network): counted for network, counted in found if counted is not None}


def _near_counts(
    row: NearRow,
    learned: Mapping[str, Sequence[str]],
    hosts: Sequence[tuple[str, Network]],
    counts: Counts,
) -> _Counted:
    if not isinstance(row.host, Domain):
        return _by_rule([row.host], row.port, counts)
    name = row.host.name
    known = [network for host, network in hosts if host == name]
    sets = [near_set(family, row.port) for family in FAMILIES]
    return {**_by_rule(known, row.port, counts), **_in_sets([name], learned, sets, counts)}


def _open_row(
    row: NameRow | StaticRow | NearRow, counted: _Counted, because: Mapping[tuple[str, int], str]
) -> OpenRow:
    what = row[0]
    host = str(what) if isinstance(what, Domain) else _short(what)
    return OpenRow(
        host,
        row.port,
        _form(row),
        tuple(counted),
        _sum(packets for packets, _ in counted.values()),
        _sum(size for _, size in counted.values()),
        row.servers,
        because.get((host, row.port), ""),
    )


def _sum(counts: Iterable[int]) -> int:
    found = list(counts)
    return sum(found) if min(found, default=0) >= 0 else -1


def _form(row: NameRow | StaticRow | NearRow) -> str:
    if isinstance(row, NearRow):
        return "peer"
    if isinstance(row, NameRow):
        return "wildcard" if row.domain.wild else "name"
    alone = row.network.prefixlen == row.network.max_prefixlen
    return "address" if alone else "network"


def _short(network: Network) -> str:
    alone = network.prefixlen == network.max_prefixlen
    return str(network.network_address if alone else network)


def reasons_of(document: Any) -> dict[tuple[str, int], str]:  # noqa: ANN401  any JSON
    """The first reason of each row of ``egress.json``, by its host and port."""
    return {place: text for place, text in _reasons(document)}  # noqa: C416  typed


def _reasons(document: Any) -> Iterator[tuple[tuple[str, int], str]]:  # noqa: ANN401
    rows = document.get("rows") if isinstance(document, dict) else None
    for row in rows if isinstance(rows, list) else []:
        try:
            yield (str(row["host"]), int(row["port"])), str(row["because"][0]["text"])
        except (KeyError, TypeError, ValueError, IndexError):
            continue
