"""Where a value was written.

A :class:`Source` is one text we read; an :class:`Origin` is a place in it, given as a JSON pointer.
Decisions carry the pointer, because it is cheap and survives editing; the line and column are
computed by :func:`locate` only when somebody is shown them.

``locate`` leaps over what it does not need with the standard library's C scanner, and starts from
the nearest *anchor*: a place that the reader, or an earlier look-up, passed anyway.  So a line in
an 8 MB ``~/.claude.json`` costs microseconds, not another parse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

Pointer = tuple[str | int, ...]

BOM = "\ufeff"

BLANK = " \t\n\r"

_STEP = 4096  # characters


def refuse_constant(constant: str) -> None:
    """Refuse ``NaN`` and ``Infinity``, which Python's parser would let through."""
    raise JSONDecodeError(f"{constant} is not JSON", constant, 0)


decode_value = JSONDecoder(parse_constant=refuse_constant).raw_decode
Decode = Callable[[str | int, int], tuple[Any, int]]
"""Decodes the value of a key at an offset: returns the value and the offset behind it."""


class Position(NamedTuple):
    """A place for an editor: line and column, both counted from 1, in characters."""

    line: int
    column: int


class Member(NamedTuple):
    """One ``"key": value`` of an object: where the key starts, and the span of the value."""

    key: str | int
    key_at: int
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Source:
    """One text we read.  ``path`` is absolute, or a label such as ``--mcp-config`` or ``$NAME``.

    The text is kept for lines; it holds secrets, so it is never part of a ``repr``.
    """

    path: str
    text: str = field(default="", repr=False)
    syntax: str = "json"
    anchors: dict[Pointer, Member] = field(default_factory=dict, repr=False)
    marks: list[tuple[int, int]] = field(default_factory=lambda: [(1, 0)], repr=False)
    rows: dict[Pointer, int] = field(default_factory=dict, repr=False)

    def position(self, offset: int) -> Position:
        """Turn a character offset into line and column, counting from the mark before it.

        There is a mark every ``_STEP`` characters, be it inside a line: the line there, and where
        that line starts.  They are set as far as somebody asked, so each look-up costs one step.
        """
        while len(self.marks) <= offset // _STEP:
            self.marks.append(self._count(len(self.marks) * _STEP))
        line, start = self._count(offset)
        return Position(line, offset - start + 1)

    def _count(self, offset: int) -> tuple[int, int]:
        """Return the line of an offset and where it starts, from the last mark before it."""
        index = min(offset // _STEP, len(self.marks) - 1)
        line, start = self.marks[index]
        mark = index * _STEP
        line += self.text.count("\n", mark, offset)
        return line, self.text.rfind("\n", mark, offset) + 1 or start


class Origin(NamedTuple):
    """A place in a source: ``pointer`` is a route of keys and indices, ``()`` is everything."""

    source: Source
    pointer: Pointer = ()
    line: int | None = None  # only where the text is not JSON, so that it has no pointers

    def at(self, *steps: str | int) -> Origin:
        return Origin(self.source, (*self.pointer, *steps))

    @property
    def json_pointer(self) -> str:
        """The pointer as RFC 6901 writes it: ``/mcpServers/a~1b``."""
        return "".join(f"/{str(s).replace('~', '~0').replace('/', '~1')}" for s in self.pointer)

    @property
    def position(self) -> Position | None:
        """Line and column of the key (in an object) or the value (in a list); None if unknown."""
        if self.line is not None:
            return Position(self.line, 1)
        if not self.source.text:
            return None
        return locate(self.source, self.pointer)


def locate(source: Source, pointer: Pointer) -> Position | None:
    """Find ``pointer`` in the text.  Of a key given twice it finds the last, as JSON parsers do.

    Returns None when the pointer leads nowhere or the text is not JSON up to there.
    """
    if not pointer:
        return Position(1, 1)
    if source.syntax == "toml":
        return _locate_toml(source, pointer)
    known = next(
        (n for n in range(len(pointer), 0, -1) if pointer[:n] in source.anchors),
        0,
    )
    here = source.anchors.get(pointer[:known])
    start = here.start if here else len(BOM) if source.text.startswith(BOM) else 0
    found = here
    try:
        for depth in range(known, len(pointer)):
            for member in members(source.text, start):
                source.anchors[(*pointer[:depth], member.key)] = member
            found = source.anchors.get(pointer[: depth + 1])
            if found is None:
                return None
            start = found.start
    except (JSONDecodeError, IndexError, RecursionError, ValueError):
        return None
    assert found is not None
    return source.position(found.key_at)


def _locate_toml(source: Source, pointer: Pointer) -> Position | None:
    """Find the line of a table or key in TOML: ``[[allow]]`` number *n*, ``[servers.NAME]``, a key.

    Pointers into TOML are ours; this looks for the lines that our own format has.
    """
    if not source.rows:
        source.rows[()] = 1
        _note_rows(source.text, source.rows)
    steps = (s.replace(" ", "") if isinstance(s, str) else s for s in pointer[:2])
    line = source.rows.get(tuple(steps))
    return Position(line, 1) if line else None


def _note_rows(text: str, rows: dict[Pointer, int]) -> None:
    """Note the first line of each key and table, and each line of a list of tables."""
    seen: dict[str, int] = {}
    for number, written in enumerate(text.split("\n"), 1):
        line = written.replace(" ", "").replace("\t", "")
        if line.startswith("[["):
            name = line[2:].partition("]]")[0]
            rows.setdefault((name,), number)
            rows[name, seen.setdefault(name, 0)] = number
            seen[name] += 1
        elif line.startswith("["):
            name, end, rest = _bare(line[1:])
            rows.setdefault((name, _bare(rest)[0]) if end == "." else (name,), number)
        elif "=" in line:
            rows.setdefault((line.partition("=")[0],), number)


def _bare(text: str) -> tuple[str, str, str]:
    """Split off the first part of a table's name: the part, what ends it, and what follows."""
    if text[:1] in ('"', "'"):
        part, _, rest = text[1:].partition(text[0])
        return part, rest[:1], rest[1:]
    end = min((at for at in map(text.find, ".]") if at >= 0), default=len(text))
    return text[:end], text[end : end + 1], text[end + 1 :]


def members(text: str, start: int) -> Iterator[Member]:
    """Yield the members of the object or list that begins at or after ``start``.

    Raises:
        JSONDecodeError or IndexError: the text is not JSON there.

    """
    return (member for member, _ in scan(text, start))


def scan(text: str, start: int, decode: Decode | None = None) -> Iterator[tuple[Member, Any]]:
    """Yield the members together with their decoded values, in one pass."""
    at = blank(text, start)
    if text[at] not in "{[":
        return
    is_object, closing = text[at] == "{", "}" if text[at] == "{" else "]"
    at = blank(text, at + 1)
    index = 0
    while index == 0 or text[at - 1] == ",":
        if index == 0 and text[at] == closing:
            return
        at = key_at = blank(text, at)
        key: str | int = index
        if is_object:
            key, at = _key(text, at)
        value, end = decode(key, at) if decode else decode_value(text, at)
        yield Member(key, key_at, at, end), value
        at = blank(text, end) + 1
        if text[at - 1] not in (",", closing):
            raise JSONDecodeError("expecting ',' delimiter", text, at - 1)
        index += 1


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at] != '"':
        raise JSONDecodeError("expecting property name in double quotes", text, at)
    key, at = scanstring(text, at + 1, True)  # noqa: FBT003  the C function takes no names
    at = blank(text, at)
    if text[at] != ":":
        raise JSONDecodeError("expecting ':' delimiter", text, at)
    return key, blank(text, at + 1)


def blank(text: str, at: int) -> int:
    """Return the offset of the next character that is not JSON's white space."""
    while text[at] in BLANK:
        at += 1
    return at
