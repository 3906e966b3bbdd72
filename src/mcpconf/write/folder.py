"""The two directories, and how they are opened: below the project never through a link."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mcpconf.emit import Reader
from mcpconf.errors import Failure

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Target:
    """Where the artifacts go.

    ``container`` is mounted into the container, ``host`` is for the host alone.  ``project`` is
    trusted; what is below it came with a clone and is not.
    """

    container: Path
    host: Path
    project: Path | None = None

    def of(self, reader: Reader) -> Path:
        return self.container if reader is Reader.CONTAINER else self.host


@dataclass(frozen=True)
class Folder:
    """One of the two directories, open."""

    path: Path
    fd: int
    reader: Reader

    @property
    def mode(self) -> int:
        return _MODES[self.reader]


Folders = Mapping[Reader, Folder]
"""Those of the two directories that are there."""

_MODES = {Reader.CONTAINER: 0o755, Reader.HOST: 0o700}


@contextmanager
def explained(path: Path, doing: str = "written") -> Iterator[None]:
    """Turn the system's refusals into a :class:`Failure` with a way out."""
    try:
        yield
    except OSError as error:
        way = _WAYS.get(error.errno or 0, "look at it with `ls -la {path}`, then run it again")
        raise Failure(
            f"the files in {path} could not be {doing}: {error.strerror or error}",
            note=_NOTES.get(doing, "nothing was written"),
            help=way.format(path=deepest(path)),
        ) from error


def deepest(path: Path) -> Path:
    """How far a path exists: what is missing below is not what has to be mended."""
    return next((p for p in (path, *path.parents) if os.path.lexists(p)), path)


_NOTES = {
    "written": "the set is whole: all files are as they were before, or all are new",
    "removed": "some files may be left; `mcpconf remove` again takes up where it stopped",
}
_FULL = "make room on the disk that holds {path}, then run it again"
_RIGHTS = "give yourself the right to do that: see `ls -ld {path}`"
_WAYS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "lift the limit on the size of files (`ulimit -f`), then run it again",
    errno.EROFS: "{path} is on a file system that is mounted read-only; mount it writable",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}


@contextmanager
def opened(target: Target, *, create: bool) -> Iterator[Folders]:
    """Open both directories.  Those that do not exist are made, or left out."""
    folders = {}
    with ExitStack() as stack:
        for reader in Reader:
            path = target.of(reader)
            with explained(path, "reached"):
                fd = _open(path, target.project, _MODES[reader] if create else None)
            if fd is not None:
                stack.callback(os.close, fd)
                folders[reader] = Folder(path, fd, reader)
        if create:
            _keep_private(folders[Reader.HOST])
        yield folders


def _keep_private(host: Folder) -> None:
    if os.fstat(host.fd).st_mode & 0o077:
        with explained(host.path):
            os.fchmod(host.fd, host.mode)


def _open(path: Path, project: Path | None, mode: int | None) -> int | None:
    """Open a directory; ``mode`` is for what has to be made, None makes nothing."""
    if ".." in path.parts:
        raise ValueError(f"{path} is not a plain path")
    here = _trusted(path, project)
    fd = os.open(here, DIRECTORY)
    for part in path.relative_to(here).parts:
        here /= part
        try:
            below = _step(fd, part, mode)
        except NotADirectoryError:
            raise _not_ours(here) from None
        finally:
            os.close(fd)
        if below is None:
            return None
        fd = below
    return fd


def _trusted(path: Path, project: Path | None) -> Path:
    """Return the part of a path that may be followed: up to the project, else all that is there.

    The project is found by its inode, because it may be spelled in another way, and the outermost
    counts: what is below may be a link that leads back to it.
    """
    lineage = (*reversed(path.parents), path)
    if project is not None:
        inode = project.stat()
        for parent in lineage:
            with suppress(OSError):
                if os.path.samestat(parent.stat(), inode):
                    return parent
    return next(parent for parent in reversed(lineage) if parent.exists())


def _step(fd: int, part: str, mode: int | None) -> int | None:
    try:
        return open_directory(fd, part)
    except FileNotFoundError:
        if mode is None:
            return None
    with suppress(FileExistsError):
        os.mkdir(part, mode, dir_fd=fd)
    below = open_directory(fd, part)
    os.fchmod(below, mode)  # whatever the umask says: the container's user is another one
    return below


def open_directory(fd: int, name: str) -> int:
    """Open a directory that is no link; raises NotADirectoryError for everything else."""
    try:
        return os.open(name, DIRECTORY | NO_LINK, dir_fd=fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        raise


def _not_ours(path: Path) -> Failure:
    return Failure(
        f"{path} is a link or a file, and a directory of this project belongs there",
        note="nothing was written through it",
        help=f"see where it leads with `ls -ld {path}`, and move it away if it is not yours",
    )
