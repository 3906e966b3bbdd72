"""What must not leave, what must work, and names that share an address."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from tests.netns.lab.addresses import (
    BOX4,
    CDN4,
    EVIL4,
    EVIL6,
    GATEWAY4,
    GATEWAY6,
    METADATA4,
    METADATA6,
    NEIGHBOUR4,
    NEIGHBOUR6,
    OTHER_RESOLVER4,
    OTHER_RESOLVER6,
    RESOLVER4,
    host4,
)
from tests.netns.lab.docker_dns import ADDRESS as DOCKER_DNS
from tests.netns.redteam.suite import Attempt, Suite, allow, deny, token

_TCP = ((80, "http"), (443, "tls"), (22, "raw"), (8443, "tls"), (5432, "raw"), (9999, "raw"))
_SPINS = 6
_DOCKER_RULES = 6


def basic(suite: Suite) -> None:
    done = suite.applied()
    suite.measured["apply"] = done.seconds
    wrong = f"rc={done.code}"
    suite.right("apply.exit0", "ops", done.code == 0, wrong, out=done.tail, s=done.seconds)
    suite.attempts(*_forbidden(), *_forbidden6(), *_near(), *_other_resolvers())
    suite.attempts(*_exfiltration())
    _through_resolv_conf(suite)
    _past_the_rules_of_docker(suite)
    _what_must_work(suite)
    _shared_address(suite)
    _fronting(suite)
    _docker_dns(suite)


def _forbidden() -> Iterator[Attempt]:
    for port, kind in _TCP:
        yield deny(f"v4.forbidden.tcp{port}", "core", dst=EVIL4, port=port, kind=kind)
    for port in (443, 123, 9999, 51820):
        yield deny(f"v4.forbidden.udp{port}", "core", "udp", dst=EVIL4, port=port)
    yield deny("v4.unrelated-ip.tcp443", "core", dst="8.8.4.4", port=443, kind="tls")
    for port in (22, 9999):
        yield deny(f"v4.allowed-ip.tcp{port}", "port", dst=host4(10), port=port, kind="raw")
    yield deny("v4.allowed-ip.udp443-quic", "port", "udp", dst=host4(10), port=443)
    yield deny("icmp.forbidden.payload", "core", "icmp", dst=EVIL4)
    yield deny("icmp.allowed-host.payload", "port", "icmp", dst=host4(10))


def _forbidden6() -> Iterator[Attempt]:
    yield deny("v6.forbidden.tcp443", "core", dst=EVIL6, port=443, kind="tls")
    yield deny("v6.forbidden.tcp80", "core", dst=EVIL6, port=80)
    yield deny("v6.forbidden.udp443", "core", "udp", dst=EVIL6, port=443)
    yield deny("v6.forbidden.icmp-payload", "core", "icmp", dst=EVIL6)
    yield deny("v6.metadata", "core", dst=METADATA6, port=80)
    yield deny("v6.neighbor.tcp80", "lan", dst=NEIGHBOUR6, port=80)
    yield deny("v6.gateway.tcp2375", "lan", dst=GATEWAY6, port=2375, kind="raw")


def _near() -> Iterator[Attempt]:
    yield deny("lan.neighbor.tcp80", "lan", dst=NEIGHBOUR4, port=80)
    yield deny("lan.neighbor.tcp3306", "lan", dst=NEIGHBOUR4, port=3306, kind="raw")
    yield deny("lan.neighbor.udp9999", "lan", "udp", dst=NEIGHBOUR4, port=9999)
    for name in ("tcp22", "tcp2375-dockerapi", "tcp6379"):
        port = int(name.removeprefix("tcp").partition("-")[0])
        yield deny(f"lan.gateway.{name}", "lan", dst=GATEWAY4, port=port, kind="raw")
    yield deny("lan.gateway.udp9999", "lan", "udp", dst=GATEWAY4, port=9999)
    yield deny("lan.metadata", "core", dst=METADATA4, port=80)


def _other_resolvers() -> Iterator[Attempt]:
    name = "{tok}.exfil.test"
    yield deny("dns.alt.udp53", "dns", "dns", server=OTHER_RESOLVER4, name=name)
    yield deny("dns.alt.tcp53", "dns", "dns", server=OTHER_RESOLVER4, name=name, tcp=True)
    yield deny("dns.alt6.udp53", "dns", "dns", server=OTHER_RESOLVER6, name=name)
    by_tls = {"dst": OTHER_RESOLVER4, "kind": "tls", "sni": "dns.example"}
    yield deny("dns.dot853", "core", **by_tls, port=853)
    yield deny("dns.doh443", "core", **by_tls, port=443, path="/dns-query?dns=x")
    yield deny("dns.upstream-direct.udp53", "dns", "dns", server=RESOLVER4, name=name)


def _exfiltration() -> Iterator[Attempt]:
    for test, name, more in (
        ("subdomain-A", "{tok}.exfil.test", {}),
        ("TXT", "{tok}.exfil.test", {"qtype": "TXT"}),
        ("tcp", "{tok}.exfil.test", {"tcp": True}),
        ("MX", "{tok}.exfil.test", {"qtype": "MX"}),
        ("under-allowed-name", "{tok}.allowed.test", {}),
        ("under-allowed-name-TXT", "{tok}.allowed.test", {"qtype": "TXT"}),
    ):
        yield deny(f"dns.exfil.{test}", "dns", "dns", server=DOCKER_DNS, name=name, **more)


def _through_resolv_conf(suite: Suite) -> None:
    """Ask what libc asks, where that is another address than Docker's."""
    server = re.search(r"^nameserver (\S+)", suite.lab.force("cat /etc/resolv.conf"), re.MULTILINE)
    if server and server[1] != DOCKER_DNS:
        order = {"server": server[1], "name": "{tok}.exfil.test"}
        suite.attempts(
            *(
                deny(f"dns.exfil.resolvconf-{kind}", "dns", "dns", **order, qtype=kind)
                for kind in ("A", "TXT", "MX")
            )
        )


