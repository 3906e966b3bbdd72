"""``mcpconf doctor``: every check and every server at once, under one time limit.

A check that breaks, hangs or has nobody to ask becomes a line that says so; the others count all
the same, since mcpconf itself may be what is broken.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from mcpconf.codes import Severity
from mcpconf.containers.running import Container
from mcpconf.diagnosis.checks import container as checks_container
from mcpconf.diagnosis.checks import files as checks_files
from mcpconf.diagnosis.checks import host as checks_host
from mcpconf.diagnosis.checks import network as checks_network
from mcpconf.diagnosis.checks import permissions as checks_permissions
from mcpconf.diagnosis.checks.check import Check, Checkup, Given, State, state_of
from mcpconf.diagnosis.look.inside import Inside
from mcpconf.diagnosis.model import Diagnosis
from mcpconf.errors import Failure
from mcpconf.model import State as Standing
from mcpconf.names import quote

LIMIT = 15.0  # seconds, for everything; the worst server takes twelve

Task = Callable[[], Sequence[Check]]
Told = Callable[[str], object]

_WORDS = {
    Standing.PENDING: "wait{} for approval",
    Standing.REJECTED: "rejected",
    Standing.DISABLED: "disabled",
    Standing.DENIED: "denied by policy",
    Standing.SKIPPED: "no valid entry",
}


def examine(
    given: Given,
    diagnose: Callable[[], Sequence[Diagnosis]],
    told: Told = str,
    limit: float = LIMIT,
) -> Checkup:
    """Look at everything.  ``told`` hears the name of each check that is done; raises nothing."""
    began = time.monotonic()
    servers: list[Diagnosis] = []

    def ask_servers() -> Sequence[Check]:
        servers.extend(diagnose())
        return ()

    tasks: dict[str, Task] = {
        "installation": lambda: [checks_host.installation(given)],
        "Claude Code": lambda: [checks_host.claude(given)],
        "configuration": lambda: [configuration(given), in_force(given)],
        "files": lambda: [checks_files.drift(given)],
        "permissions": lambda: [checks_permissions.permissions(given)],
        "git": lambda: [checks_files.ignored(given)],
        "add-on": lambda: [checks_files.addon(given)],
        "gateway": lambda: [checks_host.gateway(given)],
        "container": lambda: container(given, limit - 1.0),
        "names": lambda: [checks_network.names(given)],
        "proxies": lambda: [checks_network.proxies(given)],
        "certificates": lambda: [checks_network.certificates(given)],
        "clocks": lambda: [checks_network.clocks(given)],
        "servers": ask_servers,
    }
    checks = at_once(tasks, limit, told)
    if checks[-1].name == "servers":  # nobody knows how they are, which is no good news
        checks[-1] = checks[-1]._replace(state=State.FAIL)
    return Checkup(tuple(checks), tuple(servers), time.monotonic() - began)


def at_once(tasks: Mapping[str, Task], limit: float, told: Told = str) -> list[Check]:
    """Run tasks at the same time; the checks are in the tasks' order, whoever is done first.

    Threads that hang are left behind: they end with the program.
    """
    done: SimpleQueue[tuple[str, Sequence[Check]]] = SimpleQueue()
    deadline = time.monotonic() + limit
    found: dict[str, Sequence[Check]] = {}
    for name, task in tasks.items():
        Thread(target=lambda n=name, t=task: done.put((n, _caught(n, t))), daemon=True).start()
    while len(found) < len(tasks):
        try:
            name, checks = done.get(timeout=max(deadline - time.monotonic(), 0.001))
        except Empty:
            break
        found[name] = checks
        told(name)
    late = f"no answer within {limit:g} s"
    return [c for n in tasks for c in found.get(n, (Check(n, State.UNKNOWN, late),))]


def _caught(name: str, task: Task) -> Sequence[Check]:
    try:
        return task()
    except Failure as why:
        return (Check(name, State.UNKNOWN, why.message),)
    except Exception as bug:  # noqa: BLE001  the other checks count all the same
        text = f"a fault in mcpconf: {type(bug).__name__} {_where(bug)}"
        return (Check(name, State.UNKNOWN, text),)


def _where(bug: BaseException) -> str:
    """The file and line of a fault; never a value."""
    frame, place = bug.__traceback__, ""
    while frame:
        code = frame.tb_frame.f_code
        if "mcpconf" in code.co_filename:
            place = f"at {os.path.basename(code.co_filename)}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place


# --- what is known without asking anybody -----------------------------------------------------


def configuration(given: Given) -> Check:
    """What there is to say of the files, as a sync would say it."""
    surveyed = given.compiled.survey
    findings = tuple(f for f in given.compiled.findings if f.severity is not Severity.NOTE)
    servers = len(surveyed.active())
    text = f"{servers or 'no'} server{'' if servers == 1 else 's'} in force"
    if findings:
        counts = Counter(f.severity for f in findings)
        said = [f"{n} {s.value}{'' if n == 1 else 's'}" for s, n in counts.items()]
        text = f"{text}; {', '.join(said)}"
    return Check("configuration", state_of(findings), text, findings)


def in_force(given: Given) -> Check:
    """Which servers are written and not in force, and why; that may well be wanted."""
    groups: dict[Standing, list[str]] = {}
    for resolved in given.compiled.survey.resolved:
        if resolved.state in _WORDS:
            groups.setdefault(resolved.state, []).append(quote(resolved.server.name, 30))
    if not groups:
        return Check("approval", State.OK, "no server waits, is denied or is disabled")
    parts = [
        f"{_WORDS[state].format('s' if len(names) == 1 else '')}: {_few(names)}"
        for state, names in groups.items()
    ]
    return Check("approval", State.OK, "; ".join(parts))


def _few(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# --- the container ----------------------------------------------------------------------------


def container(given: Given, limit: float) -> list[Check]:
    """The engine, and what the project's first container says."""
    found = checks_container.find(given)
    needed = given.target.kind != "none"
    first = checks_container.engine(found, needed=needed)
    if not isinstance(found, Container):
        return [first]
    said: list[Inside | str] = []

    def firewall() -> Sequence[Check]:
        return (checks_container.firewall(found, _written(given), wanted=needed),)

    def inside() -> Sequence[Check]:
        said.append(checks_container.ask(found, given.configuration.cwd))
        asked = given.configuration.request.client.version
        return checks_container.inside_checks(found.name, said[0], asked)

    rest = at_once({"firewall": firewall, "in the container": inside}, limit)
    return [first, *rest, *(checks_container.ipv6(one, rest[0]) for one in said)]


def _written(given: Given) -> str:
    try:
        return os.readlink(given.target.container / "current")
    except OSError:
        return ""
