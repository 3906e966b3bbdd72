"""The rules as text for ``iptables-restore --noflush`` and ``ip6tables-restore --noflush``.

All rules stand in chains of our own, which the text declares and so empties and fills in one
transaction of the kernel, whatever was there before; foreign rules stay.  The order is the meaning:

====  =======================================================================================
 1    Docker's resolver on its real port: for our resolver and for root only
 2    questions to our resolver, so many a second; loopback; IPv6 neighbour discovery
 3    answers to connections from outside (TCP, ping); errors about flows that are known
 4    the resolvers that our resolver asks; those that Docker asks from inside this namespace
 5    refuse: metadata services
 6    accept: the gateway and the peers, by rule and by set
 7    refuse: every private and reserved range, whatever a name resolved to
 8    accept: addresses of listed names, port by port; listed addresses
 9    accept: flows of an earlier epoch to what the present policy opens as well; strict mode
      refuses first whatever goes past the gate
10    accept: flows that 6, 8 or 9 accepted in this epoch (their addresses may have left the sets)
11    refuse the rest, at once, and write it down
====  =======================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.firewall.policy import NearRow, Policy, StaticRow
from mcpconf.firewall.sets import kept_set, name_ports, name_set, near_ports, near_set
from mcpconf.firewall.site import EMBEDDED, SINK4, SINK6, STUB, Site
from mcpconf.firewall.tokens import (
    Domain,
    Network,
    metadata_networks,
    never_networks,
    private_networks,
)

MARK_BITS = "0xff00000"  # where a flow carries its epoch
LOG_GROUP = 77
LOG_PREFIX = "mcpconf"
WEB_PORTS = (80, 443)  # what the gate looks into
CHAINS = ("MCP-OUT", "MCP-IN", "MCP-FWD", "MCP-NEAR", "MCP-NEVER", "MCP-OK", "MCP-NO")
PROBED4, PROBED6 = "192.0.2.0/24", "2001:db8::/32"
"""Addresses that nobody has (RFC 5737, RFC 3849): our own probes, which nobody writes down."""

_LONGEST_COMMENT = 200
_NEIGHBOUR = (133, 134, 135, 136, 143)  # RFC 4861, RFC 3810


class Hooks(NamedTuple):
    """How often the built-in chains jump into ours already."""

    output: int = 0
    input: int = 0
    forward: int = 0
    dns: int = 0
    leaving: int = 0


def rules_text(policy: Policy, site: Site, family: int, hooks: Hooks = Hooks()) -> str:  # noqa: B008
    """Everything for one family (4 or 6), filter and nat, complete."""
    lines = ["*filter", ":OUTPUT DROP [0:0]", ":FORWARD DROP [0:0]"]
    lines += [f":{chain} - [0:0]" for chain in CHAINS]
    lines += [f"-A MCP-OUT {rule}" for rule in _output_rules(policy, site, family)]
    lines += _inward(family)
    lines += [f"-A MCP-NEAR {rule}" for rule in _near_by_sets(policy, family)]
    lines += [f"-A MCP-NEVER -d {n} -j MCP-NO" for n in _of_family(never_here(site), family)]
    lines += [f"-A MCP-OK -j CONNMARK --set-xmark {mark_of(site)}", "-A MCP-OK -j ACCEPT"]
    lines += _refusal_rules(family)
    lines += _jump("OUTPUT", "MCP-OUT", hooks.output)
    lines += _jump("INPUT", "MCP-IN", hooks.input)
    lines += _jump("FORWARD", "MCP-FWD", hooks.forward)
    lines += ["COMMIT", "*nat", ":MCP-DNS - [0:0]"]
    lines += [f"-A MCP-DNS {rule}" for rule in _redirection_rules(policy, site, family)]
    lines += [*_jump("OUTPUT", "MCP-DNS", hooks.dns), "COMMIT"]
    lines += ["*mangle", ":MCP-LEAVING - [0:0]"]
    lines += [f"-A MCP-LEAVING ! -o lo -d {_loopback(family)} -j DROP"]
    lines += [*_jump("POSTROUTING", "MCP-LEAVING", hooks.leaving), "COMMIT"]
    return "\n".join(lines) + "\n"


def _jump(chain: str, ours: str, there: int) -> list[str]:
    """First in its chain, and there once."""
    return [f"-D {chain} -j {ours}"] * there + [f"-I {chain} 1 -j {ours}"]


def _output_rules(policy: Policy, site: Site, family: int) -> Iterator[str]:
    if family == 4:  # noqa: PLR2004
        yield from _embedded(site)
    yield from _questions(site, family)
    yield "-o lo -j ACCEPT"
    yield f"-d {_loopback(family)} -j ACCEPT"  # redirected: `-o` still says eth0, MCP-LEAVING sees
    yield from _answers(family)
    yield from _resolver_rules(site, family)
    metadata = _of_family(metadata_networks(), family)
    yield from (f"-d {network} -j MCP-NO" for network in metadata)
    yield from _near(policy, site, family)
    yield "-j MCP-NEVER"
    yield from _listed_rules(policy, site, family)
    yield from _stream_rules(site, family)
    yield "-j MCP-NO"


def _stream_rules(site: Site, family: int) -> Iterator[str]:
    """Streams live on when their address has left the sets, and end when their name has."""
    if site.gate:
        web = ",".join(map(str, WEB_PORTS))
        yield f"-p tcp -m multiport --dports {web} -m owner ! --uid-owner {site.gate.uid} -j MCP-NO"
    known = f"-m connmark ! --mark 0x0/{MARK_BITS} -m conntrack --ctstate ESTABLISHED"
    yield f"-p tcp {known} -m set --match-set {kept_set(family)} dst,dst -j MCP-OK"
    yield f"{_marked(site)} -j ACCEPT"


def _marked(site: Site) -> str:
    return f"-m connmark --mark {mark_of(site)} -m conntrack --ctstate ESTABLISHED"


def _loopback(family: int) -> str:
    return "127.0.0.0/8" if family == 4 else "::1/128"  # noqa: PLR2004


def _questions(site: Site, family: int) -> Iterator[str]:
    """A flood of questions would be a flood of lines in the resolver's log."""
    ours = f"--dport {site.dns_port} -m owner ! --uid-owner {site.gate.uid if site.gate else 0}"
    for protocol, rate, burst in (("udp", 1000, 5000), ("tcp", 200, 2000)):
        limit = f"-m limit --limit {rate}/sec --limit-burst {burst}"
        yield f"-d {_loopback(family)} -p {protocol} {ours} {limit} -j ACCEPT"
        yield f"-d {_loopback(family)} -p {protocol} {ours} -j DROP"


