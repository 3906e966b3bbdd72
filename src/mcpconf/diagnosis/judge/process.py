"""Why a process that was started on this host does not answer; it may be the gateway's.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.commands import understand
from mcpconf.diagnosis.evidence import RESTART, Host
from mcpconf.diagnosis.judge.last_words import means, said, waits
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.model import Stdio
from mcpconf.names import quote
from mcpconf.origin import Origin

_BY_HAND = "start the command of the entry by hand, in a shell on the host"
_LONGEST = 120
_PATH = re.compile(r"[\w.@/\-]*[./][\w.@/\-]+")  # an argument that may be a file


class _Kind(NamedTuple):
    code: str
    text: str


_PROCESS = {
    "spawn-failed": _Kind("MC207", "{name} cannot be started on this host"),
    "server-exited": _Kind("MC209", "{name} ends as soon as it is started on this host"),
    "server-silent": _Kind("MC210", "{name} starts on this host and says nothing"),
    "timeout": _Kind("MC210", "{name} starts on this host and says nothing"),
    "server-garbage": _Kind("MC211", "{name} writes something else than MCP to its output"),
    "protocol": _Kind("MC282", "{name} refuses the handshake"),
}
_ENDED = (  # in the gateway's words
    ("status 0 ", "it ended without an error: a server goes on, and not in the background"),
    ("signal 9 ", "it was killed: perhaps the memory was used up"),
    ("signal 11 ", "it crashed (a fault of its own)"),
    ("signal 6 ", "it crashed (a fault of its own)"),
)


def of_process(host: Host) -> Iterator[Verdict]:
    """Why it does not answer; nothing where it may be no process."""
    for_sure = host.planned.classified.remote is None or host.code.startswith(("server-", "spawn-"))
    if host.code not in _PROCESS or not for_sure:
        return
    if host.code in ("spawn-failed", "server-exited") and host.unset is not None:
        yield with_restart(host.unset)._replace(rung=Rung.COMMAND)
    if host.code == "spawn-failed":
        yield _not_started(host)
    elif host.heard and host.heard.greets and _PROCESS[host.code].code == "MC210":
        yield _untold(host)
    else:
        yield _unanswered(host)


def with_restart(unset: Verdict) -> Verdict:
    """A variable that neither this shell nor the gateway has."""
    restart = "then, so that the gateway has it too: " + RESTART.command
    help_ = (*unset.finding.help[:1], restart, *unset.finding.help[1:])
    return unset._replace(finding=unset.finding._replace(help=help_))


def _with(verdict: Verdict, at: Origin, ways: tuple[str, ...]) -> Verdict:
    found = verdict.finding
    notes = tuple(filter(None, found.notes))
    return verdict._replace(finding=found._replace(origin=at, notes=notes, help=ways))


# --- it does not even start -------------------------------------------------------------------


def _not_started(host: Host) -> Verdict:
    file = host.heard.file if host.heard else None
    kind = file.kind if file else ""
    code, why, way = _FILES.get(kind, ("", "", ""))
    if not code:
        code = "MC208" if re.search("ermission denied|Exec format", host.words) else "MC207"
    shown = quote(file.word, _LONGEST) if file else ""
    needs = quote(file.needs, 60) if file else ""
    notes = (host.words, why.format(file=shown, needs=needs), *_spelling(file.word if file else ""))
    ways = tuple(filter(None, (way.format(file=shown, needs=needs), _BY_HAND)))
    text = _PROCESS["spawn-failed"].text.format(name=host.name)
    return _with(host.verdict(Rung.COMMAND, code, text, notes), host.at.at("command"), ways)


_FILES = {  # what is seen of the command's file: code, why, what to do
    "absent": ("MC207", "there is no {file}", "install it, or write its whole path"),
    "directory": ("MC208", "{file} is a directory", "write the program in it as the command"),
    "denied": ("MC208", "{file} is there, and may not be executed", "chmod +x {file}"),
    "crlf": (
        "MC207",
        "the first line of {file} ends in CR LF, so its interpreter has a name with a CR",
        "save {file} with the line ends of Unix (`dos2unix`)",
    ),
    "interpreter": (
        "MC207",
        "{file} is there; it is run by {needs}, which is not",
        "install {needs}, or correct the first line of {file}",
    ),
    "empty": ("MC208", "{file} is empty", "install it again"),
    "text": (
        "MC208",
        "{file} is a text that does not say what runs it: its first line has no `#!`",
        "write its interpreter as the command, and {file} as its first argument",
    ),
    "program": (
        "MC208",
        "{file} is a program for another kind of machine, or its loader is not here",
        "install one for this machine",
    ),
}


def _spelling(word: str) -> tuple[str, ...]:
    """What is odd about the word itself, of which a shell would make something else."""
    if word != word.strip():
        return ("it has white space at its beginning or end",)
    if word.startswith("~"):
        return ("no shell reads it, so `~` is not your home: write the whole path",)
    if " " in word and "/" not in word.partition(" ")[0]:
        return ("the whole is taken as the program's name: the words after it belong into `args`",)
    return ()


# --- it starts --------------------------------------------------------------------------------


def _unanswered(host: Host) -> Verdict:
    """It ends, is silent, or says something else."""
    kind = _PROCESS[host.code]
    last = host.heard.outcome.words if host.heard else ""
    silent = kind.code == "MC210"
    ended = next((text for words, text in _ENDED if words in f"{host.words} "), "")
    notes = (
        host.words,
        *said(last),
        *means(last),
        ended if kind.code == "MC209" and not last.strip() else "",
        *(waits(last) if silent else ()),
        _fetches(host) if silent else "",
    )
    rung = Rung.MCP if kind.code == "MC282" else Rung.COMMAND
    text = kind.text.format(name=host.name)
    at = _argument(host, last) if kind.code == "MC209" else host.at.at("command")
    return _with(host.verdict(rung, kind.code, text, notes), at, (_BY_HAND,))


def _untold(host: Host) -> Verdict:
    """It greets, and says nothing when it is asked for its tools."""
    text = f"{host.name} greets, but does not tell its tools: nothing comes back"
    last = host.heard.outcome.words if host.heard else ""
    notes = (host.words, "it answers `initialize`, and not `tools/list`", *said(last))
    ways = ("look into the server's own log", _BY_HAND)
    return _with(host.verdict(Rung.TOOLS, "MC283", text, notes), host.at, ways)


def _argument(host: Host, words: str) -> Origin:
    """The argument that its last words name, as a file that is not there; else the command."""
    stdio = host.planned.classified.server.transport
    args = [word.safe() for word in stdio.args] if isinstance(stdio, Stdio) else []
    for index, text in enumerate(args):
        if len(text) < _LONGEST and _PATH.fullmatch(text) and text in words:
            return host.at.at("args", index)
    return host.at.at("command")


def _fetches(host: Host) -> str:
    """What a silent program may be busy with; "" where it has nothing to fetch."""
    stdio = host.planned.classified.server.transport
    if not isinstance(stdio, Stdio):
        return ""
    started = understand(stdio.command.safe(), [word.safe() for word in stdio.args])
    if not started.runner:
        return ""
    return (
        f"{quote(started.program)} fetches what is not there yet, which may take longer than this;"
        " Claude Code waits for 30 s"
    )
