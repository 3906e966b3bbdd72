"""``init devcontainer`` and its way back, as plans: what every file becomes, before any is touched.

The devcontainer.json comes last when something is added, and first when it is taken away: a kill in
between leaves one that works, and the same command again does the rest.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mcpconf import jsonc
from mcpconf.devcontainer import feature, files, record, scaffold
from mcpconf.devcontainer.edits import COMPOSE, Edited, Step, Wish, edit, is_ours
from mcpconf.devcontainer.feature import Content
from mcpconf.devcontainer.find import FOLDER, Found, candidates, is_config
from mcpconf.devcontainer.record import EMPTY, Config, Record
from mcpconf.devcontainer.undo import undo
from mcpconf.errors import Failure
from mcpconf.jsonc import JsoncError

# By how deep the devcontainer.json lies.
LOCAL = ("./.devcontainer/mcpconf-feature", "./mcpconf-feature", "../mcpconf-feature")
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

    @property
    def changed(self) -> bool:
        return any(change.kind != "unchanged" for change in self.changes)


class Asked(NamedTuple):
    """The options of ``init devcontainer``; ``protect`` None: as is usual for the Feature."""

    feature: str = ""
    protect: bool | None = None
    force: bool = False


def plan_init(found: Found, asked: Asked) -> Plan:
    """See what init would do.  Raises Failure, Usage."""
    old = files.read(found.root, found.name, files.LARGEST)
    text = scaffold.fresh(found.root) if old is None else _decoded(found, old)
    protect = not asked.feature if asked.protect is None else asked.protect
    wish = Wish(asked.feature or LOCAL[found.name.count("/")], protect)
    done = _edited(found, text, wish)
    known = record.load(files.read(found.root, record.NAME)) or EMPTY
    notes = [*done.notes, *scaffold.notes(found, wish, fresh=old is None)]
    wanted: dict[str, Content] = scaffold.mounted()
    if done.root.get("dockerComposeFile"):
        compose = scaffold.compose_file(found.root, found.name, jsonc.parse(text), protect=protect)
        wanted[compose.name] = Content(compose.content)
        notes += compose.notes
    if any(k in LOCAL for k in _references(done)):
        wanted |= {f"{feature.FOLDER}/{n}": c for n, c in feature.files().items()}
    changes = [*_ours(found.root, wanted, known, force=asked.force)]
    written = _record(found, known, done, wanted, "" if old is not None else text)
    changes.append(Change(record.NAME, files.read(found.root, record.NAME), record.dump(written)))
    changes.append(Change(found.name, old, done.text.encode()))
    _refuse_read_only(found, changes[-1])
    return Plan(found.root, found.name, tuple(changes), done.changes, tuple(notes))


def plan_remove(root: Path) -> Plan | None:
    """See what taking it back would do; None where init has done nothing.  Raises Failure."""
    known = record.load(files.read(root, record.NAME))
    changes: list[Change] = []
    edits: list[str] = []
    notes: list[str] = []
    for name in filter(is_config, known.configs) if known else candidates(root):
        old = files.read(root, name, files.LARGEST)
        if old is None:
            continue
        config = known.configs[name] if known else None
        found = Found(root, name, there=True)
        with _explained(found, _decoded(found, old)):
            done = undo(_decoded(found, old), config.steps if config else None)
        gone = config is not None and bool(config.made) and done.text == config.made
        changes.append(Change(name, old, None if gone else done.text.encode()))
        _refuse_read_only(found, changes[-1])
        edits += done.changes
        notes += done.notes
    for name, digest in (known.files if known else {}).items():
        content = files.read(root, name) if _is_name_of_ours(name) else None
        if content is not None and _digest(content) == digest:
            changes.append(Change(name, content, None))
        elif content is not None:
            notes.append(f"{name} was changed by hand, so it stays")
    if known:
        changes.append(Change(record.NAME, files.read(root, record.NAME), None))
    if not known and not any(c.kind != "unchanged" for c in changes):
        return None
    folders = (feature.FOLDER, f"{FOLDER}/mcpconf", *(known.folders if known else ()))
    first = next(iter(known.configs), "") if known else ""
    return Plan(root, first, tuple(changes), tuple(edits), tuple(notes), folders)


def carry_out(plan: Plan) -> None:
    """Do it, in order.  Raises Failure where a file has changed since the plan was made."""
    with files.alone(plan.root):
        for change in plan.changes:
            if files.read(plan.root, change.name) != change.old:
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


def clear_folders(plan: Plan) -> list[str]:
    """Delete the directories of ours that are empty; returns those that are not."""
    left = []
    for name in plan.folders:
        if _is_name_of_ours(f"{name}/x") or name == FOLDER:
            files.remove_folder(plan.root, name)
            if name != FOLDER and os.path.lexists(plan.root / name):
                left.append(name)
    return left


# --- details ----------------------------------------------------------------------------------


def _edited(found: Found, text: str, wish: Wish) -> Edited:
    """All changes; proven to lead back to the same text before anything is written."""
    with _explained(found, text):
        done = edit(text, wish)
        again = edit(done.text, wish)
        back = undo(done.text, done.steps)
    if again.text != done.text or back.text != text:
        raise Failure(
            f"the changes to {found.root / found.name} would not lead back to the same text",
            note="nothing was written",
            help="make the changes by hand (docs/devcontainer.md), and report this file",
        )
    return done


class _explained:  # noqa: N801  used as a word in a `with`
    """Turns what is wrong with a text into a failure with its place."""

    def __init__(self, found: Found, text: str) -> None:
        self._found = found
        self._text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, JsoncError):
            line, column = jsonc.place(self._text, error.offset)
            raise Failure(
                f"{self._found.root / self._found.name}:{line}:{column}: {error.message}",
                note="nothing was written",
                help="correct that line, then run this again",
            ) from None


def _decoded(found: Found, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Failure(
            f"{found.root / found.name} is not UTF-8: byte {error.start}",
            note="nothing was written",
            help="save it as UTF-8",
        ) from None


def _references(done: Edited) -> list[str]:
    there = done.root.get("features")
    return [str(i.key) for i in (there.items or () if there else ()) if is_ours(i.key)]


def _ours(
    root: Path, wanted: Mapping[str, Content], known: Record, *, force: bool
) -> Iterator[Change]:
    """Our own files, each only over what init wrote.  Raises Failure."""
    for name, (content, mode) in wanted.items():
        old = files.read(root, name)
        ours = old in (None, content) or _digest(old or b"") == known.files.get(name)
        if not ours and not force:
            raise Failure(
                f"{root / name} is not as mcpconf wrote it, so it was not overwritten",
                note="nothing was written",
                help="move it away, or give it to mcpconf: mcpconf init devcontainer --force",
            )
        yield Change(name, old, content, mode)


def _record(
    found: Found, known: Record, done: Edited, wanted: Mapping[str, Content], made: str
) -> Record:
    before = known.configs.get(found.name, Config())
    anew = {_identity(step) for step in done.steps}
    kept = [step for step in before.steps if _identity(step) not in anew]
    config = Config((*kept, *done.steps), made or before.made)
    digests = {name: _digest(c.content) for name, c in wanted.items()}
    folders = [f for f in (FOLDER,) if not os.path.lexists(found.root / f)]
    return Record(
        {**known.configs, found.name: config},
        {**known.files, **digests},
        tuple(dict.fromkeys((*known.folders, *folders))),
    )


def _identity(step: Step) -> tuple[tuple[str, ...], str]:
    return step.path, step.put.item if step.put else ""


def _refuse_read_only(found: Found, change: Change) -> None:
    if change.kind not in ("create", "unchanged") and files.is_read_only(found.root, found.name):
        path = found.root / found.name
        raise Failure(
            f"{path} may not be written by anybody",
            note="nothing was written",
            help=f"chmod u+w '{path}', if it is yours to change",
        )


def _is_name_of_ours(name: str) -> bool:
    """Whether a record may name a file: one that init writes."""
    parts = name.split("/")
    if parts[0] != FOLDER or not files.is_plain(name):
        return name == COMPOSE
    return parts[-1] == COMPOSE or parts[1] in ("mcpconf", "mcpconf-feature")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace").removeprefix("\ufeff")
