"""A computer with an internet behind it, in namespaces that end with this process.

Nothing outside is touched: the machine has its own processes, mounts and network; engines inside
make their bridges and rules there.  Everything of it ends when its stdin closes, by whatever cause.
The internet is that of ``tests/netns/lab``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.netns.lab.certificates import write_certificates
from tests.netns.lab.logs import Entry, entries

OWNER = 1001
"""The user of the machine under whom rootless engines run."""

PARENT = f"/mcpconf-test-{os.getpid()}"
"""Where the containers are in the tree of control groups."""

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_NAMESPACES = "--net --mount --pid --uts --ipc --fork --kill-child".split()
_LINK, _LINK6 = ("10.99.0.1", "10.99.0.2"), ("fd99::1", "fd99::2")
_PATIENCE = 20  # seconds
_INTERNET = f"""
link set lo up
link set up0 up
addr add {_LINK[1]}/30 dev up0
addr add {_LINK6[1]}/64 dev up0 nodad
route add fd88::/16 via {_LINK6[0]}
route add local 45.66.77.0/24 dev lo
route add local 45.70.0.0/15 dev lo
route add local 2a0b:4142::/32 dev lo
route add local 0.0.0.0/0 dev lo table 100
route add local ::/0 dev lo table 100
rule add from 0.0.0.0/0 iif up0 lookup 100
rule add from ::/0 iif up0 lookup 100
"""
_MACHINE = f"""
link set up0 up
addr add {_LINK[0]}/30 dev up0
addr add {_LINK6[0]}/64 dev up0 nodad
route add default via {_LINK[1]}
route add default via {_LINK6[1]}
"""
_FORWARDING = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1".split()


class Machine:
    """One computer.  ``state`` is ``/state`` inside, ``files`` is ``/state/files``."""

    def __init__(self, root: Path, state: Path) -> None:
        self.state = state
        self._started: list[subprocess.Popen[bytes]] = []
        self._ending = contextlib.ExitStack()
        try:
            self._start(root)
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> Path:
        return self.state / "files"

    def close(self) -> None:
        """End every process inside and remove what they left; a second time is harmless."""
        self._ending.close()
        for started in self._started:
            started.wait()

    def words(self, *command: str) -> list[str]:
        """The words that run a command on the machine."""
        return ["nsenter", "-t", str(self._init), "-n", "-m", "-p", "-u", "-i", "--", *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.words(*command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *command: str) -> None:
        """Run a command until the machine ends; it says what it has to say in ``STATE/log``."""
        with (self.state / "log").open("ab") as log:
            self._started += [
                subprocess.Popen(
                    self.words(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            ]

    def seen(self, token: str) -> list[Entry]:
        """Requests to the internet's and the machine's web servers with ``token`` in the path."""
        logs = (self.state / "internet.jsonl", self.state / "host.jsonl")
        return [e for log in logs for e in entries(log, 0) if token in e.get("path", "")]

    def asked(self, name: str) -> list[Entry]:
        """The internet's resolver was asked for a name."""
        return [e for e in entries(self.state / "dns.jsonl", 0) if e.get("name") == name]

    def _start(self, root: Path) -> None:
        self._ending.callback(shutil.rmtree, self.state, ignore_errors=True)
        self._ending.callback(_remove_control_groups)
        script = ["sh", str(_HERE / "machine.sh"), str(self.state), str(root), str(OWNER)]
        self._init = _first_child(self._hold(["unshare", *_NAMESPACES, *script]))
        self._until_exists("ready")
        internet = self._hold(["unshare", "--net", "cat"])
        _until(lambda: os.readlink(f"/proc/{internet}/ns/net") != os.readlink("/proc/self/ns/net"))
        self._wire(internet)
        write_certificates(self.state)
        shutil.copy(self.state / "ca.pem", self.files)
        plan = {"internet": [internet, ["internet", "dns"]], "host": [self._init, ["host"]]}
        self._hold(
            [sys.executable, "-m", "tests.netns.lab.helpers", str(self.state), json.dumps(plan)]
        )
        for name in ("internet.jsonl", "dns.jsonl", "host.jsonl"):
            self._until_exists(name)
            _until(lambda name=name: '"ready": true' in (self.state / name).read_text())

    def _hold(self, words: list[str]) -> int:
        """Start something that lives until its stdin ends; returns its process id."""
        with (self.state / "log").open("ab") as log:
            held = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=_ROOT)
        self._ending.callback(held.communicate)
        return held.pid

    def _until_exists(self, name: str) -> None:
        try:
            _until((self.state / name).exists)
        except TimeoutError:
            raise RuntimeError((self.state / "log").read_text()) from None

    def _wire(self, internet: int) -> None:
        beyond = ["nsenter", f"--net=/proc/{internet}/ns/net", "--"]
        here = ["nsenter", f"--net=/proc/{self._init}/ns/net", "--"]
        peer = ["peer", "name", "up0", "netns", str(internet)]
        subprocess.run([*here, "ip", "link", "add", "up0", "type", "veth", *peer], check=True)
        for where, commands in ((beyond, _INTERNET), (here, _MACHINE)):
            subprocess.run([*where, "ip", "-batch", "-"], check=True, input=commands, text=True)
        subprocess.run([*here, "sysctl", "-qw", *_FORWARDING], check=True)


def _first_child(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    _until(lambda: bool(children.read_text().split()))
    return int(children.read_text().split()[0])


def _until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def _remove_control_groups() -> None:
    """What is left of the containers' control groups, in either version's tree."""
    for tree in (Path("/sys/fs/cgroup"), *_trees()):
        for folder, _, _ in os.walk(f"{tree}{PARENT}", topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _trees() -> Iterator[Path]:
    return (path for path in Path("/sys/fs/cgroup").iterdir() if path.is_dir())
