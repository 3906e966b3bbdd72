"""Reads files that an engine goes on writing, and that are exchanged when they have grown.

Only the keeper exchanges them: ``NAME`` becomes ``NAME.1``, and the engine opens ``NAME`` anew.
"""

from __future__ import annotations

import os

MOST_HISTORY = 16_000_000  # bytes of one file; what stands before is left out
_LONGEST_LINE = 16_000  # bytes; dnsmasq writes at most 1,024, ulogd about 900


class _Piece:
    """An open file, and the line that is not whole yet."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.written = 0.0
        start = os.fstat(descriptor).st_size - MOST_HISTORY
        if start > 0:
            os.lseek(descriptor, start, os.SEEK_SET)
            self._rest = b"\0"  # its first line is not whole, and so is none

    def read(self) -> str:
        """The whole lines that have come."""
        parts = [self._rest]
        while part := os.read(self._descriptor, 1 << 20):
            parts.append(part)
        self.written = os.fstat(self._descriptor).st_mtime
        whole, newline, rest = b"".join(parts).rpartition(b"\n")
        self._rest = rest if len(rest) <= _LONGEST_LINE else b"\0"
        return (whole + newline).decode("ascii", "backslashreplace")

    def is_at(self, path: str) -> bool:
        """Tell whether a path still leads to this file, and to what was read of it."""
        try:
            there = os.stat(path, follow_symlinks=False)
        except OSError:
            return True  # nothing else is there
        mine = os.fstat(self._descriptor)
        same = (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
        return same and there.st_size >= os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def close(self) -> None:
        os.close(self._descriptor)


class Tail:
    """The whole lines of a file as they come, across its exchange.  An absent file has none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._piece: _Piece | None = None
        self._leaving: _Piece | None = None

    @property
    def written(self) -> float:
        """When the file was written last, as far as it has been read (Unix seconds); 0: never."""
        return self._piece.written if self._piece else 0.0

    def text(self) -> str:
        """What came since the last call; at the first, what the file has (MOST_HISTORY)."""
        found = self._left()
        if self._piece:
            found += self._piece.read()
            if self._piece.is_at(self._path):
                return found
            self._leaving = self._piece  # its engine may not have been told yet
        self._piece = self._opened()
        return found + self._piece.read() if self._piece else found

    def close(self) -> None:
        for piece in (self._piece, self._leaving):
            if piece:
                piece.close()
        self._piece = self._leaving = None

    def _left(self) -> str:
        if self._leaving is None:
            return ""
        found = self._leaving.read()
        self._leaving.close()
        self._leaving = None
        return found

    def _opened(self) -> _Piece | None:
        try:
            return _Piece(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))
        except OSError:
            return None


def history(path: str) -> tuple[str, float]:
    """The lines of a file that is not written any more, and when it was written last."""
    tail = Tail(path)
    text = tail.text()
    written = tail.written
    tail.close()
    return text, written
