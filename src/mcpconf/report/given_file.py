"""Writing a file that the user named: whole or not at all, and only over a file of the same kind.

A file that is there is replaced at once (``rename``), so that nobody reads half of it, and keeps
its permissions; a new one is for this user alone (0600).  A link is not followed: in a clone it
may lead to any file of the user's.  Directories, devices and pipes are refused.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from mcpconf.errors import Failure, Usage
from mcpconf.names import quote

_OTHERS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISLNK, "is a link"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
)


def check_all(*files: tuple[Path | None, str]) -> None:
    """Look at several before anything is done.  Raises Usage."""
    for path, option in files:
        if path is not None:
            check(path, option)


def check(path: Path, option: str) -> int:
    """The mode that the file will have.  Raises Usage where it is none that can be written."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = 0
    except (OSError, ValueError) as error:
        raise Usage(f"{option} {_named(path)} cannot be used: {_why(error)}") from None
    what = next((words for is_one, words in _OTHERS if mode and is_one(mode)), "")
    if what:
        raise Usage(
            f"{option} {_named(path)} {what}, and is not written over",
            help="give the path of a file, or of none that is there yet",
        )
    if not path.parent.is_dir():
        raise Usage(
            f"{option} {_named(path)}: there is no directory {_named(path.parent)}",
            help=f"make it first, or give another path to {option}",
        )
    return mode & 0o777 if mode else 0o600  # no setuid: the agent may have made the file


def put(path: Path, text: str, option: str) -> None:
    """Write it.  Raises Usage, or Failure where the disk says no."""
    mode = check(path, option)
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(new)
        raise Failure(
            f"{_named(path)} could not be written: {_why(error)}",
            note="what was there before is there still",
            help=f"give another path to {option}",
        ) from error


def _named(path: Path) -> str:
    return quote(str(path), 200)


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "its name is none").lower()
