"""What stands at a plain path, seen without following any link but our own."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from mcpconf.write.folder import NO_LINK, Folder, open_directory

CURRENT = "current"
GENERATION = re.compile(r"gen-[0-9a-f]{16}(-[1-9][0-9]*)?")
A_DIRECTORY = "a directory"
_OTHERS_LINK = "a link that mcpconf did not make"
_LIMIT = 16 * 1024 * 1024  # bytes; nothing that we write comes near


class Form(Enum):
    """The four things that can stand at a plain path; ``LINK`` is our link, ``OTHER`` the rest."""

    NOTHING = auto()
    LINK = auto()
    FILE = auto()
    OTHER = auto()


@dataclass(frozen=True)
class Found:
    """What stands at a plain path.  ``content`` is what a reader gets; None: no such file.

    ``shared``: its mode lets others in.
    """

    form: Form
    content: bytes | None = field(default=None, repr=False)
    what: str = ""
    shared: bool = False


def look(folder: Folder | None, name: str) -> Found:
    """See what stands at a plain path."""
    if folder is None:
        return Found(Form.NOTHING)
    link = read_link(folder, name)
    if link is None:
        return read_plain(folder.fd, name)
    if link != f"{CURRENT}/{name}":
        return Found(Form.OTHER, what=_OTHERS_LINK)
    generation = current(folder)
    if generation is None:
        return Found(Form.LINK)
    try:
        fd = open_directory(folder.fd, generation)
    except (FileNotFoundError, NotADirectoryError):
        return Found(Form.LINK)
    try:
        found = read_plain(fd, name)
    finally:
        os.close(fd)
    return found if found.form is Form.OTHER else replace(found, form=Form.LINK)


def obstacle(folder: Folder) -> str:
    """Say what stands at ``current`` and is not ours; "" when nothing is in the way."""
    link = read_link(folder, CURRENT)
    if link is None:
        found = read_plain(folder.fd, CURRENT)
        return "a file" if found.form is Form.FILE else found.what
    if not GENERATION.fullmatch(link):
        return _OTHERS_LINK
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(link, dir_fd=folder.fd, follow_symlinks=False).st_mode):
            return "a link to something that mcpconf did not make"
    return ""


def read_link(folder: Folder, name: str) -> str | None:
    """Return where a link leads; None when there is no link of that name."""
    try:
        return os.readlink(name, dir_fd=folder.fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def current(folder: Folder) -> str | None:
    """Return the generation that a directory shows; None when it shows none that could be ours."""
    link = read_link(folder, CURRENT)
    return link if link and GENERATION.fullmatch(link) else None


def exists(folder: Folder, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def entries(fd: int) -> list[str]:
    """List a directory."""
    with os.scandir(fd) as found:
        return sorted(entry.name for entry in found)


def read_plain(fd: int, name: str) -> Found:
    """Read a regular file; never waits for the other end of a FIFO."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_LINK, dir_fd=fd)
    except FileNotFoundError:
        return Found(Form.NOTHING)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return Found(Form.OTHER, what="a link or a socket")
        raise
    try:
        status = os.fstat(file)
        if stat.S_ISDIR(status.st_mode):
            return Found(Form.OTHER, what=A_DIRECTORY)
        if not stat.S_ISREG(status.st_mode):
            return Found(Form.OTHER, what="not a regular file")
        with os.fdopen(file, "rb", closefd=False) as stream:
            content = stream.read(_LIMIT + 1)
    finally:
        os.close(file)
    if len(content) > _LIMIT:
        return Found(Form.OTHER, what="a file of more than 16 MiB")
    return Found(Form.FILE, content, shared=bool(status.st_mode & 0o077))
