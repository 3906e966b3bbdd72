"""Files of a project that another tool reads in their own place: written one by one, each whole.

They cannot be links into a generation (DDEV and compose want plain files), so each is exchanged by
a ``rename`` of its own.  Whoever reads one while others are still old sees an old program or an old
text, never half of one.

**Whose a file is** follows DDEV's rule: with ``#ddev-generated`` anywhere in it, or empty, it is
ours to overwrite and to delete, even when edited; without, it is the user's and stays.  Below the
project's root no link is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.emit import Artifact, Reader
from mcpconf.findings import Finding
from mcpconf.origin import Origin, Source
from mcpconf.write.changes import Change, Kind
from mcpconf.write.folder import DIRECTORY, NO_LINK, explained, open_directory
from mcpconf.write.manifest import digest
from mcpconf.write.standing import A_DIRECTORY, Form, Found, read_plain

SIGNATURE = b"#ddev-generated"
_DIFFED = 20_000  # bytes of a text that is shown line by line


class ProjectFile(NamedTuple):
    """One file: its path below the project's root, with ``/``, and what belongs there."""

    path: str
    content: bytes
    mode: int = 0o644


def compare(files: Iterable[ProjectFile], root: Path) -> tuple[Change, ...]:
    """What a write would do to each file; nothing is written."""
    return tuple(_compared(file, root) for file in files)


def stand(files: Iterable[tuple[str, str, int]], root: Path) -> bool:
    """Whether all of them (path, sha256, mode) stand there as they were written."""
    for path, wanted, mode in files:
        found, found_mode = _standing(root, path)
        if found.content is None or digest(found.content) != wanted or found_mode != mode:
            return False
    return True


def in_the_way(changes: Iterable[Change]) -> tuple[Finding, ...]:
    """Why a file is not ours to overwrite."""
    return tuple(
        Finding(
            "MC041",
            f"{c.path} is {c.what}, so it was not overwritten",
            Origin(Source(str(c.path))),
            ("without `#ddev-generated` in it, it is yours; everything else was written",),
            ("move it away, then run `mcpconf sync` again",),
        )
        for c in changes
        if c.kind is Kind.FOREIGN
    )


def write(files: Iterable[ProjectFile], changes: Iterable[Change], root: Path) -> None:
    """Write what differs, in the order of the files.  Raises Failure."""
    wanted = {c.path for c in changes if c.kind not in (Kind.UNCHANGED, Kind.FOREIGN)}
    for file in files:
        path = root / file.path
        if path in wanted:
            with explained(path), _folder_of(root, file.path, create=True) as fd:
                assert fd is not None
                _exchange(fd, path.name, file)


def remove(paths: Iterable[str], root: Path) -> tuple[Finding, ...]:
    """Delete the files that are ours; returns what was left, and why."""
    left = []
    for path in paths:
        with explained(root / path, "removed"), _folder_of(root, path, create=False) as fd:
            if fd is None:
                continue
            name = os.path.basename(path)
            found = read_plain(fd, name)
            if _is_ours(found):
                os.unlink(name, dir_fd=fd)
            elif found.form is not Form.NOTHING:
                left.append(_left(root / path, found))
    return tuple(left)


def remove_empty(folders: Iterable[str], root: Path) -> None:
    """Delete directories in which nothing is left, deepest first."""
    for path in sorted(folders, key=len, reverse=True):
        with _folder_of(root, path, create=False) as fd, suppress(OSError):
            if fd is not None:
                os.rmdir(os.path.basename(path), dir_fd=fd)


def _compared(file: ProjectFile, root: Path) -> Change:
    found, mode = _standing(root, file.path)
    path = root / file.path
    if found.form is Form.NOTHING:
        kind = Kind.CREATE
    elif not _is_ours(found) and found.content != file.content:
        kind = Kind.FOREIGN
    elif found.content == file.content:
        kind = Kind.UNCHANGED if mode == file.mode else Kind.ADOPT
    else:
        kind = Kind.UPDATE
    text = file.content.decode("utf-8", "replace")
    long = len(file.content) > _DIFFED
    shown = Artifact(path.name, f"{len(file.content)} bytes\n" if long else text, Reader.CONTAINER)
    before = f"{len(found.content)} bytes\n".encode() if long and found.content else found.content
    what = _what(found) if kind is Kind.FOREIGN else ""
    return Change(kind, file.path, Reader.CONTAINER, path, shown, before, what)


def _what(found: Found) -> str:
    return found.what or "a file without #ddev-generated"


def _left(path: Path, found: Found) -> Finding:
    return Finding(
        "MC041",
        f"{path} is {_what(found)}, so it was left",
        Origin(Source(str(path))),
        (),
        () if found.what == A_DIRECTORY else ("delete it yourself if you do not need it",),
    )


def _is_ours(found: Found) -> bool:
    return found.content is not None and (not found.content or SIGNATURE in found.content)


def _standing(root: Path, path: str) -> tuple[Found, int]:
    """What stands there, and its mode."""
    with explained(root / path, "read"), _folder_of(root, path, create=False) as fd:
        if fd is None:
            return Found(Form.NOTHING), 0
        name = os.path.basename(path)
        found = read_plain(fd, name)
        if found.form is not Form.FILE:
            return found, 0
        return found, os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode & 0o777


@contextmanager
def _folder_of(root: Path, path: str, *, create: bool) -> Iterator[int | None]:
    """The directory that holds a file, open; None where there is none.

    Raises OSError where a link or a file stands in its place.
    """
    *parts, _ = path.split("/")
    fd: int | None = os.open(root, DIRECTORY)
    try:
        for part in parts:
            assert fd is not None
            below = _step(fd, part, create=create)
            os.close(fd)
            fd = below
            if fd is None:
                break
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _step(fd: int, part: str, *, create: bool) -> int | None:
    if create:
        with suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=fd)
    try:
        return open_directory(fd, part)
    except FileNotFoundError:
        return None


def _exchange(fd: int, name: str, file: ProjectFile) -> None:
    temporary = f".{name}.{os.getpid()}"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=fd)
    new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600, dir_fd=fd)
    try:
        with os.fdopen(new, "wb") as stream:
            os.fchmod(new, file.mode)
            stream.write(file.content)
            stream.flush()
            os.fsync(new)
        os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=fd)
        raise
