"""Judges how a server of the container's own started there.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mcpconf.diagnosis.container_facts import Aim, Blocked, InContainer, Program, Tried
from mcpconf.diagnosis.container_terms import hidden
from mcpconf.diagnosis.judge_firewall import opens, shut_for
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.masking import mask_args
from mcpconf.model import BRIDGE
from mcpconf.names import quote
from mcpconf.plan.terms import shell_word

_NOT_FOUND, _NOT_EXECUTABLE, _KILLED = 127, 126, 137
_MARGIN = 2.0  # seconds by which the firewall's clock and ours may differ
_SHOWN = 3  # lines of what it said
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_NOISE = re.compile(
    r"complete log of this run|^npm (error|ERR!)\s*$|^\s*at |^\s*\^+\s*$|^Node\.js v"
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
        return _shut(blocked[0], tried, aim)
    name = quote(seen.name)
    said = _said(tried.words)
    if tried.code == "server-exited" and tried.exit == _NOT_FOUND:
        text = f"{shown} of {aim.name} cannot start in the container {name}"
        needs = program.first.removeprefix("#!").strip() if program else ""
        why = (f"it is run by {quote(needs, 80)}, or calls something, that is not there",)
        return _verdict("MC207", text, aim, (*why, *said), *_installs("what it needs", aim))
    if tried.code == "server-exited" and tried.exit == _NOT_EXECUTABLE:
        text = f"{shown} of {aim.name} cannot be executed in the container {name}"
        why = ("it is for another machine, or its file may not be executed",)
        return _verdict("MC208", text, aim, (*why, *said), "put one for this machine there")
    if tried.code == "server-exited":
        how = f", exit code {tried.exit}" if tried.exit is not None else ""
        text = f"{aim.name} ends as soon as it is started in the container {name}{how}"
        notes = (*said, *_unset(seen, aim), *_killed(tried))
        return _verdict("MC209", text, aim, notes, *_try_it(seen, aim))
    return _unanswered(said, tried, seen, aim)


def _unanswered(said: tuple[str, ...], tried: Tried, seen: InContainer, aim: Aim) -> Verdict | None:
    """It runs, and there is no answer that is one."""
    if tried.code == "server-garbage":
        text = f"{aim.name} writes something else than MCP to its output"
        return _verdict("MC211", text, aim, said, "let it write its log to stderr")
    if tried.code == "protocol":
        text = f"{aim.name} refuses the handshake in the container {quote(seen.name)}"
        return _verdict("MC282", text, aim, said, rung=Rung.MCP)
    if tried.code in {"timeout", ""}:
        text = f"{aim.name} starts in the container {quote(seen.name)}, and says nothing"
        notes = (f"waited for {tried.seconds:.0f} seconds", *_unset(seen, aim))
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


def _try_it(seen: InContainer, aim: Aim) -> tuple[str, ...]:
    del seen
    if aim.kind == "ddev":
        return ("start it by hand and see: ddev ssh -s claude",)
    return ("start it by hand in the container and see",)


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


def _said(words: str) -> tuple[str, ...]:
    """The last lines that say something, without what looks like a secret."""
    lines = [line.strip() for line in words.splitlines()]
    told = [line for line in lines if line and not _NOISE.search(line)] or [x for x in lines if x]
    kept = told[-_SHOWN:]
    return tuple(f"it said: {quote(hidden(line), 160)}" for line in kept)


# --- the firewall meanwhile -------------------------------------------------------------------


def during(tried: Tried, seen: InContainer, aim: Aim) -> list[Blocked]:
    """What was refused while a server was tried, and was its own doing, as far as one can know.

    Its own are the hosts that it needs, those that its last words name, and all others if no other
    server that starts in the container failed meanwhile.
    """
    lowest, highest = tried.began - _MARGIN, tried.ended + _MARGIN
    recent = [b for b in seen.fire.blocked if b.last >= lowest and b.first <= highest]
    needed = {host for host, _ in aim.wish.hosts}
    named = [b for b in recent if any(n in needed or (n and n in tried.words) for n in b.names)]
    if named:
        return named
    failing = [
        name
        for name, other in seen.tried.items()
        if other.tools is None and other.code in {"server-exited", "timeout"}
    ]
    alone = failing == [aim.wish.name]
    return [b for b in recent if b.reason != "cut"] if alone else []


def _shut(blocked: Blocked, tried: Tried, aim: Aim) -> Verdict:
    """The firewall is why: a package runner whose registry is closed, or a server's own host."""
    host = blocked.names[0] if blocked.names else blocked.address
    text = f"the firewall is shut for {quote(host, 80)}, which {aim.name} wants while it starts"
    return shut_for(blocked, text, aim, _said(tried.words), opens(blocked, aim))
