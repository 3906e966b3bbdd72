"""Logs of JSON lines, one writer each, read while they grow."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

Entry = dict[str, Any]
_SMALL = 1 << 20  # bytes that are read without looking for a place to start


class Log:
    """Appends entries; every one has ``t``, seconds since the epoch."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1 << 16)

    def add(self, **entry: Any) -> None:
        self._file.write(json.dumps({"t": round(time.time(), 4), **entry}) + "\n")

    def flush(self) -> None:
        self._file.flush()

    def say(self, **entry: Any) -> None:
        """Append and flush."""
        self.add(**entry)
        self.flush()


def entries(path: Path, since: float) -> Iterator[Entry]:
    """All whole entries from ``since`` on."""
    with path.open("rb") as file:
        file.seek(_start(file, path.stat().st_size, since))
        for line in file:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["t"] >= since:
                    yield entry


def _start(file: BinaryIO, size: int, since: float) -> int:
    """The offset of a line shortly before ``since``; entries may be a second out of order."""
    low, high = 0, size
    while high - low > _SMALL:
        middle = (low + high) // 2
        at, when = _line_after(file, middle)
        if when is not None and when < since - 1:
            low = at
        else:
            high = middle
    return low


def _line_after(file: BinaryIO, offset: int) -> tuple[int, float | None]:
    file.seek(offset)
    file.readline()
    at = file.tell()
    try:
        return at, json.loads(file.readline())["t"]
    except ValueError:
        return at, None
