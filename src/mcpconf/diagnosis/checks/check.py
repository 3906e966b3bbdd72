"""What ``doctor`` says of one thing: a line where all is well, a finding where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from mcpconf.codes import Severity
from mcpconf.compiler import Compilation
from mcpconf.containers.running import Place
from mcpconf.diagnosis.model import Diagnosis, Remedy
from mcpconf.findings import Finding
from mcpconf.readers.around import Target
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.places import Places
from mcpconf.write import Change


class State(Enum):
    """How a check ended; ``UNKNOWN`` is what could not be looked at, and says why."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Check(NamedTuple):
    """One line: what was looked at, and one clause on what was found.

    ``text`` holds foreign text only escaped, and never a secret.
    """

    name: str
    state: State
    text: str
    findings: tuple[Finding, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Beside(NamedTuple):
    """What a sync would do to files of the project's own tool, and what is to be said of that."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()


class Given(NamedTuple):
    """What the checks start from; ``container`` is the one that the user names, or "".

    ``beside`` looks at what a sync writes into the project beside the container's files (DDEV).
    """

    configuration: Configuration
    places: Places
    compiled: Compilation
    target: Target
    place: Place
    environ: Mapping[str, str]
    container: str = ""
    beside: Callable[[], Beside] | None = None


class Checkup(NamedTuple):
    """All that ``doctor`` found."""

    checks: tuple[Check, ...]
    servers: tuple[Diagnosis, ...]
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing is broken: warnings and what is unknown are not."""
        return not any(check.state is State.FAIL for check in (*self.checks, *self.of_servers))

    @property
    def of_servers(self) -> tuple[Check, ...]:
        """The servers as checks."""
        return tuple(map(of_server, self.servers))


_STATES = {Severity.ERROR: State.FAIL, Severity.WARNING: State.WARN, Severity.NOTE: State.OK}


def judged(name: str, well: str, *findings: Finding, remedy: Remedy | None = None) -> Check:
    """The check that follows from findings; ``well`` is its line where there is none."""
    worst = state_of(findings)
    text = findings[0].message if findings else well
    return Check(name, worst, text, findings, (remedy,) if remedy and findings else ())


def state_of(findings: tuple[Finding, ...]) -> State:
    """How bad findings are together."""
    states = {_STATES[finding.severity] for finding in findings}
    return next((s for s in (State.FAIL, State.WARN) if s in states), State.OK)


def of_server(diagnosis: Diagnosis) -> Check:
    """One server's line: its way, tools and time, or the cause that blocks it."""
    name = diagnosis.server
    if diagnosis.verdicts:
        findings = tuple(verdict.finding for verdict in diagnosis.verdicts)
        remedies = tuple(v.remedy for v in diagnosis.verdicts if v.remedy)
        state = state_of(findings[:1])
        if diagnosis.tools is None and state is State.WARN:
            state = State.FAIL  # whatever keeps it from working
        return Check(name, state, findings[0].message, findings, remedies)
    if diagnosis.tools is None:
        why = "; ".join(diagnosis.unseen) or "it could not be looked at"
        return Check(name, State.UNKNOWN, why)
    tools = f"{diagnosis.tools} tool{'' if diagnosis.tools == 1 else 's'}"
    return Check(name, State.OK, f"{WAYS[diagnosis.way]}, {tools}, {diagnosis.seconds:.1f} s")


WAYS = {
    "gateway": "through the gateway",
    "direct": "directly from the container",
    "container": "starts in the container",
    "nowhere": "left out of the container",
}


def shell_path(path: str) -> str:
    import shlex  # noqa: PLC0415  only where there is something to say

    return shlex.quote(path) if path.isprintable() else "FILE"
