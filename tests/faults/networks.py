"""Networks of their own: a machine with a real resolver and real filters, and the laboratory's host."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from tests.faults import far

_NEWNET = 0x40000000
_PATIENCE = 20
_OPEN = """
mount --make-rprivate /
mount --bind "$1" /etc/resolv.conf
echo READY
exec cat
"""


class Machine:
    """A network and mount namespace whose resolv.conf is ours; it lives as long as its stdin."""

    def __init__(self, folder: Path, enter: Iterable[str], resolver: str) -> None:
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:1\n")
        words = [*enter, "unshare", "-m", "sh", "-euc", _OPEN, "machine", str(file)]
        pipe = subprocess.PIPE
        self._holder = subprocess.Popen(words, stdin=pipe, stdout=pipe)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"READY\n":
            raise RuntimeError("no namespaces; this needs root")
        self.pid = self._holder.pid
        self.ending = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.ending.close()
        self._holder.communicate()

    def inside(self, folder: Path | None = None) -> list[str]:
        """The words that run a program there."""
        where = [f"--wd={folder}"] if folder else []
        return ["nsenter", "-t", str(self.pid), "-n", "-m", *where, "--"]

    def do(self, *words: str, stdin: str = "") -> None:
        subprocess.run([*self.inside(), *words], check=True, input=stdin, text=True)

    def listen(self, host: str, port: int) -> socket.socket:
        """A listening socket there."""
        return listening_in(self.pid, host, port)


def listening_in(pid: int, host: str, port: int) -> socket.socket:
    """A listening socket in another network namespace."""
    return within(pid, lambda: far.here(host, port))


def within(pid: int, make: Callable[[], socket.socket]) -> socket.socket:
    """Make a socket in another network namespace; a thread goes there and ends."""
    made: list[socket.socket | BaseException] = []

    def run() -> None:
        try:
            _enter(pid)
            made.append(make())
        except BaseException as error:  # noqa: BLE001  it is raised where it is wanted
            made.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        raise made[0]
    return made[0]


def _enter(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(namespace, _NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(namespace)


ADDRESS = "45.66.77."
WORKING, DROPPED, REFUSED, NO_HOST, FORBIDDEN, HALF = (f"{ADDRESS}{n}" for n in range(10, 16))
OTHERS, PROXY = f"{ADDRESS}20", f"{ADDRESS}30"
_DEAF = f"{ADDRESS}250"
_NAMES = {
    "works": WORKING,
    "dropped": DROPPED,
    "refused": REFUSED,
    "no-host": NO_HOST,
    "forbidden": FORBIDDEN,
    "half": HALF,
    "others": OTHERS,
    "nowhere-to": "192.88.99.1",
    "sunk": "0.0.0.0",
}
_FILTERS = f"""
*filter
-A INPUT -d {DROPPED} -j DROP
-A INPUT -d {_DEAF} -j DROP
-A INPUT -d {REFUSED} -p tcp --dport 443 -j REJECT --reject-with tcp-reset
-A INPUT -d {NO_HOST} -p tcp --dport 443 -j REJECT --reject-with icmp-host-unreachable
-A INPUT -d {FORBIDDEN} -p tcp --dport 443 -j REJECT --reject-with icmp-admin-prohibited
-A INPUT -d {HALF} -p tcp -m length --length 200: -j DROP
COMMIT
"""


class Internet(Machine):
    """One machine that is an internet to itself: dnsmasq, iptables, and every address its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ["unshare", "-n"], "127.0.0.1")
        self.do("ip", "link", "set", "lo", "up")
        self.do("ip", "route", "add", "local", f"{ADDRESS}0/24", "dev", "lo")
        self.do("iptables-restore", stdin=_FILTERS)
        self._answer_with_failures()
        self._start_resolver(folder)

    def _start_resolver(self, folder: Path) -> None:
        lines = ["no-resolv", "no-hosts", "listen-address=127.0.0.1", "bind-interfaces"]
        lines += ["local=/example.com/", "user=root", "pid-file=", "cache-size=0"]
        lines += [f"address=/{name}.example.com/{address}" for name, address in _NAMES.items()]
        lines += [
            "server=/servfail.example.com/127.0.0.1#5399",
            f"server=/deaf.example.com/{_DEAF}",
        ]
        conf = folder / "dnsmasq.conf"
        conf.write_text("\n".join([*lines, ""]))
        words = [*self.inside(), "dnsmasq", "--keep-in-foreground", f"--conf-file={conf}"]
        resolver = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.ending.callback(resolver.wait)
        self.ending.callback(resolver.terminate)
        end = time.monotonic() + _PATIENCE
        while not self._resolves():
            assert time.monotonic() < end, "the resolver did not start"
            time.sleep(0.02)

    def _resolves(self) -> bool:
        words = [*self.inside(), "getent", "ahosts", "works.example.com"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def _answer_with_failures(self) -> None:
        """A resolver behind the resolver that answers SERVFAIL."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(("127.0.0.1", 5399))
            return made

        sock = within(self.pid, make)

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    asked, where = sock.recvfrom(2048)
                    sock.sendto(asked[:2] + b"\x81\x82" + asked[4:], where)

        threading.Thread(target=answer, daemon=True).start()
        self.ending.callback(sock.close)
