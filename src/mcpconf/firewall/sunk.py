"""Which name an attempt at the sinkhole was to: by time, order, and the other family.  Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from mcpconf.firewall.packets import Packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW = 6.0  # seconds from a question to its attempt
LONG_WINDOW = 120.0  # where nothing else was asked; some clients keep an answer for a while
MOST_CANDIDATES = 5
MOST_KEPT = 2000  # questions

Pair = tuple[Packet, tuple[str, ...]]


class Asked:
    """The names that were sunk, for one family: those that wait for an attempt, and all lately."""

    def __init__(self) -> None:
        self._coming: deque[tuple[float, str]] = deque()
        self._open: list[tuple[float, str]] = []
        self._recent: deque[tuple[float, str]] = deque(maxlen=MOST_KEPT)

    def add(self, when: float, name: str) -> None:
        self._coming.append((when, name))
        if len(self._coming) > MOST_KEPT:
            self._coming.popleft()

    def named(self, times: Sequence[float]) -> list[tuple[str, ...]]:
        """For each attempt, in order of time, the names that it may have been to."""
        found: list[tuple[str, ...]] = []
        while len(found) < len(times):
            now = times[len(found)]
            self._arrive(now)
            names = tuple(dict.fromkeys(name for _, name in self._open))
            if len(names) > 1:
                found += self._shared(names, self._group(times, len(found)))
            else:
                found.append(names or self._lately(now))
            self._open.clear()
        return found

    def _arrive(self, now: float) -> None:
        while self._coming and self._coming[0][0] <= now:
            question = self._coming.popleft()
            self._open.append(question)
            self._recent.append(question)
        since = now - WINDOW - 1  # the log rounds down to seconds
        self._open = [q for q in self._open if q[0] > since][-MOST_KEPT:]

    def _group(self, times: Sequence[float], first: int) -> int:
        """How many attempts from ``first`` on there were before the next name was asked for."""
        end = times[first] + WINDOW
        if self._coming:
            end = min(end, self._coming[0][0])
        return max(1, bisect_left(times, end, first) - first)

    def _shared(self, names: tuple[str, ...], length: int) -> list[tuple[str, ...]]:
        if length == len(self._open):
            return [(name,) for _, name in self._open]
        if length == len(names):
            return [(name,) for name in names]
        return [names[-MOST_CANDIDATES:]] * length

    def _lately(self, now: float) -> tuple[str, ...]:
        for window in (WINDOW, LONG_WINDOW):
            names = dict.fromkeys(name for when, name in self._recent if when > now - window - 1)
            if names:
                return tuple(names)[-MOST_CANDIDATES:]
        return ()


def agreed(pairs: list[Pair]) -> list[Pair]:
    """Where one family leaves several names, take the one that the other was tried for.

    Clients try a name over IPv6 and IPv4 at the same time, on the same port.
    """
    sure: dict[tuple[int, int], list[tuple[float, str]]] = {}
    for packet, names in pairs:
        if len(names) == 1:
            sure.setdefault((packet.port, packet.uid), []).append((packet.time, names[0]))
    found = []
    for packet, names in pairs:
        there = sure.get((packet.port, packet.uid), ()) if len(names) > 1 else ()
        near = {name for when, name in there if abs(when - packet.time) < 1 and name in names}
        found.append((packet, tuple(near) if len(near) == 1 else names))
    return found
