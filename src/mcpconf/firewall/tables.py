"""Asks the kernel for the rules and sets that are in force."""

from __future__ import annotations

from mcpconf.firewall.inspection import (
    Filter,
    Member,
    filter_faults,
    read_members,
    read_saved,
    refusals,
)
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.run import find, start
from mcpconf.firewall.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SAVERS = {4: "iptables-save", 6: "ip6tables-save"}


def filters_now(state: State) -> dict[int, Filter]:
    """The packet filter of each family, as far as there is one."""
    del state
    under_way = {family: start([SAVERS[family], "-c"]) for family in (4, 6) if find(SAVERS[family])}
    return {family: read_saved(one.wait().out) for family, one in under_way.items()}


def members_now(state: State) -> list[Member]:
    """Every address that names have in the sets."""
    del state
    return read_members(start(["ipset", "save"]).wait().out)


def refused_packets(state: State) -> int:
    """How many packets have been refused so far."""
    return sum(refusals(one) for one in filters_now(state).values())


def faults_now(
    state: State, filters: Mapping[int, Filter], policy: Policy, family: int
) -> list[str]:
    """What the packet filter of a family lacks."""
    del state
    found = filters.get(family)
    return list(filter_faults(found, policy, family)) if found else ["there is no packet filter"]