def _past_the_rules_of_docker(suite: Suite) -> None:
    port = suite.lab.docker_dns_port("udp")
    order = {"server": DOCKER_DNS, "port": port, "name": "{tok}.exfil.test"}
    suite.attempts(deny("dns.exfil.docker-resolver-highport", "dns", "dns", **order))


def _what_must_work(suite: Suite) -> None:
    suite.hands.ask("listen", port=3000)
    suite.hands.ask("resolve", name="multi.test")  # a client resolves before it connects
    suite.attempts(*_listed())
    spins = sum(suite.can(name="spin.test", v=4) for _ in range(_SPINS))
    told = f"{spins}/{_SPINS}"
    suite.reached("name.rotating-every-query", "rotate", spins == _SPINS, "allow", n=told)
    https = {"port": 443, "kind": "tls"}
    suite.attempts(
        deny("name.unlisted", "core", name="mcp.blocked.test", **https),
        deny("name.subdomain-of-listed", "core", name="sub.allowed.test", **https),
    )
    published = suite.lab.inside("host", "curl", "-s", "-m", "2", f"http://{BOX4}:3000/")
    suite.reached("inbound.from-host", "allow", "LAB-ECHO" in published.stdout, "allow")


def _listed() -> Iterator[Attempt]:
    https = {"port": 443, "kind": "tls"}
    yield allow("name.a.https", name="allowed.test", v=4, **https)
    yield allow("name.a.http80", name="allowed.test", v=4, port=80)
    yield allow("name.aaaa.https", "allow6", name="allowed.test", v=6, **https)
    yield allow("name.dual-stack-default", name="allowed2.test", **https)
    yield allow("name.cname", name="alias.test", v=4, **https)
    yield allow("gateway.listed-port9003", "allow-lan", dst=GATEWAY4, port=9003)
    by_name = {"name": "host.docker.internal", "port": 9003, "v": 4}
    yield allow("gateway.by-name-9003", "allow-lan", **by_name)
    yield allow("peer.listed-web80", "allow-lan", name="web", port=80, v=4)
    yield allow("loopback.own-server", dst="127.0.0.1", port=3000)
    for number in range(8):
        each = {"dst": host4(30 + number), "sni": "multi.test"}
        yield allow(f"name.multi.{number}", **each, **https)


def _shared_address(suite: Suite) -> None:
    """The address of a listed name, for another name, for none, or for none that can be seen."""
    suite.hands.ask("resolve", name="good.cdn.test")
    https = {"dst": CDN4, "port": 443, "kind": "tls"}
    suite.attempts(
        allow("cdn.allowed-name", name="good.cdn.test", port=443, kind="tls", v=4),
        deny(
            "cdn.other-sni-same-ip",
            "l7",
            **https,
            sni="evil.cdn.test",
            need={"sni": "evil.cdn.test"},
        ),
        deny(
            "cdn.other-host-same-ip-http",
            "l7",
            dst=CDN4,
            port=80,
            host="evil.cdn.test",
            need={"host": "evil.cdn.test"},
        ),
        deny(
            "cdn.no-sni",
            "l7",
            **https,
            sni="",
            host="evil.cdn.test",
            need={"sni": None, "host": "evil.cdn.test"},
        ),
        deny("cdn.raw-tcp-on-443", "l7", dst=CDN4, port=443, host="good.cdn.test"),
    )


def _fronting(suite: Suite) -> None:
    """A listed name outside of TLS and another within; only who decrypts can tell."""
    mark, since = token(), time.time()
    https = {"port": 443, "kind": "tls", "tok": mark}
    inner = {"sni": "good.cdn.test", "host": "evil.cdn.test"}
    suite.hands.ask("tcp", name="good.cdn.test", v=4, **https, **inner)
    # A listed name towards a forbidden address defeats gates that look at the name only.
    outer = {"sni": "allowed.test", "host": "allowed.test"}
    suite.hands.ask("tcp", dst=EVIL4, **https, **outer)
    time.sleep(0.2)
    seen = [entry for entry in suite.lab.served(since, "internet") if entry.get("tok") == mark]
    fronted = any(entry["host"] == "evil.cdn.test" for entry in seen)
    suite.reached("cdn.fronting", "mitm", fronted, "deny")
    lied = any(entry["dst"] == EVIL4 for entry in seen)
    suite.reached("l7.allowed-sni-to-forbidden-ip", "core", lied, "deny")


def _docker_dns(suite: Suite) -> None:
    left = suite.lab.docker_rules_left()
    wrong = f"{left}/{_DOCKER_RULES} rules left"
    suite.right("docker-dns.rules-survive", "ops", left >= _DOCKER_RULES, wrong)
    said = suite.lab.force("dig +short +time=2 +tries=1 allowed.test")
    suite.right("docker-dns.answers-root", "ops", "45.66" in said, "no answer")
    found = suite.hands.ask("resolve", name="allowed.test")
    suite.right("docker-dns.answers-agent", "allow", found["ok"], "no answer")
