"""What ``explain --live`` prints: one verdict a server, what it rests on, and what mends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from mcpconf import report
from mcpconf.diagnosis.model import Diagnosis, Remedy, Step, Verdict
from mcpconf.model import Json
from mcpconf.names import quote
from mcpconf.view import VERSION, finding_json, origin_json

WAYS = {
    "gateway": "through the gateway",
    "direct": "directly",
    "container": "in the container",
    "nowhere": "",
}
_MARKS = {True: "ok", False: "NO", None: "--"}


class Progress:
    """Says on stderr what is being looked at, where somebody watches."""

    def __init__(self, servers: int) -> None:
        self._servers = servers
        self._done = 0

    def __call__(self, name: str, what: str) -> None:
        if name:
            self._done += 1
        if sys.stderr.isatty() and self._servers > 1 and name:
            report.say(f"[{self._done}/{self._servers}] {report.safe(name)}: {what}")
        elif sys.stderr.isatty() and not name:
            report.say(what)


def diagnoses(found: Sequence[Diagnosis]) -> None:
    """Print every diagnosis; those that work are a line."""
    if not found:
        report.say("no MCP servers are configured")
    for number, diagnosis in enumerate(found):
        if number and (diagnosis.verdicts or found[number - 1].verdicts):
            report.out("")
        _one(diagnosis, alone=len(found) == 1)


def _one(diagnosis: Diagnosis, *, alone: bool) -> None:
    report.out(headline(diagnosis))
    if diagnosis.verdicts:
        first, *others = diagnosis.verdicts
        report.out(_rendered(first))
        for line in _shown(first):
            report.out(line)
    else:
        others = []
    if alone or diagnosis.verdicts:
        _evidence(diagnosis)
    for verdict in others:
        report.out(f"also: {_rendered(verdict)}")


def _rendered(verdict: Verdict) -> str:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return report.rendered(verdict.finding, colour=colour)


def headline(diagnosis: Diagnosis) -> str:
    """One line: whether it works, how it is reached, and how long that took."""
    name = report.safe(quote(diagnosis.server))
    started_here = diagnosis.way == "container" and diagnosis.start == "host"
    words = "when it is started on this host" if started_here else WAYS[diagnosis.way]
    way = f" {words}" if words else ""
    tools = diagnosis.tools
    answer = "" if tools is None else f"{tools} tool{'' if tools == 1 else 's'}"
    took = f"{diagnosis.seconds:.1f} s"
    if diagnosis.works:
        return f"{name} works{way}: {answer}, {took}"
    if not diagnosis.verdicts:
        why = "; ".join(diagnosis.unseen) or "it was not looked at"
        return f"{name}: {report.safe(why)}"
    if tools is not None:
        return f"{name} answers{way} ({answer}, {took}), and Claude Code may not show it"
    return f"{name} does not work (looked for {took}{_from(diagnosis)})"


def _from(diagnosis: Diagnosis) -> str:
    return " from the host" if diagnosis.start == "host" else f" from {quote(diagnosis.start)}"


def _shown(verdict: Verdict) -> Iterator[str]:
    shows = verdict.shows
    if shows is not None:
        yield f"Claude Code shows: {report.safe(shows.listed)}"
        yield f"    in `claude -p`: {report.safe(shows.session)}"


def _evidence(diagnosis: Diagnosis) -> None:
    if diagnosis.steps:
        report.out("what was tried:")
    for step in diagnosis.steps:
        report.out(f"  {step_line(step)}")
    for unseen in diagnosis.unseen if diagnosis.verdicts or diagnosis.tools is not None else ():
        report.out(f"  --  not looked at: {report.safe(unseen)}")


def step_line(step: Step) -> str:
    """One step: how it went, where, what was tried, and what came."""
    took = f"  ({step.ms:.0f} ms)" if step.ms is not None else ""
    what = f"{report.safe(step.tried)}: {report.safe(step.came)}"
    return f"{_MARKS[step.ok]}  {report.safe(step.place)}: {what}{took}"


# --- mending ----------------------------------------------------------------------------------


def mending(remedy: Remedy) -> None:
    """Say what is run now."""
    report.say(f"running: {report.safe(remedy.command)}")


def not_mended(found: Sequence[Diagnosis]) -> None:
    """Say why nothing was run for those that do not work yet."""
    first = [(d.server, d.verdicts[0].remedy) for d in found if d.verdicts]
    none = [report.safe(quote(name)) for name, remedy in first if remedy is None]
    if none:
        names = f" ({', '.join(none)})" if len(found) > 1 else ""
        report.say(f"--fix: no command mends this; the help above says what to change{names}")
    for command in dict.fromkeys(remedy.command for _, remedy in first if remedy is not None):
        shown = report.safe(command)
        report.say(f"--fix does not run this by itself, because it changes more: {shown}")


# --- JSON -------------------------------------------------------------------------------------


def as_document(found: Sequence[Diagnosis]) -> dict[str, object]:
    """``explain --live --format json``."""
    return {"version": VERSION, "servers": list(map(diagnosis_json, found))}


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Json]:
    """One server."""
    first, *others = diagnosis.verdicts or (None,)
    return {
        "name": diagnosis.server,
        "start": diagnosis.start,
        "way": diagnosis.way,
        "works": diagnosis.works,
        "tools": diagnosis.tools,
        "seconds": round(diagnosis.seconds, 3),
        "verdict": verdict_json(first) if first else None,
        "also": [verdict_json(v) for v in others if v],
        "steps": [_step_json(s) for s in diagnosis.steps],
        "unseen": list(diagnosis.unseen),
    }


def verdict_json(verdict: Verdict) -> dict[str, Json]:
    """One cause."""
    shows, remedy = verdict.shows, verdict.remedy
    return {
        **finding_json(verdict.finding),
        "rung": verdict.rung.name.lower(),
        "origin": origin_json(verdict.finding.origin),
        "shows": {"listed": shows.listed, "session": shows.session} if shows else None,
        "remedy": {"command": remedy.command, "safe": remedy.safe} if remedy else None,
    }


def _step_json(step: Step) -> dict[str, Json]:
    return {
        "rung": step.rung.name.lower(),
        "place": step.place,
        "tried": step.tried,
        "came": step.came,
        "ok": step.ok,
        "ms": None if step.ms is None else round(step.ms, 1),
    }
