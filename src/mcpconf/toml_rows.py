"""The rows of a TOML file as text: found, added, changed and cut out, all else left as it stands.

A row is taken as the lines from its header to its last key.  A new one goes to the end of the text
behind a blank line, and what is cut out goes with the blank line before it: so the undo restores
the text byte for byte.  A value inside a row is changed by tomlkit, which keeps its comments.
Where a statement ends is asked of the standard library's parser.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from unicodedata import category

import tomlkit

from mcpconf.errors import Usage
from mcpconf.names import quote

_CLOSING = ("]", "}", '"""', "'''")
_BOM = "\ufeff"
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})


class BrokenError(Exception):
    """The text cannot be edited as it stands; the message follows the file's name."""


class _Statement(NamedTuple):
    """A line of TOML, or several that belong together; ``keys`` is what it says by itself."""

    start: int
    text: str
    keys: Mapping[str, object]

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_header(self) -> bool:
        return self.text.lstrip(" \t").startswith("[")


class Row(NamedTuple):
    """One table of an array: its values, and its blocks: first its own, then its subtables."""

    values: Mapping[str, object]
    blocks: Sequence[Sequence[_Statement]]


def rows_of(text: str, kind: str) -> list[Row]:
    """Find the tables of ``[[kind]]``, which have to be written as such."""
    whole = parse(text)
    if kind not in whole:
        return []
    values = whole[kind]
    found: list[list[list[_Statement]]] = []
    block: list[_Statement] = []
    for statement in _statements(text):
        if statement.is_header:
            block = []
            head = statement.keys.get(kind)
            if head == [{}]:
                found.append([block])
            elif head is not None and found:
                found[-1].append(block)
        if statement.keys:
            block.append(statement)
    if not isinstance(values, list) or not found or len(values) != len(found):
        raise BrokenError(f"has `{kind}` in another form than `[[{kind}]]` tables")
    return [Row(v, b) for v, b in zip(values, found, strict=True)]


def _statements(text: str) -> Iterator[_Statement]:
    """Cut a valid document into its statements: each is the shortest text that is valid."""
    start, piece = 0, ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        piece += line
        if piece != line and not any(mark in line for mark in _CLOSING):
            continue  # nothing in it closes what is open
        with suppress(tomllib.TOMLDecodeError):
            yield _Statement(start, piece, tomllib.loads(piece))
            start, piece = start + len(piece), ""


def append(text: str, kind: str, row: Mapping[str, str]) -> str:
    """Add a row, of values in TOML; a text without a newline at its end stays without."""
    end = _newline(text)
    lines = end.join((f"[[{kind}]]", *(f"{key} = {value}" for key, value in row.items())))
    if not text:
        return lines + end
    return text + end + lines + end if text.endswith("\n") else text + end + end + lines


def without(text: str, rows: Sequence[Row]) -> str:
    """Cut rows out, each block with one blank line before it."""
    spans = ((block[0].start, block[-1].end) for row in rows for block in row.blocks)
    for start, end in sorted(spans, reverse=True):
        before, after = text[:start], text[end:]
        before = re.sub(r"(?:\A|(?<=\n))\r?\n\Z", "", before)
        if not after and not text.endswith("\n"):  # it ended without a newline before, too
            before = before.removesuffix("\n").removesuffix("\r")
        text = before + after
    return text


def with_value(text: str, row: Row, key: str, change: Callable[[object], object]) -> str:
    """Change one value of a row in place, or write it below the row's header."""
    header, *lines = row.blocks[0]
    found = next((line for line in lines if key in line.keys), None)
    if found is None:
        new = f"{key} = {tomlkit.item(change(None)).as_string()}{_newline(text)}"
        return text[: header.end] + new + text[header.end :]
    document = tomlkit.parse(found.text)
    document[key] = change(document[key])
    return text[: found.start] + document.as_string() + text[found.end :]


def quoted(value: str) -> str:
    """A TOML string in which whatever is not seen is written as an escape."""
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"{quote(value)} holds half a character, which no file can hold"
        raise Usage(message, help="rename it") from None
    return "".join(
        f"\\U{ord(c):08x}" if category(c) in _INVISIBLE else c
        for c in tomlkit.string(value).as_string()
    )


def _newline(text: str) -> str:
    return "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"


def parse(text: str) -> dict[str, object]:
    """Read the text; raises BrokenError when it is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        why = (str(error).splitlines() or ["it is nested too deeply"])[0][:200]
        raise BrokenError(f"is not valid TOML: {why[:1].lower()}{why[1:]}") from None


def edited(old: str, change: Callable[[str], str]) -> str:
    """Apply a change, and make sure that it is TOML and left everything else alone."""
    bom = _BOM if old.startswith(_BOM) else ""
    body = old.removeprefix(_BOM)
    new = change(body)
    before, after = parse(body), tomllib.loads(new)
    for key in {*before, *after} - {"allow", "peer", "trust"}:
        assert repr(before[key]) == repr(after[key]), "an edit touched more than its rows"
    return bom + new
