"""What an apply leaves for the next one and for the readers: ``state.json``.

It counts for one start of one container: a container that was restarted has the file still and
none of what it speaks of.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from mcpconf.firewall.paths import POLICY, Paths
from mcpconf.firewall.policy import GRACE, Notice, Policy, PolicyError, read_policy_text
from mcpconf.firewall.site import DNS_PORT, GATE_HTTP, GATE_TLS


class State(NamedTuple):
    """What is in force.

    ``since`` is Unix seconds; ``epoch`` and ports are as in ``Site``; ``generation`` is the name of
    the folder in which ``policy`` lay, if a sync made it (``gen-…``).
    """

    instance: str
    backend: str = "iptables"
    mode: str = "default"
    grace: int = GRACE
    dns_port: int = DNS_PORT
    gate_tls: int = GATE_TLS
    gate_http: int = GATE_HTTP
    epoch: int = 1
    policy: str = POLICY
    generation: str = ""
    since: float = 0.0
    notices: tuple[Notice, ...] = ()


def instance_of_container() -> str:
    """A text that differs for every start of every container: its network, its first process."""
    network = os.stat("/proc/self/ns/net").st_ino
    try:
        with open("/proc/1/stat", encoding="ascii", errors="replace") as file:
            started = file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = "?"
    return f"{network}:{started}"


def load_state(paths: Paths) -> State | None:
    """What is in force in this container; None where nothing is."""
    try:
        with open(paths.state, encoding="utf-8") as file:
            found = json.load(file)
        notices = tuple(Notice(*map(str, notice)) for notice in found.pop("notices"))
        found.pop("version")
        state = State(**found, notices=notices)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return state if state.instance == instance_of_container() else None


def save_state(paths: Paths, state: State) -> None:
    """Write the state in one step."""
    document = {"version": 1, **state._asdict(), "notices": [list(n) for n in state.notices]}
    write_file(paths.state, json.dumps(document, indent=1) + "\n")


def policy_in_force(paths: Paths) -> Policy | None:
    """The policy that was applied last."""
    try:
        with open(paths.policy, encoding="utf-8") as file:
            return read_policy_text(file.read())
    except (OSError, UnicodeDecodeError, PolicyError):
        return None


def write_file(path: str, text: str, mode: int = 0o644) -> None:
    """Replace a file of ours in one step.  Raises OSError."""
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.replace(temporary, path)


def read_file(path: str) -> str:
    """The text of a file of ours; "" where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
