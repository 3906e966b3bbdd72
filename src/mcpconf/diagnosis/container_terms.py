"""What the judges of a container share: how a verdict is put together, and what starts it anew."""

from __future__ import annotations

from mcpconf.diagnosis.container_facts import Aim
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.masking import mask_args
from mcpconf.model import BRIDGE

SYNC = Remedy("mcpconf sync", ("sync",), safe=True)
GATEWAY_AGAIN = Remedy("mcpconf gateway stop && mcpconf gateway start")
RESTART = Remedy("ddev restart")
_LONGEST = 400  # characters of a line


def needs_bridge(aim: Aim) -> bool:
    """Whether the container reaches the server through the bridge."""
    return aim.wish.entry.get("command") == BRIDGE


def restart(aim: Aim, name: str) -> Remedy:
    """What makes a container mount anew what the host has."""
    if aim.kind == "ddev":
        return RESTART
    if aim.kind == "devcontainer":
        return Remedy("rebuild the dev container, or start it again")
    return Remedy(f"docker restart {name}") if _plain(name) else Remedy("start the container again")


def _plain(name: str) -> bool:
    fine = all(c.isascii() and (c.isalnum() or c in "_.-") for c in name)
    return bool(name) and fine and not name.startswith("-")


def verdict(
    rung: Rung, code: str, text: str, aim: Aim, notes: tuple[str, ...], *ways: Remedy
) -> Verdict:
    """A verdict on the server's entry; the first way is the remedy, all are its help."""
    help_ = tuple(way.command for way in ways)
    return Verdict(rung, Finding(code, text, aim.at, notes, help_), None, ways[0] if ways else None)


def hidden(line: str) -> str:
    """A line that a program wrote, without what looks like a secret in it."""
    whole, found = mask_args([line[:_LONGEST]])[0]
    words = [word for word, _ in mask_args(line[:_LONGEST].split(" "))]
    masked = " ".join(words)
    return whole if found and masked == line[:_LONGEST] else masked
