"""stdin and stdout as lines; neither ever waits for the other."""

from __future__ import annotations

import os
import selectors
import stat

from mcpconf.bridge.limits import LITTLE, LONGEST, MUCH
from mcpconf.bridge.sockets import ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mcpconf.bridge.loop import Loop

_STDIN, _STDOUT = 0, 1
_MOST_WAITING = 32 * 1024 * 1024  # bytes for a client that does not read; then servers wait as well
_NO_JSON = b"\0"  # what is left of a line that is too long: refused when it ends


class Pipes:
    """``line`` is called with every line of stdin, ``over`` when either side is closed."""

    def __init__(self, loop: Loop, line: Callable[[bytes], None], over: Callable[[], None]) -> None:
        self._loop = loop
        self._line = line
        self._over = over
        self._parts: list[bytes] = []
        self._held = 0
        self._room = LITTLE
        self._out: list[bytes | memoryview] = []
        self._waiting = 0  # bytes of it
        self._ended = False

    def open(self) -> None:
        try:
            self._loop.watch(_STDIN, selectors.EVENT_READ, self._read)
        except PermissionError:  # a file, which is always ready
            self._loop.after(0, self._read_file)
        mode = os.fstat(_STDOUT).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # a terminal is shared with others
            os.set_blocking(_STDOUT, False)

    def _read_file(self) -> None:
        self._read(0)
        if not self._ended:
            self._loop.after(0, self._read_file)

    def _read(self, mask: int) -> None:
        del mask
        try:
            data = os.read(_STDIN, self._room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # its terminal is gone
            data = b""
        if data:
            self._room = MUCH if len(data) == self._room else LITTLE
            self._take(data)
            return
        self._ended = True
        self._loop.watch(_STDIN, 0, ignore)
        self._over()

    def _take(self, data: bytes) -> None:
        if b"\n" not in data:
            self._hold(data)
            return
        *lines, rest = (b"".join((*self._parts, data)) if self._parts else data).split(b"\n")
        self._parts, self._held = [], 0
        if rest:
            self._hold(rest)
        for line in lines:
            if line.strip():
                self._line(line)

    def _hold(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held > LONGEST:
            self._parts, self._held = [_NO_JSON], len(_NO_JSON)

    def write(self, line: bytes) -> None:
        """Write a line; what does not fit now goes out when the client reads."""
        waiting = bool(self._out)
        self._out += (line, b"\n")
        self._waiting += len(line) + 1
        if not waiting:
            self._loop.soon(self._flush)  # together with what else is ready
        elif self._waiting > _MOST_WAITING:
            self._loop.full = True

    def _flush(self, mask: int = 0) -> None:
        out = self._out
        try:
            while out:
                self._sent(os.writev(_STDOUT, out[:64]))
        except (BlockingIOError, InterruptedError):
            self._loop.watch(_STDOUT, selectors.EVENT_WRITE, self._flush)
            return
        except OSError:  # nobody reads any more
            out.clear()
            self._waiting = 0
            self._over()
        if mask:
            self._loop.watch(_STDOUT, 0, ignore)
        if self._loop.full:
            self._loop.go_on()

    def _sent(self, count: int) -> None:
        out = self._out
        self._waiting -= count
        done = 0
        while done < len(out) and count >= len(out[done]):
            count -= len(out[done])
            done += 1
        del out[:done]
        if count:
            out[0] = memoryview(out[0])[count:]
