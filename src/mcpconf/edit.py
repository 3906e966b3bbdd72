"""Edits of the user's own mcpconf.toml, which leave everything else in it as it stands.

A row is taken as the lines from its header to its last key.  A new one goes to the end of the file
behind a blank line, and what is taken out goes with the blank line before it: so the undo restores
the file byte for byte.  A value inside a row is changed by tomlkit, which keeps its comments.

Where a statement ends is asked of the standard library's parser, and each edit is read back before
it is written.  One process edits at a time; what is written replaces the file at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcpconf.errors import Usage
from mcpconf.hosts import parse_destination, parse_ports, quote

_HEADER = """\
# What you allow mcpconf: hosts that your containers reach, servers that run on this machine.
# `mcpconf allow` and `mcpconf trust` write rows here; your own lines and comments stay.
"""
_PATIENCE = 5.0  # seconds
_PAUSE = 0.01
_BOM = "\ufeff"
_CLOSING = ("]", "}", '"""', "'''")
_INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Zl", "Zp"}


class Edit(NamedTuple):
    """What became of the file, in one line for people."""

    path: Path
    changed: bool
    summary: str


class _Statement(NamedTuple):
    """A line of TOML, or several that belong together; ``keys`` is what it says by itself."""

    start: int
    text: str
    keys: Mapping[str, object]

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class _Row(NamedTuple):
    """One table of an array: its values, and its blocks: the first its own, then subtables."""

    values: Mapping[str, object]
    blocks: Sequence[Sequence[_Statement]]


def allow(
    path: Path, host: str, *, ports: Sequence[int] = (443,), why: str, project: str | None
) -> Edit:
    """Add a row for a host, or its ports to the row that there is."""
    destination = _or_usage(parse_destination(host))
    wanted = _or_usage(parse_ports(list(ports)))
    name, where = destination.host, _where(project)
    if not why.strip():
        raise Usage(f"{quote(name)} would be open without a reason", help='add `--why "…"`')

    def change(text: str) -> str:
        rows = [r for r in _rows(text, "allow") if _is_for(r, name, project)]
        there = {port for row in rows for port in _ports(row, name)}
        if not rows:
            values = {"host": _text(name), "ports": str(list(wanted)), "why": _text(why)}
            return _append(text, "allow", values | _project(project))
        missing = sorted({*wanted} - there)
        _or_usage(parse_ports(sorted({*wanted} | there)))
        return _add_ports(text, rows[0], missing) if missing else text

    shown = f"port{'s' if len(wanted) > 1 else ''} {', '.join(map(str, wanted))}"
    return _edit(
        path,
        change,
        (
            f"{quote(name)} is open on {shown} {where}",
            f"{quote(name)} was open on {shown} {where} before",
        ),
    )
