"""What a policy takes back: addresses leave the sets, and open streams to them are cut.

A stream may go on after its address has left the sets, so a policy that opens less begins a new
epoch (``rules.py``): of the streams of earlier ones only those go on that lead to an address and
port which the new policy opens as well.  Only the history of the names (``learned.py``) tells that;
where it does not, the stream ends, and the client's next one asks for the name anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from mcpconf.firewall.policy import NameRow, NearRow, Policy, StaticRow
from mcpconf.firewall.sets import kept_set
from mcpconf.firewall.tokens import Domain, read_network

EPOCHS = 255

Place = tuple[str, int]
"""An address and a port."""


def narrows(old: Policy, new: Policy) -> bool:
    """Tell whether a policy opens less than another somewhere."""
    pairs = ((old.names, new.names), (old.static, new.static), (old.near, new.near))
    return old.mode != new.mode or any(_places(one) - _places(other) for one, other in pairs)


def _places(rows: Iterable[NameRow | StaticRow | NearRow]) -> set[tuple[object, int]]:
    return {(row[0], row[1]) for row in rows}


def next_epoch(epoch: int) -> int:
    """The mark that follows; 0 is no mark."""
    return epoch % EPOCHS + 1


def kept_places(policy: Policy, learned: Mapping[str, Iterable[str]]) -> frozenset[Place]:
    """Every address and port that a policy opens by name, as far as the history of names tells."""
    return frozenset(
        (address, port)
        for name, addresses in learned.items()
        for port in policy.ports_of(name) | _near_ports(policy, name)
        for address in addresses
    )


def _near_ports(policy: Policy, name: str) -> frozenset[int]:
    hosts = ((row.host, row.port) for row in policy.near)
    return frozenset(p for host, p in hosts if isinstance(host, Domain) and host.name == name)


def restore_text(saved: str, policy: Policy, learned: Mapping[str, Iterable[str]]) -> str:
    """What ``ipset restore -exist`` takes out of the sets and what it adds to those that keep.

    ``saved`` is what ``ipset save`` prints.
    """
    kept = kept_places(policy, learned)
    there = members(saved)
    lines = [f"del {name} {ip}" for name, ip, port in there if (ip, port) not in kept]
    for address, port in sorted(kept):
        network = read_network(address)
        if network is not None:
            lines.append(f"add {kept_set(network.version)} {address},tcp:{port}")
    return "".join(f"{line}\n" for line in lines)


def members(saved: str) -> Iterator[tuple[str, str, int]]:
    """The members of the sets that dnsmasq fills: set, address, port."""
    of_set = re.compile(r"add (mcp[46]-(?:near-)?p(\d+)) ([0-9a-f.:]+)(?= |$)", re.MULTILINE)
    for found in of_set.finditer(saved):
        yield found[1], found[3], int(found[2])


def old_sets(saved: str, wanted: Iterable[str]) -> list[str]:
    """The sets of ours that no rule speaks of any more."""
    there = re.findall(r"^create (mcp[46]-(?:(?:near-)?p\d+|kept)) ", saved, re.MULTILINE)
    return sorted({*there} - {*wanted})
