"""A project's token, as it lies on the host: who may read it matters as much as what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mcpconf.contract import is_token
from mcpconf.errors import Failure
from mcpconf.model import Text

TOKEN = "token"  # noqa: S105  the file's name
_LONGEST = 1000  # bytes


def read_token(state: Path) -> Text | None:
    """Read the token of the project with this state directory; None where it has none yet.

    Raises:
        Failure: somebody else may read or change it, or it is no token.

    """
    path = state / TOKEN
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None
    try:
        _private(path, os.fstat(descriptor))
        text = os.read(descriptor, _LONGEST).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    if not is_token(text):
        raise _unusable(path, "holds no token")
    return Text(text)


def _private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(path, "is not a regular file")
    if status.st_uid != os.geteuid():
        raise _unusable(path, "belongs to another user")
    if status.st_mode & 0o077:
        raise Failure(
            f"others may read the project's token: {path}",
            note="whoever has it can use this project's servers as the container does",
            help=f"chmod 600 {path}    (or remove it: the next sync makes another)",
        )


def _unusable(path: Path, why: str) -> Failure:
    return Failure(
        f"the project's token {why}: {path}",
        note="nothing was written",
        help=f"rm {path}, then run `mcpconf sync`: it makes another",
    )
