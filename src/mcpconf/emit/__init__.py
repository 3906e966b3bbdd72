"""Artifacts: what a sync writes, as text, before anything is written.

An artifact says who may read it.  What the container reads goes into one directory that is
mounted there read-only; what only the host reads stays in the project's state directory, 0600.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Reader(Enum):
    """Who may read an artifact."""

    CONTAINER = "container"
    HOST = "host"


@dataclass(frozen=True)
class Artifact:
    """One file to be written: its plain name, its text (UTF-8, ends in a line feed), its reader.

    ``shown`` turns such a text into what people may see of it, for diffs.
    """

    name: str
    text: str = field(repr=False)
    reader: Reader
    shown: Callable[[str], str] = field(default=str, repr=False, compare=False)

    @property
    def mode(self) -> int:
        return 0o644 if self.reader is Reader.CONTAINER else 0o600
