"""The table of docs/explain.md: each fault, what mcpconf says of it, what Claude Code prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.all import GROUPS
from tests.faults.asking import OURS, SAID
from tests.faults.scene import Fault

PAGE = Path(__file__).parents[2] / "docs/explain.md"
BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"
NEW, OLD = "2.1.328", "2.1.197"
_LONGEST = 150


def table() -> str:
    """The part between the marks."""
    ours, said = json.loads(OURS.read_text()), json.loads(SAID.read_text())
    return "\n".join(["", *_lines(ours, said), ""])


def _lines(ours: dict[str, Any], said: dict[str, Any]) -> Iterator[str]:
    for title, faults in GROUPS:
        yield from ("", f"**{title}**", "")
        yield "| fault (how it was injected) | `mcpconf explain --live` | `claude mcp list` | session |"
        yield "|---|---|---|---|"
        for fault in faults:
            yield _row(fault, ours.get(fault.name, {}), said.get(fault.name, {}))


def _row(fault: Fault, ours: dict[str, Any], said: dict[str, Any]) -> str:
    message = ours.get("message") or "it works: bridge and gateway see to that"
    verdict = f"{ours['code']}: {message}" if ours.get("code") else message
    listed = _both(said.get("list", {}))
    session = _both(said.get("session", {}))
    cells = (f"{fault.what} ({fault.how})", verdict, listed, session)
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _both(said: dict[str, str]) -> str:
    """What the newest client says, and the older one where that is another status."""
    new, old = said.get(NEW, ""), said.get(OLD, "")
    differs = bool(old) and _status(old) != _status(new)
    return f"{new}; {OLD}: {old}" if differs else new


def _status(text: str) -> str:
    return text.partition(" — ")[0]


def _cell(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST]}…"


def parts() -> tuple[str, str, str]:
    """The page before the table, the table, and what follows."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    found, _, after = rest.partition(END)
    return before, found, after


def write() -> None:
    before, _, after = parts()
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}")
