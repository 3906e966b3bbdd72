"""What the last sync wrote and from what, so that the next one can see that nothing has changed.

Rendering loads a template engine, YAML and two programs of ours: half a second that a sync without
changes does not need.  The record lies in the project's state directory on the host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mcpconf import __version__
from mcpconf._resources import data
from mcpconf.findings import Finding
from mcpconf.model import sha256_hex
from mcpconf.origin import Origin, Source
from mcpconf.readers.world import read

RECORD = "ddev.json"
_VERSION = 1
_CODE = Path(__file__).parents[1]


class Record(NamedTuple):
    """``files`` are path, sha256 and mode; ``folders`` those that mcpconf made."""

    key: str
    files: tuple[tuple[str, str, int], ...]
    findings: tuple[Finding, ...]


def key_of(*inputs: object) -> str:
    """What the files hang on, as one hash: the inputs, and what we ship."""
    return sha256_hex(repr((inputs, __version__, sorted(_shipped()))))


def _shipped() -> Iterable[tuple[str, int, int]]:
    folders = [data("templates", "ddev"), data("templates", "ddev", "build")]
    folders += [_CODE / "bridge", _CODE / "firewall", _CODE / "ddev"]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file():
                    status = entry.stat()
                    yield entry.path, status.st_size, status.st_mtime_ns


def load(state: Path) -> Record | None:
    """Read it; None where there is none that can be used."""
    file = read(state / RECORD)
    try:
        table = json.loads(file.text) if isinstance(file, Source) else {}
        if table["version"] != _VERSION:
            return None
        files = tuple((str(p), str(d), int(m)) for p, d, m in table["files"])
        return Record(str(table["key"]), files, tuple(map(_finding, table["findings"])))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _finding(table: list[object]) -> Finding:
    code, message, path, notes, ways = table
    assert isinstance(notes, list)
    assert isinstance(ways, list)
    origin = Origin(Source(str(path))) if path else None
    return Finding(str(code), str(message), origin, tuple(map(str, notes)), tuple(map(str, ways)))


def save(record: Record, state: Path) -> None:
    """Write it, whole.  One that cannot be written costs the next sync its time only."""
    findings = [
        [f.code, f.message, f.origin.source.path if f.origin else None, f.notes, f.help]
        for f in record.findings
    ]
    table = {"version": _VERSION, "key": record.key, "files": record.files, "findings": findings}
    temporary = state / f".{RECORD}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "w") as stream:
        json.dump(table, stream)
    temporary.replace(state / RECORD)


def forget(state: Path) -> None:
    """Delete it, if there is one."""
    (state / RECORD).unlink(missing_ok=True)
