"""From a text to a tree that knows where everything stands.

Read are JSON, ``//`` and ``/* */`` comments, a comma behind the last item, and a byte order mark:
what Microsoft's jsonc-parser reads with trailing commas allowed.  Keys that come twice are refused:
readers differ in which one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

BOM = "\ufeff"
_DEEPEST = 100
_LONGEST_KEY = 60  # characters of a key in a message
_TRIVIA = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9_$.+-]+")
_WORDS = {"true": True, "false": False, "null": None}
_BREAK = re.compile(r"\r\n|\n|\r")
_CLOSING = {"{": "}", "[": "]"}


class JsoncError(Exception):
    """The text is not what it should be; ``offset`` is where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True)
class Value:
    """A value at ``start`` to ``end``; ``items`` is None for one that holds no others.

    ``scalar`` is the value of a string, a word or a number (which is a float).
    """

    start: int
    end: int
    kind: str  # object, array, string, number, word
    scalar: Any = None
    items: tuple[Item, ...] | None = None

    @property
    def plain(self) -> Any:  # noqa: ANN401  whatever JSON can say
        if self.items is None:
            return self.scalar
        if self.kind == "object":
            return {str(item.key): item.value.plain for item in self.items}
        return [item.value.plain for item in self.items]

    def get(self, key: str) -> Value | None:
        """The value of a key of an object."""
        return next((i.value for i in self.items or () if i.key == key), None)


class Item(NamedTuple):
    """A member of an object or (``key`` None) an element; ``comma`` is where its comma stands."""

    key: str | None
    start: int
    value: Value
    comma: int | None

    @property
    def end(self) -> int:
        return self.value.end


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1; a byte order mark has no column."""
    before = text[:offset].removeprefix(BOM)
    breaks = list(_BREAK.finditer(before))
    return len(breaks) + 1, len(before) - (breaks[-1].end() if breaks else 0) + 1


@lru_cache(maxsize=2)  # a change looks at the same text several times
def parse(text: str) -> Value:
    """Read a whole text.  Raises JsoncError."""
    start = _after_trivia(text, 1 if text.startswith(BOM) else 0)
    value = _value(text, start, 0)
    end = _after_trivia(text, value.end)
    if end != len(text):
        raise JsoncError("expected the end of the file", end)
    return value


def _after_trivia(text: str, at: int) -> int:
    found = _TRIVIA.match(text, at)
    assert found
    if text.startswith("/*", found.end()):
        raise JsoncError("this comment has no end", found.end())
    return found.end()


def _value(text: str, at: int, depth: int) -> Value:
    first = text[at : at + 1]
    if first in _CLOSING:
        if depth == _DEEPEST:
            raise JsoncError(f"this is nested more than {_DEEPEST} deep", at)
        items = tuple(_items(text, at, depth))
        end = _after_trivia(text, _behind(items, at)) + 1
        return Value(at, end, "object" if first == "{" else "array", items=items)
    if first == '"':
        end, word = _string(text, at)
        return Value(at, end, "string", word)
    found = _WORD.match(text, at)
    spelled = found[0] if found else ""
    if found and spelled in _WORDS:
        return Value(at, found.end(), "word", _WORDS[spelled])
    if found and _NUMBER.fullmatch(spelled):
        return Value(at, found.end(), "number", float(spelled))
    raise JsoncError("expected a value", at)


def _behind(items: tuple[Item, ...], start: int) -> int:
    if not items:
        return start + 1
    last = items[-1]
    return last.end if last.comma is None else last.comma + 1


def _items(text: str, start: int, depth: int) -> Iterator[Item]:
    closing = _CLOSING[text[start]]
    at = _after_trivia(text, start + 1)
    seen: set[str] = set()
    while not text.startswith(closing, at):
        key = None
        begin = at
        if closing == "}":
            key, at = _key(text, at, seen)
        value = _value(text, at, depth + 1)
        at = _after_trivia(text, value.end)
        comma = at if text.startswith(",", at) else None
        if comma is None and not text.startswith(closing, at):
            raise JsoncError(f"expected , or {closing}", at)
        yield Item(key, begin, value, comma)
        if comma is not None:
            at = _after_trivia(text, comma + 1)


def _key(text: str, at: int, seen: set[str]) -> tuple[str, int]:
    if not text.startswith('"', at):
        raise JsoncError("expected a name in double quotes, or }", at)
    end, key = _string(text, at)
    if key in seen:
        raise JsoncError(f"duplicate key {_shortened(key)}", at)
    seen.add(key)
    colon = _after_trivia(text, end)
    if not text.startswith(":", colon):
        raise JsoncError("expected :", colon)
    return key, _after_trivia(text, colon + 1)


def _string(text: str, at: int) -> tuple[int, str]:
    found = _STRING.match(text, at)
    if found is None:
        raise JsoncError("this string has no end in its line, or holds a control character", at)
    try:
        return found.end(), str(json.loads(found[0]))
    except ValueError:
        raise JsoncError("this string has an escape that JSON does not know", at) from None


def _shortened(key: str) -> str:
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…"
