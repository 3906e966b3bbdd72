"""The laboratory: started, used, and gone when its ``with`` ends.

    with Lab() as lab:
        lab.run(["curl", "https://allowed.test/"])

Needs root, iproute2, util-linux, overlayfs, and the programs of the firewall under test.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.netns.lab.addresses import AGENT
from tests.netns.lab.box import Box, resolv_conf
from tests.netns.lab.certificates import write_certificates
from tests.netns.lab.container import PYTHON, ROOT, Container, end, spawn
from tests.netns.lab.docker_dns import Ports
from tests.netns.lab.logs import Entry, entries
from tests.netns.lab.network import Network
from tests.netns.lab.servers import PORTS
from tests.netns.lab.sniffer import WATCHED

_PATIENCE = 20
_CLEAR = f"""
kill -9 $(ps -eo pid=,uid= | awk '$1 > 1 && $1 != '$$' && $2 != {AGENT} {{ print $1 }}')
nft flush ruleset
for six in '' 6; do
  for table in $(cat /proc/net/ip${{six}}_tables_names); do
    ip${{six}}tables-legacy -t $table -F; ip${{six}}tables-legacy -t $table -X
  done
  for chain in INPUT OUTPUT FORWARD; do
    grep -q filter /proc/net/ip${{six}}_tables_names && ip${{six}}tables-legacy -P $chain ACCEPT
  done
done
ipset destroy; conntrack -F
"""


class Kind(NamedTuple):
    """What kind of container and site it is.

    ``docker_backend``: where Docker's own rules are, ``nft``, ``legacy`` or ``native`` (a table of
    its own, as from Docker 29 on); empty for the container's backend.  ``bind``: directories that
    the container sees besides, read-only.
    """

    backend: str = "nft"
    docker_backend: str = ""
    docker_dns: bool = True
    ipv6: bool = True
    read_only_proc_sys: bool = False
    latency: float = 0.0
    bind: tuple[str, ...] = ()


class Lab:
    """One laboratory.  Several may run at once."""

    def __init__(self, kind: Kind = Kind()) -> None:  # noqa: B008  # a constant
        self.kind = kind
        self._ending = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take everything away; a second time is harmless."""
        self._ending.close()

    # --- the container: run, start, force, write (container.py) ---

    def clear(self) -> None:
        """Back to a container in which only the agent runs and no firewall was ever applied."""
        self.force(_CLEAR)
        self.force("cat > /etc/resolv.conf", resolv_conf(docker_dns=self.kind.docker_dns))
        self.docker_rules()

    def docker_rules(self) -> None:
        """Put the rules of Docker's resolver into the container, as Docker does at its start."""
        if not self.kind.docker_dns:
            return
        if self._docker_backend == "native":
            said = self.force("nft -f -", self._docker_ports().table)
        else:
            program = f"iptables-{self._docker_backend}-restore"
            said = self.force(f"{program} --noflush", self._docker_ports().rules)
        if said:
            raise RuntimeError(f"the rules of Docker's resolver: {said}")

    def docker_rules_left(self) -> int:
        """How many of the six rules of Docker's resolver are there; six if it has none."""
        if not self.kind.docker_dns:
            return 6
        if self._docker_backend == "native":
            return 2 + self.force("nft list table ip docker-dns").count("counter")
        saved = self.force(f"iptables-{self._docker_backend}-save -t nat")
        return sum("127.0.0.11" in line for line in saved.splitlines())

    def docker_dns_port(self, protocol: str) -> int:
        """The port at which Docker's resolver really is, for ``udp`` or ``tcp``."""
        return self._docker_ports()[protocol]

    # --- the world around it ---

    def inside(self, namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the host, the neighbours or the internet."""
        words = [*self._network.inside(namespace), *command]
        return subprocess.run(words, cwd=ROOT, capture_output=True, check=False, text=True)

    def names(self, **order: Any) -> None:
        """Change what the resolver does: ``name`` and ``behaviour``, ``down``, ``latency``."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(str(self.state / "dns.sock"))
            sock.sendall(json.dumps(order).encode() + b"\n")
            sock.recv(16)

    # --- what was seen ---

    def wire(self, since: float) -> list[Entry]:
        """The packets that left the container, and those that its host forwarded."""
        logs = [self._log(watched.name, since) for watched in WATCHED]
        return [entry for log in logs for entry in log if "dst" in entry]

    def queries(self, since: float) -> list[Entry]:
        """The queries that reached a resolver."""
        return [entry for entry in self._log("dns", since) if "name" in entry]

    def served(self, since: float, *roles: str) -> list[Entry]:
        """What servers received."""
        logs = [self._log(role, since) for role in roles or PORTS]
        return [entry for log in logs for entry in log if "dst" in entry]

    def _log(self, name: str, since: float) -> list[Entry]:
        return list(entries(self.state / f"{name}.jsonl", since))

    # --- start ---

    def _start(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="mcpconf-lab-"))
        self._ending.callback(shutil.rmtree, self.state, ignore_errors=True)
        write_certificates(self.state)
        self._network = Network(ipv6=self.kind.ipv6)
        self._ending.callback(self._network.close)
        self._start_helpers()
        self._start_container()
        self._wait_for_helpers()
        self.docker_rules()
        if self.kind.latency:
            self.names(latency=self.kind.latency)

    def _start_helpers(self) -> None:
        tasks = {name: [name] for name in PORTS}
        tasks["host"] += [watched.name for watched in WATCHED]
        tasks["internet"].append("dns")
        tasks["box"] = ["docker_dns"] if self.kind.docker_dns else []
        plan = {name: [self._network.pids[name], names] for name, names in tasks.items()}
        module = ["-m", "tests.netns.lab.helpers"]
        with (self.state / "helpers.err").open("w") as errors:
            words = [*PYTHON, *module, str(self.state), json.dumps(plan), "remove"]
            helpers = spawn(words, stderr=errors)
        self._ending.callback(end, helpers)

    def _start_container(self) -> None:
        kind = self.kind
        box = Box(kind.backend, kind.docker_dns, kind.read_only_proc_sys, kind.bind)
        self.container = container = Container(self._network.inside("box"), self.state, box)
        self._ending.callback(container.close)
        self.run, self.start = container.run, container.start
        self.force, self.write = container.force, container.write

    def _wait_for_helpers(self) -> None:
        wanted = [f"{name}.jsonl" for name in (*PORTS, "dns", *(w.name for w in WATCHED))]
        if self.kind.docker_dns:
            wanted.append("docker_dns.json")
        end = time.monotonic() + _PATIENCE
        while missing := [name for name in wanted if not self._says_something(name)]:
            if time.monotonic() > end:
                errors = (self.state / "helpers.err").read_text()
                raise RuntimeError(f"the laboratory has no {', '.join(missing)}: {errors}")
            time.sleep(0.01)

    def _says_something(self, name: str) -> bool:
        path = self.state / name
        return path.exists() and path.stat().st_size > 0

    # --- Docker's resolver ---

    @property
    def _docker_backend(self) -> str:
        return self.kind.docker_backend or self.kind.backend

    def _docker_ports(self) -> Ports:
        return Ports(json.loads((self.state / "docker_dns.json").read_text()))
