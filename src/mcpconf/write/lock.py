"""One writer at a time: a lock on a file in the host's directory, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mcpconf.errors import Failure
from mcpconf.write.folder import NO_LINK, Folder, explained

LOCK = "lock"
PATIENCE = 10.0  # seconds
_PAUSE = 0.02


@contextmanager
def locked(host: Folder) -> Iterator[None]:
    """Hold the lock; wait for another holder, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    with explained(host.path, "locked"):
        while (fd := _take(host)) is None:
            if time.monotonic() > deadline:
                raise _busy(host)
            time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(fd)


def _take(host: Folder) -> int | None:
    """Take the lock if it is free, and still the file that the next one would open."""
    fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600, dir_fd=host.fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.stat(LOCK, dir_fd=host.fd, follow_symlinks=False)
        if os.path.samestat(os.fstat(fd), there):
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _busy(host: Folder) -> Failure:
    fd = os.open(LOCK, os.O_RDONLY | NO_LINK, dir_fd=host.fd)
    try:
        holder = os.read(fd, 20).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    who = f"process {holder}" if holder.isdecimal() else "another process"
    return Failure(
        f"{who} has been writing the files of this project for {PATIENCE:g} seconds",
        note=f"process {os.getpid()} waited for {host.path / LOCK} and wrote nothing",
        help=f"wait for {who}, or end it if it hangs; the lock ends with it",
    )
