"""Ports, names, and resolvers that lie."""

from __future__ import annotations

import re
import time

from tests.netns.lab.addresses import GATEWAY4, METADATA4, NEIGHBOUR4, NEIGHBOUR6, host4
from tests.netns.lab.docker_dns import ADDRESS as DOCKER_DNS
from tests.netns.redteam.candidate import NAMES, POLICY
from tests.netns.redteam.suite import Suite, allow, deny

_LIES = {
    "neighbour": ("A", NEIGHBOUR4),
    "gateway": ("A", GATEWAY4),
    "metadata": ("A", METADATA4),
    "shared-space": ("A", "100.64.0.1"),
    "azure": ("A", "168.63.129.16"),
    "alibaba": ("A", "100.100.100.200"),
    "oracle": ("A", "192.0.0.192"),
    "ten": ("A", "10.0.0.5"),
    "private": ("A", "172.16.0.5"),
    "home": ("A", "192.168.1.1"),
    "benchmark": ("A", "198.18.0.1"),
    "future": ("A", "240.0.0.1"),
    "link-local": ("A", "169.254.170.2"),
    "unique-local": ("AAAA", NEIGHBOUR6),
    "metadata6": ("AAAA", "fd00:ec2::254"),
    "nat64-metadata": ("AAAA", "64:ff9b::a9fe:a9fe"),
    "nat64-private": ("AAAA", "64:ff9b::a58:14"),
    "nat64-local": ("AAAA", "64:ff9b:1::a58:14"),
    "6to4": ("AAAA", "2002:a58:14::1"),
    "teredo": ("AAAA", "2001:0:a58:14::1"),
    "mapped": ("AAAA", f"::ffff:{NEIGHBOUR4}"),
    "compatible": ("AAAA", f"::{NEIGHBOUR4}"),
    "site-local": ("AAAA", "fec0::1"),
}
_HUGE_ANSWER = 3900  # of 11,700: more do not fit into a message


def ports(suite: Suite) -> None:
    """A row opens its port and no other; names that share an address share its ports."""
    suite.applied([*NAMES, "allowed3.test:8443", "allowed3.test:22", f"{host4(18)}:5432"])
    for name in ("allowed.test", "allowed3.test"):
        suite.hands.ask("resolve", name=name)
    https = {"kind": "tls", "sni": "allowed.test"}
    suite.attempts(
        deny("port.8443-of-another", "port", dst=host4(10), port=8443, **https),
        deny("port.22-of-another", "port", dst=host4(10), port=22, kind="raw"),
        deny("port.443-of-8443", "port", dst=host4(15), port=443, kind="tls", sni="allowed3.test"),
        deny("port.80-of-8443", "port", dst=host4(15), port=80, host="allowed3.test"),
        deny("port.9999-of-8443", "port", dst=host4(15), port=9999, kind="raw"),
        deny("port.443-of-address", "port", dst=host4(18), port=443, **https),
        deny("port.udp-of-8443", "port", "udp", dst=host4(15), port=443),
        allow("port.8443", name="allowed3.test", port=8443, kind="tls"),
        allow("port.22", name="allowed3.test", port=22, kind="raw"),
        allow("port.5432-of-address", dst=host4(18), port=5432, kind="raw"),
    )


def names(suite: Suite) -> None:
    """Odd questions and odd answers."""
    suite.fresh()
    suite.lab.names(name="brief.test", behaviour={"A": [host4(60)], "ttl": 0})
    odd = ["loop1.test", "self.test", "huge.test", "brief.test", "*.wild.test", "example.com"]
    suite.candidate.write(suite.lab, [*NAMES, *odd])
    done = suite.candidate.apply(suite.lab)
    suite.right("dns.odd.exit0", "ops", done.code == 0, f"rc={done.code}", out=done.tail)
    server = re.findall(
        r"^nameserver (\S+)", suite.lab.force("cat /etc/resolv.conf"), re.MULTILINE
    )[0]
    _questions(suite, server)
    _pipelined(suite, server)
    _own_ports(suite)
    for name in ("loop1.test", "self.test"):
        suite.hands.ask("resolve", name=name)
    suite.reached("dns.after-loops", "allow", suite.can(name="allowed.test", v=4), "allow")
    spins = {"name": "spin.test", "port": 443, "kind": "tls", "v": 4, "timeout": 5}
    suite.attempts(*(allow("dns.many-at-once", "rotate", **spins) for _ in range(60)))
    suite.reached("dns.ttl-0", "rotate", suite.can(name="brief.test", v=4), "allow")
    _huge(suite, server)


