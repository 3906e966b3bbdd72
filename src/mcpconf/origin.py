"""Where a value was written.

A :class:`Source` is one text we read; an :class:`Origin` is a place in it, given as a JSON pointer.
Decisions carry the pointer, because it is cheap and survives editing; the line and column are
computed by :func:`locate` only when somebody is shown them.

``locate`` leaps over what it does not need with the standard library's C scanner, and starts from
the nearest *anchor*: a place that the reader, or an earlier look-up, passed anyway.  So a line in
an 8 MB ``~/.claude.json`` costs microseconds, not another parse.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NamedTuple

Pointer = tuple[str | int, ...]

BOM = "\ufeff"

BLANK = " \t\n\r"


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
    marks: list[tuple[int, int]] = field(default_factory=lambda: [(0, 1)], repr=False)

    def position(self, offset: int) -> Position:
        """Turn a character offset into line and column, counting from the nearest known line."""
        mark, line = self.marks[bisect_right(self.marks, (offset, 0)) - 1]
        line += self.text.count("\n", mark, offset)
        start = self.text.rfind("\n", mark, offset) + 1 or mark
        if start != mark:
            insort(self.marks, (start, line))
        return Position(line, offset - start + 1)


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
        return _locate_toml(source.text, pointer)
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


def _locate_toml(text: str, pointer: Pointer) -> Position | None:
    """Find the line of a table or key in TOML: ``[[allow]]`` number *n*, ``[servers.NAME]``, a key.

    Pointers into TOML are ours; this looks for the lines that our own format has.
    """
    first, *rest = pointer
    nth = rest[0] if rest and isinstance(rest[0], int) else None
    headers = (
        (f"[[{first}]]",)
        if nth is not None
        else (f"[{first}.{rest[0]}", f'[{first}."{rest[0]}"')
        if rest
        else ()
    )
    seen = -1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.replace(" ", "").replace("\t", "")
        if headers and stripped.startswith(headers):
            seen += 1
            if nth is None or seen == nth:
                return Position(number, 1)
        elif not rest and stripped.startswith((f"{first}=", f"[{first}]", f"[[{first}]]")):
            return Position(number, 1)
    return None


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
