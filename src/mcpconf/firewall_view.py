"""The container's firewall as text on the host: the same compilation for a site that is told.

The site is a usual one, or what a running container's own files say.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.contract import Egress, dump_egress
from mcpconf.firewall.compile import rendered as compiled
from mcpconf.firewall.policy import read_policy_text
from mcpconf.firewall.site import EMBEDDED, Site, User, read_hosts, read_resolv

RESOLV, HOSTS, USERS, IPV6 = "/etc/resolv.conf", "/etc/hosts", "/etc/passwd", "/proc/net/if_inet6"
SEEN = (RESOLV, HOSTS, USERS, IPV6)
"""What says how a site is."""

_DNS_USERS = ("mcpconf-dns", "dnsmasq")
_GATE_USERS = ("mcpconf-gate", "haproxy")


class SiteView(NamedTuple):
    """A site, and the resolv.conf that it had before."""

    site: Site
    resolv: str


class Rendered(NamedTuple):
    """Texts by the name of a file, and what there is to say about the rows."""

    files: dict[str, str]
    notices: tuple[str, ...]


def usual() -> SiteView:
    """A container of Docker in a network of its own."""
    resolv = f"nameserver {EMBEDDED}\noptions ndots:0\n# ExtServers: [192.0.2.53]\n"
    hosts = "127.0.0.1 localhost\n172.17.0.1 host.docker.internal mcpconf-gateway\n"
    return seen({RESOLV: resolv, HOSTS: hosts, USERS: "", IPV6: "fe80::1 lo"})


def seen(files: Mapping[str, str]) -> SiteView:
    """The site that a container's files describe."""
    nameservers, forwarders = read_resolv(files.get(RESOLV, ""))
    site = Site(
        nameservers=nameservers,
        forwarders=forwarders,
        hosts=read_hosts(files.get(HOSTS, "")),
        ipv6=bool(files.get(IPV6, "").strip()),
        dns=_user(_DNS_USERS, files) or User("dnsmasq", "nogroup", 990),
        gate=_user(_GATE_USERS, files) or User("haproxy", "haproxy", 991),
    )
    return SiteView(site, files.get(RESOLV, ""))


def _user(names: tuple[str, ...], files: Mapping[str, str]) -> User | None:
    lines = (line.split(":") for line in files.get(USERS, "").splitlines())
    known = {words[0]: words[2] for words in lines if len(words) > 2}  # noqa: PLR2004
    found = next((name for name in names if known.get(name, "").isdecimal()), None)
    return User(found, "nogroup", int(known[found])) if found else None


def rendered(egress: Egress, view: SiteView) -> Rendered:
    """Every file that an apply would hand to the engines."""
    policy = read_policy_text(dump_egress(egress))
    strict = policy.mode == "strict"
    site = view.site if strict else view.site._replace(gate=None)
    notices = tuple(f"{n.place}: {n.message}; {n.help}" for n in policy.notices)
    return Rendered(compiled(policy, site, view.resolv), notices)
