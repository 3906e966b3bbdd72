"""Packets of other kinds, answers to strangers, and connections that were there before."""

from __future__ import annotations

import time

from tests.netns.lab.addresses import BOX4, EVIL4, EVIL6, host4
from tests.netns.lab.container import PYTHON
from tests.netns.redteam.candidate import NAMES
from tests.netns.redteam.extra_told import ONLY_NFT
from tests.netns.redteam.hands import Hands
from tests.netns.redteam.suite import Suite, allow, deny, token

_MPTCP, _UDPLITE = 262, 136
_PING = f"""
from tests.netns.redteam.probe.packets import icmp
print(icmp({{"dst": "{BOX4}", "tok": "hello"}}))
"""
_NESTED = """
unshare --net sleep 60 & child=$!
while [ "$(readlink /proc/$child/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add nest type veth peer name eth0 netns $child
ip addr add 172.30.0.1/24 dev nest; ip addr add fd30::1/64 dev nest nodad; ip link set nest up
nsenter -t $child -n ip link set eth0 up
nsenter -t $child -n ip addr add 172.30.0.2/24 dev eth0
nsenter -t $child -n ip addr add fd30::2/64 dev eth0 nodad
nsenter -t $child -n ip route add default via 172.30.0.1
nsenter -t $child -n ip -6 route add default via fd30::1
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for host in {hosts}; do
  nsenter -t $child -n curl -sg -m 1 http://$host/ & running="$running $!"
done
wait $running
kill $child
"""

# Programs that bring rules into force half a second after the kernel began to track connections for
# them, and not some milliseconds: every stream has packets in between.
_SLOW = r"""
mkdir /usr/sbin/lab
cat > /tmp/slow <<'END'
#!/bin/sh
real=/usr/sbin/lab/${0##*/}
given=$(cat)
case $given in
  *ctstate*) first='*filter
:LAB-TRACKS - [0:0]
-A LAB-TRACKS -m conntrack --ctstate INVALID
COMMIT' how=--noflush ;;
  *'ct state'*) first='add table inet lab
add chain inet lab tracks
add rule inet lab tracks ct state invalid' how='-f -' ;;
esac
[ -z "$first" ] || { printf '%s\n' "$first" | $real $how; sleep 0.5; }
printf '%s\n' "$given" | $real "$@"
END
chmod 755 /tmp/slow
for program in iptables-restore ip6tables-restore nft; do
  [ -e /usr/sbin/$program ] || continue
  mv /usr/sbin/$program /usr/sbin/lab/
  cp /tmp/slow /usr/sbin/$program
done
"""
_EMPTY = """
for six in '' 6; do
  for table in filter nat mangle; do ip${six}tables -t $table -F; done
  ip${six}tables -P OUTPUT ACCEPT
done
nft flush ruleset
"""


def packets(suite: Suite) -> None:
    suite.applied()
    suite.hands.ask("resolve", name="allowed.test")
    suite.attempts(
        deny("packet.fragments", "core", "udp", dst=EVIL4, port=9999, times=300),
        deny("packet.fragments6", "core", "udp", dst=EVIL6, port=9999, times=300),
        deny("packet.udplite", "core", "udp", dst=EVIL4, port=9999, protocol=_UDPLITE),
        deny("packet.udplite-allowed", "port", "udp", dst=host4(10), port=443, protocol=_UDPLITE),
        deny("packet.mptcp", "core", dst=EVIL4, port=80, protocol=_MPTCP),
        deny("packet.multicast", "lan", "udp", dst="224.0.0.251", port=5353),
        deny("packet.multicast6", "lan", "udp", dst="ff02::1%eth0", port=9999),
        deny("packet.broadcast", "lan", "udp", dst="10.88.0.255", port=9999),
        deny("packet.broadcast-all", "lan", "udp", dst="255.255.255.255", port=9999),
        deny("packet.mapped", "core", dst=f"::ffff:{EVIL4}", port=80),
        deny("packet.udp53", "core", "udp", dst=EVIL4, port=53),
        allow("packet.mapped-allowed", dst=f"::ffff:{host4(10)}", port=80, host="allowed.test"),
    )
    _as_root(suite)
    _inbound(suite)
    _forwarded(suite)


def _as_root(suite: Suite) -> None:
    """Root with Docker's capabilities can send options; it is shut in like anyone else."""
    root = Hands(suite.lab, 0)
    mark, since = token(), time.time()
    order = {"dst": EVIL6, "port": 9999, "tok": mark, "options": "0000010400000000"}
    root.ask("udp", **order)
    root.ask("tcp", dst=EVIL4, port=80, tok=mark)
    root.ask("icmp", dst=EVIL6, tok=mark)
    root.close()
    time.sleep(0.2)
    left = [packet["dst"] for packet in suite.lab.wire(since) if mark in packet["pl"]]
    suite.reached("packet.as-root", "core", bool(left), "deny", ev=left)


