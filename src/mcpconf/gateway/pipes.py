"""The two ends of a process's pipes: lines out of it, bytes into it, both bounded.

asyncio's own pipe transports allocate 256 KB for every read and a thread per child to wait in;
these read into what the pipe holds and are told by the loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

LONGEST_LINE = 64 * 1024 * 1024
_READ = 64 * 1024
_READ_MORE = 1024 * 1024
_TURN = 4 * 1024 * 1024  # bytes read from one pipe before others get their turn


class Lines:
    """Reads a descriptor and hands out whole lines, without their line feed."""

    def __init__(self, fd: int, line: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._fd = fd
        self._line = line
        self._ended = ended
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._paused = False
        self._read = _READ
        self.too_long = False  # it wrote a line without end, and is not read any more
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._ready)

    def _ready(self) -> None:
        taken = 0
        while self._fd >= 0 and not self._paused and taken < _TURN:
            try:
                data = os.read(self._fd, self._read)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                self._ended()
                return
            taken += len(data)
            full = len(data) == self._read
            self._read = _READ_MORE if full else _READ
            self._take(data)
            if not full:
                return

    def _take(self, data: bytes) -> None:
        first, feed, rest = data.partition(b"\n")
        if not feed:
            self._keep(data)
            return
        if self._parts:
            self._parts.append(first)
            first = b"".join(self._parts)
            self._parts.clear()
        if self._skipping:
            self._skipping = False
        else:
            self._line(first)
        self._size = 0
        if rest:
            *lines, last = rest.split(b"\n")
            for line in lines:
                self._line(line)
            if last:
                self._keep(last)

    def _keep(self, data: bytes) -> None:
        if self._skipping:
            return
        self._size += len(data)
        self._parts.append(data)
        if self._size > LONGEST_LINE:
            self._parts.clear()
            self._skipping = True
            self.too_long = True
            self.close()
            self._ended()

    def drain(self) -> None:
        """Read what is still in the pipe: the process has gone."""
        if self._fd >= 0:
            self._paused = False
            self._ready()

    def pause(self) -> None:
        if not self._paused and self._fd >= 0:
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self._paused and self._fd >= 0:
            self._paused = False
            self._loop.add_reader(self._fd, self._ready)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class Sink:
    """Writes to a descriptor as fast as it takes it; the rest waits here."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = bytearray()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)

    @property
    def size(self) -> int:
        """The bytes that wait."""
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        if self._fd < 0 or self._closing:
            return
        if not self._waiting:
            written = self._write(data)
            if written == len(data) or self._fd < 0:
                return
            data = data[written:]
            self._loop.add_writer(self._fd, self._ready)
        self._waiting += data

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:  # nobody reads any more; that the process ends is seen elsewhere
            self.abort()
            return 0

    def _ready(self) -> None:
        with memoryview(self._waiting) as view:
            written = self._write(view[:_READ_MORE])
        del self._waiting[:written]
        if not self._waiting and self._fd >= 0:
            self._loop.remove_writer(self._fd)
            if self._closing:
                self.abort()

    def close(self) -> None:
        """Close behind what waits."""
        self._closing = True
        if not self._waiting:
            self.abort()

    def abort(self) -> None:
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
