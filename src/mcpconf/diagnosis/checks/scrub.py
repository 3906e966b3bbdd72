"""Takes secrets and what tells who somebody is out of a text that is to be given away.

Everything that is put into a report was made without secrets; this is the second line.  It knows
the secrets of this configuration, and takes out every piece of one, eight characters or longer,
wherever it turns up: whole, cut off, quoted, or encoded for a URL.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar
from urllib.parse import quote as percent

from mcpconf.masking import MASK, mask_url
from mcpconf.origin import Origin, Source

T = TypeVar("T")

_PIECE = 8  # characters: two texts that share so many are related
_SHORTEST = 4
_LONG = 12
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,20})://([^\s\"'<>`|)\]]+)")
_USUAL = frozenset(
    "root user users node dev developer vscode admin administrator ubuntu debian fedora vagrant "
    "docker podman claude agent runner build builder test guest nobody home mcp mcpconf".split()
)


class Persons(NamedTuple):
    """What tells who and where: paths with what stands for them, and names."""

    paths: tuple[tuple[str, str], ...] = ()
    names: tuple[tuple[str, str], ...] = ()


class Scrubber:
    """Makes texts fit to be given away.

    Args:
        secrets: values that must not stand in a text.
        persons: paths and names that tell who somebody is.

    """

    def __init__(self, secrets: Iterable[str], persons: Persons = Persons()) -> None:  # noqa: B008
        known = {s for secret in secrets for s in _spellings(secret) if len(s) >= _SHORTEST}
        self._pieces = {s[i : i + _PIECE] for s in known for i in range(len(s) - _PIECE + 1)}
        short = sorted((s for s in known if len(s) < _PIECE), key=len, reverse=True)
        self._short = _words(short)
        self._paths = sorted(persons.paths, key=lambda pair: len(pair[0]), reverse=True)
        self._names = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"), instead)
            for name, instead in persons.names
            if len(name) > 2 and name.lower() not in _USUAL  # noqa: PLR2004
        ]

    def __repr__(self) -> str:
        return "Scrubber(***)"

    def __call__(self, text: str) -> str:
        """The text without them."""
        text = self._without_pieces(text)
        if self._short:
            text = self._short.sub(MASK, text)
        text = _URL.sub(_plain_url, text)
        for path, instead in self._paths:
            text = _replaced(text, path, instead)
        for name, instead in self._names:
            text = name.sub(instead, text)
        return text

    def without_secrets(self, text: str) -> str:
        """The text without long secrets and pieces of them, and otherwise as it is."""
        return self._without_pieces(text)

    def _without_pieces(self, text: str) -> str:
        if not self._pieces:
            return text
        kept: list[str] = []
        at = begin = 0
        while at <= len(text) - _PIECE:
            if text[at : at + _PIECE] not in self._pieces:
                at += 1
                continue
            end = at + _PIECE
            while end < len(text) and text[end - _PIECE + 1 : end + 1] in self._pieces:
                end += 1
            kept += text[begin:at], MASK
            at = begin = end
        return "".join((*kept, text[begin:]))


def _spellings(secret: str) -> Iterator[str]:
    """A secret as it may be written: as it is, its words, encoded, escaped."""
    secret = secret.strip()
    for one in (secret, *secret.split()):
        yield one
        if len(one) >= _LONG:
            yield one.lower()  # as in the name of a host; `Bearer` is a word
        yield percent(one, safe="")
        yield one.encode("unicode_escape").decode("ascii")
        yield one.replace('"', '\\"')


def _words(texts: Iterable[str]) -> re.Pattern[str] | None:
    choices = "|".join(map(re.escape, texts))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{choices})(?![A-Za-z0-9])") if choices else None


def _plain_url(found: re.Match[str]) -> str:
    """A URL without its user, query and fragment, and with what looks random masked."""
    scheme, rest = found.groups()
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    return mask_url(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}")


def _replaced(text: str, path: str, instead: str) -> str:
    """Replace a path where it is a whole one, also in JSON pointers."""
    for spelled in dict.fromkeys((path, path.replace("/", "~1"))):
        pattern = rf"{re.escape(spelled)}(?![A-Za-z0-9_.-])"
        text = re.sub(pattern, lambda _: instead, text)
    return text


def cleaned(value: T, clean: Callable[[str], str]) -> T:
    """The same value with every text in it made clean, at any depth of tuples.

    A place keeps its line, and loses the text of its file.
    """
    return _cleaned(value, clean)  # type: ignore[return-value]


def _cleaned(value: object, clean: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Origin):
        position = value.position
        pointer = tuple(clean(s) if isinstance(s, str) else s for s in value.pointer)
        line = position.line if position and value.source.text else None
        return Origin(Source(clean(value.source.path), " " if line else ""), pointer, line)
    if isinstance(value, tuple):
        parts = [_cleaned(part, clean) for part in value]
        make = getattr(value, "_make", tuple)  # of a named tuple
        return make(parts)
    return value
