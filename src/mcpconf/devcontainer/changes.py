"""What every file becomes, decided before any is touched; then done, in order."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from mcpconf.devcontainer import files
from mcpconf.devcontainer.edits import COMPOSE
from mcpconf.devcontainer.find import FOLDER
from mcpconf.errors import Failure

_LONGEST_DIFF = 200  # lines
_LONGEST_SHOWN = 40_000  # bytes; the programs are longer
_JSON = "devcontainer.json"


class Change(NamedTuple):
    """One file: what it holds and what it is to hold (None: it is not there)."""

    name: str
    old: bytes | None
    new: bytes | None
    mode: int = 0o644

    @property
    def kind(self) -> str:
        if self.old == self.new:
            return "unchanged"
        return "create" if self.old is None else "remove" if self.new is None else "update"

    @property
    def diff(self) -> list[str]:
        """A unified diff; none for whole files of ours that come or go, and for programs."""
        whole = self.kind != "update" and not self.name.endswith((_JSON, COMPOSE))
        longest = max(len(self.old or b""), len(self.new or b""))
        if self.kind == "unchanged" or whole or longest > _LONGEST_SHOWN:
            return []
        before, after = (_text(c).splitlines() for c in (self.old, self.new))
        lines = [*difflib.unified_diff(before, after, self.name, self.name, lineterm="", n=2)]
        more = len(lines) - _LONGEST_DIFF
        return lines[:_LONGEST_DIFF] + ([f"… and {more} more lines"] if more > 0 else [])


class Plan(NamedTuple):
    """What is to be done, in this order.  ``edits`` and ``notes`` are for the user."""

    root: Path
    config: str
    changes: tuple[Change, ...]
    edits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # that are removed when they are empty
    swept: tuple[str, ...] = ()  # of which a kill may have left a half

    @property
    def changed(self) -> bool:
        return any(change.kind != "unchanged" for change in self.changes)


def carry_out(plan: Plan) -> None:
    """Do it, in order.  Raises Failure where a file has changed since the plan was made."""
    with files.alone(plan.root):
        for change in plan.changes:
            if files.read(plan.root, change.name) not in (change.old, change.new):
                raise Failure(
                    f"{plan.root / change.name} was changed by somebody just now",
                    note="nothing was written",
                    help="run it again",
                )
        for change in plan.changes:
            if change.kind == "remove":
                files.remove(plan.root, change.name)
            elif change.kind != "unchanged" and change.new is not None:
                files.write(plan.root, change.name, change.new, change.mode)
        for name in plan.swept:
            files.sweep(plan.root, name)


def clear_folders(plan: Plan) -> list[str]:
    """Delete the directories of ours that are empty; returns those that are not."""
    left = []
    for name in plan.folders:
        if is_name_of_ours(f"{name}/x") or name == FOLDER:
            files.remove_folder(plan.root, name)
            if name != FOLDER and os.path.lexists(plan.root / name):
                left.append(name)
    return left


def is_name_of_ours(name: str) -> bool:
    """Whether a record may name a file: one that init writes."""
    parts = name.split("/")
    if parts[0] != FOLDER or not files.is_plain(name):
        return name == COMPOSE
    return parts[-1] == COMPOSE or parts[1:2] in (["mcpconf"], ["mcpconf-feature"])


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace").removeprefix("\ufeff")
