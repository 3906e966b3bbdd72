"""The laboratory's network: four namespaces, their addresses and routes.

A namespace belongs to a process that waits for the end of its stdin: when the laboratory's process
ends, by whatever cause, the kernel takes the namespaces, the links and the rules in them away.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

from tests.netns.lab.addresses import (
    BOX4,
    BOX6,
    GATEWAY4,
    GATEWAY6,
    METADATA4,
    METADATA6,
    NEIGHBOUR4,
    NEIGHBOUR6,
    UPLINK4,
    UPLINK6,
    WEB4,
    WEB6,
)

NAMESPACES = ("host", "box", "neighbours", "internet")
_SETTINGS = """
net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
""".split()
_PING = "net.ipv4.ping_group_range=0\t2147483647"
_FORWARDING = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1".split()
_NO_IPV6 = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1".split()
_AS_DOCKER = ["net.ipv4.ip_unprivileged_port_start=0"]
_INTERNET = ("45.66.77.0/24", "45.70.0.0/15")
_INTERNET6 = "2a0b:4142::/32"
_PATIENCE = 5


class Network:
    """The namespaces while they are there."""

    def __init__(self, *, ipv6: bool) -> None:
        self._holders = {name: _holder() for name in NAMESPACES}
        self.pids = {name: holder.pid for name, holder in self._holders.items()}
        try:
            self._furnish(ipv6=ipv6)
        except BaseException:
            self.close()
            raise

    def inside(self, name: str) -> list[str]:
        """The words that run a command in a namespace."""
        return ["nsenter", f"--net=/proc/{self.pids[name]}/ns/net", "--"]

    def close(self) -> None:
        for holder in self._holders.values():
            holder.communicate()

    def _furnish(self, *, ipv6: bool) -> None:
        for name in NAMESPACES:
            _wait_for_namespace(self.pids[name])
            self._set(name, [*_SETTINGS, _PING])
        self._set("host", _FORWARDING)
        self._set("box", [*_AS_DOCKER, *(() if ipv6 else _NO_IPV6)])
        for name in NAMESPACES:
            self._ip(name, _COMMANDS[name](self.pids, ipv6))

    def _set(self, name: str, settings: list[str]) -> None:
        subprocess.run([*self.inside(name), "sysctl", "-qw", *settings], check=True)

    def _ip(self, name: str, commands: Iterator[str]) -> None:
        words = [*self.inside(name), "ip", "-batch", "-"]
        subprocess.run(words, check=True, input="\n".join(commands), text=True)


def _holder() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)


def _wait_for_namespace(pid: int) -> None:
    ours = os.readlink("/proc/self/ns/net")
    end = time.monotonic() + _PATIENCE
    while _namespace(pid) in (ours, ""):
        if time.monotonic() > end:
            raise RuntimeError("no network namespace; this needs root")
        time.sleep(0.001)


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _host(pids: dict[str, int], _ipv6: bool) -> Iterator[str]:  # noqa: FBT001
    yield "link set lo up"
    yield "link add br0 type bridge"
    for port, name in (("vbox", "box"), ("vnb", "neighbours")):
        yield f"link add {port} type veth peer name eth0 netns {pids[name]}"
        yield f"link set {port} master br0 up"
    yield f"link add up0 type veth peer name up0 netns {pids['internet']}"
    yield from _addresses("br0", (f"{GATEWAY4}/24",), (f"{GATEWAY6}/64",))
    yield from _addresses("lo", (f"{METADATA4}/32",), (f"{METADATA6}/128",))
    yield from _addresses("up0", (f"{UPLINK4[0]}/30",), (f"{UPLINK6[0]}/64",))
    yield from _default_routes(UPLINK4[1], UPLINK6[1])


def _box(_pids: dict[str, int], ipv6: bool) -> Iterator[str]:  # noqa: FBT001
    yield "link set lo up"
    yield from _addresses("eth0", (f"{BOX4}/24",), (f"{BOX6}/64",) if ipv6 else ())
    yield from _default_routes(GATEWAY4, GATEWAY6 if ipv6 else "")


def _neighbours(_pids: dict[str, int], _ipv6: bool) -> Iterator[str]:  # noqa: FBT001
    yield "link set lo up"
    six = (f"{NEIGHBOUR6}/64", f"{WEB6}/64")
    yield from _addresses("eth0", (f"{NEIGHBOUR4}/24", f"{WEB4}/24"), six)
    yield from _default_routes(GATEWAY4, GATEWAY6)


def _internet(_pids: dict[str, int], _ipv6: bool) -> Iterator[str]:  # noqa: FBT001
    """Everything that arrives is for here, from the addresses of the plan also what is sent."""
    yield "link set lo up"
    yield from _addresses("up0", (f"{UPLINK4[1]}/30",), (f"{UPLINK6[1]}/64",))
    yield f"route add 10.88.0.0/24 via {UPLINK4[0]}"
    yield f"route add fd88::/64 via {UPLINK6[0]}"
    for network in _INTERNET:
        yield f"route add local {network} dev lo"
    yield f"route add local {_INTERNET6} dev lo"
    for everything in ("0.0.0.0/0", "::/0"):
        yield f"route add local {everything} dev lo table 100"
        yield f"rule add from {everything} iif up0 lookup 100"


_COMMANDS = {"host": _host, "box": _box, "neighbours": _neighbours, "internet": _internet}


def _addresses(link: str, four: tuple[str, ...], six: tuple[str, ...]) -> Iterator[str]:
    yield f"link set {link} up"
    for address in four:
        yield f"addr add {address} dev {link}"
    for address in six:
        yield f"addr add {address} dev {link} nodad"


def _default_routes(four: str, six: str) -> Iterator[str]:
    yield f"route add default via {four}"
    if six:
        yield f"route add default via {six}"