def _questions(suite: Suite, server: str) -> None:
    ask = {"server": server}
    past = {"server": DOCKER_DNS, "port": suite.lab.docker_dns_port("tcp")}
    suite.attempts(
        allow("dns.upper-case", "allow", "dns", **ask, name="ALLOWED.TEST"),
        allow("dns.mixed-case", "allow", "dns", **ask, name="aLLoWeD2.tEsT"),
        allow("dns.wildcard", "allow", "dns", **ask, name="A.wild.TEST"),
        allow("dns.hard-coded-resolver", "allow", "dns", server="8.8.8.8", name="allowed.test"),
        allow("dns.by-stream", "allow", "dns", **ask, name="allowed.test", tcp=True),
        deny("dns.exfil.upper-case", "dns", "dns", **ask, name="{tok}.ALLOWED.TEST"),
        deny("dns.exfil.deep", "dns", "dns", **ask, name="a.b.c.d.{tok}.allowed.test"),
        deny("dns.exfil.suffix", "dns", "dns", **ask, name="{tok}-allowed.test"),
        deny("dns.exfil.parent", "dns", "dns", **ask, name="{tok}.test"),
        deny("dns.exfil.above-wildcard", "dns", "dns", **ask, name="{tok}wild.test"),
        deny("dns.exfil.cname", "dns", "dns", **ask, name="{tok}.exfil.test", qtype="CNAME"),
        deny("dns.exfil.hard-coded", "dns", "dns", server="8.8.8.8", name="{tok}.exfil.test"),
        deny("dns.exfil.docker-by-stream", "dns", "dns", **past, name="{tok}.exfil.test", tcp=True),
        deny(
            "dns.exfil.dot", "dns", "dns", server="8.8.8.8", port=853, tls=True, name="{tok}.test"
        ),
    )


def _pipelined(suite: Suite, server: str) -> None:
    since = time.time()
    wanted = ["allowed.test", "a.exfil.test", "allowed2.test", "mcp.blocked.test"]
    codes = suite.hands.ask("pipeline", server=server, names=wanted).get("codes", {})
    listed = [codes.get(name) for name in ("allowed.test", "allowed2.test")]
    suite.right("dns.pipelined.listed", "allow", listed == [0, 0], str(codes))
    left = {query["name"] for query in suite.lab.queries(since)} & {wanted[1], wanted[3]}
    suite.reached("dns.pipelined.unlisted", "dns", bool(left), "deny")


def _own_ports(suite: Suite) -> None:
    """The resolver answers no more at its own ports than at the usual one."""
    found = re.findall(r"(127\.\S+):(\d+) .*dnsmasq", suite.lab.force("ss -Hlunp"))
    suite.right("dns.own-ports.found", "suite", bool(found), "no dnsmasq listens")
    suite.attempts(
        *(
            deny(
                "dns.own-ports", "dns", "dns", server=host, port=int(port), name="{tok}.exfil.test"
            )
            for host, port in found
        )
    )


def _huge(suite: Suite, server: str) -> None:
    """A name with so many addresses that they fill sets; three answers have all of them."""
    order = {"server": server, "name": "huge.test", "tcp": True, "timeout": 5}
    got = [suite.hands.ask("dns", **order).get("n") for _ in range(3)]
    suite.right("dns.huge.resolves", "allow", got == [_HUGE_ANSWER] * 3, f"{got} addresses")
    suite.attempts(
        *(
            allow("dns.huge.reached", dst=address, port=443, kind="tls", sni="huge.test")
            for address in ("45.70.0.1", "45.70.20.0", "45.70.45.180")
        )
    )
    suite.reached("dns.huge.others", "allow", suite.can(name="allowed2.test", v=4), "allow")
    suite.reached("dns.huge.forbidden", "core", suite.is_open(), "deny")


def lies(suite: Suite) -> None:
    """A listed name whose resolver names an address that is not the internet's."""
    suite.fresh()
    for lie, (kind, address) in _LIES.items():
        suite.lab.names(name=f"{lie}.lie.test", behaviour={kind: [address]})
        suite.lab.names(name=f"{lie}.under.test", behaviour={kind: [address]})
    metadata = {"name": "metadata", "addr": METADATA4, "port": 80}
    policy = {**POLICY, "hosts": [*POLICY["hosts"], metadata]}
    listed = [f"{lie}.lie.test" for lie in _LIES]
    suite.candidate.write(suite.lab, [*NAMES, *listed, "*.under.test"], policy)
    suite.candidate.apply(suite.lab)
    for lie in _LIES:
        for name in ("lie", "under"):
            suite.hands.ask("resolve", name=f"{lie}.{name}.test")
    suite.attempts(
        *(deny(f"lie.{lie}", "core", dst=address, port=80) for lie, (_, address) in _LIES.items())
    )
    suite.attempts(deny("lie.peer-metadata", "core", dst=METADATA4, port=80))
    suite.reached("lie.others", "allow", suite.can(name="allowed.test", v=4), "allow")
