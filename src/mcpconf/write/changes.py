"""What a sync would do to each file, and why it would not: a comparison, nothing is written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from mcpconf.emit import Artifact, Reader
from mcpconf.findings import Finding
from mcpconf.origin import Origin, Source
from mcpconf.readers.token import TOKEN
from mcpconf.write.folder import Folders, Target, explained, opened
from mcpconf.write.lock import LOCK
from mcpconf.write.manifest import MANIFEST, Manifest, digest, load
from mcpconf.write.settle import NEXT, recover
from mcpconf.write.standing import (
    A_DIRECTORY,
    CURRENT,
    GENERATION,
    Form,
    Found,
    current,
    look,
    obstacle,
    read_link,
)

_ATTEMPTS = 100
_LONGEST_DIFF = 200
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TAKEN = {CURRENT, NEXT, LOCK, MANIFEST, TOKEN}


class Kind(Enum):
    """What becomes of a file.  ``ADOPT``: its bytes are right, their record or the mode is not."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    ADOPT = "adopt"
    UNCHANGED = "unchanged"
    EDITED = "edited"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Change:
    """One file: what is to become of it, and what it holds now.

    ``artifact`` is None where nothing is emitted under that name any more.
    """

    kind: Kind
    name: str
    reader: Reader
    path: Path
    artifact: Artifact | None = field(default=None, repr=False)
    found: bytes | None = field(default=None, repr=False)
    what: str = ""

    @property
    def diff(self) -> tuple[str, ...]:
        """A unified diff.  Only counted for the host's files and for texts that are not ours."""
        lines = _unified(self.name, self.found, self.artifact)
        ours = self.kind in (Kind.CREATE, Kind.UPDATE, Kind.REMOVE)
        if self.reader is Reader.HOST or not ours:
            count = max(sum(line[0] == sign for line in lines[2:]) for sign in "+-")
            return (f"{count} line{'s' if count > 1 else ''} changed",) if count else ()
        more = len(lines) - _LONGEST_DIFF
        cut = (f"… and {more} more line{'s' if more > 1 else ''}",) if more > 0 else ()
        return (*lines[:_LONGEST_DIFF], *cut)

    @property
    def finding(self) -> Finding | None:
        """Why the file is not ours to overwrite; None when it is."""
        keeps = ("nothing was written; the container keeps what it has",)
        if self.kind is Kind.EDITED:
            message = f"{self.path} was changed by hand, so it was not overwritten"
            ways = ("move your change to mcpconf.toml, then delete the file", _FORCE)
            return Finding("MC040", message, Origin(Source(str(self.path))), keeps, ways)
        if self.kind is Kind.FOREIGN:
            message = f"{self.path} is {self.what}, so it was not overwritten"
            away = ("move it away, then run `mcpconf sync` again",)
            forced = () if self.what == A_DIRECTORY else (_FORCE,)
            known = (_MOVED,) if self.what == _UNKNOWN else away + forced
            return Finding("MC041", message, Origin(Source(str(self.path))), keeps, known)
        return None


_NOT_OURS = "not a file that mcpconf wrote"
_UNKNOWN = "nothing that mcpconf remembers to have written"
_MOVED = "if the project was moved or copied, or is another user's too: `mcpconf sync --force`"
_FORCE = "or give it to mcpconf: `mcpconf sync --force`"


def changes(artifacts: tuple[Artifact, ...], target: Target) -> tuple[Change, ...]:
    """Compare what would be written with what is there, file by file, in the order of names.

    It needs no lock: when another sync flips meanwhile, it looks again.
    """
    _check(artifacts)
    found: tuple[Change, ...] = ()
    for _ in range(_ATTEMPTS):
        recover(target)
        with explained(target.container, "read"), opened(target, create=False) as folders:
            before = _links(folders)
            found = compare(artifacts, folders, target)
            if before == _links(folders) and not before[NEXT]:
                break
    return found


def _links(folders: Folders) -> dict[str, str | None]:
    links: dict[str, str | None] = {NEXT: None}
    for reader, folder in folders.items():
        with explained(folder.path, "read"):
            links[reader.value] = current(folder)
            if reader is Reader.HOST:
                links[NEXT] = read_link(folder, NEXT)
    return links


def _check(artifacts: Iterable[Artifact]) -> None:
    names = [a.name for a in artifacts]
    wrong = {n for n in names if not _PLAIN_NAME.fullmatch(n) or GENERATION.fullmatch(n)}
    wrong |= _TAKEN & set(names) | {n for n in names if names.count(n) > 1}
    if wrong:
        raise ValueError(f"an artifact cannot have the name {sorted(wrong)}")


def compare(
    artifacts: tuple[Artifact, ...], folders: Folders, target: Target
) -> tuple[Change, ...]:
    """Compare with what stands in the open directories."""
    manifest = load(look(folders.get(Reader.HOST), MANIFEST).content) or Manifest({})
    wanted = {(a.name, a.reader): a for a in artifacts}
    recorded = {(name, file.reader): file.sha256 for name, file in manifest.files.items()}
    found = list(_obstacles(folders))
    for key in sorted({*wanted, *recorded}, key=lambda k: (k[0], k[1].value)):
        name, reader = key
        with explained(target.of(reader), "read"):
            standing = look(folders.get(reader), name)
        kind = _kind(wanted.get(key), standing, recorded.get(key))
        if kind is Kind.UNCHANGED and reader is Reader.HOST and standing.shared:
            kind = Kind.ADOPT  # the gateway does not read what others may
        what = standing.what or (_UNKNOWN if standing.form is Form.LINK else _NOT_OURS)
        path = target.of(reader) / name
        found.append(Change(kind, name, reader, path, wanted.get(key), standing.content, what))
    return tuple(found)


def _obstacles(folders: Folders) -> Iterator[Change]:
    for reader, folder in folders.items():
        with explained(folder.path, "read"):
            what = obstacle(folder)
        if what:
            yield Change(Kind.FOREIGN, CURRENT, reader, folder.path / CURRENT, what=what)


def _kind(artifact: Artifact | None, found: Found, recorded: str | None) -> Kind:
    if found.form is Form.OTHER:
        return Kind.FOREIGN
    if found.content is None:
        return Kind.CREATE if artifact else Kind.REMOVE
    if artifact and found.content == artifact.text.encode():
        known = found.form is Form.LINK and digest(found.content) == recorded
        return Kind.UNCHANGED if known else Kind.ADOPT
    if recorded is None:
        return Kind.FOREIGN
    if digest(found.content) != recorded:
        return Kind.EDITED
    return Kind.UPDATE if artifact else Kind.REMOVE


def _unified(name: str, found: bytes | None, artifact: Artifact | None) -> list[str]:
    shown = artifact.shown if artifact else str
    before = shown(found.decode("utf-8", "replace")).splitlines() if found else []
    after = shown(artifact.text).splitlines() if artifact else []
    lines = difflib.unified_diff(before, after, f"{name} (now)", f"{name} (new)", lineterm="")
    return [_harmless(line) for line in lines]


def _harmless(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
