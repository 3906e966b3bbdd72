"""The user's machine: the engine's machine, with programs that this one has.

They run in the engine's network, with its resolver, and with a home and a PATH of their own.  Both
machines call the test's directory by the same path.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import trustme

from tests.engines.engine import Done, Engine
from tests.engines.machine import _until
from tests.engines.story.names import ADDRESSES, LINK
from tests.engines.story.planting import SHELL

ROOT = Path(__file__).parents[3]
_DOCKER = ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "docker"]
_MOUNTED = """
mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && mount --bind "$2" /etc/hosts && exec cat
"""
_OUTSIDE = f"""
link set lo up
link set st0 up
addr add {LINK[1]}/30 dev st0
route add default via {LINK[0]}
"""
_BROWSER = """\
#!/bin/sh
# A browser whose user agrees to everything.
curl -sSL --cacert {ca} --max-time 20 -o /dev/null "$1"
"""
_DDEV = """\
#!/bin/sh
# `ddev exec -s claude -d DIRECTORY --raw -- COMMAND …`
[ "$1 $2 $3 $4 $6 $7" = "exec -s claude -d --raw --" ] || exit 64
directory=$5
shift 7
exec docker exec -w "$directory" ddev-bakery-claude "$@"
"""


class Took(NamedTuple):
    """Seconds of the clock, and of the processors."""

    wall: float
    cpu: float


class Host:
    """The machine on which the user works; ``folder`` is for its programs and logs."""

    def __init__(self, engine: Engine, home: Path, project: Path) -> None:
        self.engine, self.machine = engine, engine.machine
        self.home, self.project = home, project
        self.folder = self.machine.state / "host"
        self.folder.mkdir()
        self.shell = dict(SHELL)
        self._same_path()
        self._outside()
        self._certificates()
        self._inside()
        self._programs()

    @property
    def ca(self) -> Path:
        return self.folder / "story-ca.pem"

    def words(self, *command: str) -> list[str]:
        """The words that run a command of the user's."""
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        variables = {"PATH": path, "HOME": str(self.home), "SSL_CERT_FILE": str(self.ca)}
        variables |= {"BROWSER": str(self.folder / "bin/browser"), "LANG": "C.UTF-8"}
        variables |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        pairs = [f"{name}={value}" for name, value in (variables | self.shell).items()]
        enter = [f"--net=/proc/{self._pid}/ns/net", f"--mount=/proc/{self._pid}/ns/mnt"]
        return ["nsenter", *enter, "--", "env", "-i", "-C", str(self.project), *pairs, *command]

    def run(self, *command: str, timeout: float = 120) -> Done:
        done = subprocess.run(
            self.words(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *command: str) -> Done:
        done = self.run(*command)
        assert done.code == 0, f"{shlex.join(command)}: {done.code} {done.out}{done.err}"
        return done

    def addon(self, name: str, *words: str) -> Done:
        """A host command of the add-on, as DDEV runs it."""
        given = [f"DDEV_APPROOT={self.project}", "DDEV_EXECUTABLE=ddev"]
        script = f"{self.project}/.ddev/commands/host/{name}"
        return self.run("env", *given, "bash", script, *words)

    def timed(self, *command: str) -> Took:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        self.must(*command)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Took(round(wall, 3), round(used, 3))

    def serve(self, role: str) -> None:
        """Start servers of the story: ``ray`` on this machine, ``outside`` beyond it."""
        pid = {"ray": self._pid, "outside": self._stub}[role]
        words = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", sys.executable]
        module = "tests.engines.story.servers"
        self.machine._hold([*words, "-m", module, role, str(self.folder)])

    def until_served(self) -> None:
        for role in ("ray", "outside"):
            try:
                _until((self.folder / f"{role}.ready").exists)
            except TimeoutError:
                raise AssertionError((self.machine.state / "log").read_text()) from None

    def _same_path(self) -> None:
        here = str(self.machine.state)
        self.machine.run("mkdir", "-p", here)
        self.machine.run("mount", "--rbind", "/state", here)

    def _outside(self) -> None:
        """A machine with the servers of the names, beside the internet."""
        self._stub = self.machine._hold(["unshare", "--net", "cat"])
        own = os.readlink("/proc/self/ns/net")
        _until(lambda: os.readlink(f"/proc/{self._stub}/ns/net") != own)
        here = ["nsenter", f"--net=/proc/{self.machine._init}/ns/net", "--", "ip"]
        there = ["nsenter", f"--net=/proc/{self._stub}/ns/net", "--", "ip", "-batch", "-"]
        peer = ["peer", "name", "st0", "netns", str(self._stub)]
        subprocess.run([*here, "link", "add", "st0", "type", "veth", *peer], check=True)
        lines = _OUTSIDE + "".join(f"addr add {a}/32 dev lo\n" for a in ADDRESSES.values())
        subprocess.run(there, check=True, input=lines, text=True)
        ours = f"link set st0 up\naddr add {LINK[0]}/30 dev st0\n"
        ours += "".join(f"route add {a}/32 via {LINK[1]}\n" for a in ADDRESSES.values())
        subprocess.run([*here, "-batch", "-"], check=True, input=ours, text=True)
        for name, address in ADDRESSES.items():
            self._name(name, address)

    def _name(self, name: str, address: str) -> None:
        said = {"name": name, "behaviour": {"A": [address], "ttl": 60}}
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.machine.state / "dns.sock"))
            sock.sendall(json.dumps(said).encode() + b"\n")
            sock.recv(16)

    def _certificates(self) -> None:
        authority = trustme.CA(organization_name="story")
        made = authority.issue_cert(*ADDRESSES)
        authority.cert_pem.write_to_path(self.ca)
        made.private_key_and_cert_chain_pem.write_to_path(self.folder / "server.pem")

    def _inside(self) -> None:
        """The machine's network, with its resolver in the place of this one's."""
        resolver, hosts = self.folder / "resolv.conf", self.folder / "hosts"
        resolver.write_text("nameserver 45.66.77.53\n")
        hosts.write_text("127.0.0.1 localhost\n")
        script = ["sh", "-c", _MOUNTED, "sh", str(resolver), str(hosts)]
        network = f"--net=/proc/{self.machine._init}/ns/net"
        words = ["nsenter", network, "--", "unshare", "--mount", "--propagation", "private"]
        self._pid = self.machine._hold([*words, *script])
        mounts = Path(f"/proc/{self._pid}/mounts")
        _until(lambda: " /etc/hosts " in mounts.read_text())

    def _programs(self) -> None:
        (self.folder / "bin").mkdir()
        docker = shlex.join(self.machine.words(*_DOCKER))
        mcpconf = shlex.join([sys.executable, "-P", "-m", "mcpconf"])
        for name, text in (
            ("docker", f'#!/bin/sh\nexec {docker} "$@"\n'),
            ("mcpconf", f'#!/bin/sh\nexec {mcpconf} "$@"\n'),
            ("ddev", _DDEV),
            ("browser", _BROWSER.format(ca=shlex.quote(str(self.ca)))),
        ):
            path = self.folder / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
