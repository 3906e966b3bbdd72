"""Counting: calls, errors by code, how long calls took; as Prometheus text and as percentiles."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RECENT = 512


class Tally:
    """What has happened at one server."""

    def __init__(self) -> None:
        self.calls = 0
        self.errors: Counter[str] = Counter()
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.garbage = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def took(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self._recent.append(seconds)

    def latency(self) -> dict[str, float] | None:
        """Milliseconds of the last calls."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        last = len(ordered) - 1
        found = {"p50": ordered[last // 2], "p95": ordered[last * 95 // 100], "max": ordered[last]}
        return {name: round(seconds * 1000, 3) for name, seconds in found.items()}


class Page:
    """Prometheus text, version 0.0.4."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, kind: str, help_: str) -> None:
        self._lines += [f"# HELP mcpconf_{name} {help_}", f"# TYPE mcpconf_{name} {kind}"]

    def sample(self, name: str, value: float, labels: Iterable[tuple[str, str]] = ()) -> None:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        shown = f"{{{pairs}}}" if pairs else ""
        self._lines.append(f"mcpconf_{name}{shown} {value:g}")

    def histogram(self, name: str, tally: Tally, labels: list[tuple[str, str]]) -> None:
        total = 0
        for bound, count in zip((*BUCKETS, float("inf")), tally.buckets, strict=True):
            total += count
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            self.sample(f"{name}_bucket", total, [*labels, ("le", le)])
        self.sample(f"{name}_sum", tally.seconds, labels)
        self.sample(f"{name}_count", tally.calls, labels)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
