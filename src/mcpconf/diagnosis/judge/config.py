"""Judging what is written: is the server in force, approved, planned?  Pure.

Every cause here was found by the compilation; it only becomes a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcpconf.clients import Client
from mcpconf.compiler import Compilation
from mcpconf.diagnosis.evidence import Judged
from mcpconf.diagnosis.model import Remedy, Rung, Shows, Step, Verdict
from mcpconf.findings import Finding
from mcpconf.model import Resolved, Server, State
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.plan.terms import Planned, shell_word

UNSET = "MC021"
_ABSENT = "absent"
_BY_STATE = {
    State.PENDING: "MC031",
    State.REJECTED: "MC032",
    State.DISABLED: "MC033",
    State.DENIED: "MC034",
}
_SHOWS = {
    State.PENDING: Shows("⏸ Pending approval (run `claude` to approve)", "connected"),
    State.REJECTED: Shows(_ABSENT, _ABSENT),
    State.DISABLED: Shows("⊘ Disabled", "disabled"),
    State.DENIED: Shows(_ABSENT, _ABSENT),
    State.SKIPPED: Shows('absent; one line under "MCP config diagnostics"', _ABSENT),
}
_CONNECTS = Shows("✔ Connected", "disabled")  # 2.1.197 lists what is disabled (fact 21)
_WHOLE_FILES = ("MC001", "MC006", "MC007", "MC010", "MC012", "MC037", "MC038", "MC080")
_APPROVALS = ("MC035", "MC039")  # why an approval that somebody gave does not count
_OF_AN_ENTRY = ("MC005", "MC009", "MC030")
_TRUST = ("MC060", "MC065")


def definitions(name: str, compiled: Compilation) -> list[Resolved]:
    """Every definition of a name, or of an id; the one that decides comes last."""
    found = [r for r in compiled.survey.resolved if r.server.name == name]
    return found or [r for r in compiled.survey.resolved if r.server.id == name]


def planned_of(name: str, compiled: Compilation) -> Planned | None:
    """What was planned for the server of that name; None where it is not in force."""
    found = (p for p in compiled.plan.servers if p.classified.server.name == name)
    return next(found, None)


def judge_config(name: str, compiled: Compilation) -> Judged:
    """Why the container does not get a server; nothing where it does."""
    found = definitions(name, compiled)
    planned = planned_of(name, compiled)
    if not found:
        whole = [_verdict(f) for f in compiled.findings if f.code in _WHOLE_FILES]
        return Judged(tuple(whole))
    if planned is None:
        return _not_in_force(found[-1], compiled)
    if planned.entry is None:
        ways = [_verdict(f, _trust(f, name)) for f in planned.findings]
        return Judged(tuple(ways[:1]), tuple(ways[1:]))
    twins = [f for f in compiled.findings if f.code == "MC008" and _at(f, found[-1].server.origin)]
    return Judged(tuple(Verdict(Rung.CLIENT, f) for f in twins))


def _not_in_force(deciding: Resolved, compiled: Compilation) -> Judged:
    server = deciding.server
    own = [f for f in compiled.findings if _at(f, server.origin)]
    code = _BY_STATE.get(deciding.state)
    if code:
        causes = [f for f in own if f.code == code]
        also = [f for f in compiled.findings if f.code in _APPROVALS]
        also = also if deciding.state is State.PENDING else []
    elif isinstance(server, Server):  # shadowed: by managed servers, or by another name's endpoint
        causes = [f for f in compiled.findings if f.code in ("MC036", "MC030")]
        also = []
    else:
        causes, also = own[:1], own[1:]
    if not causes:
        text = f"{quote(server.name)} is not in force: {deciding.because.text}"
        causes = [Finding("MC030", text, deciding.because.origin or server.origin)]
    shown = _SHOWS.get(deciding.state, Shows(_ABSENT, _ABSENT))
    if deciding.state is State.DISABLED and not _client(compiled).list_shows_disabled:
        shown = _CONNECTS
    first = tuple(_verdict(f)._replace(shows=shown) for f in causes[:1])
    return Judged(first, tuple(map(_verdict, also)))


def _client(compiled: Compilation) -> Client:
    return compiled.survey.configuration.request.client


def written_oddly(name: str, compiled: Compilation) -> tuple[Verdict, ...]:
    """What is worth mentioning about the entry when its server does not work."""
    found = definitions(name, compiled)
    at = [d.server.origin for d in found]
    odd = (f for f in compiled.findings if f.code in _OF_AN_ENTRY and any(_at(f, o) for o in at))
    return tuple(map(_verdict, odd))


def unset_variable(name: str, compiled: Compilation) -> Verdict | None:
    """The finding that a variable of the server is not set in this shell, if one is not."""
    found = definitions(name, compiled)
    at = found[-1].server.origin if found else None
    unset = (f for f in compiled.findings if f.code == UNSET and at is not None and _at(f, at))
    finding = next(unset, None)
    return Verdict(Rung.SECRET, finding) if finding else None


def _verdict(finding: Finding, remedy: Remedy | None = None) -> Verdict:
    return Verdict(Rung.CONFIG, finding, None, remedy)


def _trust(finding: Finding, name: str) -> Remedy | None:
    """The command that lets a server act on the host: never unasked."""
    return Remedy(f"mcpconf trust {shell_word(name)}") if finding.code in _TRUST else None


def _at(finding: Finding, entry: Origin) -> bool:
    """Whether a finding is about an entry, or a part of it."""
    at = finding.origin
    return (
        at is not None
        and bool(entry.pointer)
        and at.source is entry.source
        and at.pointer[: len(entry.pointer)] == entry.pointer
    )


def steps(name: str, compiled: Compilation, judged: Judged) -> Iterator[Step]:
    """What was looked at: where it is written, and what the container gets."""
    found = definitions(name, compiled)
    if not found:
        text = "no file that Claude Code reads has it"
        yield Step(Rung.CONFIG, "host", "read the configuration", text, ok=False)
        return
    deciding = found[-1]
    state = f"{deciding.state.value}: {deciding.because.text}"
    ok = deciding.state is State.ACTIVE
    yield Step(Rung.CONFIG, "host", "read the configuration", state, ok)
    planned = planned_of(name, compiled)
    if planned is not None:
        first = judged.causes[0].finding.message if judged.causes else ""
        text = first or planned.because[0].text
        yield Step(Rung.CONFIG, "host", "planned what the container gets", text, not judged.causes)


def known(names: Sequence[str], compiled: Compilation) -> tuple[str, ...]:
    """The names of servers to look at: those that are asked for, or all, each once."""
    if names:
        return tuple(dict.fromkeys(_name(n, compiled) for n in names))
    return tuple(dict.fromkeys(r.server.name for r in compiled.survey.resolved))


def _name(question: str, compiled: Compilation) -> str:
    found = definitions(question, compiled)
    return found[-1].server.name if found else question
