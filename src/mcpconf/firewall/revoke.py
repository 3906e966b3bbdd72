"""What a policy takes back: addresses leave the sets, and open streams to them are cut.

A stream may go on after its address has left the sets, so a policy that opens less begins a new
epoch (``rules.py``): of the streams of earlier ones only those go on that lead to an address and
port which the new policy opens as well.  Only the history of the names (``learned.py``) tells that;
where it does not, the stream ends, and the client's next one asks for the name anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from mcpconf.firewall.listed import Listed
from mcpconf.firewall.policy import NameRow, NearRow, Policy, StaticRow
from mcpconf.firewall.sets import create_line, kept_set, wanted_sets
from mcpconf.firewall.tokens import read_network

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
    listed = Listed(policy)
    return frozenset(
        (address, port)
        for name, addresses in learned.items()
        for port in listed.ports_of(name) | listed.near_ports_of(name)
        for address in addresses
    )


def streams_kept(
    old: Policy | None, policy: Policy, learned: Mapping[str, Iterable[str]]
) -> frozenset[Place]:
    """Where streams of earlier epochs may go on.

    In strict mode a removed name's streams end on addresses that others have as well: those of the
    others end with them, and begin anew.
    """
    kept = kept_places(policy, learned)
    if old is None or policy.mode != "strict":
        return kept
    before, after = Listed(old), Listed(policy)
    gone = {
        (address, port)
        for name, addresses in learned.items()
        for port in before.ports_of(name) - after.ports_of(name)
        for address in addresses
    }
    return kept - gone


def restore_text(
    saved: str, old: Policy | None, policy: Policy, learned: Mapping[str, Iterable[str]]
) -> str:
    """What ``ipset restore -exist`` takes out of the sets, and makes of those that keep.

    ``saved`` is what ``ipset save`` prints.  The sets that keep are filled beside and exchanged.
    """
    opened = kept_places(policy, learned)
    there = members(saved)
    lines = [f"del {name} {ip}\n" for name, ip, port in there if (ip, port) not in opened]
    kept = sorted(streams_kept(old, policy, learned))
    for spec in wanted_sets(policy):
        if spec.name == kept_set(spec.family):
            lines.append(create_line(spec, "mcp-new"))
            lines += [
                f"add mcp-new {address},tcp:{port}\n"
                for address, port in kept
                if _family_of_address(address) == spec.family
            ]
            lines += [f"swap mcp-new {spec.name}\n", "destroy mcp-new\n"]
    return "".join(lines)


def _family_of_address(address: str) -> int:
    network = read_network(address)
    return network.version if network else 0


def members(saved: str) -> Iterator[tuple[str, str, int]]:
    """The members of the sets that dnsmasq fills: set, address, port."""
    of_set = re.compile(r"add (mcp[46]-(?:near-)?p(\d+)) ([0-9a-f.:]+)(?= |$)", re.MULTILINE)
    for found in of_set.finditer(saved):
        yield found[1], found[3], int(found[2])


def old_sets(saved: str, wanted: Iterable[str]) -> list[str]:
    """The sets of ours that no rule speaks of any more."""
    there = re.findall(r"^create (mcp[46]-(?:(?:near-)?p\d+|kept)) ", saved, re.MULTILINE)
    return sorted({*there} - {*wanted})
