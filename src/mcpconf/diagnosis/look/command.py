"""What the file of a command is that could not be started.  It is read, and never run."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mcpconf.diagnosis.evidence import File

_FIRST = 256  # bytes, of which Linux looks for `#!`
_MARK = b"#!"


def look_at_command(word: str, path: str, folder: str) -> File:
    """Look for a command as the system does: in PATH, or where its path leads from a folder."""
    if "/" not in word:
        found = shutil.which(word, path=path)
        where = Path(found) if found else _denied(word, path)
        return File(word, _kind(where), _needs(where)) if where else File(word, "absent")
    where = Path(folder, word)
    return File(word, _kind(where), _needs(where))


def _denied(word: str, path: str) -> Path | None:
    """A file of that name in PATH that may not be executed."""
    places = (Path(part, word) for part in path.split(os.pathsep) if part)
    return next((p for p in places if _is_file(p)), None)


def _is_file(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def _kind(path: Path) -> str:
    try:
        if not path.is_file():
            return "directory" if path.is_dir() else "absent"
        first = _beginning(path) if os.access(path, os.X_OK) else None
    except (OSError, ValueError):
        return "absent"
    return "denied" if first is None else _kind_of(first)


def _kind_of(first: bytes) -> str:
    """What a file is that begins like this."""
    if not first:
        return "empty"
    if not first.startswith(_MARK):
        return "program" if b"\0" in first else "text"
    if first.partition(b"\n")[0].endswith(b"\r"):
        return "crlf"
    return "interpreter"


def _needs(path: Path) -> str:
    """The interpreter that a script's first line names; "" where it is no script."""
    with suppress(OSError, ValueError):
        line = _beginning(path).partition(b"\n")[0]
        if line.startswith(_MARK):
            words = line.removeprefix(_MARK).decode("utf-8", "replace").split()
            return words[0] if words else ""
    return ""


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_FIRST)
