"""What the commands of the run-time print: the gateway's state, its log, waiting, cleaning."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from time import localtime, strftime, time
from typing import Any

from mcpconf import report
from mcpconf.client_state.clean import Cleaning
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.service.process import Started
from mcpconf.view import finding_json

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DETAILS = ("at", "event", "code", "project", "server", "reason")


def started(done: Started) -> None:
    """Say what became of a start."""
    gateway = done.status["gateway"]
    where = ", ".join(gateway["listen"])
    if not done.fresh:
        report.say(f"the gateway is running already: process {gateway['pid']}, {where}")
        return
    if done.before:
        report.say(f"the gateway of mcpconf {done.before} has made place for this one")
    report.say(f"the gateway is running: process {gateway['pid']}, {where}")


def unheard(addresses: Sequence[str]) -> None:
    """Say where a gateway that started now would listen, and this one does not."""
    if addresses:
        report.say(
            f"it does not listen on {', '.join(addresses)}, where containers may look for it"
        )
        report.say("help: mcpconf gateway stop && mcpconf gateway start")


def status(document: Mapping[str, Any]) -> None:
    """Print the gateway's state: one line for itself, then a table of servers."""
    gateway = document["gateway"]
    projects = gateway["projects"]
    report.say(
        f"the gateway runs for {_ago(gateway['since'])}: process {gateway['pid']}, "
        f"mcpconf {gateway['version']}, {projects} project{'' if projects == 1 else 's'}"
    )
    report.say(f"it listens on {report.safe(', '.join(gateway['listen']))}")
    servers = document["servers"]
    if not servers:
        report.say("no project has a route: `mcpconf sync` in a project makes them;")
        report.say("one that was left out has its reason in `mcpconf gateway logs`")
        return
    report.table(
        ("project", "server", "state", "for", "calls", "errors", "p50 ms", "last error"),
        [_row(server) for server in servers],
    )


def _row(server: Mapping[str, Any]) -> tuple[str, ...]:
    error, latency = server["last_error"], server["latency_ms"]
    return (
        report.shown_path(server["path"]),
        server["name"],
        server["state"],
        _ago(server["since"]) if server["since"] else "-",
        str(server["calls"]),
        str(server["errors"]),
        f"{latency['p50']:.1f}" if latency else "-",
        f"{error['message']} ({_ago(error['at'])} ago)" if error else "-",
    )


def _ago(since: float) -> str:
    seconds = max(0, int(time() - since))
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {letter}"
    return f"{seconds} s"


def decisions(lines: Iterable[str]) -> None:
    """Print lines of the decision log for people; what is not one of them is shown as it is."""
    raw(map(decision, lines))


def decision(line: str) -> str:
    """One line of the log: when, what, for whom, why; then whatever else it says."""
    try:
        entry = json.loads(line)
        moment = strftime("%Y-%m-%d %H:%M:%S", localtime(float(entry["at"])))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return line
    whom = "/".join(str(entry[k]) for k in ("project", "server") if entry.get(k))
    rest = (f"{k}={v}" for k, v in entry.items() if k not in _DETAILS and v not in (None, ""))
    event, code, reason = (str(entry.get(key, "")) for key in ("event", "code", "reason"))
    return "  ".join(filter(None, (moment, event, code, whom, reason, *rest)))


def cleaned(done: Cleaning, *, dry_run: bool) -> None:
    """Say what was taken out, or would be."""
    if not done.taken and not done.findings:
        report.say("nothing to clean: the client remembers nothing that keeps it off a server")
    verb = "removed" if done.written else "would remove"
    for taken in done.taken:
        where = report.shown_path(str(taken.file))
        report.out(f"{verb} {quote(taken.stale.server)} from {where}: {taken.stale.why}")
    if done.taken and not done.written and not dry_run:
        report.say("nothing was removed, because a file could not be understood")


def cleaning_json(done: Cleaning, *, dry_run: bool) -> dict[str, object]:
    """``clean --format json``."""
    return {
        "version": 1,
        "dry_run": dry_run,
        "written": done.written,
        "removed": [
            {
                "file": str(taken.file),
                "pointer": Origin(Source(""), taken.stale.pointer).json_pointer,
                "server": taken.stale.server,
                "why": taken.stale.why,
            }
            for taken in done.taken
        ],
        "findings": [finding_json(f) for f in done.findings],
    }


def raw(lines: Iterable[str]) -> None:
    """Print lines, each at once: whoever follows the log through a pipe waits for them."""
    for line in lines:
        report.out(report.safe(line))
        sys.stdout.flush()
