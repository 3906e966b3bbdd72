"""A handful of policies and sites, and every text that is written for them."""

from __future__ import annotations

import json
from typing import Any

from mcpconf.firewall.compile import compile_firewall
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Policy, read_policy_text
from mcpconf.firewall.recorder import recorder_config
from mcpconf.firewall.rules import Hooks
from mcpconf.firewall.site import Site, User, read_hosts, read_resolv
from mcpconf.firewall.tokens import Network, read_network

PLUGINS = "/usr/lib/ulogd"
GATE = User("haproxy", "haproxy", 104)
EMBEDDED = "nameserver 127.0.0.11\n# ExtServers: [9.9.9.9 2620:fe::fe host(127.0.0.53)]\n"
HOSTS = "127.0.0.1 localhost\n172.17.0.1 host.docker.internal\nfd00::1 host.docker.internal\n"


def _file(*rows: str, mode: str = "default", gateway: bool = False, **more: Any) -> str:
    """An ``egress.json``; each row is ``host port form servers…``."""
    written = []
    for row in rows:
        host, port, form, *servers = row.split()
        written.append({"host": host, "port": int(port), "form": form, "servers": servers})
    address = {"host": "host.docker.internal", "port": 8811} if gateway else None
    return json.dumps({"version": 1, "mode": mode, "gateway": address, "rows": written, **more})


def _net(text: str) -> Network:
    found = read_network(text)
    assert found is not None
    return found


def _site(resolv: str = "nameserver 9.9.9.9\nnameserver 2620:fe::fe\n", **more: Any) -> Site:
    servers, forwarders = read_resolv(resolv)
    return Site(nameservers=servers, forwarders=forwarders, hosts=read_hosts(HOSTS), **more)


_SOME = (
    "api.example.com 443 name github docs",
    "*.cdn.example.com 443 wildcard docs",
    "plain.example.com 80 name",
    "45.66.77.5 443 address raw",
    "2a0b:4142::/32 443 network raw",
)
CASES: dict[str, tuple[str, Site]] = {
    "default": (_file(*_SOME, gateway=True), _site()),
    "strict": (
        _file(*_SOME, "db.example.com 5432 name", mode="strict", gateway=True),
        _site(gate=GATE, gate_tls=41443, gate_http=41080),
    ),
    "without_ipv6": (_file(*_SOME, mode="strict"), _site("nameserver 9.9.9.9\n", ipv6=False, gate=GATE)),
    "embedded_dns": (_file(*_SOME, gateway=True), _site(EMBEDDED)),
    "embedded_dns_that_says_nothing": (_file(*_SOME), _site("nameserver 127.0.0.11\n")),
    "peers": (
        _file("redis 6379 peer cache", "web 80 peer", "172.18.0.9 443 peer a b", "fd00::9 80 peer", mode="strict", gateway=True),
        _site(EMBEDDED, gate=GATE, connected=(_net("172.18.0.0/16"), _net("45.99.0.0/24"), _net("2a0b:9::/64"))),
    ),
    "odd_ports": (
        _file(
            "a.example.com 443 name", "b.example.com 443 name", "*.a.example.com 8443 wildcard", "x.a.example.com 22 name",
            "git.example.net 22 name", "git.example.net 443 name", "45.66.0.0/16 9418 network", grace=7,
        ),
        _site(epoch=255, dns_port=5357, dns=User("root", "root", 0), dnsmasq=(2, 86)),
    ),
    "empty": (_file(), _site("")),
}  # fmt: skip


def texts(policy: Policy, site: Site) -> dict[str, str]:
    """All of them, by the names of their files."""
    one = compile_firewall(policy, site, "iptables", (Hooks(1, 1, 1, 1), Hooks()))
    other = compile_firewall(policy, site, "nftables")
    found = {
        "ipset.restore": one.sets,
        "iptables.restore": one.rules4,
        "ip6tables.restore": one.rules6,
        "nftables.nft": other.nft,
        "dnsmasq.conf": one.dns_config,
        "dnsmasq-nft.conf": other.dns_config,
        "dnsmasq.servers": one.dns_servers,
        "ulogd.conf": recorder_config(Paths(site.run), PLUGINS),
    }
    if site.gate:
        found["haproxy.cfg"] = one.gate_config
        found |= {path.rpartition("/")[2]: text for path, text in one.gate.items()}
    return found


def texts_of(case: str) -> dict[str, str]:
    file, site = CASES[case]
    return texts(read_policy_text(file), site)
