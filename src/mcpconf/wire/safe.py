"""Foreign text for the report: escaped, short, and without a piece of any secret."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import quote, unquote

_WINDOW = 6  # so many characters of a secret are a piece of it
_LONGEST_SECRET = 8192
_SCHEMES = frozenset(("bearer", "basic", "token", "apikey", "digest", "negotiate"))
_SPLIT = re.compile(r"[\s,;=&:\"']+")
_LONG_SEGMENT = 16


def printable(text: str, limit: int = 160) -> str:
    """Printable ASCII without backticks, at most ``limit`` characters."""
    pieces: list[str] = []
    width = 0
    for char in text[: limit + 1]:
        piece = char if char.isascii() and char.isprintable() and char != "`" else _code(char)
        width += len(piece)
        if width > limit:
            return "".join(pieces) + "..."
        pieces.append(piece)
    return "".join(pieces)


def _code(char: str) -> str:
    code = ord(char)
    if code < 0x100:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004


def secret_parts(values: list[str]) -> list[str]:
    """Whatever in these values may not be shown, in the spellings in which servers repeat it."""
    found: dict[str, None] = {}
    for value in values:
        for part in (value, *_SPLIT.split(value)):
            for spelling in (part, part.lower(), unquote(part), _quoted(part), *_decoded(part)):
                text = spelling.strip()[:_LONGEST_SECRET]
                if text and text.lower() not in _SCHEMES:
                    found[text] = None
    return sorted(found, key=len, reverse=True)


def _quoted(part: str) -> str:
    return quote(part, safe="", errors="replace")


def _decoded(part: str) -> list[str]:
    try:
        text = base64.b64decode(part, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return []
    return [text, *_SPLIT.split(text)] if text.isprintable() else []


class Mask:
    """Takes secrets out of foreign text."""

    def __init__(self, values: list[str]) -> None:
        parts = secret_parts(values)
        self._long = [part for part in parts if len(part) >= _WINDOW]
        short = [re.escape(part) for part in parts if len(part) < _WINDOW]
        self._short = re.compile(rf"(?<!\w)(?:{'|'.join(short)})(?!\w)") if short else None

    def text(self, text: str, limit: int = 160) -> str:
        """Foreign text as it may stand in the report."""
        text = " ".join(text[: limit * 4].split())
        if self._short:
            text = self._short.sub("***", text)
        hidden = bytearray(len(text))
        for secret in self._long:
            for start in range(len(text) - _WINDOW + 1):
                if text[start : start + _WINDOW] in secret:
                    hidden[start : start + _WINDOW] = b"\1" * _WINDOW
        left = "".join("\0" if hidden[i] else char for i, char in enumerate(text))
        return printable(re.sub(r"\0+", "***", left), limit)

    def path(self, path: str) -> str:
        """A URL's path without segments that could be keys."""
        parts = [_segment(part) for part in path.partition("?")[0].split("/")]
        return self.text("/".join(parts), 120)


def _segment(part: str) -> str:
    mixed = any(c.isdigit() for c in part) and any(c.isalpha() for c in part)
    wordy = part.replace("-", "").replace("_", "").replace(".", "").isalpha()
    long = len(part) >= _LONG_SEGMENT
    return "***" if (long and (mixed or not wordy)) or len(part) > 3 * _LONG_SEGMENT else part
