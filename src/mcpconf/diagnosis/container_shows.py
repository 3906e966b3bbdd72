"""What Claude Code shows for what is wrong in its container (measured; docs/client.md).  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mcpconf.diagnosis.container_facts import Aim, InContainer
from mcpconf.diagnosis.container_terms import hidden
from mcpconf.diagnosis.model import Shows, Verdict
from mcpconf.names import quote

_FAILED = "✘ Failed to connect — "
_CLOSED = Shows(f"{_FAILED}CONNECTION_CLOSED: Connection closed", "failed")
_ABSENT = Shows("absent", "absent")
_SLOW = Shows("✔ Connected", "pending")


def with_shows(verdicts: Iterable[Verdict], seen: InContainer, aim: Aim) -> tuple[Verdict, ...]:
    """The verdicts, with what is shown for those that say nothing of it yet."""
    return tuple(v if v.shows else v._replace(shows=_shows(v, seen, aim)) for v in verdicts)


def _shows(verdict: Verdict, seen: InContainer, aim: Aim) -> Shows | None:
    code = verdict.finding.code
    command = quote(hidden(str(aim.wish.entry.get("command", ""))), 80)[1:-1]
    if code == "MC201" or (code == "MC200" and "has no" in verdict.finding.message):
        return _ABSENT
    if code == "MC203" and "may not" not in verdict.finding.message:
        return _missing(command) if "no `mcpconf-bridge`" in verdict.finding.message else _CLOSED
    if code in {"MC203", "MC208"}:
        denied = f"{_FAILED}EACCES: permission denied, posix_spawn '{command}'"
        return Shows(denied, "failed")
    return _of_process(code, command, seen, aim) if aim.wish.way == "container" else None


def _missing(command: str) -> Shows:
    return Shows(f'{_FAILED}ENOENT: Executable not found in $PATH: "{command}"', "failed")


def _of_process(code: str, command: str, seen: InContainer, aim: Aim) -> Shows | None:
    tried = seen.tried.get(aim.wish.name)
    waits = tried is not None and tried.code != "server-exited"
    if code == "MC207":
        spoken = tried is not None and "mcpconf: not found" in tried.words
        lookup = seen.held.programs.get(str(aim.wish.entry.get("command"))) if seen.held else None
        return _missing(command) if spoken or (lookup and not lookup.found) else _CLOSED
    if code == "MC285":
        return _SLOW
    if code in {"MC210", "MC211"} or (code in {"MC230", "MC234"} and waits):
        name = quote(aim.wish.name)[1:-1]
        late = f'{_FAILED}MCP server "{name}" connection timed out after 30000ms'
        return Shows(late, "pending")
    return _CLOSED if code in {"MC209", "MC230", "MC234"} else None
