"""Asks the kernel for the rules and sets that are in force."""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.firewall.inspection import (
    Filter,
    Member,
    filter_faults,
    read_members,
    read_saved,
)
from mcpconf.firewall.nft import NFT_TABLE
from mcpconf.firewall.nftlist import nft_faults, read_nft, read_nft_members
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.run import find, run, start
from mcpconf.firewall.state import State

SAVERS = {4: "iptables-save", 6: "ip6tables-save"}


class Tables(NamedTuple):
    """The packet filter: the rules of each family, and the addresses that names have."""

    nft: bool = False
    filters: tuple[tuple[int, Filter], ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def refused(self) -> int:
        """How many packets have been refused so far; -1 where nobody counts."""
        refusing = [
            rule.packets
            for _, one in self.filters
            for rule in one.rules
            if rule.chain == "MCP-NO" and ("-j REJECT" in rule.text or "reject" in rule.text)
        ]
        return sum(refusing) if min(refusing, default=-1) >= 0 else -1

    def faults(self, policy: Policy, family: int) -> list[str]:
        """What a family lacks; nothing where it holds."""
        found = dict(self.filters).get(family)
        if found is None or not found.rules:
            return ["there are no rules"]
        check = nft_faults if self.nft else filter_faults
        return list(check(found, policy, family))


def tables_now(state: State) -> Tables:
    """Everything as it is now."""
    if state.backend == "nftables":
        text = run(["nft", "list", "table", *NFT_TABLE.split()]).out
        found = read_nft(text)
        return Tables(True, ((4, found), (6, found)), tuple(read_nft_members(text)))  # noqa: FBT003
    under_way = {family: start([SAVERS[family], "-c"]) for family in (4, 6) if find(SAVERS[family])}
    members = read_members(run(["ipset", "save"]).out)
    filters = tuple((family, read_saved(one.wait().out)) for family, one in under_way.items())
    return Tables(False, filters, tuple(members))  # noqa: FBT003
