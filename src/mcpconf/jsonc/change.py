"""Changes of a text, each with what takes it back.

A new item goes behind the last one *and its comment on the same line*; the comma goes directly
behind the old value; indentation and the habit of a trailing comma are taken over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mcpconf.jsonc.parse import BOM, Item, Value, parse

_COMMENTS = re.compile(r"(?:[ \t]*(?:/\*.*?\*/|//[^\r\n]*))*", re.DOTALL)  # on the same line
_BREAK = re.compile(r"\r\n|\n|\r")
_UNIT = "  "


class Raw(NamedTuple):
    """A value as it is spelled."""

    text: str


class Inserted(NamedTuple):
    """What was put in: the item, what stands around it, and whether its neighbour got a comma."""

    before: str
    item: str
    after: str
    comma: bool


class _Layout(NamedTuple):
    """How the items of one value are set; ``indent`` is None where they share a line."""

    newline: str
    unit: str
    indent: str | None


def raw(text: str, value: Value) -> str:
    """A value as it is spelled."""
    return text[value.start : value.end]


def append(text: str, box: Value, key: str | None, value: object) -> tuple[str, Inserted]:
    """Put an item at the end of an object (or, ``key`` None, an array).

    ``value`` is made of dicts, lists, strings and :class:`Raw`.
    """
    assert box.items is not None
    layout = _layout(text, box)
    last = box.items[-1] if box.items else None
    at = _end_of_line_of(text, last, box)
    if layout.indent is None and _ends_in_line_comment(text, last, box, at):
        layout = layout._replace(indent=_indent_at(text, box.start) + layout.unit)
    name = "" if key is None else f"{quoted(key)}: "
    item = name + _rendered(value, layout)
    before = " " if layout.indent is None else layout.newline + layout.indent
    after = "," if last and last.comma is not None else ""
    if last is None and layout.indent is None:
        before, after = _alone(text, at, box)
    comma = last is not None and last.comma is None
    text = text[:at] + before + item + after + text[at:]
    if last is not None and comma:
        text = text[: last.end] + "," + text[last.end :]
    return text, Inserted(before, item, after, comma)


def cut(text: str, box: Value, item: Item, put: Inserted) -> str | None:
    """Take out what :func:`append` put in; None where it does not stand there as it was put."""
    start, end = item.start - len(put.before), item.end + len(put.after)
    if start < box.start or text[start:end] != put.before + put.item + put.after:
        return None
    if put.before.startswith("\n") and text[start - 1] == "\r":
        return None  # its line ends are not what they were
    foreign = item.comma if item.comma is not None and item.comma >= end else None
    if foreign is not None:  # something follows, and our comma is between
        return text[:start] + text[end:foreign] + text[foreign + 1 :]
    text = text[:start] + text[end:]
    previous = _before(box, item)
    if put.comma and previous is not None and previous.comma is not None:
        text = text[: previous.comma] + text[previous.comma + 1 :]
    return text


def cut_anyhow(text: str, box: Value, item: Item) -> str:
    """Take out an item whose surroundings are not known."""
    start = item.start
    if _own_line(text, item) is not None:
        start = len(text[:start].rstrip(" \t"))
        start -= 2 if text.endswith("\r\n", 0, start) else 1
    if item.comma is not None:
        return text[:start] + text[item.end : item.comma] + text[item.comma + 1 :]
    text = text[:start] + text[item.end :]
    previous = _before(box, item)
    if previous is not None and previous.comma is not None and previous.comma < start:
        text = text[: previous.comma] + text[previous.comma + 1 :]
    return text


def replaced(text: str, box: Value, value: Value, new: object) -> str:
    """How ``new`` is spelled in the place of a value of ``box``."""
    layout = _layout(text, box)
    if layout.indent is not None:
        layout = layout._replace(indent=_indent_at(text, value.start))
    return _rendered(new, layout)


def replace(text: str, value: Value, spelled: str) -> str:
    """Put a spelled value in the place of another."""
    return text[: value.start] + spelled + text[value.end :]


def _before(box: Value, item: Item) -> Item | None:
    earlier = [i for i in box.items or () if i.start < item.start]
    return earlier[-1] if earlier else None


def _end_of_line_of(text: str, last: Item | None, box: Value) -> int:
    """Where a line of an item ends, or that of an opening bracket: behind its comments."""
    found = _COMMENTS.match(text, _behind(last, box))
    assert found
    return found.end()


def _behind(last: Item | None, box: Value) -> int:
    if last is None:
        return box.start + 1
    return last.end if last.comma is None else last.comma + 1


def _ends_in_line_comment(text: str, last: Item | None, box: Value, at: int) -> bool:
    comments = text[_behind(last, box) : at]
    return "//" in re.sub(r"/\*.*?\*/", "", comments, flags=re.DOTALL)


def _alone(text: str, at: int, box: Value) -> tuple[str, str]:
    """What stands around the first item of an empty value in one line."""
    commented = at > box.start + 1
    if box.kind == "array":
        return (" " if commented else ""), ""
    return " ", (" " if text[at] == "}" else "")


def _layout(text: str, box: Value) -> _Layout:
    newline = _BREAK.search(text)
    root = parse(text)
    unit = next(filter(None, _indents(text, root)), _UNIT)
    indent = next((i for i in _indents(text, box) if i is not None), None)
    if not box.items and _BREAK.search(text, box.start, box.end):
        indent = _indent_at(text, box.start) + unit
    return _Layout(newline[0] if newline else "\n", unit, indent)


def _indents(text: str, box: Value) -> Iterator[str | None]:
    return (_own_line(text, item) for item in box.items or ())


def _own_line(text: str, item: Item) -> str | None:
    """The indentation of an item that begins its line; None for one that does not."""
    at = item.start
    while text[at - 1] in " \t":  # a bracket comes first
        at -= 1
    return text[at : item.start] if text[at - 1] in "\r\n" else None


def _indent_at(text: str, offset: int) -> str:
    line = text[_line_of(text, offset) : offset].removeprefix(BOM)
    return line[: len(line) - len(line.lstrip(" \t"))]


def _line_of(text: str, offset: int) -> int:
    """Where the line of an offset begins."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _rendered(value: Any, layout: _Layout) -> str:  # noqa: ANN401
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return _object(value, layout)
    if isinstance(value, list):
        return f"[{', '.join(_rendered(v, layout) for v in value)}]"
    return quoted(value)


def _object(value: dict[str, object], layout: _Layout) -> str:
    if not value:
        return "{}"
    deeper = layout
    if layout.indent is not None:
        deeper = layout._replace(indent=layout.indent + layout.unit)
    members = [f"{quoted(k)}: {_rendered(v, deeper)}" for k, v in value.items()]
    if layout.indent is None:
        return f"{{ {', '.join(members)} }}"
    lead = f"{layout.newline}{deeper.indent}"
    return f"{{{lead}{f',{lead}'.join(members)}{layout.newline}{layout.indent}}}"


def quoted(value: object) -> str:
    """A string as JSON spells it."""
    return json.dumps(value, ensure_ascii=False)
