"""New lists for a gate that runs, in one step each, over its socket."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GATE_VERSION = "{version}"
"""Stands in commands for the number that ``prepare map`` answers with."""

_CHUNK = 8_000  # characters; HAProxy takes a command and its payload in one buffer of 16 KiB


def gate_reload_commands(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """What makes a running gate use other lists: commands for its socket, one after the other.

    Each list is replaced in one step; connections live on.  :func:`tell_gate` says them.  Lists
    that do not differ give none.
    """
    return [
        command
        for path, text in new.items()
        if old.get(path) != text
        for command in (
            f"prepare map {path}\n",
            *(f"add map @{GATE_VERSION} {path} <<\n{part}\n" for part in _parts(text)),
            f"commit map @{GATE_VERSION} {path}\n",
        )
    ]


def tell_gate(commands: list[str], say: Callable[[str], str]) -> str:
    """Say the commands; returns what the gate does not take, "" if it has its new lists.

    ``say`` sends a command and returns the whole answer: until the gate closes the connection, or,
    once ``prompt`` has been sent over it, until a line ``> ``, which may be left out.
    """
    version = ""
    for command in commands:
        answer = say(command.replace(GATE_VERSION, version))
        made = re.search(r"New version created: ([0-9]+)", answer)
        if made:
            version = made[1]
        elif answer.strip("+> \n"):
            return f"{command.split(' <<')[0].strip()}: {answer.strip()}"
    return ""


def _parts(text: str) -> Iterator[str]:
    """Whole lines, as many as fit into a command."""
    while len(text) > _CHUNK:
        end = text.rindex("\n", 0, _CHUNK) + 1
        yield text[:end]
        text = text[end:]
    if text:
        yield text
