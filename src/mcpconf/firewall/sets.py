"""The ipsets: one a port for names, one a port for peers, and one of what stays open.

dnsmasq adds the addresses as it answers; an address leaves after the policy's grace, and every
answer renews it.  A set's name says its family and port: ``mcp4-p443``, ``mcp6-near-p80``.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.firewall.policy import Policy
from mcpconf.firewall.tokens import Domain

FAMILIES = (4, 6)
MOST_MEMBERS = 1_048_576
KEPT_FOR = 86_400  # seconds in which an idle stream shows that it still is there


class SetSpec(NamedTuple):
    """A set: its name, type (``hash:ip``), family (4 or 6), seconds until a member leaves."""

    name: str
    kind: str
    family: int
    timeout: int


def name_set(family: int, port: int) -> str:
    """The set of the addresses that listed names have, for one port."""
    return f"mcp{family}-p{port}"


def near_set(family: int, port: int) -> str:
    """The set of the addresses that peers have, for one port."""
    return f"mcp{family}-near-p{port}"


def kept_set(family: int) -> str:
    """The set of addresses and ports to which streams of an earlier epoch may go on."""
    return f"mcp{family}-kept"


def name_ports(policy: Policy) -> tuple[int, ...]:
    """The ports that names have."""
    return tuple(sorted({row.port for row in policy.names}))


def near_ports(policy: Policy) -> tuple[int, ...]:
    """The ports that peers and the gateway have under a name."""
    return tuple(sorted({row.port for row in policy.near if isinstance(row.host, Domain)}))


def wanted_sets(policy: Policy) -> tuple[SetSpec, ...]:
    """All sets that the rules of a policy speak of."""
    found = []
    for family in FAMILIES:
        names = [name_set(family, port) for port in name_ports(policy)]
        names += [near_set(family, port) for port in near_ports(policy)]
        found += [SetSpec(name, "hash:ip", family, policy.grace) for name in names]
        found.append(SetSpec(kept_set(family), "hash:ip,port", family, KEPT_FOR))
    return tuple(found)


def create_line(spec: SetSpec, name: str = "") -> str:
    """One line for ``ipset restore`` that makes a set; ``name`` instead of its own."""
    inet = "inet" if spec.family == 4 else "inet6"  # noqa: PLR2004
    return (
        f"create {name or spec.name} {spec.kind} family {inet} hashsize 1024"
        f" maxelem {MOST_MEMBERS} timeout {spec.timeout} counters\n"
    )


def sets_text(policy: Policy) -> str:
    """What ``ipset restore -exist`` makes of all sets; members stay."""
    return "".join(create_line(spec) for spec in wanted_sets(policy))
