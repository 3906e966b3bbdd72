"""stdin and stdout as lines; neither ever waits for the other."""

from __future__ import annotations

import os
import selectors
import stat

from mcpconf.bridge.limits import LONGEST
from mcpconf.bridge.sockets import ignore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mcpconf.bridge.loop import Loop

_STDIN, _STDOUT = 0, 1
_AT_ONCE = 262144  # bytes
_NO_JSON = b"\0"  # what is left of a line that is too long: refused when it ends


class Pipes:
    """``line`` is called with every line of stdin, ``over`` when either side is closed."""

    def __init__(self, loop: Loop, line: Callable[[bytes], None], over: Callable[[], None]) -> None:
        self._loop = loop
        self._line = line
        self._over = over
        self._parts: list[bytes] = []
        self._held = 0
        self._out: list[bytes] = []

    def open(self) -> None:
        self._loop.watch(_STDIN, selectors.EVENT_READ, self._read)
        mode = os.fstat(_STDOUT).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # a terminal is shared with others
            os.set_blocking(_STDOUT, False)

    def _read(self, mask: int) -> None:
        del mask
        data = os.read(_STDIN, _AT_ONCE)
        if not data:
            self._loop.watch(_STDIN, 0, ignore)
            self._over()
            return
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
        if not waiting:
            self._flush()

    def _flush(self, mask: int = 0) -> None:
        out = self._out
        try:
            while out:
                sent = os.writev(_STDOUT, out[:64])
                while out and sent >= len(out[0]):
                    sent -= len(out.pop(0))
                if sent:
                    out[0] = out[0][sent:]
        except (BlockingIOError, InterruptedError):
            self._loop.watch(_STDOUT, selectors.EVENT_WRITE, self._flush)
            return
        except OSError:  # nobody reads any more
            out.clear()
            self._over()
        if mask:
            self._loop.watch(_STDOUT, 0, ignore)
