"""The container under test as a place to run commands in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.netns.lab.box import Box

ROOT = Path(__file__).resolve().parents[3]
PYTHON = [sys.executable, "-S"]
DOCKER = """
    chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot
    mknod audit_write setfcap
""".split()
"""The capabilities that Docker gives a container."""
FIREWALL = [*DOCKER, "net_admin"]
"""The same with what a firewall needs."""
ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
}
_NAMESPACES = "-m -p -n -u -i -r -w --".split()
_UNSHARE = "unshare -m -p -u -i --fork --kill-child --propagation private".split()
_PATIENCE = 20


class Container:
    """A container in a network namespace; ``namespace`` are the words that enter that."""

    def __init__(self, namespace: list[str], state: Path, box: Box) -> None:
        box = box._replace(bind=tuple(_bound(box.bind)))
        module = ["-m", "tests.netns.lab.box", str(state), json.dumps(box._asdict())]
        words = [*namespace, *_UNSHARE, *PYTHON, *module]
        self._process = spawn(words, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"READY\n":
            self.close()
            raise RuntimeError("the container did not start")
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        self._init = int(children.split()[0])

    def close(self) -> None:
        """End everything in it."""
        end(self._process)

    def words(self, command: list[str] | str, capabilities: list[str] | None) -> list[str]:
        """The words that run a command in the container; without capabilities named, with all."""
        inside = ["nsenter", "-t", str(self._init), *_NAMESPACES]
        if capabilities is not None:
            bounding = ",".join(["-all", *(f"+{name}" for name in capabilities)])
            inside += ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all"]
        return [*inside, *(["bash", "-c", command] if isinstance(command, str) else command)]

    def start(
        self,
        command: list[str] | str,
        capabilities: list[str] | None = FIREWALL,
        env: Mapping[str, str] | None = None,
        **how: Any,
    ) -> subprocess.Popen[Any]:
        """Start a command in the container, as root, in a process group of its own."""
        words = self.words(command, capabilities)
        return subprocess.Popen(words, env={**ENV, **(env or {})}, start_new_session=True, **how)

    def run(
        self,
        command: list[str] | str,
        capabilities: list[str] | None = FIREWALL,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as root."""
        return subprocess.run(
            self.words(command, capabilities),
            env={**ENV, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=timeout,
        )

    def force(self, command: str, stdin: str | bytes = b"") -> str:
        """What the laboratory itself does in the container, with all rights; returns the output."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.words(command, None), env=ENV, input=data, capture_output=True, check=False
        )
        return (done.stdout + done.stderr).decode(errors="replace")

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the container."""
        folder = os.path.dirname(path)
        self.force(f"mkdir -p {folder}; cat > {path}; chmod {mode:o} {path}", content)


def spawn(words: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start what ends with its stdin."""
    return subprocess.Popen(words, cwd=ROOT, env=ENV, stdin=subprocess.PIPE, **how)


def end(process: subprocess.Popen[bytes]) -> None:
    """Close the stdin that keeps a process alive, and wait for it."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _bound(wanted: tuple[str, ...]) -> list[str]:
    """The directories that the container's copy of the root would not show."""
    needed = {str(ROOT), sys.prefix, sys.base_prefix, *wanted}
    device = os.stat("/").st_dev
    return sorted(
        path
        for path in needed
        if path.startswith(("/tmp/", "/run/", "/dev/")) or os.stat(path).st_dev != device
    )
