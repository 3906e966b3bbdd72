"""JSON exactly as strict as the client's, with what it hides kept visible.

JavaScript's ``JSON.parse`` and Python's ``json.loads`` differ in what they let through (``NaN``,
very long integers) and agree in what they hide (a key given twice).  :func:`parse` follows the
former and reports the latter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from mcpconf.model import Json
from mcpconf.origin import (
    BLANK,
    BOM,
    Decode,
    Pointer,
    Source,
    blank,
    decode_value,
    refuse_constant,
    scan,
)

DEEPEST = 200  # levels of nesting that are looked at


class Fault(NamedTuple):
    """Why a text is not JSON, and where: ``line`` and ``column`` count from 1."""

    message: str
    line: int
    column: int


class Document(NamedTuple):
    """A parsed text.

    ``twice`` names keys that were given twice in one object; ``cut_at`` is the line where a value
    nested deeper than ``DEEPEST`` was taken for ``null``, 0 if there was none.
    """

    source: Source
    value: Json
    twice: tuple[str, ...] = ()
    cut_at: int = 0

    def __repr__(self) -> str:
        return f"Document({self.source.path!r})"  # its values hold secrets


def parse(source: Source) -> Document | Fault:
    """Parse a whole text, or say where it stops being JSON."""
    twice: list[str] = []

    def keep_last(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        result = dict(pairs)
        if len(result) != len(pairs):
            seen: set[str] = set()
            twice.extend(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        return result

    text = source.text.removeprefix(BOM)
    cut_at = 0
    try:
        try:
            value = _loads(text, keep_last)
        except RecursionError:
            text, cut_at = _shallow(text)
            value = _loads(text, keep_last)
    except json.JSONDecodeError as error:
        return Fault(error.msg.lower(), error.lineno, error.colno)
    except RecursionError:
        return Fault("it is nested too deeply", 1, 1)
    return Document(source, value, tuple(dict.fromkeys(twice)), cut_at)


def _shallow(text: str) -> tuple[str, int]:
    """Put ``null`` for whatever is nested deeper than ``DEEPEST``; return the first such line.

    The client's parser takes any depth, Python's does not, and nothing that MCP needs is deep.
    """
    pieces: list[str] = []
    depth = done = start = first = 0
    # Possessive, and content with a string that does not end: nothing is looked at twice.
    for token in re.finditer(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', text, re.DOTALL):
        if token.group() in "[{":
            depth += 1
            if depth == DEEPEST:
                start = token.start()
                first = first or text.count("\n", 0, start) + 1
        elif token.group() in "]}":
            if depth == DEEPEST:
                pieces += text[done:start], "null"
                done = token.end()
            depth -= 1
    return "".join((*pieces, text[done:])), first


def parse_spine(source: Source, spine: Collection[str]) -> Document | Fault:
    """Parse a large document in one pass and note where the members of ``spine`` stand.

    ``spine`` names top-level keys (``mcpServers``, ``projects``) whose members become anchors of
    the source, so that their lines are found at once later.  Duplicate keys are looked for along
    the spine only: the rest of ``~/.claude.json`` is the client's own business.
    """
    text = source.text
    twice: list[str] = []
    held: dict[str | int, dict[str, Json]] = {}
    source.anchors.clear()  # a source may be read twice, and nothing of the first time counts

    def decode(key: str | int, at: int) -> tuple[Json, int]:
        if key not in spine or text[at] != "{":
            return decode_value(text, at)
        for stale in held.get(key, ()):  # given twice: what the first one held does not count
            del source.anchors[key, stale]
        value, end = _collect(source, at, (key,), twice, None)
        held[key] = value
        return value, end

    try:
        start = blank(text, len(BOM) if text.startswith(BOM) else 0)
        if text[start] != "{":
            return parse(source)
        value, end = _collect(source, start, (), twice, decode)
        if text[end:].strip(BLANK):
            return parse(source)
    except (ValueError, IndexError, RecursionError):
        source.anchors.clear()
        return parse(source)
    return Document(source, value, tuple(dict.fromkeys(twice)))


def _collect(
    source: Source, start: int, pointer: Pointer, twice: list[str], decode: Decode | None
) -> tuple[dict[str, Json], int]:
    """Build the object at ``start`` and note its members; return it and the offset behind it."""
    value: dict[str, Json] = {}
    end = start + 1
    for member, decoded in scan(source.text, start, decode):
        where = (*pointer, member.key)
        if where in source.anchors:
            twice.append(str(member.key))
        source.anchors[where] = member
        value[str(member.key)] = decoded
        end = member.end
    return value, blank(source.text, end) + 1


def _loads(text: str, hook: Callable[[list[tuple[str, Any]]], Any]) -> Json:
    try:
        value: Json = json.loads(text, object_pairs_hook=hook, parse_constant=refuse_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer with thousands of digits: JavaScript reads a float
        value = json.loads(
            text, object_pairs_hook=hook, parse_constant=refuse_constant, parse_int=float
        )
    return value
