"""What Claude Code shows for causes that it does not meet itself: the bridge answers it.  Pure.

In the container a server behind the gateway is a process that never fails: the bridge introduces
it, waiting first where the server may come (docs/runtime.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from mcpconf.diagnosis.model import Rung, Shows, Verdict

_BRIDGE = "the bridge in the container answers for it"
_LATE = Shows(f"✔ Connected, after 25 s: {_BRIDGE}", "pending, without its tools")
_AT_ONCE = Shows(f"✔ Connected: {_BRIDGE}", "connected, without its tools")
_WAITS = frozenset({"MC215", "MC217", "MC218"})
_OURS = frozenset({Rung.GATEWAY, Rung.ROUTE, Rung.SECRET})


def with_shows(verdicts: Iterable[Verdict], way: str) -> tuple[Verdict, ...]:
    """The verdicts, with what is shown for those on our own rungs."""
    return tuple(v._replace(shows=_of(v)) if _is_ours(v, way) else v for v in verdicts)


def _is_ours(verdict: Verdict, way: str) -> bool:
    return way == "gateway" and verdict.shows is None and verdict.rung in _OURS


def _of(verdict: Verdict) -> Shows:
    return _LATE if verdict.finding.code in _WAITS else _AT_ONCE
