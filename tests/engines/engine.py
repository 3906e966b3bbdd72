"""Docker and Podman on a machine of their own, and containers in them."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tests.engines.machine import OWNER, PARENT, Machine
from tests.engines.rootfs import IMAGE, NEW, OLD, Recipe, ready

AGENT = 1000
NETWORK = "project"
"""The user-defined network."""

_IMAGE = "mcpconf-test"
_FIRST_PROCESS = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
_DOCKERD = f"""
dockerd --data-root /state/disk/engine --cgroup-parent {PARENT} --storage-driver overlay2
  --bip 10.77.1.1/24 --pidfile /run/dockerd.pid
""".split()
_SUBNETS = "--ipv6 --subnet 10.77.2.0/24 --subnet fd88:2::/64".split()
_PODMAN = "NET_ADMIN,NET_RAW"
"""Podman's containers have no ``NET_RAW``, without which iptables cannot ask for a set."""

_PATIENCE = 60  # seconds
_AS_OWNER = f"setpriv --reuid {OWNER} --regid {OWNER} --clear-groups".split()


class Kind(NamedTuple):
    """An engine: its program, where it comes from, and the networks that it has.

    ``capabilities`` are what a firewall needs besides those that every container has.
    """

    name: str
    program: str
    recipe: Recipe
    networks: tuple[str, ...]
    capabilities: str = "NET_ADMIN"
    rootless: bool = False


KINDS = (
    Kind("docker-20", "docker", OLD, ("bridge", NETWORK)),
    Kind("docker-26", "docker", NEW, ("bridge", NETWORK)),
    Kind("podman", "podman", NEW, ("podman", NETWORK), _PODMAN),
    Kind(
        "podman-rootless", "podman", NEW, ("pasta", "slirp4netns", NETWORK), _PODMAN, rootless=True
    ),
)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Container:
    """A container that is there; ``/opt/test`` in it is the machine's ``files``."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def root(self, *command: str, timeout: float = 60) -> Done:
        return self._engine.call("exec", self.name, *command, timeout=timeout)

    def agent(self, *command: str, timeout: float = 60) -> Done:
        return self._engine.call("exec", "-u", str(AGENT), self.name, *command, timeout=timeout)

    def background(self, *command: str) -> None:
        self._engine.must("exec", "-d", self.name, *command)

    def must(self, *command: str) -> str:
        """What a command of root's prints; it has to end well."""
        done = self.root(*command)
        assert done.code == 0, f"{' '.join(command)}: {done.code} {done.out}{done.err}"
        return done.out

    def get(self, url: str, *options: str) -> Done:
        """Fetch as the agent."""
        quick = ["-sS", "--max-time", "8", "--cacert", "/opt/test/ca.pem"]
        return self.agent("curl", *quick, *options, url)

    def restart(self) -> None:
        self._engine.must("restart", self.name)


class Engine:
    """An engine that runs."""

    def __init__(self, kind: Kind, machine: Machine) -> None:
        self.kind = kind
        self.machine = machine
        self._numbers = itertools.count()

    def call(self, *words: str, stdin: IO[bytes] | None = None, timeout: float = 60) -> Done:
        """Run the engine's client."""
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        environment += ["PODMAN_IGNORE_CGROUPSV1_WARNING=1"]
        if self.kind.rootless:
            environment += ["HOME=/state/disk/home", "XDG_RUNTIME_DIR=/state/disk/home", *_AS_OWNER]
        command = self.machine.words(*environment, self.kind.program, *words)
        done = subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str, stdin: IO[bytes] | None = None) -> str:
        done = self.call(*words, stdin=stdin)
        assert done.code == 0, f"{' '.join(words)}: {done.err}"
        return done.out

    @contextmanager
    def container(self, network: str, capabilities: str | None = None) -> Iterator[Container]:
        """A container with the capabilities, those for a firewall where none are named."""
        name = f"box-{next(self._numbers)}"
        words = ["run", "-d", "--name", name, "--network", network]
        added = self.kind.capabilities if capabilities is None else capabilities
        words += [f"--cap-add={each}" for each in added.split(",") if each]
        words += ["-v", "/state/files:/opt/test:ro", *self._habits(network)]
        self.must(*words, _IMAGE, "sh", "-c", _FIRST_PROCESS)
        try:
            yield Container(self, name)
        finally:
            self.call("rm", "-f", name)

    def _habits(self, network: str) -> list[str]:
        words = [] if self.kind.rootless else ["--cgroup-parent", PARENT]
        if network != "slirp4netns":  # Podman does not know the host's address there
            words += ["--add-host", "host.docker.internal:host-gateway"]
        return words


@contextmanager
def running(kind: Kind, state: Path) -> Iterator[Engine]:
    """An engine on a new machine, with the image and the user-defined network."""
    machine = Machine(ready(kind.recipe), state)
    try:
        engine = Engine(kind, machine)
        if kind.program == "docker":
            machine.start(*_DOCKERD)
            _wait_for(engine)
        with ready(IMAGE).open("rb") as image:
            engine.must("import", "-", _IMAGE, stdin=image)
        engine.must("network", "create", *_SUBNETS, NETWORK)
        yield engine
    finally:
        machine.close()


def _wait_for(engine: Engine) -> None:
    end = time.monotonic() + _PATIENCE
    while (done := engine.call("version")).code:
        assert time.monotonic() < end, done.err
        time.sleep(0.05)
