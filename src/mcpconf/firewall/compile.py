"""From a policy and a site to every text that an engine reads.  Pure: the host renders the same."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from mcpconf.firewall.gate import gate_config, gate_maps
from mcpconf.firewall.nft import nft_text
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Notice, Policy
from mcpconf.firewall.recorder import recorder_config
from mcpconf.firewall.resolver import dns_config, dns_servers, shared_lines
from mcpconf.firewall.rules import Hooks, rules_text
from mcpconf.firewall.sets import sets_text
from mcpconf.firewall.site import Site, rewritten_resolv

PLUGINS = "/usr/lib/ulogd"


class Compiled(NamedTuple):
    """The texts: what the packet filter, the resolver, the gate and the recorder read.

    ``dns_servers`` ends with the ``generation``; ``gate`` maps paths to texts, empty in default
    mode.  ``notices`` are the policy's and those of compiling.
    """

    generation: str
    sets: str
    rules4: str
    rules6: str
    nft: str
    dns_config: str
    dns_servers: str
    gate_config: str
    gate: dict[str, str]
    notices: tuple[Notice, ...]


def compile_firewall(
    policy: Policy,
    site: Site,
    backend: str = "iptables",
    hooks: tuple[Hooks, Hooks] = (Hooks(), Hooks()),
) -> Compiled:
    """Compile.  ``hooks`` are what the packet filter of each family has of ours already."""
    paths = Paths(site.run)
    nft = backend == "nftables"
    sets = sets_text(policy)
    generation = generation_of(policy)
    return Compiled(
        generation=generation,
        sets="" if nft else sets,
        rules4="" if nft else rules_text(policy, site, 4, hooks[0]),
        rules6="" if nft else rules_text(policy, site, 6, hooks[1]),
        nft=nft_text(policy, site) if nft else "",
        dns_config=dns_config(policy, site, paths, nft=nft),
        dns_servers=dns_servers(policy, site, generation),
        gate_config=gate_config(policy, site, paths) if site.gate else "",
        gate=gate_maps(policy, paths) if site.gate else {},
        notices=(*policy.notices, *_shared(policy)),
    )


def at_ports(
    found: Compiled,
    policy: Policy,
    site: Site,
    backend: str,
    hooks: tuple[Hooks, Hooks],
) -> Compiled:
    """The same for other ports of the engines; the lists are long and stay."""
    nft = backend == "nftables"
    paths = Paths(site.run)
    return found._replace(
        rules4="" if nft else rules_text(policy, site, 4, hooks[0]),
        rules6="" if nft else rules_text(policy, site, 6, hooks[1]),
        nft=nft_text(policy, site) if nft else "",
        dns_config=dns_config(policy, site, paths, nft=nft),
        gate_config=gate_config(policy, site, paths) if site.gate else "",
    )


def generation_of(policy: Policy) -> str:
    """A short name for what a policy opens."""
    rows = repr((policy.mode, policy.grace, policy.names, policy.static, policy.near))
    text = rows.encode()
    return f"g{zlib.crc32(text):08x}{zlib.adler32(text):08x}"


def _shared(policy: Policy) -> list[Notice]:
    text = "and the names below it are listed on different ports; each is open on all of them"
    return [Notice("rows", f"`{name}` {text}") for name in shared_lines(policy)]


def rendered(policy: Policy, site: Site, resolv: str) -> dict[str, str]:
    """Every file, by a name for people: what an apply would hand to the engines."""
    paths = Paths(site.run)
    found = compile_firewall(policy, site)
    files = {
        "ipset.restore": found.sets,
        "iptables.restore": found.rules4,
        "ip6tables.restore": found.rules6,
        "nftables.nft": compile_firewall(policy, site, "nftables").nft,
        "dnsmasq.conf": found.dns_config,
        "dnsmasq.servers": found.dns_servers,
        "ulogd.conf": recorder_config(paths, PLUGINS),
        "resolv.conf": rewritten_resolv(resolv),
    }
    if site.gate:
        files["haproxy.cfg"] = found.gate_config
        files |= {path.rpartition("/")[2]: text for path, text in found.gate.items()}
    return files
