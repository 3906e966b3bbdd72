"""What a diagnosis is made of: steps that were taken, verdicts that follow, one answer a server.

Evidence is gathered first (effects, at once), judged afterwards (pure): the first rung of the
ladder on which something is broken blocks, what is broken on later rungs is mentioned.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from mcpconf.findings import Finding


class Rung(IntEnum):
    """The ladder, from where the traffic starts to where it ends; the lowest that breaks blocks."""

    CONFIG = 1  # written, readable, in force, approved, planned
    CONTAINER = 2  # runs, has the last sync, has the client's file
    COMMAND = 3  # the program of the entry is there and starts
    BRIDGE = 4  # the bridge is there and of this version
    GATEWAY = 5  # runs, is reached, takes the token
    ROUTE = 6  # knows the server as it is written now
    SECRET = 7  # variables, helper, login
    FIREWALL = 8  # the row is open and in force
    DNS = 9
    TCP = 10
    TLS = 11
    HTTP = 12  # status, redirects, content
    AUTH = 13  # a login or a key is really wanted, or refused
    MCP = 14  # handshake in one of the eras
    TOOLS = 15
    CLIENT = 16  # what the client remembers, its limits and its proxies


class Step(NamedTuple):
    """One thing that was tried.

    ``place`` is where from: ``host``, ``gateway`` or ``container``.  ``tried`` and ``came`` are
    one clause each, with foreign text escaped and no secret in it.  ``ok`` is None where it was
    not looked at, and ``came`` says why.  ``ms`` is how long it took, None where nothing waited.
    """

    rung: Rung
    place: str
    tried: str
    came: str
    ok: bool | None
    ms: float | None = None


class Shows(NamedTuple):
    """What Claude Code prints for a cause: its line in ``claude mcp list``, a session's status."""

    listed: str
    session: str


class Remedy(NamedTuple):
    """What mends it.  ``command`` is for the shell; ``safe``: ``--fix`` may run it unasked.

    Safe is what changes nothing but mcpconf's own state and can be repeated: a sync, a start of the
    gateway, cleaning what is stale.  ``argv`` is what is run; () where it is no command of ours.
    """

    command: str
    argv: tuple[str, ...] = ()
    safe: bool = False


class Verdict(NamedTuple):
    """A cause: the finding says what, where and how to mend it; ``rung`` is where it blocks."""

    rung: Rung
    finding: Finding
    shows: Shows | None = None
    remedy: Remedy | None = None


class Diagnosis(NamedTuple):
    """The answer for one server.

    ``verdicts`` are in the ladder's order, the first one blocks; none: it works, or ``unseen`` says
    what could not be looked at.  ``start`` is ``host`` or the container's name.
    """

    server: str
    start: str
    way: str  # gateway, direct, container, nowhere: how the container reaches it
    steps: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]
    tools: int | None = None
    unseen: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        return not self.verdicts and self.tools is not None
