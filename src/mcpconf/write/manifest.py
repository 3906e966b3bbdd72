"""The manifest: which files we wrote, for whom, and what was in them.

JSON has no comments to sign, so the signature of our files stands beside them.  The manifest lies
on the host only: neither the container nor a clone can forge it.  One that cannot be read counts as
none.  ``generation`` follows from the rest, so it also tells whether the rest is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mcpconf.emit import Artifact, Reader

MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True)
class Recorded:
    """One file as we wrote it."""

    reader: Reader
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All files of one generation, by name."""

    files: Mapping[str, Recorded]

    @property
    def generation(self) -> str:
        """The hash of all names, readers and texts."""
        return digest(json.dumps(self._table()).encode())[:16]

    def dump(self) -> str:
        table = {"files": self._table(), "generation": self.generation, "version": _VERSION}
        return json.dumps(table, indent=2) + "\n"

    def _table(self) -> dict[str, dict[str, str]]:
        return {
            name: {"reader": file.reader.value, "sha256": file.sha256}
            for name, file in sorted(self.files.items())
        }


def record(artifacts: Iterable[Artifact]) -> Manifest:
    return Manifest({a.name: Recorded(a.reader, digest(a.text.encode())) for a in artifacts})


def load(content: bytes | None) -> Manifest | None:
    """Read a manifest; None when it is not one of ours, whole and of this version."""
    try:
        table = json.loads(content or b"")
        if table["version"] != _VERSION:
            return None
        files = {
            str(name): Recorded(Reader(file["reader"]), str(file["sha256"]))
            for name, file in table["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    manifest = Manifest(files)
    return manifest if manifest.generation == table.get("generation") else None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
