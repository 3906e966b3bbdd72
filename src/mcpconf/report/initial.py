"""What ``init``, ``remove`` and ``hook`` print."""

from __future__ import annotations

from typing import Any

from mcpconf import report
from mcpconf.devcontainer.init import Plan


def plan(done: Plan, *, written: bool) -> None:
    """Print which files change, and how: the diff where nothing is written."""
    for change in done.changes:
        if change.kind == "unchanged":
            continue
        report.out(f"{change.kind:9} {report.safe(change.name)}")
        if not written:
            for line in change.diff:
                report.out(f"  {report.safe(line)}")
    for edit in done.edits:
        report.out(f"  {report.safe(edit)}")
    for note in done.notes:
        report.say(f"note: {report.safe(note)}")


def plan_json(done: Plan, *, written: bool) -> dict[str, Any]:
    """The same for machines; docs/devcontainer.md has the shape."""
    return {
        "version": 1,
        "project": str(done.root),
        "config": done.config,
        "written": written,
        "edits": list(done.edits),
        "changes": [{"file": c.name, "change": c.kind, "diff": c.diff} for c in done.changes],
        "notes": list(done.notes),
    }
