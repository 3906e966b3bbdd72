"""``init devcontainer`` and its way back, as plans: what every file becomes, before any is touched.

The devcontainer.json comes last when something is added, and first when it is taken away: a kill in
between leaves one that works, and the same command again does the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf import jsonc
from mcpconf.devcontainer import feature, files, record, scaffold
from mcpconf.devcontainer.changes import Change, Plan, carry_out, clear_folders, is_name_of_ours
from mcpconf.devcontainer.edits import GUARD, HOOK, MOUNT, Edited, Step, Wish, edit, is_ours
from mcpconf.devcontainer.feature import Content
from mcpconf.devcontainer.find import FOLDER, USUAL, Found, candidates, is_config
from mcpconf.devcontainer.record import EMPTY, Config, Record
from mcpconf.devcontainer.undo import undo
from mcpconf.errors import Failure, Usage
from mcpconf.jsonc import JsoncError
from mcpconf.names import quote

__all__ = ["Asked", "Change", "Plan", "carry_out", "clear_folders", "plan_init", "plan_remove"]

# By how deep the devcontainer.json lies.
LOCAL = ("./.devcontainer/mcpconf-feature", "./mcpconf-feature", "../mcpconf-feature")


class Asked(NamedTuple):
    """The options of ``init devcontainer``; ``protect`` None: as is usual for the Feature."""

    feature: str = ""
    protect: bool | None = None
    force: bool = False


def plan_init(found: Found, asked: Asked) -> Plan:
    """See what init would do.  Raises Failure, Usage."""
    if asked.feature and not is_ours(asked.feature):
        raise Usage(
            f"{quote(asked.feature, 120)} is no reference to mcpconf's Feature",
            help="its last part is `mcpconf`, such as ghcr.io/OWNER/features/mcpconf:0",
        )
    old = files.read(found.root, found.name, files.LARGEST)
    text = scaffold.fresh(found.root) if old is None else _decoded(found, old)
    protect = not asked.feature if asked.protect is None else asked.protect
    wish = Wish(asked.feature or LOCAL[found.name.count("/")], protect)
    done = _edited(found, text, wish)
    before = files.read(found.root, record.NAME)
    known = record.load(before) or EMPTY
    notes = [*done.notes, *scaffold.notes(found, wish, fresh=old is None)]
    if asked.feature and asked.feature not in _references(done):
        there = ", ".join(map(quote, _references(done)))
        notes.append(f"features: {there} stays as it is; for another one: mcpconf remove, first")
    wanted: dict[str, Content] = scaffold.mounted()
    if done.root.get("dockerComposeFile"):
        compose = scaffold.compose_file(found.root, found.name, jsonc.parse(text), protect=protect)
        wanted[compose.name] = Content(compose.content)
        notes += compose.notes
    if any(k in LOCAL for k in _references(done)):
        wanted |= _shipped()
    changes = [*_ours(found.root, wanted, known, force=asked.force)]
    written = _record(found, known, done, wanted, "" if old is not None else text)
    written = written if known.configs.get(found.name) else _doubted(written, found.name, text)
    # The first one comes before what it names, so that a kill leaves nothing that nobody knows of.
    at = 0 if before is None else len(changes)
    changes.insert(at, Change(record.NAME, before, record.dump(written)))
    changes.append(Change(found.name, old, done.text.encode()))
    _refuse_read_only(found, changes[-1])
    return Plan(found.root, found.name, tuple(changes), done.changes, tuple(notes))


def plan_remove(root: Path) -> Plan | None:
    """See what taking it back would do; None where init has done nothing.  Raises Failure."""
    if not os.path.lexists(root / FOLDER) and not candidates(root):
        return None
    content = files.read(root, record.NAME)
    known = record.load(content)
    changes: list[Change] = []
    edits: list[str] = []
    notes: list[str] = []
    for found, old, config in _configs(root, known):
        with _explained(found, _decoded(found, old)):
            steps, unsure = (config.steps, config.unsure) if config else (None, True)
            done = undo(_decoded(found, old), steps, unsure=unsure)
        gone = config is not None and bool(config.made) and done.text == config.made
        changes.append(Change(found.name, old, None if gone else done.text.encode()))
        _refuse_read_only(found, changes[-1])
        edits += done.changes
        notes += done.notes
    mine, changed_by_hand = _files_of_ours(root, known or EMPTY)
    changes += mine
    if known or (content is not None and record.ABOUT in content):  # in conflict, or cut off
        changes.append(Change(record.NAME, content, None))
    swept = tuple(dict.fromkeys((*_names(known or EMPTY), *(c.name for c in changes))))
    if not (known or any(c.kind != "unchanged" for c in changes) or _is_left(root, swept)):
        return None
    folders = (feature.FOLDER, f"{FOLDER}/mcpconf", *(known.folders if known else ()))
    first = next(iter(known.configs), "") if known else ""
    notes += changed_by_hand
    return Plan(root, first, tuple(changes), tuple(edits), tuple(notes), folders, swept)


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
        ours = old in (None, content) or _is_as_written(old or b"", known.files.get(name))
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
    config = before._replace(steps=(*kept, *done.steps), made=made or before.made)
    digests = {name: _digest(c.content) for name, c in wanted.items()}
    folders = [f for f in (FOLDER,) if not os.path.lexists(found.root / f)]
    return Record(
        {**known.configs, found.name: config},
        {**known.files, **digests},
        tuple(dict.fromkeys((*known.folders, *folders))),
    )


def _doubted(written: Record, name: str, text: str) -> Record:
    """Say where init was there before and no record tells what it did then."""
    config = written.configs[name]._replace(unsure=_is_touched(text))
    return written._replace(configs={**written.configs, name: config})


def _is_touched(text: str) -> bool:
    """Whether a text has something that only init writes."""
    spelled = (HOOK, MOUNT, GUARD, *(jsonc.quoted(name) for name in LOCAL))
    return any(words in text for words in spelled)


def _configs(root: Path, known: Record | None) -> Iterator[tuple[Found, bytes, Config | None]]:
    """What a record names; then all others that seem to be of init, which are certain of less."""
    recorded = [*filter(is_config, known.configs)] if known else []
    for name in recorded:
        content = files.read(root, name, files.LARGEST)
        if known and content is not None:
            yield Found(root, name, there=True), content, known.configs[name]
    for name in candidates(root):
        content = None
        with suppress(Failure):  # a link, or too long: init refuses those
            content = files.read(root, name, files.LARGEST) if name not in recorded else None
        text = (content or b"").decode("utf-8", "replace")
        if content is not None and (_is_touched(text) if known else "mcpconf" in text):
            yield Found(root, name, there=True), content, None


def _names(known: Record) -> tuple[str, ...]:
    """Every file that init writes, or wrote."""
    recorded = (*filter(is_name_of_ours, known.files), *filter(is_config, known.configs))
    return tuple(dict.fromkeys((*recorded, *_shipped(), record.NAME, USUAL)))


def _is_left(root: Path, names: tuple[str, ...]) -> bool:
    """Whether a kill has left something: half a file, or a directory without any."""
    if any(os.path.lexists(root / files.half(name)) for name in names):
        return True
    folders = [root / feature.FOLDER, root / FOLDER / "mcpconf"]
    return any(os.path.isdir(f) and not os.path.islink(f) and not os.listdir(f) for f in folders)


def _shipped() -> dict[str, Content]:
    """The files that are the same in every project."""
    return scaffold.mounted() | {f"{feature.FOLDER}/{n}": c for n, c in feature.files().items()}


def _files_of_ours(root: Path, known: Record) -> tuple[list[Change], list[str]]:
    """Those that are as they were written; and words for those that are not."""
    shipped = {name: _digest(file.content) for name, file in _shipped().items()}
    changes, notes = [], []
    for name in dict.fromkeys((*known.files, *shipped)):
        content = files.read(root, name) if is_name_of_ours(name) else None
        wanted = (known.files.get(name), shipped.get(name))
        if content is not None and any(_is_as_written(content, digest) for digest in wanted):
            changes.append(Change(name, content, None))
        elif content is not None and name in known.files:
            notes.append(f"{name} was changed by hand, so it stays")
    return changes, notes


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


def _is_as_written(content: bytes, digest: str | None) -> bool:
    """Git may have given it other line ends."""
    return digest in (_digest(content), _digest(content.replace(b"\r\n", b"\n")))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
