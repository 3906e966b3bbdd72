"""One process that speaks MCP on its standard input and output.

It leads a process group of its own, so that what it starts ends with it.  What it writes is
bounded: a line by 64 MB, its standard error by the last 64 KB, which no client ever sees.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcpconf.gateway.keeper import Keeper
from mcpconf.gateway.pipes import Lines, Sink

GRACE = 2.0  # seconds between closing stdin, SIGTERM and SIGKILL
_KEPT = 64 * 1024
_LONGEST_QUEUE = 64 * 1024 * 1024
_PIPE = 256 * 1024
_LINGER = 1.0


@dataclass(frozen=True, repr=False)
class Command:
    """What is run.  Its arguments and environment may be secret, so it has no repr."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None


class Nursery:
    """All children of the gateway: SIGCHLD says that one has ended."""

    def __init__(self, soft_files: int | None = None) -> None:
        self.children: set[Child] = set()
        self.keeper = Keeper()
        self.soft_files = soft_files
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, self.reap)

    def reap(self) -> None:
        for child in tuple(self.children):
            child.look()

    async def close(self) -> None:
        """End everything in order, within about four seconds."""
        for child in tuple(self.children):
            child.stop()
        await self._gone(2 * GRACE + 1)
        for child in tuple(self.children):
            child.kill()
        await self._gone(1.0)
        for child in tuple(self.children):
            child.kill()
        self._loop.remove_signal_handler(signal.SIGCHLD)
        self.keeper.close()

    async def _gone(self, patience: float) -> None:
        deadline = self._loop.time() + patience
        while any(c.alive for c in self.children) and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
            self.reap()


class Child:
    """A running process.

    Args:
        nursery: where it is counted.
        command: what to run.
        line: called with every line that it writes.
        ended: called once, with a word about its end.

    Raises:
        OSError: it cannot be started.

    """

    def __init__(
        self,
        nursery: Nursery,
        command: Command,
        line: Callable[[bytes], None],
        ended: Callable[[str], None],
    ) -> None:
        self._nursery = nursery
        self._ended: Callable[[str], None] | None = ended
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._said = bytearray()
        stdin, stdout, stderr = self._start(command)
        nursery.children.add(self)
        nursery.keeper.add(self.pid)
        self._sink = Sink(stdin)
        self.lines = Lines(stdout, line, self.stop)
        self._stderr = stderr
        os.set_blocking(stderr, False)
        self._loop.add_reader(stderr, self._hear)

    def _start(self, command: Command) -> tuple[int, int, int]:
        theirs, ours = zip(os.pipe(), _roomy_pipe()[::-1], os.pipe()[::-1], strict=True)
        try:
            self._process = subprocess.Popen(  # noqa: S603  configured and trusted by the user
                list(command.argv),
                env=dict(command.env),
                cwd=command.cwd,
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=theirs[2],
                start_new_session=True,
            )
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        self.pid = self._process.pid
        self._limit_files()
        return ours[0], ours[1], ours[2]

    def _limit_files(self) -> None:
        """Give the child back the limit that the gateway has raised for itself (Linux)."""
        soft = self._nursery.soft_files
        if soft is not None and hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError, ValueError):
                _, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (soft, hard))

    @property
    def alive(self) -> bool:
        return self._ended is not None

    @property
    def said(self) -> bytes:
        """The last 64 KB of its standard error."""
        return bytes(self._said)

    def write(self, line: bytes) -> bool:
        """Send one line; False if it does not read what it was sent before."""
        if self._sink.size > _LONGEST_QUEUE:
            return False
        self._sink.write(line + b"\n")
        return True

    def pause(self) -> None:
        """Read nothing more for a while: what it writes then waits in its pipe."""
        self.lines.pause()

    def resume(self) -> None:
        self.lines.resume()

    def stop(self) -> None:
        """Close its input, and end it if it does not go: in 2 s by SIGTERM, in 4 by SIGKILL."""
        if self._timer is None and self._ended is not None:
            self._sink.close()
            self._timer = self._loop.call_later(GRACE, self._terminate)

    def _terminate(self) -> None:
        self._sink.abort()
        self._signal(signal.SIGTERM)
        self._timer = self._loop.call_later(GRACE, self.kill)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self.alive:
            self.look()
        else:
            self._bury()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def look(self) -> None:
        """See whether it has ended; if so, say so, and end what it has left behind.

        It stays a zombie for a second: as long as it is one, nobody else can get its number, and
        the group can be signalled safely.
        """
        if self._ended is None or not self._has_ended():
            return
        ended, self._ended = self._ended, None
        self._signal(signal.SIGTERM)
        self.lines.drain()
        self._release()
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER, self.kill)
        ended(self._status())

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS
            return self._process.poll() is not None
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG
        self._exit = os.waitid(os.P_PID, self.pid, options)
        return self._exit is not None

    def _status(self) -> str:
        if hasattr(os, "waitid"):
            assert self._exit is not None
            code, killed = self._exit.si_status, self._exit.si_code != os.CLD_EXITED
        else:
            code, killed = abs(self._process.returncode), self._process.returncode < 0
        if self.lines.too_long:
            return "was ended: it wrote a line of more than 64 MB"
        return f"was ended by signal {code}" if killed else f"exited with status {code}"

    def _release(self) -> None:
        self._sink.abort()
        self.lines.close()
        self._hear()
        if self._stderr >= 0:
            self._loop.remove_reader(self._stderr)
            os.close(self._stderr)
            self._stderr = -1

    def _bury(self) -> None:
        if self in self._nursery.children:
            self._process.wait()
            self._nursery.children.discard(self)
            self._nursery.keeper.remove(self.pid)

    def _hear(self) -> None:
        if self._stderr < 0:
            return
        try:
            data = os.read(self._stderr, _KEPT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._stderr)
            os.close(self._stderr)
            self._stderr = -1
            return
        self._said += data
        del self._said[:-_KEPT]


def _roomy_pipe() -> tuple[int, int]:
    """A pipe (read, write) that holds four times what is usual, where that can be had (Linux).

    Not more: all pipes of a user share a budget of 64 MB, see pipe(7).
    """
    ends = os.pipe()
    size = getattr(fcntl, "F_SETPIPE_SZ", None)
    if size is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(ends[1], size, _PIPE)
    return ends


def _close(ends: Sequence[int]) -> None:
    for end in ends:
        os.close(end)
