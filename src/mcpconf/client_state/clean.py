"""Cleaning: judge both files, then take out what is stale, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mcpconf.client_state import stale
from mcpconf.client_state.excise import without
from mcpconf.client_state.files import exchange
from mcpconf.client_state.stale import Question, Stale
from mcpconf.findings import Finding
from mcpconf.json_text import Document, Fault, parse
from mcpconf.names import quote
from mcpconf.origin import BOM, Origin, Source
from mcpconf.readers.inputs import Unreadable
from mcpconf.readers.world import read

NEEDS_AUTH = "mcp-needs-auth-cache.json"
CREDENTIALS = ".credentials.json"
LOCK = ".storage-write.lock"

Judge = Callable[[object, Question], Iterator[Stale]]
_FILES: dict[str, tuple[Judge, str | None]] = {
    NEEDS_AUTH: (stale.needs_auth, None),
    CREDENTIALS: (stale.without_token, LOCK),
}


class Taken(NamedTuple):
    """One entry that was taken out, or would be."""

    file: Path
    stale: Stale


class Cleaning(NamedTuple):
    """What was found, and whether it was done."""

    taken: tuple[Taken, ...]
    findings: tuple[Finding, ...] = ()
    written: bool = False


def clean(config: Path, question: Question, *, dry_run: bool = False) -> Cleaning:
    """Clean the client's state below its configuration directory."""
    found: list[Taken] = []
    findings: list[Finding] = []
    for name, (judge, _) in _FILES.items():
        looked = _look(config / name, judge, question)
        if isinstance(looked, Finding):
            findings.append(looked)
        else:
            found += looked
    if findings or dry_run or not found:
        return Cleaning(tuple(found), tuple(findings))
    done = [taken for name in _FILES for taken in _take_out(config, name, question)]
    return Cleaning(tuple(done), written=True)


def _take_out(config: Path, name: str, question: Question) -> list[Taken]:
    """Judge the file again as it is inside the lock, and take out what is stale then."""
    judge, lock = _FILES[name]
    path = config / name
    taken: list[Taken] = []

    def change(text: str) -> str:
        taken.clear()
        parsed = parse(Source(str(path), text))
        if isinstance(parsed, Fault) or parsed.cut_at:  # since we looked: it is written in place
            return text
        taken.extend(Taken(path, s) for s in judge(parsed.value, question))
        return without(text, {t.stale.pointer for t in taken})

    if _look(path, judge, question):
        exchange(path, config / lock if lock else None, change)
    return taken


def _look(path: Path, judge: Judge, question: Question) -> list[Taken] | Finding:
    file = read(path)
    if file is None or (isinstance(file, Source) and not file.text.removeprefix(BOM).strip()):
        return []
    if isinstance(file, Unreadable):
        return _broken(f"{path} cannot be read: {file.why}", Origin(Source(str(path))))
    parsed = parse(file)
    fault, line = _fault(parsed)
    if isinstance(parsed, Fault) or fault:
        return _broken(f"{quote(path.name)} {fault}", Origin(file, line=line))
    return [Taken(path, s) for s in judge(parsed.value, question)]


def _fault(parsed: Document | Fault) -> tuple[str, int]:
    """What keeps a file from being understood, as a predicate, and in which line; "" if nothing."""
    if isinstance(parsed, Fault):
        return f"is not valid JSON: {parsed.message}", parsed.line
    if parsed.cut_at:
        return "is nested too deeply", parsed.cut_at
    return ("", 1) if isinstance(parsed.value, dict) else ("is not an object", 1)


def _broken(message: str, at: Origin) -> Finding:
    return Finding(
        "MC110",
        message,
        at,
        ("nothing was cleaned",),
        ("correct the file, or move it away: Claude Code makes another (logins in it are lost)",),
    )
