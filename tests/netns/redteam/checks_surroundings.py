"""Containers of other kinds, an agent that fights back, and many names."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.netns.lab.addresses import EVIL4, EVIL6
from tests.netns.lab.container import DOCKER
from tests.netns.redteam.candidate import NAMES, WHITELIST
from tests.netns.redteam.suite import Attempt, Suite, allow, deny

_BACKENDS = (("legacy", "legacy"), ("nft", "legacy"), ("legacy", "nft"), ("nft", "native"))
_SPELLED = {"native": "nftnative"}
_NO_IP6TABLES = "for f in /usr/sbin/ip6tables*; do ln -sf /bin/false $f; done"
_SABOTAGE = (
    "iptables -F; iptables -P OUTPUT ACCEPT; iptables -t nat -F",
    "ip6tables -F; ip6tables -P OUTPUT ACCEPT",
    "iptables-legacy -P OUTPUT ACCEPT",
    "nft flush ruleset",
    "ipset flush; ipset destroy",
    f"for s in $(ipset list -n) mcp4-p443 mcp4-static; do ipset add $s {EVIL4}; done",
    "unshare -Urn true",
    "unshare -Ur iptables -F",
    "ip route replace default via 10.88.0.20",
    "ip link set lo down",
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
    "pkill -9 dnsmasq; pkill -9 haproxy; pkill -9 ulogd; pkill -9 -f keeper",
    "sudo -n true",
    "sudo -n iptables -F",
    "sudo -n -l",
    f"echo '{EVIL4} allowed.test' >> /etc/hosts",
    "echo nameserver 45.66.77.99 > /etc/resolv.conf",
    f"echo evil.test >> {WHITELIST}",
    "for f in /run/fw/* /run/mcpconf-fw/* /etc/mcpconf/*; do echo x >> $f; rm -f $f; done",
    "rm -rf /run/fw /run/mcpconf-fw",
)


def surroundings(suite: Suite) -> None:
    _without_the_capability(suite)
    done = suite.applied(ipv6=False)
    suite.attempts(*_usual("env.no-ipv6", "core", six=False))
    wrong = f"rc={done.code}"
    suite.right("env.no-ipv6.exit0", "ops", done.code == 0, wrong, out=done.tail)
    _without_ip6tables(suite)
    for backend, docker in _BACKENDS:
        name = f"env.fw-{backend}.docker-{_SPELLED.get(docker, docker)}"
        suite.applied(backend=backend, docker_backend=docker)
        suite.attempts(*_usual(name))
        left = suite.lab.docker_rules_left()
        suite.right(f"{name}.docker-dns-rules", "env", left >= 6, f"{left}/6")
    suite.applied(read_only_proc_sys=True)
    suite.attempts(*_usual("env.ro-proc-sys"))
    suite.applied(docker_dns=False)
    suite.attempts(*_usual("env.no-embedded-dns", six=False))


def _usual(name: str, tier: str = "env", *, six: bool = True) -> Iterator[Attempt]:
    """A listed name opens, a forbidden address does not."""
    https = {"port": 443, "kind": "tls"}
    yield allow(f"{name}.allowed", "env", name="allowed.test", v=4, **https)
    yield deny(f"{name}.forbidden", tier, dst=EVIL4, **https)
    if six:
        yield deny(f"{name}.forbidden6", tier, dst=EVIL6, **https)


def _without_the_capability(suite: Suite) -> None:
    suite.fresh()
    suite.candidate.write(suite.lab, list(NAMES))
    done = suite.candidate.apply(suite.lab, timeout=90, capabilities=DOCKER)
    suite.right("env.no-net-admin.nonzero-exit", "failclosed", done.code != 0, "rc=0")
    named = "NET_ADMIN" in done.said
    suite.right("env.no-net-admin.says-so", "ops", named, "unclear", out=done.said[-140:])


def _without_ip6tables(suite: Suite) -> None:
    suite.fresh()
    suite.lab.force(_NO_IP6TABLES)
    suite.candidate.write(suite.lab, list(NAMES))
    done = suite.candidate.apply(suite.lab)
    shut = not suite.is_open6() or done.code != 0
    suite.right("env.broken-ip6tables.v6-closed", "failclosed", shut, "OPEN", rc=done.code)


def unprivileged(suite: Suite) -> None:
    """Everything that the agent could try with its own hands."""
    suite.applied()
    for line in _SABOTAGE:
        suite.hands.ask("run", line=line)
    time.sleep(1)
    suite.right("unpriv.cannot-open", "priv", not suite.is_open(), "OPEN")
    works = suite.can(name="allowed.test", v=4)
    suite.right("unpriv.cannot-break-allowed", "priv", works, "listed name dead")
    widened = suite.can(name="evil.test", v=4)
    suite.right("unpriv.self-whitelist", "priv", not widened, "evil.test opened")


def scale(suite: Suite, sizes: tuple[int, ...] = (1000, 10000)) -> None:
    for size in sizes:
        suite.fresh(docker_dns=False)
        suite.candidate.write(suite.lab, [*NAMES, *(f"d{n}.bulk.test" for n in range(size))])
        done = suite.candidate.apply(suite.lab, timeout=400)
        wanted = ["allowed.test", *(f"d{n}.bulk.test" for n in (0, size // 3, size - 1))]
        reached = sum(suite.can(name=name, v=4) for name in wanted)
        opened = suite.is_open()
        wrong = "OPEN" if opened else f"reach {reached}/{len(wanted)}"
        good = reached == len(wanted) and not opened
        suite.right(f"scale.{size}", "scale", good, wrong, s=done.seconds, rc=done.code)


def explaining(suite: Suite) -> None:
    """An attempt that was blocked is reported, with name, address and port."""
    suite.applied()
    time.sleep(0.5)
    suite.can(name="mcp.blocked.test", v=4)
    suite.can(dst=EVIL4)
    time.sleep(1)
    said = suite.candidate.explain(suite.lab, "mcp.blocked.test")
    named = "mcp.blocked.test" in said
    suite.right("explain.blocked-name", "log", named, "name not reported", out=said[-160:])
    suite.right("explain.blocked-port", "log", "443" in said, "port not reported")
    address = EVIL4 in suite.candidate.explain(suite.lab, EVIL4)
    suite.right("explain.blocked-address", "log", address, "address not reported")
