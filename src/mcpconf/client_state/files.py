"""Reading and exchanging a file of the client, by the client's own rules.

Measured with 2.1.197 and 2.1.328 (strace of ``claude mcp logout``): ``.credentials.json`` is
written under the lock directory ``.storage-write.lock`` beside it (``mkdir`` takes it, one older
than ten seconds is stale and is taken over), into a temporary file of mode 0600 that is renamed.
``mcp-needs-auth-cache.json`` has no lock: it is overwritten in place.  So it is looked at again
just before the rename, and read anew if it has changed.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from mcpconf.errors import Failure

STALE = 10.0  # seconds
PATIENCE = 12.0
_PAUSE = 0.05
_ATTEMPTS = 20

Seen = tuple[int, int, int]


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a lock directory of the client's; wait for another holder, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    while not _made(directory):
        if time.monotonic() > deadline:
            raise Failure(
                f"the client holds {directory} for more than {PATIENCE:g} seconds",
                note="nothing was written",
                help="end the `claude` that hangs, or try again",
            )
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(OSError):
            directory.rmdir()


def _made(directory: Path) -> bool:
    try:
        directory.mkdir()
    except FileExistsError:
        with suppress(OSError):
            if time.time() - directory.stat().st_mtime > STALE:
                directory.rmdir()
        return False
    return True


def exchange(path: Path, lock: Path | None, change: Callable[[str], str]) -> bool:
    """Change a file as the client would; returns whether there was something to change.

    ``change`` is called inside the lock with what the file holds then, and again if somebody
    wrote the file meanwhile.
    """
    real = Path(os.path.realpath(path))
    with explained(path), locked(lock) if lock else nullcontext():
        for _ in range(_ATTEMPTS):
            try:
                seen, text = _read(real)
            except FileNotFoundError:
                return False
            fresh = change(text)
            if fresh == text:
                return False
            if _replace(real, fresh, seen):
                return True
    raise Failure(
        f"{path} changes each time it is read",
        note="nothing was written",
        help="end the `claude` that writes it, then try again",
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's refusals into a :class:`Failure` with a way out."""
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{path} could not be cleaned: {error.strerror or error}",
            note="it is as it was",
            help=f"look at it with `ls -la {path}`, then run it again",
        ) from error


def _read(real: Path) -> tuple[Seen, str]:
    with real.open("rb") as file:
        status = os.fstat(file.fileno())
        return _seen(status), file.read().decode("utf-8", "surrogateescape")


def _seen(status: os.stat_result) -> Seen:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _replace(real: Path, text: str, seen: Seen) -> bool:
    """Write beside it and rename, with its mode and owner; False if it has changed meanwhile."""
    new = real.with_name(f"{real.name}.tmp.{secrets.token_hex(4)}")
    status = real.stat()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            if os.geteuid() == 0:
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            os.fsync(file.fileno())
        if _seen(real.stat()) != seen:
            return False
        new.replace(real)
        return True
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
