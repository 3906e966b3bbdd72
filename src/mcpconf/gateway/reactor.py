"""asyncio as the bridge's relay engine wants its world: descriptors to watch, and timers."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from mcpconf.bridge.loop import Loop


class AsyncioLoop(Loop):
    """The engine's loop on top of the running asyncio loop."""

    def __init__(self) -> None:
        # not the parent's, which opens a selector of its own
        self.running = True
        self.tls: Any = None
        self._lucky: dict[tuple[str, int], Any] = {}
        self._asyncio = asyncio.get_running_loop()
        self._masks: dict[int, int] = {}

    def now(self) -> float:
        return self._asyncio.time()

    def after(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:  # type: ignore[override]
        return self._asyncio.call_later(seconds, call)

    def watch(self, fd: int, mask: int, call: Callable[[int], None]) -> None:
        loop, old = self._asyncio, self._masks.pop(fd, 0)
        if mask & selectors.EVENT_READ:
            loop.add_reader(fd, call, selectors.EVENT_READ)
        elif old & selectors.EVENT_READ:
            loop.remove_reader(fd)
        if mask & selectors.EVENT_WRITE:
            loop.add_writer(fd, call, selectors.EVENT_WRITE)
        elif old & selectors.EVENT_WRITE:
            loop.remove_writer(fd)
        if mask:
            self._masks[fd] = mask
