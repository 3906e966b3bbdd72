"""One edit of the user's mcpconf.toml: read, changed, checked and replaced, by one at a time.

The file keeps its mode, and behind a link it is the link's target that changes.  What is written
replaces the file at once.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf import toml_rows as toml
from mcpconf.errors import Failure
from mcpconf.toml_rows import BrokenError

_HEADER = """\
# What you allow mcpconf: hosts that your containers reach, servers that run on this machine.
# `mcpconf allow` and `mcpconf trust` write rows here; your own lines and comments stay.
"""
_PATIENCE = 5.0  # seconds
_PAUSE = 0.01


class Edit(NamedTuple):
    """What became of the file; ``summary`` is one line for people."""

    path: Path
    changed: bool
    summary: str


def apply(path: Path, change: Callable[[str], str], now: str, before: str = "") -> Edit:
    """Read, change, write, all under the lock.

    ``now`` says what was done, ``before`` that nothing had to be.  Without the latter there is
    nothing to make anew.
    """
    target = Path(os.path.realpath(path))
    with _explained(target):
        if not before and not target.exists():
            change("")
        _make(target.parent)
        with _locked(target.with_name(f".{target.name}.lock")):
            old = _read(target)
            new = toml.edited(_HEADER if old is None else old, change)
            if new != old:
                _write(target, new)
    return Edit(path, new != old, before if new == old else now)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenError as broken:
        message, help_ = f"mcpconf.toml {broken}", "correct it, then run this again"
        raise Failure(message, note=f"{path} was not changed", help=help_) from None
    except OSError as error:
        message = f"{path} could not be edited: {error.strerror or error}"
        help_ = f"see who may write there: `ls -ld {path.parent} {path}`"
        raise Failure(message, note="nothing was changed", help=help_) from error


def _make(directory: Path) -> None:
    if not directory.is_dir():
        _make(directory.parent)
        with suppress(FileExistsError):
            directory.mkdir(0o700)


def _read(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenError("is not a regular file")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise BrokenError("is not UTF-8") from None


def _write(path: Path, text: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the lock, and leave no file behind: who waits for one that is gone opens the next."""
    deadline = time.monotonic() + _PATIENCE
    while (descriptor := _take(lock)) is None:
        if time.monotonic() > deadline:
            message = f"another process has been editing mcpconf.toml for {_PATIENCE:g} seconds"
            help_ = f"end it if it hangs; `fuser {lock}` names it"
            raise Failure(message, note="nothing was changed", help=help_)
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()
        os.close(descriptor)


def _take(lock: Path) -> int | None:
    """Take the lock if it is free, and still the file that the next one would open."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), lock.stat()):
            return descriptor
    os.close(descriptor)
    return None
