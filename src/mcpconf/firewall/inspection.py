"""The packet filter as the kernel has it: what ``iptables-save -c`` and ``ipset save`` print."""

from __future__ import annotations

import re
from typing import NamedTuple

from mcpconf.firewall.policy import Policy
from mcpconf.firewall.sets import name_ports, name_set, near_ports, near_set
from mcpconf.firewall.tokens import never_networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_POLICY = re.compile(r":(\S+) (\S+) \[[0-9]+:[0-9]+\]")
_RULE = re.compile(r"\[([0-9]+):([0-9]+)\] -A (\S+) (.*)")
_MEMBER = re.compile(r"add (mcp[46]-(?:near-)?p[0-9]+) ([0-9a-f.:]+)(?: (.*))?")
_FIRST = (
    ("filter", "OUTPUT", "MCP-OUT"),
    ("filter", "INPUT", "MCP-IN"),
    ("filter", "FORWARD", "MCP-FWD"),
    ("nat", "OUTPUT", "MCP-DNS"),
    ("mangle", "POSTROUTING", "MCP-LEAVING"),
)
_LAST = (("MCP-OUT", "-j MCP-NO"), ("MCP-FWD", "-j MCP-NO"), ("MCP-OK", "-j ACCEPT"))


class Rule(NamedTuple):
    """A rule with what it has counted."""

    table: str
    chain: str
    text: str
    packets: int
    bytes: int


class Filter(NamedTuple):
    """The rules of one family, and what built-in chains do with the rest (``filter OUTPUT``)."""

    rules: tuple[Rule, ...] = ()
    policies: tuple[tuple[str, str], ...] = ()

    def of(self, chain: str, table: str = "filter") -> list[Rule]:
        return [rule for rule in self.rules if rule.chain == chain and rule.table == table]


class Member(NamedTuple):
    """An address in a set, and what went to it since it came."""

    set: str
    address: str
    packets: int
    bytes: int


def read_saved(text: str) -> Filter:
    """What ``iptables-save -c`` printed."""
    table, rules, policies = "", [], []
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        policy, rule = _POLICY.fullmatch(line), _RULE.fullmatch(line)
        if policy:
            policies.append((f"{table} {policy[1]}", policy[2]))
        elif rule:
            rules.append(Rule(table, rule[3], rule[4], int(rule[1]), int(rule[2])))
    return Filter(tuple(rules), tuple(policies))


def read_members(text: str) -> list[Member]:
    """The members that ``ipset save`` printed, of the sets that the resolver fills."""
    found = []
    for line in text.splitlines():
        member = _MEMBER.fullmatch(line)
        if member:
            words = (member[3] or "").split()
            counts = {name: _number(value) for name, value in zip(words[::2], words[1::2])}  # noqa: B905  Python 3.9
            found.append(
                Member(member[1], member[2], counts.get("packets", 0), counts.get("bytes", 0))
            )
    return found


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def filter_faults(found: Filter, policy: Policy, family: int) -> Iterator[str]:
    """What is missing for the rules of a policy to hold; nothing if they do."""
    yield from _hook_faults(found)
    for chain, last in _LAST:
        rules = found.of(chain)
        if not rules or rules[-1].text != last:
            yield f"{chain} does not end as it should"
    refusing = ["-j REJECT" in rule.text for rule in found.of("MCP-NO")]
    if refusing[-2:] != [True, True]:
        yield "MCP-NO does not refuse"
    never = sum(1 for network in never_networks() if network.version == family)
    if len(found.of("MCP-NEVER")) < never:  # and the container's own networks
        yield "MCP-NEVER is not whole"
    yield from _missing_sets(found, policy, family)


def _hook_faults(found: Filter) -> Iterator[str]:
    policies = dict(found.policies)
    for chain in ("OUTPUT", "FORWARD"):
        if policies.get(f"filter {chain}") != "DROP":
            yield f"{chain} does not drop what no rule takes"
    for table, chain, ours in _FIRST:
        rules = found.of(chain, table)
        if not rules or rules[0].text != f"-j {ours}":
            yield f"the first rule of {chain} in {table} does not lead to {ours}"


def _missing_sets(found: Filter, policy: Policy, family: int) -> Iterator[str]:
    texts = [rule.text for rule in (*found.of("MCP-OUT"), *found.of("MCP-NEAR"))]
    wanted = [name_set(family, port) for port in name_ports(policy)]
    wanted += [near_set(family, port) for port in near_ports(policy)]
    for name in wanted:
        if not any(f"--match-set {name} dst" in text for text in texts):
            yield f"no rule speaks of the set {name}"
