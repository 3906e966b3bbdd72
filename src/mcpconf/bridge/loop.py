"""Sockets and timers of a process that does nothing else."""

from __future__ import annotations

import selectors
import socket
import time
from heapq import heappop, heappush

from mcpconf.bridge.race import Race, numeric

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.reactor import Stream
    from mcpconf.bridge.sockets import SocketTransport


class Delayed:
    """A call that is due at some time."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Delayed) -> bool:
        return self.due < other.due


class Loop:
    """Sockets and timers of a process that does nothing else.

    ``full``: nobody takes what servers say, so nothing is read from them until ``go_on``.
    """

    full = False

    def __init__(self) -> None:
        self.running = True
        self.tls: Any = None
        self._selector = selectors.DefaultSelector()
        self._timers: list[Delayed] = []
        self._kept: list[object] = []
        self._soon: list[Callable[[], None]] = []
        self._held: list[SocketTransport] = []
        self._lucky: dict[tuple[str, int], Any] = {}  # the address that worked last

    now = staticmethod(time.monotonic)

    def after(self, seconds: float, call: Callable[[], None]) -> Delayed:
        timer = Delayed(self.now() + seconds, call)
        heappush(self._timers, timer)
        return timer

    def connect(self, endpoint: Endpoint, stream: Stream) -> None:
        Race(self, endpoint, stream).start()

    def watch(self, fd: int, mask: int, call: Callable[[int], None]) -> None:
        """Call back when a descriptor is ready; a mask of 0 stops it."""
        if not mask:
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
        elif fd in self._selector.get_map():
            self._selector.modify(fd, mask, call)
        else:
            self._selector.register(fd, mask, call)

    def run(self) -> None:
        """Until somebody stops it."""
        while self.running:
            self.turn(self._next())

    def stop(self) -> None:
        self.running = False

    def keep(self, thing: object) -> None:
        """Keep something open for as long as the loop lives."""
        self._kept.append(thing)

    def hold(self, transport: SocketTransport) -> None:
        """Read from it again when there is room."""
        self._held.append(transport)

    def go_on(self) -> None:
        """There is room again."""
        self.full = False
        held, self._held = self._held, []
        for transport in held:
            transport.listen()

    def turn(self, limit: float | None) -> None:
        """Wait once, and do what is due."""
        for key, mask in self._selector.select(limit):
            key.data(mask)
        timers = self._timers
        if timers:
            now = self.now()
            while timers and timers[0].due <= now:
                call = heappop(timers).call
                if call is not None:
                    call()
        if self._soon:
            soon, self._soon = self._soon, []
            for call in soon:
                call()

    def soon(self, call: Callable[[], None]) -> None:
        """Call when everything that is ready now is done."""
        self._soon.append(call)

    def _next(self) -> float | None:
        timers = self._timers
        while timers and timers[0].call is None:
            heappop(timers)
        return max(0.0, timers[0].due - self.now()) if timers else None

    def addresses(self, endpoint: Endpoint, found: Callable[[Any], None]) -> None:
        """Look a name up without waiting for it; ``found`` gets the list, or the error."""
        known = numeric(endpoint.host, endpoint.port)
        if known:
            found(known)
            return
        import _thread  # noqa: PLC0415  only for names

        here, there = socket.socketpair()
        answer: list[Any] = []

        def ask() -> None:
            try:
                kind = socket.SOCK_STREAM
                answer.append(socket.getaddrinfo(endpoint.host, endpoint.port, 0, kind))
            except OSError as error:
                answer.append(error)
            except UnicodeError:
                answer.append(OSError(0, "it is no name of a host"))
            there.close()

        def told(mask: int) -> None:
            del mask
            self.watch(here.fileno(), 0, told)
            here.close()
            result = answer[0]
            if not isinstance(result, OSError):
                result = [(family, address) for family, _, _, _, address in result]
            found(result)

        self.watch(here.fileno(), selectors.EVENT_READ, told)
        _thread.start_new_thread(ask, ())

    def lucky(self, endpoint: Endpoint, addresses: list[Any]) -> list[Any]:
        """The address that worked last, first."""
        best = self._lucky.get((endpoint.host, endpoint.port))
        return sorted(addresses, key=lambda a: a != best) if best in addresses else addresses

    def worked(self, endpoint: Endpoint, address: object) -> None:
        self._lucky[endpoint.host, endpoint.port] = address
