"""The steps that change a directory.  Each can be cut off anywhere and leaves nothing in sight."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count

from mcpconf.write.folder import NO_LINK, Folder, explained, open_directory
from mcpconf.write.standing import (
    CURRENT,
    GENERATION,
    Form,
    Found,
    entries,
    exists,
    look,
    read_link,
)

_BUILDING = ".building"
_LINK = ".link"
_TEMPORARY = re.compile(r"\.(building|link)(-[1-9][0-9]*)?")


def free_name(identity: str, folders: Iterable[Folder]) -> str:
    """Name a generation as no other is named, be it damaged, or one that somebody still reads."""
    folders = tuple(folders)
    names = (f"gen-{identity}" + (f"-{n}" if n else "") for n in count())
    return next(name for name in names if not any(exists(f, name) for f in folders))


def build(folder: Folder, generation: str, contents: Mapping[str, bytes]) -> None:
    """Make a generation, whole before it gets its name, and on the disk before anybody sees it."""
    with explained(folder.path):
        building = _temporary(_BUILDING, lambda name: os.mkdir(name, 0o700, dir_fd=folder.fd))
        fd = open_directory(folder.fd, building)
        try:
            for name, content in sorted(contents.items()):
                _create(fd, name, content, folder.mode & 0o666)
            os.fchmod(fd, folder.mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(building, generation, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
        os.fsync(folder.fd)


def _temporary(name: str, make: Callable[[str], None]) -> str:
    """Make a temporary under a name that is free: a clone may hold what :func:`drop` leaves."""
    for number in count():
        free = f"{name}-{number}" if number else name
        with suppress(FileExistsError):
            make(free)
            return free
    raise AssertionError


def drop_temporaries(folder: Folder) -> None:
    """Delete what a killed sync left.  What cannot be deleted is in nobody's way."""
    for name in temporaries(folder):
        with suppress(OSError):
            drop(folder, name)


def temporaries(folder: Folder) -> list[str]:
    with explained(folder.path, "read"):
        return [entry for entry in entries(folder.fd) if _TEMPORARY.fullmatch(entry)]


def _create(fd: int, name: str, content: bytes, mode: int) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600, dir_fd=fd)
    try:
        os.fchmod(file, mode)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def point(folder: Folder, name: str, to: str) -> None:
    """Make a link, or exchange what stands there for it, in one step."""
    with explained(folder.path):
        new = _temporary(_LINK, lambda free: os.symlink(to, free, dir_fd=folder.fd))
        os.rename(new, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
        os.fsync(folder.fd)


def link(folder: Folder, names: Iterable[str]) -> None:
    """Make the plain paths lead to the current generation."""
    for name in sorted(names):
        to = f"{CURRENT}/{name}"
        if read_link(folder, name) != to:
            point(folder, name, to)


def drop(folder: Folder, name: str) -> None:
    """Delete a generation or a temporary, whatever it is; a directory only one level deep."""
    try:
        fd = open_directory(folder.fd, name)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder.fd)
        return
    try:
        for entry in entries(fd):
            os.unlink(entry, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=folder.fd)


def drop_all_but(folder: Folder, keep: Iterable[str | None]) -> None:
    """Delete other generations.  One that cannot be deleted is in nobody's way."""
    for entry in set(entries(folder.fd)) - set(keep):
        if GENERATION.fullmatch(entry):
            with suppress(OSError):
                drop(folder, entry)


def unlink_dangling(folder: Folder) -> None:
    """Delete plain paths that lead nowhere: of files that are no more, or did not come to be."""
    for entry in entries(folder.fd):
        if look(folder, entry) == Found(Form.LINK):
            os.unlink(entry, dir_fd=folder.fd)
