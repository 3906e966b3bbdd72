"""Servers that hang keep later ones from starting: the client starts three at a time (fact 54).

Pure.
"""

from __future__ import annotations

from collections.abc import Collection

from mcpconf.compiler import Compilation
from mcpconf.diagnosis.model import Remedy, Rung, Shows, Verdict
from mcpconf.findings import Finding
from mcpconf.model import BRIDGE, Stdio
from mcpconf.names import quote
from mcpconf.plan.terms import Planned

AT_ONCE = 3  # MCP_SERVER_CONNECTION_BATCH_SIZE
SILENT = frozenset({"server-silent", "timeout", ""})
"""What a handshake says of a process that hangs."""
_MOST = 12  # servers before one that are looked at


def before(name: str, compiled: Compilation, *, inside: bool) -> tuple[Planned, ...]:
    """The processes that the client starts before this one; () where it starts none for it.

    ``inside``: Claude Code runs in the container, where every server is a process, and the bridge
    never hangs.
    """
    found: list[Planned] = []
    for planned in compiled.plan.servers:
        if planned.entry is None:
            continue
        server = planned.classified.server
        if server.name == name:
            counts = "command" in planned.entry if inside else isinstance(server.transport, Stdio)
            return tuple(found[-_MOST:]) if counts and len(found) >= AT_ONCE else ()
        own = isinstance(server.transport, Stdio)
        if own and (not inside or planned.entry.get("command") != BRIDGE):
            found.append(planned)
    return ()


def starved(planned: Planned, hanging: Collection[str], at_once: int) -> Verdict | None:
    """The verdict where as many hang as are started at once."""
    if len(hanging) < at_once:
        return None
    server = planned.classified.server
    listed = ", ".join(quote(name) for name in list(hanging)[:at_once])
    text = f"{quote(server.name)} is kept from starting by servers before it that hang"
    notes = (
        f"{listed} do not answer",
        f"Claude Code starts {at_once} at a time, and waits 30 s for each",
    )
    more = Remedy(f"export MCP_SERVER_CONNECTION_BATCH_SIZE={at_once + len(hanging)}")
    ways = ("mend or remove those", more.command)
    finding = Finding("MC296", text, server.origin, notes, ways)
    return Verdict(Rung.CLIENT, finding, Shows("✔ Connected", "pending"), more)
