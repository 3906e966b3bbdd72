"""What the reading commands print: foreign text made harmless, times, sizes, tables; their options.

Names and texts that come out of logs were chosen by whoever is shut in.  Nothing of them reaches a
terminal that is not printable ASCII.
"""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Any, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_WORD = 253  # as many characters as a name has at most
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_THOUSAND = 1000


def plain(text: object, most: int = _LONGEST_WORD) -> str:
    """Foreign text as printable ASCII without white space at its ends, no longer than ``most``."""
    escaped = ascii(str(text)[: 4 * most])[1:-1].strip() or "-"
    return escaped if len(escaped) <= most else escaped[: most - 3] + "..."


def readable(text: str, most: int = _LONGEST_WORD) -> str:
    """A text of the user's own on one line: what cannot be printed is a question mark."""
    kept = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return kept if len(kept) <= most else kept[: most - 3] + "..."


def clock(seconds: float) -> str:
    """A Unix time as the local time of the day, with the date where that is not today's."""
    then, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%m-%d %H:%M:%S", then)


def moment(seconds: float) -> str:
    """A Unix time as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float) -> str:
    """A span in its two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(count: int) -> str:
    """A number of bytes in the unit that leaves at most three digits."""
    value, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, bigger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> str:
    """Rows below their heads; the columns in ``numbers`` stand at the right."""
    lines = [tuple(heads), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "".join(
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths))  # noqa: B905  Python 3.9
        ).rstrip()
        + "\n"
        for line in lines
    )


def put(text: str) -> None:
    """Print, now.  Raises BrokenPipeError where nobody reads any more."""
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def put_json(document: Mapping[str, Any], indent: int | None = 1) -> None:
    """Print a JSON document; all of it is ASCII."""
    put(json.dumps(document, indent=indent, ensure_ascii=True) + "\n")


class Words(NamedTuple):
    """What was asked for on the command line."""

    json: bool = False
    follow: bool = False
    since: float | None = None  # seconds before now
    host: str = ""


class UsageError(Exception):
    """Wrong words; the usage says which are right."""


def read_words(words: Sequence[str], known: frozenset[str]) -> Words:
    """Read the options of a command that knows ``--format`` and those in ``known``.

    ``known`` holds ``--follow``, ``--since``, ``HOST``.  Raises UsageError.
    """
    found = Words()
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word == "--follow" and word in known and not equals:
            found = found._replace(follow=True)
            continue
        if word in {"--format", "--since"} and word in {"--format", *known}:
            value = value if equals else (rest.pop(0) if rest else "")
            found = _with_value(found, word, value)
            continue
        if word.startswith("-") or equals or "HOST" not in known or found.host or not word:
            raise UsageError
        found = found._replace(host=word[:_LONGEST_WORD].lower().rstrip("."))
    return found


def _with_value(found: Words, word: str, value: str) -> Words:
    if word == "--format" and value in {"text", "json"}:
        return found._replace(json=value == "json")
    if word == "--since" and re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,3})?", value, re.ASCII):
        return found._replace(since=float(value))
    raise UsageError
