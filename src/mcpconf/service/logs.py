"""Reading the gateway's decision log, which is rotated while it is read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DECISIONS = "decisions.jsonl"
_OLDER = 5
_PAUSE = 0.2  # seconds


def tail(gateway: Path, count: int) -> list[str]:
    """The last lines, oldest first; of earlier files where the newest has too few."""
    lines: list[str] = []
    for path in _newest_first(gateway):
        if len(lines) >= count:
            break
        with suppress(FileNotFoundError):
            lines = path.read_text("utf-8", "replace").splitlines() + lines
    return lines[-count:] if count > 0 else []


def _newest_first(gateway: Path) -> Iterator[Path]:
    yield gateway / DECISIONS
    yield from (gateway / f"{DECISIONS}.{number}" for number in range(1, _OLDER + 1))


def follow(gateway: Path) -> Iterator[str]:
    """Every line that is written from now on, for ever, also after a rotation."""
    path = gateway / DECISIONS
    position = _size(path)
    inode = _inode(path)
    rest = ""
    while True:
        if _inode(path) != inode or _size(path) < position:
            position, inode, rest = 0, _inode(path), ""
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(position)
            fresh = file.read()
            position += len(fresh)
            *lines, rest = (rest + fresh.decode("utf-8", "replace")).split("\n")
            yield from lines
        time.sleep(_PAUSE)


def _size(path: Path) -> int:
    return os.stat(path).st_size if path.exists() else 0


def _inode(path: Path) -> int:
    return os.stat(path).st_ino if path.exists() else 0
