"""The decision log: who was refused and why, what started and what ended.  Never a token.

One JSON object a line, ASCII only, foreign text cut and escaped by the serializer.  Five files of
a megabyte; a flood of refusals costs a hundred lines a second and a count of the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

_LARGEST = 1_000_000
_FILES = 5
_PER_SECOND = 100
_CUT = 400


class DecisionLog:
    """Appends to ``decisions.jsonl``; where that cannot be written, says so once and goes on."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd = -1
        self._size = 0
        self._second = 0
        self._lines = 0
        self._left_out = 0
        if path is not None:
            self._open(path)

    def write(self, event: str, **facts: object) -> None:
        """One line; texts are cut, empty ones left out."""
        if self._fd < 0 or self._flooded():
            return
        row: dict[str, object] = {"at": round(time.time(), 3), "event": event}
        row |= {k: v[:_CUT] if isinstance(v, str) else v for k, v in facts.items() if v != ""}
        if self._left_out:
            row["left_out"], self._left_out = self._left_out, 0
        self._append(json.dumps(row, separators=(",", ":")).encode() + b"\n")

    def _flooded(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > _PER_SECOND:
            self._left_out += 1
            return True
        return False

    def _append(self, line: bytes) -> None:
        try:
            if self._size + len(line) > _LARGEST and self._path is not None:
                self._rotate(self._path)
            os.write(self._fd, line)
            self._size += len(line)
        except OSError as error:
            self._give_up(error)

    def _rotate(self, path: Path) -> None:
        self.close()
        for number in range(_FILES - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        self._open(path)

    def _open(self, path: Path) -> None:
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(path, flags, 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        sys.stderr.write(
            f"mcpconf gateway: the decision log cannot be written: {error.strerror}; it goes on "
            f"without one\n"
        )
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
