"""As ``inspection.py``, where nftables filters: what ``nft list table inet mcpconf`` prints.

Its chains are told under the names that they have elsewhere (``MCP-OUT``).  Rules without a counter
have counted -1.
"""

from __future__ import annotations

import re

from mcpconf.firewall.inspection import Filter, Member, Rule
from mcpconf.firewall.nft import nft_members
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.sets import name_ports, name_set, near_ports, near_set
from mcpconf.firewall.tokens import never_networks, read_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHAIN = re.compile(r"^\tchain (\S+) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_HOOK = re.compile(r"type (\w+) hook (\w+) priority [^;]+; policy (\w+);")
_COUNTER = re.compile(r"\bcounter packets ([0-9]+) bytes ([0-9]+)")
_USED = re.compile(r"^\tset mcp([46])-(near-)?used \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_HOOKS = (
    ("MCP-OUT", "filter output drop"),
    ("MCP-IN", "filter input accept"),
    ("MCP-FWD", "filter forward drop"),
    ("MCP-DNS", "nat output accept"),
    ("MCP-LEAVING", "filter postrouting accept"),
)
_ENDS = (
    ("MCP-OUT", "goto mcp-no"),
    ("MCP-FWD", "goto mcp-no"),
    ("MCP-OK", "accept"),
    ("MCP-NO", "reject with icmpx admin-prohibited"),
)


def read_nft(text: str) -> Filter:
    """The chains of the table."""
    rules: list[Rule] = []
    policies = []
    for chain in _CHAIN.finditer(text):
        name = chain[1].upper()
        for line in map(str.strip, chain[2].splitlines()):
            hook, counter = _HOOK.fullmatch(line), _COUNTER.search(line)
            counted = (int(counter[1]), int(counter[2])) if counter else (-1, -1)
            if hook:
                policies.append((name, " ".join(hook.groups())))
            elif line:
                rules.append(Rule("inet", name, line, *counted))
    return Filter(tuple(rules), tuple(policies))


def read_nft_members(text: str) -> list[Member]:
    """Every address that is open because of its name."""
    found = [Member(name, address, -1, -1) for name, address, _ in nft_members(text)]
    for used in _USED.finditer(text):
        family, set_of = int(used[1]), near_set if used[2] else name_set
        elements = used[3].partition("elements = {")[2].partition("}")[0]
        for element in elements.split(","):
            words = element.split()
            if words[1:2] == ["."] and words[2].isdigit() and read_network(words[0]):
                found.append(Member(set_of(family, int(words[2])), words[0], -1, -1))
    return found


def nft_faults(found: Filter, policy: Policy, family: int) -> Iterator[str]:
    """What is missing for the rules of a policy to hold; nothing if they do."""
    hooks = dict(found.policies)
    for chain, hook in _HOOKS:
        if hooks.get(chain) != hook:
            yield f"{chain.lower()} is not hooked in as it should be"
    for chain, end in _ENDS:
        rules = found.of(chain, "inet")
        if not rules or _COUNTER.sub("", rules[-1].text).split() != end.split():
            yield f"{chain.lower()} does not end as it should"
    if len(found.of("MCP-NEVER", "inet")) < len(never_networks()):
        yield "mcp-never is not whole"
    chains = ("MCP-OUT", "MCP-NEAR")
    texts = [rule.text for chain in chains for rule in found.of(chain, "inet")]
    wanted = [name_set(family, port) for port in name_ports(policy)]
    wanted += [near_set(family, port) for port in near_ports(policy)]
    for name in wanted:
        if not any(f"daddr @{name} " in text for text in texts):
            yield f"no rule speaks of the set {name}"
