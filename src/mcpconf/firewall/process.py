"""Engines as processes: which runs, and how it is ended.  By pid, and only if it is the one."""

from __future__ import annotations

import os
import signal
import time

from mcpconf.firewall.state import read_file

_PROCESS_PAUSE = 0.005  # seconds
_ENDS_WITHIN = 2.0


def pid_of(pid_file: str, mark: str) -> int:
    """The pid in a file if that process runs and its command line holds ``mark``; else 0."""
    text = read_file(pid_file).strip()
    if not text.isdigit() or not int(text):
        return 0
    command = read_file(f"/proc/{text}/cmdline").split("\0")
    return int(text) if mark in command and is_alive(int(text)) else 0


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    state = _stat(pid)
    return bool(state) and state[0] not in "ZX"


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not lost."""
    if not pid:
        return []
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [number for number in numbers if _stat(number)[1:2] == [str(pid)]]


def _stat(pid: int) -> list[str]:
    """The state of a process, its parent, and more (proc(5)); nothing where there is none."""
    return read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()


def tell(pid: int, number: int) -> bool:
    """Send a signal; False where the process has gone."""
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def end(pid_file: str, mark: str) -> bool:
    """End the process of a pid file, and wait for it; False where there is none."""
    pid = pid_of(pid_file, mark)
    if pid:
        tell(pid, signal.SIGTERM)
        if not wait_for(lambda: not is_alive(pid)):
            tell(pid, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid))
    if os.path.exists(pid_file):
        os.unlink(pid_file)
    return bool(pid)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def wait_for(come: Callable[[], bool], patience: float = _ENDS_WITHIN) -> bool:
    """Wait until something is so; False where it does not come within ``patience`` seconds."""
    end_at = time.monotonic() + patience
    while not come():
        if time.monotonic() > end_at:
            return False
        time.sleep(_PROCESS_PAUSE)
    return True
