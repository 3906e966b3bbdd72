"""Judges how a server of the container's own started there.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mcpconf.diagnosis.container_facts import Aim, InContainer, Program, Tried
from mcpconf.diagnosis.judge.last_words import means, said
from mcpconf.diagnosis.judge.meanwhile import during, meanwhile, shut
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.masking import mask_args
from mcpconf.model import BRIDGE
from mcpconf.names import quote
from mcpconf.plan.terms import shell_word

_NOT_FOUND, _NOT_EXECUTABLE, _KILLED = 127, 126, 137
_OURS_ENDED_IT = 124  # what `timeout` of containers/agent.py leaves with
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]{1,200}")  # nothing that a shell reads otherwise
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_LOADS = re.compile(
    r"will be installed|^Downloading|^Preparing|^Resolved \d|^Building|^Collecting |^Installed \d",
    re.MULTILINE,
)


def judge_start(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """Why a server that the container starts itself does not answer."""
    tried = seen.tried.get(aim.wish.name)
    command = aim.wish.entry.get("command")
    if not isinstance(command, str) or command == BRIDGE:
        return
    shown = quote(mask_args([command])[0][0])
    program = seen.held.programs.get(command) if seen.held else None
    lookup = _missing(shown, program, seen, aim)
    if lookup is not None:
        yield lookup
    elif tried is not None and tried.tools is None:
        found = _ended(shown, tried, program, seen, aim)
        if found is not None:
            yield found


def _missing(shown: str, program: Program | None, seen: InContainer, aim: Aim) -> Verdict | None:
    if program is None or program.found:
        return None
    name = quote(seen.name)
    if program.denied:
        text = f"{shown}, which {aim.name} starts, may not be executed in the container {name}"
        notes = (f"it is {quote(program.denied, 120)}, and {_who(seen)} may not execute it",)
        return _verdict("MC208", text, aim, notes, "chmod +x it, where it is made")
    text = f"the container {name} has no {shown}, which {aim.name} starts"
    notes = (f"looked for in the PATH of {_who(seen)} there",)
    return _verdict("MC207", text, aim, notes, *_installs(shown, aim))


def _installs(shown: str, aim: Aim) -> tuple[str, ...]:
    host = f"or let it run on the host: mcpconf trust {shell_word(aim.wish.name)}"
    if aim.kind == "ddev":
        name = "MCPCONF_APT or MCPCONF_NPM in .ddev/.env.mcpconf"
        return (f"put the package that has {shown} into {name}, then: ddev restart", host)
    if aim.kind == "devcontainer":
        return (f"put {shown} into the image of the dev container, and rebuild it", host)
    return (f"put {shown} into the image", host)


def _who(seen: InContainer) -> str:
    held = seen.held
    return quote(held.user or held.uid) if held else "the agent"


def _ended(
    shown: str, tried: Tried, program: Program | None, seen: InContainer, aim: Aim
) -> Verdict | None:
    """What became of a program that was there."""
    blocked = during(tried, seen, aim)
    if blocked:
        return shut(blocked[0], aim, said(tried.words))
    name = quote(seen.name)
    told = said(tried.words)
    if tried.code == "server-exited" and tried.exit == _NOT_FOUND:
        text = f"{shown} of {aim.name} cannot start in the container {name}"
        needs = program.first.removeprefix("#!").strip() if program else ""
        why = (f"it is run by {quote(needs, 80)}, or calls something, that is not there",)
        return _verdict("MC207", text, aim, (*why, *told), *_installs("what it needs", aim))
    if tried.code == "server-exited" and tried.exit == _NOT_EXECUTABLE:
        text = f"{shown} of {aim.name} cannot be executed in the container {name}"
        why = ("it is for another machine, or its file may not be executed",)
        return _verdict("MC208", text, aim, (*why, *told), "put one for this machine there")
    if tried.code == "server-exited" and tried.exit != _OURS_ENDED_IT:
        how = f", exit code {tried.exit}" if tried.exit is not None else ""
        text = f"{aim.name} ends as soon as it is started in the container {name}{how}"
        more = (*_unset(seen, aim), *_killed(tried), *meanwhile(tried, seen))
        notes = (*told, *means(tried.words), *more)
        return _verdict("MC209", text, aim, notes, *_try_it(seen, aim))
    return _unanswered(told, tried, seen, aim)


def _unanswered(told: tuple[str, ...], tried: Tried, seen: InContainer, aim: Aim) -> Verdict | None:
    """It runs, and there is no answer that is one."""
    if tried.code == "server-garbage":
        text = f"{aim.name} writes something else than MCP to its output"
        return _verdict("MC211", text, aim, told, "let it write its log to stderr")
    if tried.code == "protocol":
        text = f"{aim.name} refuses the handshake in the container {quote(seen.name)}"
        return _verdict("MC282", text, aim, told, rung=Rung.MCP)
    if tried.code in {"timeout", ""} and _LOADS.search(tried.words):
        text = f"{aim.name} was still being installed in the container {quote(seen.name)}"
        notes = (f"waited for {tried.seconds:.0f} seconds; Claude Code waits for 30", *told)
        return _verdict("MC285", text, aim, notes, *_try_it(seen, aim, "let it finish once"))
    if tried.taken is not None and tried.taken.greets:
        text = f"{aim.name} greets in the container {quote(seen.name)}, but does not tell its tools"
        notes = ("it answers `initialize`, and not `tools/list`", *told)
        return _verdict("MC283", text, aim, notes, *_try_it(seen, aim), rung=Rung.TOOLS)
    if tried.code in {"timeout", "server-exited", ""}:
        refused = meanwhile(tried, seen)
        text = f"{aim.name} starts in the container {quote(seen.name)}, and says nothing"
        waited = f"waited for {tried.seconds:.0f} seconds"
        notes = (waited, *told, *_unset(seen, aim), *refused)
        return _verdict("MC210", text, aim, notes, *_try_it(seen, aim))
    return None


def _verdict(
    code: str,
    text: str,
    aim: Aim,
    notes: tuple[str, ...] = (),
    *ways: str,
    rung: Rung = Rung.COMMAND,
) -> Verdict:
    remedy = Remedy(ways[0]) if ways else None
    return Verdict(rung, Finding(code, text, aim.at, notes, ways), None, remedy)


def _try_it(seen: InContainer, aim: Aim, why: str = "see for yourself") -> tuple[str, ...]:
    """How to see it with one's own eyes; words that a shell would read otherwise are left out."""
    command, args = aim.wish.entry.get("command"), aim.wish.entry.get("args")
    words = [command, *(args if isinstance(args, list) else ())]
    whole = [w for w in words if isinstance(w, str) and _PLAIN.fullmatch(w)]
    masked = [word for word, _ in mask_args(whole)]
    line = " ".join(masked) if len(whole) == len(words) else "its command"
    if aim.kind == "ddev":
        return (f"{why}: ddev ssh -s claude, then: {line}",)
    plain = all(_PLAIN.fullmatch(word) for word in (seen.engine, seen.name) if word)
    if not seen.engine or not plain:
        return (f"{why}, in the container: {line}",)
    user = f"-u {seen.user} " if seen.user else ""
    return (f"{why}: {seen.engine} exec -it {user}{seen.name} {line}",)


def _killed(tried: Tried) -> tuple[str, ...]:
    return ("it was killed: perhaps the memory was used up",) if tried.exit == _KILLED else ()


def _unset(seen: InContainer, aim: Aim) -> tuple[str, ...]:
    """Variables of its entry that the container does not have: they are empty there."""
    env = aim.wish.entry.get("env")
    texts = env.values() if isinstance(env, Mapping) else ()
    names = [n for text in texts if isinstance(text, str) for n in _REFERENCE.findall(text)]
    lacking = [n for n in dict.fromkeys(names) if n not in seen.variables]
    if not lacking:
        return ()
    listed = ", ".join(quote(name) for name in lacking[:5])
    return (f"{listed}: its entry refers to the container's own, which is not set there",)
