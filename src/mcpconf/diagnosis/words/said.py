"""Reading what was pasted: lines of ``claude mcp list``, and errors anywhere in a text.  Pure.

The text is foreign: it may be long, binary, hold escapes.  What is looked at is bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from mcpconf.diagnosis.words.phrases import GENERAL, WELL, Phrase
from mcpconf.diagnosis.words.phrases_client import CLIENT
from mcpconf.diagnosis.words.phrases_ours import OURS
from mcpconf.diagnosis.words.phrases_way import WAY

_LONGEST_LINE = 2000
_MOST_LINES = 2000
_MOST_TEXT = 262_144
_STATUS = ("✔ ", "✘ ", "! ", "⏸ ", "⊘ ", "△ ", "◯ ", "- Not configured", "Not configured")
_SESSION = '"mcp_servers"'
_HIDDEN = "[redacted]"
_MOST_WORDS = 12
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


class Said(NamedTuple):
    """One line and what it says.

    ``name`` and ``target`` are those of a line of ``claude mcp list``, else "".  ``phrase`` is
    None where such a line says nothing that is known.
    """

    line: str
    phrase: Phrase | None
    name: str = ""
    target: str = ""


class Cause(NamedTuple):
    """A code, and the condition under which it can be: "" always, else see ``phrases``."""

    code: str
    when: str = ""


def read(text: str) -> tuple[Said, ...]:
    """Every line that is recognised, in order, each phrase once a server; general ones give way."""
    found: list[Said] = []
    seen: set[tuple[str, Phrase | None]] = set()
    for said in _recognised(text):
        if (said.name, said.phrase) not in seen:
            seen.add((said.name, said.phrase))
            found.append(said)
    exact = tuple(s for s in found if s.phrase not in GENERAL)
    failing = tuple(s for s in found if s.phrase is not WELL)
    about = {s.name for s in exact}
    kept = tuple(s for s in failing if s in exact or (s.name not in about if s.name else not exact))
    return kept or tuple(found)


def causes(phrase: Phrase) -> tuple[Cause, ...]:
    """The codes of a phrase, the most likely first."""
    return tuple(Cause(f"MC{word[:3]}", word[3:]) for word in phrase.codes.split())


def _recognised(text: str) -> Iterator[Said]:
    for number, line in enumerate(_COLOURS.sub("", text[:_MOST_TEXT]).splitlines()):
        if number >= _MOST_LINES:
            return
        if _SESSION in line:
            yield from _read_session(line)
        elif line.strip() and (said := _read_line(line[:_LONGEST_LINE].strip())):
            yield said


def _read_session(line: str) -> Iterator[Said]:
    """The init event of ``claude -p --output-format stream-json``: each server's status."""
    try:
        rows = json.loads(line)["mcp_servers"]
        pairs = [(row["name"], row["status"]) for row in rows[:_MOST_LINES]]
    except (ValueError, RecursionError, KeyError, TypeError):
        return
    for name, status in pairs:
        if isinstance(name, str) and isinstance(status, str):
            shown = f'"status": "{status[:40]}"'
            yield Said(f"{name[:200]}: {shown}", phrase_of(shown), name)


def _read_line(line: str) -> Said | None:
    row = _row(line)
    if row:
        name, target, status = row
        return Said(line, phrase_of(status, _words(target)), name, target)
    phrase = phrase_of(line)
    return Said(line, phrase) if phrase else None


def _row(line: str) -> tuple[str, str, str] | None:
    """``NAME: TARGET - STATUS``, as ``claude mcp list`` prints it."""
    at = max((line.find(f" - {sign}") for sign in _STATUS), default=-1)
    name, colon, target = line[: max(at, 0)].partition(": ")
    return (name, target.strip(), line[at + 3 :]) if colon else None


def phrase_of(text: str, words: Sequence[str] = ()) -> Phrase | None:
    """The first row that fits.

    2.1.328 replaces each word of the URL's path in its messages by ``[redacted]``, even inside
    ``ECONNREFUSED``; ``words`` are tried in its place.
    """
    lowered = text[:_LONGEST_LINE].lower()
    tries = [lowered.replace(_HIDDEN, word) for word in words] if _HIDDEN in lowered else []
    for rows in ((*OURS, *CLIENT, *WAY), GENERAL):
        for row in rows:
            if any(_compiled(row.pattern).search(tried) for tried in (*tries, _unhidden(lowered))):
                return row
    return None


def _unhidden(text: str) -> str:
    """Without knowing the URL: the words that are hidden most often."""
    if _HIDDEN not in text:
        return text
    for shown, meant in _OFTEN.items():
        text = text.replace(shown, meant)
    return text


_OFTEN = {
    "econn[redacted]": "econnrefused",
    "text/[redacted]": "text/html",
    "[redacted]/html": "text/html",
    '[redacted] "': 'server "',
}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _words(target: str) -> list[str]:
    return re.findall(r"[a-z0-9]{4,}", target.lower())[:_MOST_WORDS]
