"""What a container's firewall says of itself and of what it refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mcpconf.containers import inside
from mcpconf.containers.program import command_in, whole
from mcpconf.containers.running import Container
from mcpconf.diagnosis.container_facts import Blocked, Fire, Row
from mcpconf.errors import Failure
from mcpconf.names import quote

_MOST_ROWS, _MOST_BLOCKED = 60_000, 2_000
_SAYS = "mcpconf-fw: "


def look(container: Container, patience: float) -> Fire:
    """Ask ``mcpconf-fw status``.  Raises nothing."""
    try:
        code, out, err = _ask(container, ["status", "--format", "json"], patience)
    except Failure as why:
        return Fire(why=why.message)
    if code == inside.NOT_THERE:
        return Fire("absent", "it has no mcpconf-fw")
    if code == inside.NOT_ROOTS:
        return Fire("foreign", "its mcpconf-fw is not root's alone, so it was not run")
    return read_status(code, out, err)


def refused(container: Container, since: float, patience: float) -> tuple[Blocked, ...]:
    """What it refused in the last seconds; () where it does not say."""
    with suppress(Failure):
        words = ["blocked", "--format", "json", "--since", f"{math.ceil(since)}"]
        code, out, _ = _ask(container, words, patience)
        return read_blocked(out) if code == 0 else ()
    return ()


def _ask(container: Container, words: list[str], patience: float) -> tuple[int, str, str]:
    where = container if container.engine else None
    return whole(command_in(where, words), f"the container {quote(container.name)}", patience)


def read_status(code: int, out: str, err: str) -> Fire:
    """What ``status`` said.  Pure."""
    why = _complaint(err)
    try:
        said = json.loads(out)
        if not said["in_force"] and not said["findings"]:
            return Fire("shut", why or "it is not in force")
        wrong = [f for f in said["findings"] if f["result"] == "fault"]
        faults = {str(f["name"]): str(f["text"]) for f in wrong}
        return Fire(
            state="force" if said["in_force"] and not faults else "faulty",
            why=why,
            mode=str(said.get("mode", "")),
            generation=str(said.get("generation") or ""),
            faults=faults,
            rows=tuple(map(_row, said["rows"][:_MOST_ROWS])),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Fire("unseen" if code else "faulty", why or "what it says cannot be read")


def _complaint(err: str) -> str:
    lines = [line[len(_SAYS) :] for line in err.splitlines() if line.startswith(_SAYS)]
    return lines[0][:300] if lines else ""


def _row(row: dict[str, Any]) -> Row:
    addresses, packets, port = row["addresses"], row.get("packets"), row["port"]
    return Row(
        host=str(row["host"]),
        port=port if isinstance(port, int) else 0,
        form=str(row["form"]),
        addresses=len(addresses) if isinstance(addresses, list) else 0,
        packets=packets if isinstance(packets, int) else 0,
    )


def read_blocked(out: str) -> tuple[Blocked, ...]:
    """What ``blocked`` said; what cannot be read is left out.  Pure."""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        return tuple(_attempts(json.loads(out)["blocked"][-_MOST_BLOCKED:]))
    return ()


def _attempts(told: list[Any]) -> Iterator[Blocked]:
    for one in told:
        with suppress(TypeError, KeyError, ValueError, AttributeError):
            names = [one["name"]] if one["name"] else one["candidates"]
            yield Blocked(
                names=tuple(map(str, names)),
                address=str(one["address"] or ""),
                port=int(one["port"] or 0),
                protocol=str(one["protocol"]),
                reason=str(one["reason"]),
                because=str(one["because"]),
                times=int(one["count"]),
                first=float(one["first"]),
                last=float(one["last"]),
            )
