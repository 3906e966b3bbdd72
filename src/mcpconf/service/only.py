"""One gateway per user: a lock that dies with its holder, and the files that stand around it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcpconf.errors import Failure

SOCKET = "gateway.sock"
CONTROL = "control.sock"
LOCK = "lock"
PID = "pid"
_ATTEMPTS, _PAUSE = 5, 0.02  # seconds
_LONGEST_SOCKET = 103  # bytes: sun_path of macOS without its NUL


@contextmanager
def only_one(gateway: Path) -> Iterator[None]:
    """Be the gateway of this user, or say who is.  Clears away what a killed one left.

    Raises:
        Failure: another one runs, or the directory cannot be used.

    """
    prepare(gateway)
    lock = _open_lock(gateway)
    try:
        if not _take_patiently(lock):
            raise _busy(gateway)
        for name in (PID, SOCKET, CONTROL):
            _clear(gateway / name)
        with explained(gateway):
            _write_pid(gateway)
        try:
            yield
        finally:
            _clear(gateway / PID)
    finally:
        os.close(lock)


def prepare(gateway: Path) -> None:
    """Make the directory, for this user alone."""
    with explained(gateway):
        gateway.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = gateway.stat()
        if status.st_uid != os.geteuid():
            raise Failure(
                f"{gateway} belongs to another user",
                note="the gateway keeps its sockets there, and does not start",
                help=f"look at it with `ls -ld {gateway}`, and move it away if it is not yours",
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            gateway.chmod(0o700)
    for name in (SOCKET, CONTROL):
        if len(os.fsencode(gateway / name)) > _LONGEST_SOCKET:
            raise Failure(
                f"the path of the gateway's socket is too long: {gateway / name}",
                note=f"the system allows {_LONGEST_SOCKET} bytes",
                help="set XDG_STATE_HOME (Linux) to a shorter directory, or give --home DIR",
            )


@contextmanager
def explained(gateway: Path) -> Iterator[None]:
    """Turn the system's refusals into a :class:`Failure` with a way out."""
    try:
        yield
    except OSError as error:
        there = next(p for p in (gateway, *gateway.parents) if os.path.lexists(p))
        way = f"make it writable for you: see `ls -ld {there}`"
        if error.errno == errno.EROFS:
            way = "it is on a file system that is mounted read-only; mount it writable"
        raise Failure(
            f"the gateway's directory cannot be used: {gateway}: {error.strerror or error}",
            note="the gateway keeps its sockets and logs there, and does not start without it",
            help=way,
        ) from error


def running(gateway: Path) -> int | None:
    """The process that is the gateway; None when none is.  0: one is, and its pid is not known."""
    try:
        lock = os.open(gateway / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if _take(lock, fcntl.LOCK_SH) else _pid(gateway)
    finally:
        os.close(lock)


def _open_lock(gateway: Path) -> int:
    with explained(gateway):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(gateway / LOCK, flags, 0o600)


def _take(lock: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take it at once; who only looks shares it, so that two who look see the same."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_patiently(lock: int) -> bool:
    """Take it, also if somebody is just looking whether it is held (:func:`running`)."""
    for _ in range(_ATTEMPTS):
        if _take(lock):
            return True
        time.sleep(_PAUSE)
    return False


def _pid(gateway: Path) -> int:
    try:
        text = (gateway / PID).read_text("ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() and len(text) < 12 else 0  # noqa: PLR2004


def _write_pid(gateway: Path) -> None:
    new = gateway / f".{PID}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, b"%d\n" % os.getpid())
    finally:
        os.close(descriptor)
    new.replace(gateway / PID)


def _clear(path: Path) -> None:
    with explained(path.parent), suppress(FileNotFoundError):
        path.unlink()


def _busy(gateway: Path) -> Failure:
    pid = _pid(gateway)
    who = f"process {pid}" if pid else "another process"
    return Failure(
        f"a gateway is running already: {who}",
        note=f"it holds {gateway / LOCK}",
        help="mcpconf gateway status    (and `mcpconf gateway stop` ends it)",
    )
