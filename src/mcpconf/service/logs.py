"""Reading the gateway's decision log, which is written and rotated while it is read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

DECISIONS = "decisions.jsonl"
_OLDER = 5
_PAUSE = 0.2  # seconds


class Mark(NamedTuple):
    """A place in the log: what stands before it is old, what comes behind it is new."""

    inode: int
    size: int


def mark(gateway: Path) -> Mark:
    """Where the log ends now."""
    try:
        status = os.stat(gateway / DECISIONS)
    except FileNotFoundError:
        return Mark(0, 0)
    return Mark(status.st_ino, status.st_size)


def tail(gateway: Path, count: int, until: Mark) -> list[str]:
    """The last lines before a mark, oldest first; of earlier files where the newest has too few."""
    lines: list[str] = []
    for path in _newest_first(gateway):
        if len(lines) >= count:
            break
        with suppress(FileNotFoundError), path.open("rb") as file:
            newest = os.fstat(file.fileno()).st_ino == until.inode
            content = file.read(until.size if newest else -1)
            lines = content.decode("utf-8", "replace").splitlines() + lines
    return lines[-count:] if count > 0 else []


def _newest_first(gateway: Path) -> Iterator[Path]:
    yield gateway / DECISIONS
    yield from (gateway / f"{DECISIONS}.{number}" for number in range(1, _OLDER + 1))


def follow(gateway: Path, since: Mark) -> Iterator[str]:
    """Every line that is written behind a mark, for ever, also after a rotation."""
    path = gateway / DECISIONS
    place, rest = since, b""
    while True:
        now = mark(gateway)
        pieces = [_read(path, place)]
        if now.inode != place.inode or now.size < place.size:
            put_aside = _read(path.with_name(f"{DECISIONS}.1"), place)
            place = Mark(now.inode, 0)
            pieces = [put_aside, _read(path, place)]
        place = Mark(place.inode, place.size + len(pieces[-1]))
        *lines, rest = (rest + b"".join(pieces)).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
        time.sleep(_PAUSE)


def _read(path: Path, place: Mark) -> bytes:
    """What stands behind a place; b"" if the file is another one by now."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_ino == place.inode:
            file.seek(place.size)
            return file.read()
    return b""
