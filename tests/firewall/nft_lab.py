"""The nft rules in force: ``unshare -nmpf --kill-child python -m tests.firewall.nft_lab DIR``.

A second namespace behind a cable is the outside.  Prints what passed, as one JSON object.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from mcpconf.firewall.nft import nft_text
from mcpconf.firewall.nftlist import read_nft
from mcpconf.firewall.policy import NameRow, NearRow, Policy, StaticRow
from mcpconf.firewall.site import Site, User
from mcpconf.firewall.tables import Tables
from mcpconf.firewall.tokens import Domain, Network, read_network

GATE = 12345
LISTED, LISTED6, OTHER, OTHER6 = "45.66.77.1", "2a0b:4142::1", "45.66.77.9", "2a0b:4142::9"
STATIC, PEER, PRIVATE, METADATA, RARE, BESIDE = (
    "45.66.80.5",
    "172.18.0.9",
    "10.1.2.3",
    "169.254.169.254",
    "45.66.77.3",
    "45.66.90.5",
)
PLACES = (LISTED, OTHER, STATIC, PEER, PRIVATE, METADATA, RARE, BESIDE)
RESOLVER = 23456
SERVER = """
import socket, sys, threading
def echo(one):
    for data in iter(lambda: one.recv(64), b""):
        one.sendall(data)
