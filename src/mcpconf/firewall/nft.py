"""The rules as text for ``nft -f``: one transaction, both families, sets that keep their members.

The meaning is that of ``rules.py``, in the same order, in a table of our own: ``inet mcpconf``.
Its chains have the names of the others in lower case.  Two things are different:

* dnsmasq does not renew a member that is there (the kernel leaves its time as it is), so an address
  could leave its set right after an answer.  Members stay for half the grace, and every connection
  to one keeps its address and port open for the other half, in ``mcp4-used``.
* A comment holds 128 characters.

``nftset=`` lines name a set as ``4#inet#mcpconf#mcp4-p443`` (:func:`nft_target`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from mcpconf.firewall.policy import NearRow, Policy, StaticRow
from mcpconf.firewall.revoke import kept_places, streams_kept
from mcpconf.firewall.rules import (
    LOG_GROUP,
    LOG_PREFIX,
    MARK_BITS,
    PROBED4,
    PROBED6,
    WEB_PORTS,
    near_places,
    never_here,
)
from mcpconf.firewall.sets import (
    FAMILIES,
    KEPT_FOR,
    kept_set,
    name_ports,
    name_set,
    near_ports,
    near_set,
)
from mcpconf.firewall.site import EMBEDDED, SINK4, SINK6, STUB, Site
from mcpconf.firewall.tokens import Network, metadata_networks, private_networks, read_network

NFT_TABLE = "inet mcpconf"
NFT_CHAINS = {
    "mcp-out": "type filter hook output priority 0; policy drop;",
    "mcp-in": "type filter hook input priority 0; policy accept;",
    "mcp-fwd": "type filter hook forward priority 0; policy drop;",
    "mcp-dns": "type nat hook output priority -110; policy accept;",
    "mcp-leaving": "type filter hook postrouting priority -150; policy accept;",
    "mcp-near": "",
    "mcp-never": "",
    "mcp-ok": "",
    "mcp-no": "",
}
_MOST_ELEMENTS = 1_048_576
_LONGEST_IDS = 100
_WEB = "{ 80, 443 }"
_LOOPBACK = ("ip daddr 127.0.0.0/8", "ip6 daddr ::1")
_ALL_BITS = 0xFFFFFFFF
_FILLED = re.compile(r"^\tset (mcp[46]-(?:near-)?p(\d+)) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)


def nft_target(family: int, set_name: str) -> str:
    """A set as dnsmasq names it."""
    return f"{family}#{NFT_TABLE.replace(' ', '#')}#{set_name}"


def nft_set_names(policy: Policy) -> tuple[tuple[int, str], ...]:
    """The sets that dnsmasq fills, each with its family."""
    names = [(f, name_set(f, port)) for f in FAMILIES for port in name_ports(policy)]
    names += [(f, near_set(f, port)) for f in FAMILIES for port in near_ports(policy)]
    return tuple(names)


def nft_text(policy: Policy, site: Site, *, fresh: bool = False) -> str:
    """Everything; ``fresh`` makes the sets anew too (another grace), and so without members."""
    lines = [f"add table {NFT_TABLE}"]
    lines += [f"delete table {NFT_TABLE}", f"add table {NFT_TABLE}"] if fresh else []
    lines += [f"add set {NFT_TABLE} {name} {{ {body} }}" for name, body in _sets(policy)]
    for chain, hook in NFT_CHAINS.items():
        lines += [f"add chain {NFT_TABLE} {chain}" + (f" {{ {hook} }}" if hook else "")]
    lines += [f"flush chain {NFT_TABLE} {chain}" for chain in NFT_CHAINS]
    lines += [f"add rule {NFT_TABLE} {rule}" for rule in _rules(policy, site)]
    return "\n".join(lines) + "\n"


def _sets(policy: Policy) -> Iterator[tuple[str, str]]:
    half = (policy.grace + 1) // 2
    for family, name in nft_set_names(policy):
        yield name, f"type {_type(family)}; flags timeout; timeout {half}s; size {_MOST_ELEMENTS};"
    for family in FAMILIES:
        pair = f"type {_type(family)} . inet_service; size {_MOST_ELEMENTS};"
        yield _used(family), f"{pair} flags dynamic,timeout; timeout {half}s;"
        yield _used(family, near=True), f"{pair} flags dynamic,timeout; timeout {half}s;"
        yield kept_set(family), f"{pair} flags timeout; timeout {KEPT_FOR}s;"


def _type(family: int) -> str:
    return "ipv4_addr" if family == 4 else "ipv6_addr"  # noqa: PLR2004


def _used(family: int, *, near: bool = False) -> str:
    return f"mcp{family}-near-used" if near else f"mcp{family}-used"


def _rules(policy: Policy, site: Site) -> Iterator[str]:
    yield from (f"mcp-out {rule}" for rule in _output(policy, site))
    stray = "tcp flags & (fin|syn|rst|ack) != syn ct state new"
    yield f'mcp-in iif != "lo" {stray} counter reject with tcp reset'
    yield "mcp-fwd goto mcp-no"
    yield from (f'mcp-leaving oif != "lo" {loopback} counter drop' for loopback in _LOOPBACK)
    yield from (f"mcp-near {rule}" for rule in _by_sets(near_set, near_ports(policy), near=True))
    yield from (f"mcp-never {_to(network)} goto mcp-no" for network in never_here(site))
    mark = site.epoch << 20
    others = _ALL_BITS ^ int(MARK_BITS, 16)
    yield f"mcp-ok ct mark set ct mark & {others:#x} | {mark:#x}"
    yield "mcp-ok accept"
    yield from (f"mcp-no {rule}" for rule in _refusal())
    yield from (f"mcp-dns {rule}" for rule in _redirections(policy, site))


def _output(policy: Policy, site: Site) -> Iterator[str]:
    yield f"ip daddr {EMBEDDED} meta skuid {_resolver_uids(site)} goto mcp-ok"
    yield f"ip daddr {EMBEDDED} ct state established ct direction reply accept"
    yield f"ip daddr {EMBEDDED} {_of_this_epoch(site)} accept"
    yield f"ip daddr {EMBEDDED} goto mcp-no"
    yield from _limited(site)
    yield 'oif "lo" accept'
    yield from (f"{loopback} accept" for loopback in _LOOPBACK)  # redirected: `oif` is another
    yield "icmpv6 type { 133, 134, 135, 136, 143 } accept"
    yield "meta l4proto tcp ct state established ct direction reply accept"
    yield "meta l4proto { icmp, ipv6-icmp } ct state established ct direction reply accept"
    yield "meta l4proto { icmp, ipv6-icmp } ct state related accept"
    yield from _resolvers(site)
    yield from (f"{_to(network)} goto mcp-no" for network in metadata_networks())
    for row, network in near_places(policy, site):
        yield f"{_to(network)} tcp dport {row.port} goto mcp-ok{_comment(row)}"
    blocks = (*private_networks(), *site.connected) if near_ports(policy) else ()
    yield from (f"{_to(block)} jump mcp-near" for block in blocks)
    yield "jump mcp-never"
    yield from _listed(policy, site)
    yield from _under_way(site)
    yield "goto mcp-no"


def _limited(site: Site) -> Iterator[str]:
    """Questions to our resolver, as in ``rules.py``."""
    others = f"meta skuid != {site.gate.uid if site.gate else 0}"
    for loopback in _LOOPBACK:
        for protocol, rate, burst in (("udp", 1000, 5000), ("tcp", 200, 2000)):
            question = f"{loopback} {protocol} dport {site.dns_port} {others}"
            yield f"{question} limit rate {rate}/second burst {burst} packets accept"
            yield f"{question} counter drop"


def _of_this_epoch(site: Site) -> str:
    return f"ct mark & {MARK_BITS} == {site.epoch << 20:#x} ct state established"


def _resolver_uids(site: Site) -> str:
    """Our resolver, and root: Docker asks from inside this namespace."""
    return f"{{ {', '.join(map(str, sorted({0, site.dns.uid})))} }}"


def _resolvers(site: Site) -> Iterator[str]:
    asked = [(s, site.dns.uid) for s in site.nameservers if str(s.network_address) != EMBEDDED]
    asked += [(s, 0) for s in site.forwarders or ()]
    question = "meta l4proto { tcp, udp } th dport 53 meta skuid"
    for server, uid in asked:
        if not server.network_address.is_loopback:
            yield f"{_to(server)} {question} {uid} goto mcp-ok"
    if site.forwarders is None:
        yield f"{question} 0 goto mcp-ok"


def _listed(policy: Policy, site: Site) -> Iterator[str]:
    ports = name_ports(policy)
    web = [port for port in ports if site.gate and port in WEB_PORTS]
    others = [port for port in ports if port not in web]
    if site.gate:
        yield from _by_sets(name_set, web, f"meta skuid {site.gate.uid} ct state new ")
    yield from _by_sets(name_set, others)
    for row in policy.static:
        yield f"{_to(row.network)} tcp dport {row.port} goto mcp-ok{_comment(row)}"


def _by_sets(
    set_of: Callable[[int, int], str], ports: Iterable[int], who: str = "", *, near: bool = False
) -> Iterator[str]:
    """Accept members of the sets, and what was one when it was last connected to."""
    for port in ports:
        for family, ip in zip(FAMILIES, ("ip", "ip6")):  # noqa: B905  Python 3.9
            used = _used(family, near=near)
            place = f"{ip} daddr . tcp dport"
            opened = f"{ip} daddr @{set_of(family, port)}"
            yield f"tcp dport {port} {who}{opened} update @{used} {{ {place} }} goto mcp-ok"
            yield f"tcp dport {port} {who}{place} @{used} goto mcp-ok"


def _under_way(site: Site) -> Iterator[str]:
    """As in ``rules.py``."""
    if site.gate:
        yield f"tcp dport {_WEB} meta skuid != {site.gate.uid} goto mcp-no"
    for family, ip in zip(FAMILIES, ("ip", "ip6")):  # noqa: B905  Python 3.9
        known = f"ct mark & {MARK_BITS} != 0 ct state established"
        yield f"{known} {ip} daddr . tcp dport @{kept_set(family)} goto mcp-ok"
    yield f"{_of_this_epoch(site)} accept"


def _refusal() -> Iterator[str]:
    yield "ip daddr 224.0.0.0/4 counter drop"
    yield "ip6 daddr ff00::/8 counter drop"
    log = f'limit rate 20/second burst 50 packets log prefix "{LOG_PREFIX}" group {LOG_GROUP}'
    yield f"ip daddr != {PROBED4} {log}"
    yield f"ip6 daddr != {PROBED6} {log}"
    yield "meta l4proto tcp counter reject with tcp reset"
    yield "counter reject with icmpx type admin-prohibited"


def _redirections(policy: Policy, site: Site) -> Iterator[str]:
    question = "meta l4proto { tcp, udp } th dport 53"
    yield f"ip daddr {STUB} {question} redirect to :{site.dns_port}"
    yield f"meta skuid {_resolver_uids(site)} {question} return"
    yield f"{question} redirect to :{site.dns_port}"
    if site.gate:
        yield from _to_gate(policy, site, site.gate.uid)


def _to_gate(policy: Policy, site: Site, uid: int) -> Iterator[str]:
    yield f"meta skuid {uid} return"
    yield 'oif "lo" return'
    yield from (f"{loopback} return" for loopback in _LOOPBACK)
    yield f"ip daddr {SINK4} return"
    yield f"ip6 daddr {SINK6} return"
    rows = [(network, row.port) for row, network in near_places(policy, site)]
    rows += [(row.network, row.port) for row in policy.static]
    for network, port in rows:
        if port in WEB_PORTS:
            yield f"{_to(network)} tcp dport {port} return"
    for port in near_ports(policy):
        if port in WEB_PORTS:
            for family, ip in zip(FAMILIES, ("ip", "ip6")):  # noqa: B905  Python 3.9
                yield f"tcp dport {port} {ip} daddr @{near_set(family, port)} return"
                yield f"tcp dport {port} {ip} daddr . tcp dport @{_used(family, near=True)} return"
    yield f"tcp dport 443 redirect to :{site.gate_tls}"
    yield f"tcp dport 80 redirect to :{site.gate_http}"


def _to(network: Network) -> str:
    return f"{'ip' if network.version == 4 else 'ip6'} daddr {network}"  # noqa: PLR2004


def _comment(row: StaticRow | NearRow) -> str:
    ids = ""
    for server in row.servers:
        if len(ids) + len(server) < _LONGEST_IDS:
            ids += f",{server}" if ids else server
    return f' comment "mcpconf:{ids}"' if ids else ""


def nft_revoke_text(
    listed: str, old: Policy | None, policy: Policy, learned: Mapping[str, Iterable[str]]
) -> str:
    """What takes members out that a policy opens no more, and lets open streams go on.

    ``listed`` is what ``nft list table inet mcpconf`` prints.  Clients that remember an address
    have to ask anew.  See ``revoke.py``.
    """
    opened = kept_places(policy, learned)
    kept = streams_kept(old, policy, learned)
    gone: dict[str, list[str]] = {}
    for name, address, port in nft_members(listed):
        if (address, port) not in opened:
            gone.setdefault(name, []).append(address)
    lines = []
    for name, addresses in gone.items():  # added first: a member that just left cannot be deleted
        place = f"{NFT_TABLE} {name} {{ {', '.join(addresses)} }}"
        lines += [f"add element {place}", f"delete element {place}"]
    for family in FAMILIES:
        emptied = (_used(family), _used(family, near=True), kept_set(family))
        lines += [f"flush set {NFT_TABLE} {name}" for name in emptied]
        places = [f"{a} . {port}" for a, port in sorted(kept) if _family_of(a) == family]
        if places:
            lines.append(f"add element {NFT_TABLE} {kept_set(family)} {{ {', '.join(places)} }}")
    return "".join(f"{line}\n" for line in lines)


def _family_of(address: str) -> int:
    network = read_network(address)
    return network.version if network else 0


def nft_members(listed: str) -> Iterator[tuple[str, str, int]]:
    """The members of the sets that dnsmasq fills: set, address, port."""
    for found in _FILLED.finditer(listed):
        elements = found[3].partition("elements = {")[2].partition("}")[0]
        for element in elements.split(","):
            address = element.split()[:1]
            if address and read_network(address[0]):
                yield found[1], address[0], int(found[2])
