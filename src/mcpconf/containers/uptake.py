"""Whether a container's firewall has taken up what was written: its ``state.json`` says so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from mcpconf.containers import inside
from mcpconf.containers.program import RUN, whole
from mcpconf.containers.running import Container
from mcpconf.errors import Failure

STATE = f"{RUN}/state.json"

_PAUSE = 0.1  # seconds between two looks
_STARTED = 19  # the field of /proc/PID/stat behind the name (proc(5): 22)


class Uptake(Enum):
    """What is known: no firewall is there; it has it; not yet; it does not say; no answer."""

    NONE = auto()
    TAKEN = auto()
    BEHIND = auto()
    UNTOLD = auto()
    SILENT = auto()


class State(NamedTuple):
    """What a firewall says of itself.  ``generation`` is None where it is an older one."""

    in_force: bool
    generation: str | None


def wait_for(
    generation: str, containers: Iterable[Container], patience: float
) -> dict[Container, Uptake]:
    """Look until all have taken up a generation, or ``patience`` (seconds) has run out."""
    deadline = time.monotonic() + patience
    found = dict.fromkeys(containers, Uptake.SILENT)
    waiting = list(found)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for container in waiting:
            known = _uptake(generation, container, left)
            if known is not Uptake.SILENT:  # what was said before stays
                found[container] = known
        waiting = [c for c in waiting if found[c] in (Uptake.BEHIND, Uptake.SILENT)]
        if waiting:
            time.sleep(_PAUSE)
    return found


def _uptake(generation: str, container: Container, patience: float) -> Uptake:
    try:
        state = state_of(container, patience)
    except Failure:
        return Uptake.SILENT
    if state is None:
        return Uptake.NONE
    if not state.in_force:
        return Uptake.BEHIND
    if not state.generation:
        return Uptake.UNTOLD
    return Uptake.TAKEN if state.generation == generation else Uptake.BEHIND


def state_of(container: Container, patience: float) -> State | None:
    """What a container's firewall says; None where there is none.  Raises Failure."""
    command = inside.read_state(container, STATE)
    code, out, _ = whole(command, container.name, patience)
    if code in (inside.NO_FILE, inside.NOT_THERE):
        return None
    if code:
        raise Failure(f"exit code {code}")
    return _read(out)


def _read(text: str) -> State:
    """The state counts for one start of one container (``firewall/state.py``).  Raises Failure."""
    try:
        document, end = json.JSONDecoder().raw_decode(text)
        link, _, first = text[end:].lstrip().partition("\n")
        network = link.removeprefix("net:[").removesuffix("]")
        instance = f"{network}:{first.rpartition(')')[2].split()[_STARTED]}"
        generation = document.get("generation")
        return State(
            document["instance"] == instance, generation if isinstance(generation, str) else None
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Failure("it says nothing that can be read") from None