def serve(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
sys.stdin.readline()
for port in (53, 443, 8443, 6379):
    threading.Thread(target=serve, args=(port,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


def network(text: str) -> Network:
    found = read_network(text)
    assert found is not None
    return found


POLICY = Policy(
    grace=6,  # half of it in a set, half after the last use
    names=(NameRow(Domain("a.test"), 443),),
    static=(StaticRow(network("45.66.80.0/24"), 443),),
    near=(NearRow(network(PEER), 6379), NearRow(Domain("meta"), 443), NearRow(Domain("a"), 8443)),
)
HERE = Site(
    nameservers=(network(OTHER),),
    connected=(network("45.66.90.0/24"),),
    dns=User("dns", "dns", RESOLVER),
)


def run(*words: str, text: str = "") -> None:
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def cable() -> subprocess.Popen[str]:
    """The outside: a namespace with every address, and servers on three ports."""
    words = ["unshare", "-n", sys.executable, "-c", SERVER]
    far = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{far.pid}/ns/net") == ours:
        time.sleep(0.01)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", str(far.pid))
    run("ip", "addr", "add", "172.18.0.2/16", "dev", "near0")
    run("ip", "-6", "addr", "add", "fd77::2/64", "dev", "near0", "nodad")
    run("ip", "link", "set", "near0", "up")
    inside = ("nsenter", "-t", str(far.pid), "-n", "ip")
    for address in (*PLACES, "172.18.0.1/16"):
        run(*inside, "addr", "add", address, "dev", "far0")
    for address in (LISTED6, OTHER6, "fd77::1/64"):
        run(*inside, "-6", "addr", "add", address, "dev", "far0", "nodad")
    run(*inside, "link", "set", "far0", "up")
    run(*inside, "link", "set", "lo", "up")
    run("ip", "route", "add", "default", "via", "172.18.0.1")
    run("ip", "-6", "route", "add", "default", "via", "fd77::1")
    assert far.stdin
    assert far.stdout
    far.stdin.write("go\n")
    far.stdin.flush()
    far.stdout.readline()
    return far


def stream(address: str, port: int = 443) -> socket.socket:
    return socket.create_connection((address, port), timeout=2)


def reach(address: str, port: int = 443) -> str:
    try:
        stream(address, port).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return repr(error)
    return "open"


def as_user(uid: int, tried: Callable[[], str]) -> str:
    """As another user, in a child of its own."""
    end, other = os.pipe()
    if os.fork() == 0:
        os.setuid(uid)
        os.write(other, tried().encode())
        os._exit(0)
    os.wait()
    return os.read(end, 100).decode()


def datagram(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((address, 443))
        try:
            one.send(b"x")
            time.sleep(0.1)
            one.send(b"x")
        except OSError:
            return "refused"
    return "open"


def by_the_cable() -> str:
    """Send to a loopback address by a device that is another; look at what that sends."""
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as cable_,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        cable_.bind(("near0", 3))
        cable_.settimeout(0.3)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"near0\0")
        with suppress(OSError):
            one.sendto(b"by the cable", ("127.0.0.1", 9))
        with suppress(TimeoutError):
            while True:
                if b"by the cable" in cable_.recv(2048):
                    return "leaves"
    return "stays"


def flood() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            for _ in range(12_000):
                one.sendto(b"?", ("127.0.0.1", HERE.dns_port))
        except PermissionError:
            return "limited"
    return "passes"


def counted() -> str:
    done = subprocess.run(
        ["nft", "list", "table", "inet", "mcpconf"], capture_output=True, text=True, check=True
    )
    tables = Tables(nft=True, filters=((4, read_nft(done.stdout)),))
    return "counted" if tables.refused > 0 else f"{tables.refused}"


def goes_on(one: socket.socket) -> str:
    try:
        one.sendall(b"x")
        return "goes on" if one.recv(9) else "cut"
    except OSError:
        return "cut"


def load(policy: Policy, site: Site) -> None:
    run("nft", "-f", "-", text=nft_text(policy, site))


def add(set_name: str, members: str) -> None:
    run("nft", "add", "element", "inet", "mcpconf", set_name, f"{{ {members} }}")


def after_use(seen: dict[str, str]) -> socket.socket:
    """An address leaves its set; returns a stream to it.  Again where the machine was too slow."""
    for _ in range(5):
        for name in ("mcp4-p443", "mcp4-used"):
            run("nft", "flush", "set", "inet", "mcpconf", name)
        start = time.monotonic()
        add("mcp4-p443", f"{LISTED}, {RARE}")
        one = stream(LISTED)
        time.sleep(2.2)
        goes_on(one)  # used again, shortly before it leaves
        used = time.monotonic() - start
        time.sleep(1)
        seen["left its set, used before"] = reach(LISTED)
        seen["left its set, not used"] = reach(RARE)
        if used < 2.9 and time.monotonic() - start < 5:
            return one
    raise TimeoutError("the machine is too slow for this")


def main() -> None:
    far = cable()
    seen = {
        "before": reach(OTHER),
        "loopback address by another device, before": by_the_cable(),
    }
    load(POLICY, HERE)
    add("mcp4-p443", f"{LISTED}, {PRIVATE}, {RARE}, {BESIDE}")
    add("mcp6-p443", LISTED6)
    add("mcp4-near-p443", METADATA)
    add("mcp4-near-p8443", f"{PEER}, {OTHER}, {BESIDE}")
    seen["unlisted"] = reach(OTHER)
    seen["unlisted 6"] = reach(OTHER6)
    seen["listed"] = reach(LISTED)
    seen["listed 6"] = reach(LISTED6)
    seen["listed, other port"] = reach(LISTED, 8443)
    seen["static"] = reach(STATIC)
    seen["peer"] = reach(PEER, 6379)
    seen["private, in a name's set"] = reach(PRIVATE)
    seen["metadata, as a peer"] = reach(METADATA)
    seen["peer, by its name"] = reach(PEER, 8443)
    seen["public address, as a peer"] = reach(OTHER, 8443)
    seen["connected network, as a peer"] = reach(BESIDE, 8443)
    seen["connected network, in a name's set"] = reach(BESIDE)
    seen["loopback address by another device"] = by_the_cable()
    seen["our resolver's question"] = as_user(RESOLVER, lambda: reach(OTHER, 53))
    seen["root's question"] = reach(OTHER, 53)
    seen["flood of questions"] = as_user(1000, flood)
    seen["flood of root's questions"] = flood()
    seen["refused packets"] = counted()
    seen["udp"] = datagram(LISTED)
    streams(seen)
    far.kill()
    json.dump(seen, sys.stdout, indent=1)


def streams(seen: dict[str, str]) -> None:
    """What goes on under other epochs, and in strict mode."""
    one = after_use(seen)
    time.sleep(2.2)
    seen["open stream"] = goes_on(one) if reach(LISTED) == "refused" else "still in its set"
    add("mcp4-kept", f"{LISTED} . 443")
    load(POLICY, Site(epoch=2))
    seen["open stream that is kept"] = goes_on(one)
    run("nft", "flush", "set", "inet", "mcpconf", "mcp4-kept")
    load(POLICY, Site(epoch=3))
    seen["open stream of another epoch"] = goes_on(one)
    add("mcp4-p443", LISTED)
    load(POLICY, Site(epoch=3, gate=User("gate", "gate", GATE)))
    nobody_redirects = "delete chain inet mcpconf mcp-dns"  # no gate listens here
    run("nft", nobody_redirects)
    seen["strict: agent"] = as_user(1000, lambda: reach(LISTED))
    seen["strict: gate"] = as_user(GATE, lambda: reach(LISTED))


if __name__ == "__main__":
    main()