def mark_of(site: Site) -> str:
    """The mark of the flows that are accepted now, and which bits of it count."""
    return f"{site.epoch << 20:#x}/{MARK_BITS}"


def _embedded(site: Site) -> Iterator[str]:
    """Docker's resolver answers on a port of its own too, past every rule about port 53."""
    to = f"-d {EMBEDDED}/32"
    yield f"{to} -m owner --uid-owner {site.dns.uid} -j MCP-OK"
    yield f"{to} -m owner --uid-owner 0 -j MCP-OK"
    yield f"{to} -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT"
    yield f"{to} {_marked(site)} -j ACCEPT"  # the last packets of a connection are nobody's
    yield f"{to} -j MCP-NO"


def _answers(family: int) -> Iterator[str]:
    """What answers somebody outside.  UDP is left out: a datagram's first sender is a guess."""
    protocol = "icmp" if family == 4 else "ipv6-icmp"  # noqa: PLR2004
    if family == 6:  # noqa: PLR2004
        kinds = (f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j ACCEPT" for kind in _NEIGHBOUR)
        yield from kinds
    yield "-p tcp -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT"
    yield f"-p {protocol} -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT"
    yield f"-p {protocol} -m conntrack --ctstate RELATED -j ACCEPT"


def _resolver_rules(site: Site, family: int) -> Iterator[str]:
    asked = [(s, site.dns.uid) for s in site.nameservers if str(s.network_address) != EMBEDDED]
    asked += [(s, 0) for s in site.forwarders or ()]
    for server, uid in asked:
        if server.version == family and not server.network_address.is_loopback:
            for protocol in ("udp", "tcp"):
                yield f"-d {server} -p {protocol} --dport 53 -m owner --uid-owner {uid} -j MCP-OK"
    if site.forwarders is None:  # Docker does not say which it asks; only root can be the one
        for protocol in ("udp", "tcp"):
            yield f"-p {protocol} --dport 53 -m owner --uid-owner 0 -j MCP-OK"


def _near(policy: Policy, site: Site, family: int) -> Iterator[str]:
    for row, network in near_places(policy, site):
        if network.version == family:
            yield f"-d {network} -p tcp --dport {row.port} {_comment_option(row)}-j MCP-OK"
    if near_ports(policy):
        blocks = _of_family((*private_networks(), *site.connected), family)
        yield from (f"-d {block} -j MCP-NEAR" for block in blocks)


def _near_by_sets(policy: Policy, family: int) -> Iterator[str]:
    """Peers whose addresses their names tell: reached by private and connected addresses only."""
    for port in near_ports(policy):
        yield f"-p tcp --dport {port} -m set --match-set {near_set(family, port)} dst -j MCP-OK"


def never_here(site: Site) -> tuple[Network, ...]:
    """Every range that no name may open in this container, its own networks included."""
    never = never_networks()
    own = (n for n in site.connected if not any(_is_within(other, n) for other in never))
    return (*never, *own)


def _is_within(outer: Network, inner: Network) -> bool:
    same = outer.version == inner.version and outer.prefixlen <= inner.prefixlen
    return same and outer.overlaps(inner)


def near_places(policy: Policy, site: Site) -> Iterator[tuple[NearRow, Network]]:
    """The gateway and the peers whose addresses are known without the DNS, and the addresses."""
    for row in policy.near:
        if not isinstance(row.host, Domain):
            yield row, row.host
        else:
            yield from ((row, n) for n in site.addresses_of(row.host.name) if is_far(n))


def is_far(network: Network) -> bool:
    """Tell whether an address of /etc/hosts is another machine's."""
    return not network.network_address.is_loopback


def _listed_rules(policy: Policy, site: Site, family: int) -> Iterator[str]:
    if site.gate:
        yield _outlived(site.gate.uid, site, family)
    for port in name_ports(policy):
        gate = f"-m owner --uid-owner {site.gate.uid} " if site.gate and port in WEB_PORTS else ""
        known = f"-m set --match-set {name_set(family, port)} dst"
        yield f"-p tcp --dport {port} {gate}{known} -j MCP-OK"
    for row in policy.static:
        if row.network.version == family:
            yield f"-d {row.network} -p tcp --dport {row.port} {_comment_option(row)}-j MCP-OK"


def _outlived(gate: int, site: Site, family: int) -> str:
    """A removed name's streams end, also those to an address that another name opens."""
    earlier = f"-m connmark ! --mark 0x0/{MARK_BITS} -m connmark ! --mark {mark_of(site)}"
    kept = f"-m conntrack --ctstate ESTABLISHED -m set ! --match-set {kept_set(family)} dst,dst"
    return f"-p tcp -m owner --uid-owner {gate} {earlier} {kept} -j MCP-NO"


def _comment_option(row: StaticRow | NearRow) -> str:
    """Who asked for a rule, as far as the kernel's 255 characters reach."""
    ids = ""
    for server in row.servers:
        if len(ids) + len(server) < _LONGEST_COMMENT:
            ids += f",{server}" if ids else server
    return f"-m comment --comment mcpconf:{ids} " if ids else ""


def _inward(family: int) -> list[str]:
    """A stream that began before us must not come back as one from outside.

    Where nothing was tracked before, its next packet from there begins a flow in that direction,
    and what this side sends would count as an answer.
    """
    del family
    stray = "! -i lo -p tcp ! --syn -m conntrack --ctstate NEW"
    return [f"-A MCP-IN {stray} -j REJECT --reject-with tcp-reset", "-A MCP-FWD -j MCP-NO"]


def _refusal_rules(family: int) -> list[str]:
    crowd = "224.0.0.0/4" if family == 4 else "ff00::/8"  # noqa: PLR2004
    code = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"  # noqa: PLR2004
    nowhere = PROBED4 if family == 4 else PROBED6  # noqa: PLR2004
    log = f"NFLOG --nflog-group {LOG_GROUP} --nflog-prefix {LOG_PREFIX}"
    return [
        f"-A MCP-NO -d {crowd} -j DROP",  # mDNS and the like are no attempts
        f"-A MCP-NO ! -d {nowhere} -m limit --limit 20/sec --limit-burst 50 -j {log}",
        "-A MCP-NO -p tcp -j REJECT --reject-with tcp-reset",
        f"-A MCP-NO -j REJECT --reject-with {code}",
    ]


def _redirection_rules(policy: Policy, site: Site, family: int) -> Iterator[str]:
    """Every question to our resolver; in strict mode every web connection to the gate."""
    to_us = f"-j REDIRECT --to-ports {site.dns_port}"
    if family == 4:  # noqa: PLR2004
        for protocol in ("udp", "tcp"):
            yield f"-d {STUB}/32 -p {protocol} --dport 53 {to_us}"
    for uid in (site.dns.uid, 0):  # root: Docker asks from inside this namespace
        yield f"-m owner --uid-owner {uid} -p udp --dport 53 -j RETURN"
        yield f"-m owner --uid-owner {uid} -p tcp --dport 53 -j RETURN"
    for protocol in ("udp", "tcp"):
        yield f"-p {protocol} --dport 53 {to_us}"
    if site.gate:
        yield from _gate_rules(policy, site, family)


def _gate_rules(policy: Policy, site: Site, family: int) -> Iterator[str]:
    assert site.gate
    yield f"-m owner --uid-owner {site.gate.uid} -j RETURN"
    yield "-o lo -j RETURN"
    yield f"-d {_loopback(family)} -j RETURN"
    yield f"-d {SINK4 if family == 4 else SINK6} -j RETURN"  # noqa: PLR2004  the packet filter writes it down
    rows = [(network, row.port) for row, network in near_places(policy, site)]
    rows += [(row.network, row.port) for row in policy.static]
    for network, port in rows:
        if network.version == family and port in WEB_PORTS:
            yield f"-d {network} -p tcp --dport {port} -j RETURN"
    for port in near_ports(policy):
        if port in WEB_PORTS:
            found = f"-m set --match-set {near_set(family, port)} dst"
            yield f"-p tcp --dport {port} {found} -j RETURN"
    yield f"-p tcp --dport 443 -j REDIRECT --to-ports {site.gate_tls}"
    yield f"-p tcp --dport 80 -j REDIRECT --to-ports {site.gate_http}"


def _of_family(networks: tuple[Network, ...], family: int) -> list[Network]:
    return [network for network in networks if network.version == family]
