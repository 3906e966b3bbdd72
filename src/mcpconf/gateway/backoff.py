"""How long a server that keeps dying is left alone."""

from __future__ import annotations


class Backoff:
    """One per server: its sessions all have the same one to do with."""

    steps = (0.0, 0.2, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
    healthy = 20.0  # seconds after which a life counts as a good one

    def __init__(self) -> None:
        self._deaths = 0
        self._until = 0.0

    def died(self, now: float, lived: float, *, answered: bool) -> None:
        self._deaths = 1 if lived > self.healthy or answered else self._deaths + 1
        self._until = now + self.steps[min(self._deaths - 1, len(self.steps) - 1)]

    def lives(self) -> None:
        self._deaths = 0

    def wait(self, now: float) -> float:
        return max(0.0, self._until - now)