def _inbound(suite: Suite) -> None:
    """Datagrams that answer a stranger are a way out; a published TCP port must work."""
    mark, since = token(), time.time()
    suite.hands.ask("echo", port=4000, tok=mark)
    suite.hands.ask("listen", port=3000)
    suite.lab.inside("internet", "bash", "-c", f"echo hello > /dev/udp/{BOX4}/4000")
    suite.lab.inside("host", "bash", "-c", f"echo hello > /dev/udp/{BOX4}/4000")
    time.sleep(0.3)
    told = any(mark in packet["pl"] for packet in suite.lab.wire(since))
    suite.reached("inbound.udp-answer", "core", told, "deny")
    _published(suite, "inbound.from-internet")
    ping = suite.lab.inside("host", *PYTHON, "-c", _PING)
    suite.reached("inbound.ping", "allow", "True" in ping.stdout, "allow", err=ping.stderr)


def _published(suite: Suite, check: str) -> None:
    url = f"http://{BOX4}:3000/"
    found = suite.lab.inside("internet", "curl", "-s", "-m", "2", url)
    suite.reached(check, "allow", "LAB-ECHO" in found.stdout, "allow", err=found.stderr)


def _forwarded(suite: Suite) -> None:
    """A container in the container does not go around."""
    since = time.time()
    hosts = f"{EVIL4} [{EVIL6}] {host4(10)} 169.254.169.254"
    suite.lab.force(_NESTED.replace("{hosts}", hosts))
    time.sleep(0.1)
    nested = ("172.30.", "fd30:")
    left = {p["dst"] for p in suite.lab.wire(since) if p["src"].startswith(nested)}
    suite.reached("forward.nested", "core", bool(left), "deny", ev=sorted(left))


def streams(suite: Suite) -> None:
    """Connections from before the first rule, while nothing tracked connections."""
    suite.fresh(docker_dns=False)
    _hold(suite, "before", EVIL4)
    _hold(suite, "before6", EVIL6)
    _hold(suite, "before-other-port", host4(10), 8080)
    suite.candidate.write(suite.lab, list(NAMES))
    suite.candidate.apply(suite.lab)
    applied = time.time()
    for name in ("before", "before6", "before-other-port"):
        suite.cut(f"stream.untracked.{name}", name, 4)
    acked = any(packet["dst"] in (EVIL4, EVIL6) for packet in suite.lab.wire(applied + 0.5))
    suite.reached("stream.untracked.silent", "est", acked, "deny")
    lines = "GET / HTTP/1.1", "Host: allowed.test", "Connection: keep-alive", "", ""
    again = {"request": "\r\n".join(lines), "second": "\r\n".join(lines)}
    idle = {"name": "allowed.test", "v": 4, "port": 80, "idle": 7, "timeout": 3}
    found = suite.hands.ask("tcp", **again, **idle, tok=token())
    # A connection that was closed meanwhile is opened anew, with the name asked again.
    good = found["ok"] or found.get("heard") == ""
    suite.right("stream.idle-longer-than-grace", "est", good, str(found))
    for prefix, preparation in (("slow.", _SLOW), ("nft.slow.", f"{ONLY_NFT}\n{_SLOW}")):
        with suite.variant(prefix, preparation, docker_dns=False):
            _while_tracking_begins(suite)


def _while_tracking_begins(suite: Suite) -> None:
    """The same where rules come slowly: the first ones, and those after somebody emptied them."""
    suite.fresh()
    suite.hands.ask("listen", port=3000)
    suite.candidate.write(suite.lab, list(NAMES))
    for name, put in (("first", suite.candidate.apply), ("emptied", suite.candidate.reload)):
        suite.lab.force(_EMPTY)
        streams = {name: EVIL4, f"{name}6": EVIL6}
        for stream, address in streams.items():
            _hold(suite, stream, address)
        code = put(suite.lab).code
        suite.right(f"stream.untracked.{name}-in-force", "allow", code == 0, str(code))
        for stream in streams:
            suite.cut(f"stream.untracked.{stream}", stream, 4)
        _published(suite, f"stream.untracked.{name}-published")


def _hold(suite: Suite, stream: str, address: str, port: int = 80) -> None:
    """Open a stream; one that never ran would count as cut."""
    found = suite.hands.ask("hold", id=stream, dst=address, port=port)
    suite.right(f"stream.untracked.{stream}-open", "allow", found["ok"], str(found))
