"""Files below a project: every step there is opened without following links.

A clone may hold links in any place; one of them must not make us read or write elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcpconf.errors import Failure
from mcpconf.write.folder import DIRECTORY, NO_LINK, explained, open_directory

LARGEST = 256 * 1024  # bytes of a devcontainer.json
_LARGEST = 4 * 1024 * 1024  # bytes of anything
_PATIENCE = 5.0  # seconds
_PAUSE = 0.02


def read(root: Path, name: str, largest: int = _LARGEST) -> bytes | None:
    """The content of a file; None where there is none.  Raises Failure."""
    with explained(root / name, "read"), _parent(root, name, create=False) as folder:
        if folder is None:
            return None
        try:
            file = os.open(_last(name), os.O_RDONLY | os.O_NONBLOCK | NO_LINK, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _not_a_file(root / name) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise _not_a_file(root / name)
        with os.fdopen(file, "rb") as stream:
            content = stream.read(largest + 1)
    if len(content) > largest:
        raise Failure(
            f"{root / name} has more than {largest // 1024} KiB",
            note="nothing was written",
            help="nobody needs that much there; look at what it is",
        )
    return content


def write(root: Path, name: str, content: bytes, mode: int = 0o644) -> None:
    """Replace a file in one step; one that is there keeps its mode and owner.  Raises Failure."""
    with explained(root / name), _parent(root, name, create=True) as folder:
        assert folder is not None
        last = _last(name)
        temporary = half(last)
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)  # of one that was killed
        there = _status(folder, last)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
        file = os.open(temporary, flags, mode, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as stream:
                os.fchmod(file, stat.S_IMODE(there.st_mode) if there else mode)
                if there:
                    with suppress(OSError):  # not ours to give: then it is the writer's
                        os.fchown(file, there.st_uid, there.st_gid)
                stream.write(content)
                stream.flush()
                os.fsync(file)
            os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise


def remove(root: Path, name: str) -> None:
    """Delete a file, if it is there.  Raises Failure."""
    with explained(root / name, "removed"), _parent(root, name, create=False) as folder:
        if folder is not None:
            with suppress(FileNotFoundError):
                os.unlink(_last(name), dir_fd=folder)


def half(name: str) -> str:
    """What a file is called while it is written."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}.{last}.mcpconf"


def sweep(root: Path, name: str) -> None:
    """Delete what a kill left of a file."""
    remove(root, half(name))


def remove_folder(root: Path, name: str) -> None:
    """Delete a directory if it is empty."""
    with suppress(OSError, Failure), _parent(root, name, create=False) as folder:
        if folder is not None:
            os.rmdir(_last(name), dir_fd=folder)


def is_read_only(root: Path, name: str) -> bool:
    """Whether nobody is to write a file, by its mode."""
    with explained(root / name, "read"), _parent(root, name, create=False) as folder:
        there = _status(folder, _last(name)) if folder is not None else None
    return there is not None and not there.st_mode & 0o222


def is_plain(name: str) -> bool:
    """Whether a name stays below its root, by its spelling."""
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:  # no file can have it
        return False
    return not {"", ".", ".."} & {*name.split("/")} and b"\0" not in encoded


def folders(root: Path, name: str) -> list[str]:
    """The directories in a directory; none where it is not there."""
    with explained(root / name, "read"), _parent(root, f"{name}/x", create=False) as folder:
        if folder is None:
            return []
        with os.scandir(folder) as found:
            return sorted(e.name for e in found if e.is_dir(follow_symlinks=False))


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the project against another init; the lock is on its directory and leaves nothing."""
    deadline = time.monotonic() + _PATIENCE
    with explained(root, "locked"):
        fd = os.open(root, DIRECTORY)
        try:
            while not _take(fd):
                if time.monotonic() > deadline:
                    raise Failure(
                        f"another process has been at work in {root} for {_PATIENCE:g} seconds",
                        note="nothing was written",
                        help=f"wait for it, or see which it is: fuser {root}",
                    )
                time.sleep(_PAUSE)
            yield
        finally:
            os.close(fd)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _parent(root: Path, name: str, *, create: bool) -> Iterator[int | None]:
    """The open directory of a file; None where it is missing."""
    if not is_plain(name):
        raise ValueError(f"{name!a} is no plain path")
    fd = os.open(root, DIRECTORY)
    try:
        here = root
        for part in name.split("/")[:-1]:
            here /= part
            below = _step(fd, part, here, create=create)
            if below is None:
                break
            os.close(fd)
            fd = below
        else:
            yield fd
            return
        yield None
    finally:
        os.close(fd)


def _step(fd: int, part: str, here: Path, *, create: bool) -> int | None:
    try:
        return open_directory(fd, part)
    except FileNotFoundError:
        if not create:
            return None
    except NotADirectoryError:
        raise Failure(
            f"{here} is a link or a file, and a directory of this project belongs there",
            note="nothing was written through it",
            help=f"see where it leads with `ls -ld '{here}'`; make it a directory of its own",
        ) from None
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=fd)
    below = open_directory(fd, part)
    if part.startswith("mcpconf"):
        os.fchmod(below, 0o755)  # whatever the umask says: who reads it inside is somebody else
    return below


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _not_a_file(path: Path) -> Failure:
    return Failure(
        f"{path} is a link, a directory or something else that is no plain file",
        note="nothing was written",
        help="put a plain file in its place (the tools look for it there)",
    )
