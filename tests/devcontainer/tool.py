"""The real devcontainer CLI, with Docker on a machine of its own (``tests/engines``).

    python -m tests.devcontainer.tool

installs it with npm, once.  The engine's machine calls the test's directory by the same path, so a
workspace is in one place for the tool, for mcpconf and for the engine.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.engines.engine import KINDS, Done, Engine, running
from tests.engines.rootfs import IMAGE, Recipe, ready
from tests.kept import CACHE

_ROOT = Path(__file__).parents[2]
VERSION = "0.89.0"
BASE = "devc-base:bookworm"
"""An image with what the Feature needs, and the user ``vscode``, who has sudo."""

_IMAGE = Recipe("devc", "tar", "bookworm", f"bash ca-certificates sudo {IMAGE.packages}")
_CLI = CACHE / f"devcontainer-{VERSION}"
_DOCKERFILE = """\
FROM devc-raw
RUN useradd -m -s /bin/bash vscode && echo 'vscode ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/vscode
"""


class Up(NamedTuple):
    """How an ``up`` ended, and all that was said."""

    code: int
    log: str


class Tool:
    """The CLI and its engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.state = engine.machine.state
        self.work = self.state / "files"
        self._bin = self.state / "bin"
        self.home = self.state / "home"
        self._make()

    def _make(self) -> None:
        here = str(self.state)
        self.engine.machine.run("mkdir", "-p", here)
        self.engine.machine.run("mount", "--rbind", "/state", here)
        for folder in (self._bin, self.home, self.state / "tmp"):
            folder.mkdir()
        docker = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "docker"]
        self._program("docker", [*self.engine.machine.words(*docker)])
        mcpconf = ["env", f"HOME={self.home}", sys.executable, "-P", "-m", "mcpconf"]
        self._program("mcpconf", [*self._network, *mcpconf])

    @property
    def _network(self) -> list[str]:
        """The words that run a program of this machine in the network of the engine's."""
        return ["nsenter", f"--net=/proc/{self.engine.machine._init}/ns/net", "--"]

    @contextmanager
    def serving(self, port: int, token: str) -> Iterator[None]:
        """A server on the host's localhost, for who has its token; ends the gateway, too."""
        backend = str(_ROOT / "bench/proxy/backend.py")
        words = [sys.executable, backend, "http", "--port", str(port)]
        words += ["--set", json.dumps({"auth": token})]
        running = subprocess.Popen([*self._network, *words], stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            subprocess.run([self._bin / "mcpconf", "gateway", "stop"], check=True)
            running.terminate()
            running.wait()

    def _program(self, name: str, words: list[str]) -> None:
        path = self._bin / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)

    def project(self, name: str, config: str) -> Path:
        """A project with a devcontainer.json, for the user 1000 as in a clone."""
        folder = self.work / name / ".devcontainer"
        folder.mkdir(parents=True)
        (folder / "devcontainer.json").write_text(config)
        return folder.parent

    def mcpconf(self, *words: str, project: Path) -> str:
        done = subprocess.run(
            [self._bin / "mcpconf", *words, "--project", project],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self._own(project)
        return done.stderr

    def _own(self, project: Path) -> None:
        for path in (project, *project.rglob("*")):
            os.chown(path, 1000, 1000, follow_symlinks=False)

    def up(self, project: Path, *, host: bool = True) -> Up:
        """Bring a project up; without ``host``, on a machine that does not know mcpconf."""
        done = self.call("up", *_of(project), host=host)
        return Up(done.code, done.err + done.out)

    def call(self, *words: str, host: bool = True) -> Done:
        path = "/usr/local/bin:/usr/bin:/bin"
        if host:
            path = f"{self._bin}:{path}"
        node = str(Path(shutil.which("node") or "node").parent)
        docker = ["--docker-path", str(self._bin / "docker")] if words[0] in ("up", "exec") else []
        environment = {
            "PATH": f"{path}:{node}",
            "HOME": str(self.home),
            "TMPDIR": str(self.state / "tmp"),
        }
        done = subprocess.run(
            [_cli(), words[0], *docker, *words[1:]],
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def inside(self, project: Path, script: str) -> Done:
        """Run a script as remoteUser, in the workspace."""
        return self.call("exec", *_of(project), "sh", "-c", script)

    def id(self, project: Path) -> str:
        """The project's container, running or not."""
        label = f"label=devcontainer.local_folder={project}"
        return self.engine.must("ps", "-aq", "--filter", label).strip()


def _of(project: Path) -> list[str]:
    return ["--workspace-folder", str(project)]


@contextmanager
def tool(state: Path) -> Iterator[Tool]:
    """Docker 20.10, which builds without a plugin, with the base image."""
    kind = next(k for k in KINDS if k.name == "docker-20")
    with running(kind, state) as engine:
        with ready(_IMAGE).open("rb") as image:
            engine.must("import", "-", "devc-raw", stdin=image)
        made = Tool(engine)
        build = made.state / "tmp/base"
        build.mkdir()
        (build / "Dockerfile").write_text(_DOCKERFILE)
        engine.must("build", "-t", BASE, str(build))
        yield made


def _cli() -> str:
    """The CLI's program; installed where it is missing."""
    program = _CLI / "node_modules/.bin/devcontainer"
    if not program.exists():
        _CLI.mkdir(parents=True, exist_ok=True)
        call = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(_CLI)]
        subprocess.run(
            [*call, f"@devcontainers/cli@{VERSION}"], check=True, timeout=600, capture_output=True
        )
    return str(program)


if __name__ == "__main__":
    sys.stdout.write(_cli() + "\n")
