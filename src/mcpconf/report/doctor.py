"""What ``doctor`` prints: one line a check, and at length only what is not in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcpconf import report
from mcpconf.codes import Severity
from mcpconf.diagnosis.checks.check import Check, Checkup, State
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.live_codes import LIVE
from mcpconf.names import quote
from mcpconf.view import finding_json

_COLOURS = {State.OK: "32", State.WARN: "33", State.FAIL: "31", State.UNKNOWN: "36"}
_WORDS = {State.OK: "ok", State.WARN: "warn", State.FAIL: "FAIL", State.UNKNOWN: "?"}
_EACH = 8  # so many servers that work get a line each, more of them one together
_NAME, _TEXT = 30, 200  # characters
_MOST_NAMED = 5  # servers of one cause
_OF_ALL = (Rung.CONTAINER, Rung.BRIDGE, Rung.GATEWAY)


class Progress:
    """Counts on a terminal what is done; elsewhere it is silent."""

    def __init__(self) -> None:
        self._done = 0
        self._shown = sys.stderr.isatty()

    def __call__(self, name: str) -> None:
        self._done += 1
        if self._shown:
            sys.stderr.write(f"\r\x1b[K[{self._done}] {report.safe(name)}")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")


def checkup(found: Checkup) -> None:
    """Print all of it: lines on stdout, what is not in order on stderr."""
    rows = lines(found)
    width = max((len(name) for _, name, _ in rows), default=0)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for state, name, text in rows:
        word = _WORDS[state].ljust(4)
        word = f"\x1b[{_COLOURS[state]}m{word}\x1b[0m" if colour else word
        report.out(f"{word}  {name.ljust(width)}  {text}".rstrip())
    told = _at_length(found)
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    for one in told:
        report.say("\n" + report.rendered(one.finding, colour=colour))
        for line in _beside(one):
            report.say(line)
    report.say(f"\n{summed(found, [one.finding for one in told])}")


def lines(found: Checkup) -> list[tuple[State, str, str]]:
    """One a check; servers that work share one where there are many of them."""
    servers = found.of_servers
    well = [check for check in servers if check.state is State.OK]
    together = len(servers) > _EACH and len(well) > 1
    rows = [*found.checks, *(c for c in servers if not (together and c in well))]
    shown = [(check.state, _cut(check.name, _NAME), _cut(check.text, _TEXT)) for check in rows]
    if together:
        slowest = max((d for d in found.servers if d.works), key=lambda d: d.seconds, default=None)
        late = f"; slowest: {slowest.server}, {slowest.seconds:.1f} s" if slowest else ""
        text = f"{len(well)} of {len(servers)} work{late}"
        shown.append((State.OK, "servers", _cut(text, _TEXT)))
    return shown


def _cut(text: str, most: int) -> str:
    shown = report.safe(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class Told(NamedTuple):
    """One thing that is not in order; ``servers`` are those that have it, () for a check."""

    finding: Finding
    verdict: Verdict | None = None
    servers: tuple[str, ...] = ()


def _at_length(found: Checkup) -> list[Told]:
    """What is not in order, each thing once: of servers what blocks them, then what else is."""
    told: dict[tuple[str, str], Told] = {}
    said: set[tuple[str, str]] = set()
    for diagnosis in found.servers:
        for verdict in diagnosis.verdicts:
            code, message = verdict.finding.code, verdict.finding.message
            said.add((code, "" if code in LIVE else message))
            if verdict.rung in _OF_ALL:  # one thing, of which each server's message tells
                message = message.replace(quote(diagnosis.server), "")
            before = told.get((code, message), Told(verdict.finding, verdict))
            told[code, message] = before._replace(servers=(*before.servers, diagnosis.server))
    for check in found.checks:
        for finding in check.findings:
            code = finding.code
            known = (code, "" if code in LIVE else finding.message) in said
            if not known and finding.severity is not Severity.NOTE:
                where = finding.origin.source.path if finding.origin else ""
                told.setdefault((finding.code, f"{where} {finding.message}"), Told(finding))
    order = list(Severity)
    return sorted(told.values(), key=lambda one: order.index(one.finding.severity))


def _beside(one: Told) -> Iterator[str]:
    if len(one.servers) > 1:
        names = ", ".join(quote(name, 30) for name in one.servers[:_MOST_NAMED])
        more = len(one.servers) - _MOST_NAMED
        yield f"note: it concerns {names}{f' and {more} more' if more > 0 else ''}"
    if one.verdict is not None and one.verdict.shows is not None:
        listed, session = one.verdict.shows
        yield report.safe(f"note: Claude Code shows: {listed} (in `claude -p`: {session})")


def summed(found: Checkup, findings: Sequence[Finding]) -> str:
    """One line that counts."""
    works = sum(diagnosis.works for diagnosis in found.servers)
    counted = report.summary(findings) or "nothing is wrong"
    unknown = sum(c.state is State.UNKNOWN for c in (*found.checks, *found.of_servers))
    not_seen = f", {unknown} not to be seen from here" if unknown else ""
    servers = f"{works} of {len(found.servers)} servers work; " if found.servers else ""
    return f"{servers}{counted}{not_seen} ({found.seconds:.1f} s)"


def remedies(found: Checkup) -> list[Remedy]:
    """What ``--fix`` may run unasked, each once."""
    checks = (*found.checks, *found.of_servers)
    safe = (r for check in checks for r in check.remedies if r.safe and r.argv)
    return list(dict.fromkeys(safe))


def checkup_json(found: Checkup, servers: Sequence[object]) -> dict[str, object]:
    """``doctor --format json``; ``servers`` are what ``explain --live`` gives for each."""
    return {
        "version": 1,
        "sound": found.sound,
        "seconds": round(found.seconds, 3),
        "checks": [_check_json(check) for check in found.checks],
        "servers": list(servers),
    }


def _check_json(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "state": check.state.value,
        "text": check.text,
        "findings": [finding_json(finding) for finding in check.findings],
        "remedies": [{"command": r.command, "safe": r.safe} for r in check.remedies],
    }
