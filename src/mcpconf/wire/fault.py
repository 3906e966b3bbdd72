"""What goes wrong at a station, and the time that is left for it."""

from __future__ import annotations

import time

MOST_BYTES = 8 * 1024 * 1024  # of an answer are read


class Fault(Exception):  # noqa: N818  it says what happened
    """Something failed.  ``kind`` is the report's word for it, ``facts`` go into the station."""

    def __init__(self, kind: str, **facts: object) -> None:
        super().__init__(kind)
        self.kind = kind
        self.facts = facts


class Clock:
    """How long something has taken and how long it still may."""

    def __init__(self, seconds: float) -> None:
        self.start = time.monotonic()
        self.end = self.start + seconds

    def left(self) -> float:
        """Seconds that are left.  Raises Fault ``timeout`` when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise Fault("timeout")
        return left

    def within(self, seconds: float) -> Clock:
        """A clock that stops after so many seconds, and not after this one."""
        clock = Clock(seconds)
        clock.end = min(clock.end, self.end)
        return clock

    def ms(self) -> float:
        return round((time.monotonic() - self.start) * 1000, 1)
