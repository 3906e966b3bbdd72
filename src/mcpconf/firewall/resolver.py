"""The resolver as text: dnsmasq's configuration, and the names, which it reads anew on SIGHUP.

Nothing is forwarded that is not listed, whatever record is asked for: there is no general upstream
server, only one for each name.  Every answer from upstream enters the sets before the client sees
it.  Unlisted names resolve to the sinkhole.  Private addresses in answers are refused, for peers
excepted.

dnsmasq has three habits that shape the text (2.86 and later):

* ``server=/NAME/`` takes in every name below; ``server=/*.NAME/`` without a server takes those out.
* ``ipset=/*.NAME/`` matches nothing, ``ipset=/NAME/`` also what is below, and only the most
  specific line counts.
* ``ipset`` lines are read at the start only.  So the ports that most names have need none, and a
  text with other ones takes another process (``dns.py``).
"""

from __future__ import annotations

from collections import Counter

from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.sets import FAMILIES, name_set, near_set
from mcpconf.firewall.site import SINK4, SINK6, Site
from mcpconf.firewall.tokens import Domain, names_above

FILTER_RR = (2, 90)  # the first version that can leave out HTTPS and SVCB records

Ports = frozenset[int]


def dns_servers(policy: Policy, site: Site, generation: str) -> str:
    """The list of names.  Its last line is the first that dnsmasq logs once it has read them."""
    wild = {row.domain.name for row in policy.names if row.domain.wild}
    servers = [str(server.network_address) for server in site.nameservers]
    lines: list[str] = []
    for domain in sorted({row.domain for row in policy.names}):
        lines += [f"server=/{domain}/{server}" for server in servers]
        if not (domain.wild or (wild and (domain.name in wild or _is_below(domain.name, wild)))):
            lines.append(f"server=/*.{domain.name}/")
    for name in _peer_names(policy):
        lines += [f"server=/{name}/{server}" for server in servers]
        lines.append(f"server=/*.{name}/")
    return "".join(f"{line}\n" for line in [*lines, f"server=/{marker(generation)}/"])


def marker(generation: str) -> str:
    """A name that nobody has (RFC 6761) and that stands for one list."""
    return f"{generation}.mcpconf.invalid"


def dns_config(policy: Policy, site: Site, paths: Paths, *, nft: bool = False) -> str:
    """What does not change while a dnsmasq runs."""
    lines = [
        "no-resolv",
        "no-hosts",
        f"port={site.dns_port}",
        "bind-interfaces",
        "listen-address=127.0.0.1",
        *(["listen-address=::1"] if site.ipv6 else []),
        f"user={site.dns.name}",
        f"group={site.dns.group}",
        "cache-size=0",  # an answer out of a cache would not renew the sets
        "dns-forward-max=1000",
        *(["all-servers"] if len(site.nameservers) > 1 else []),
        "stop-dns-rebind",
        *(["filter-rr=HTTPS,SVCB"] if site.dnsmasq >= FILTER_RR else []),
        "log-queries=extra",
        f"log-facility={paths.dns_log}",
        f"servers-file={paths.dns_servers}",
        f"address=/#/{SINK4}",
        f"address=/#/{SINK6}",
    ]
    key = "nftset" if nft else "ipset"
    usual, others = set_classes(policy)
    if usual:
        lines.append(f"{key}=/#/{_targets(usual, near=frozenset(), nft=nft)}")
    near = _near_classes(policy)
    for name in sorted({*others, *near}):
        targets = _targets(others.get(name, frozenset()), near.get(name, frozenset()), nft=nft)
        lines.append(f"{key}=/{name}/{targets}")
    lines += [f"rebind-domain-ok=/{name}/" for name in _peer_names(policy)]
    return "".join(f"{line}\n" for line in lines)


def set_classes(policy: Policy) -> tuple[Ports, dict[str, Ports]]:
    """The ports that most names have, and those of each name that needs a line of its own.

    A name and the names below it share a line, so where both are listed with different ports each
    gets the ports of both (:func:`shared_lines` names them).
    """
    ports = _ports_by_domain(policy)
    counted = Counter(ports.values())
    usual = max(counted, key=lambda p: (counted[p], sorted(p)), default=frozenset())
    bases: dict[str, Ports] = {}
    for domain, own in ports.items():
        bases[domain.name] = bases.get(domain.name, frozenset()) | own
    peers = {*_peer_names(policy)}
    special = {name for name, own in bases.items() if own != usual} | peers
    lined = {n for n in bases if n in special or (special and _is_below(n, special))}
    return usual, {name: bases[name] for name in lined}


def shared_lines(policy: Policy) -> tuple[str, ...]:
    """The names that are listed with and without ``*.`` on different ports."""
    if not any(row.domain.wild for row in policy.names):
        return ()
    ports = _ports_by_domain(policy)
    wild = ((domain.name, own) for domain, own in ports.items() if domain.wild)
    return tuple(sorted(name for name, own in wild if ports.get(Domain(name), own) != own))


def _ports_by_domain(policy: Policy) -> dict[Domain, Ports]:
    """The ports of each listed name, those of the wildcards that cover it included."""
    own: dict[Domain, set[int]] = {}
    for row in policy.names:
        own.setdefault(row.domain, set()).add(row.port)
    wild = {domain.name: ports for domain, ports in own.items() if domain.wild}
    if not wild:
        return {domain: frozenset(ports) for domain, ports in own.items()}
    return {
        domain: frozenset(ports.union(*(wild[a] for a in names_above(domain.name) if a in wild)))
        for domain, ports in own.items()
    }


def _near_classes(policy: Policy) -> dict[str, Ports]:
    found: dict[str, set[int]] = {}
    for row in policy.near:
        if isinstance(row.host, Domain):
            found.setdefault(row.host.name, set()).add(row.port)
    return {name: frozenset(ports) for name, ports in found.items()}


def _peer_names(policy: Policy) -> list[str]:
    return sorted({row.host.name for row in policy.near if isinstance(row.host, Domain)})


def _is_below(name: str, names: set[str]) -> bool:
    return any(above in names for above in names_above(name))


def _targets(ports: Ports, near: Ports, *, nft: bool) -> str:
    sets = [(f, name_set(f, port)) for port in sorted(ports) for f in FAMILIES]
    sets += [(f, near_set(f, port)) for port in sorted(near) for f in FAMILIES]
    return ",".join(f"{family}#inet#mcpconf#{name}" if nft else name for family, name in sets)
