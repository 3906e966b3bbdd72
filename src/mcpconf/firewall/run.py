"""Starts other programs: their input is a text, what they say comes back.  No shell.

``subprocess`` would take a tenth of the time that an apply has.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C"}
NOT_FOUND = 127


class Done(NamedTuple):
    """How a program ended: its exit code (negative: the signal), what it printed."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What it complained about, on one line."""
        return " ".join((self.err or self.out).split())[:300] or f"exit code {self.code}"


class Running:
    """A program under way."""

    def __init__(self, pid: int, out: int, err: int) -> None:
        self._pid, self._out, self._err = pid, out, err

    def wait(self) -> Done:
        """Wait for its end."""
        if not self._pid:
            return Done(NOT_FOUND, "", "the program is not there")
        _, status = os.waitpid(self._pid, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        return Done(code, _taken(self._out), _taken(self._err))


def find(program: str) -> str:
    """The path of a program in the system's own directories; "" if it is not there."""
    for directory in SYSTEM_PATH.split(":"):
        path = f"{directory}/{program}"
        if os.access(path, os.X_OK):
            return path
    return ""


def start(argv: Sequence[str], text: str = "") -> Running:
    """Start a program; ``text`` is its standard input."""
    path = find(argv[0]) if "/" not in argv[0] else argv[0]
    if not path:
        return Running(0, -1, -1)
    given, out, err = (os.memfd_create(name) for name in ("in", "out", "err"))
    _write_all(given, text.encode())
    os.lseek(given, 0, os.SEEK_SET)
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((given, out, err))]
    try:
        pid = os.posix_spawn(path, list(argv), ENVIRONMENT, file_actions=actions)
    except OSError:
        pid = 0
    os.close(given)
    return Running(pid, out, err)


def run(argv: Sequence[str], text: str = "") -> Done:
    """Run a program to its end."""
    return start(argv, text).wait()


def start_apart(argv: Sequence[str], log: str = "/dev/null") -> int:
    """Start a program that outlives this one, in a session of its own; returns its pid.

    What it says is added to ``log``.  Raises OSError.
    """
    flags = os.O_WRONLY | os.O_APPEND | (0 if log == "/dev/null" else os.O_CREAT)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o640),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    path = find(argv[0]) if "/" not in argv[0] else argv[0]
    return os.posix_spawn(path, list(argv), ENVIRONMENT, file_actions=actions, setsid=True)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _taken(descriptor: int) -> str:
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, size).decode("utf-8", "replace") if size else ""
    finally:
        os.close(descriptor)


def complain(message: str, *helps: str) -> None:
    """Say on standard error what is wrong, and what mends it."""
    sys.stderr.write(f"mcpconf-fw: {message}\n")
    for text in helps:
        sys.stderr.write(f"  help: {text}\n")
    sys.stderr.flush()
