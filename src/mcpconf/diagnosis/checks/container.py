"""Checks of the project's container: whether it runs, is shut, and fits what is on the host."""

from __future__ import annotations

from mcpconf.clients import CLIENTS
from mcpconf.containers.agent import agent_of, at_home
from mcpconf.containers.engine import NoAnswer, called
from mcpconf.containers.inspection import inspect
from mcpconf.containers.running import Container
from mcpconf.diagnosis.checks.check import Check, Given, State, judged
from mcpconf.diagnosis.checks.network import (
    BUNDLE,
    MOST_SKEW,
    Bundle,
    judged_certificates,
    spoken,
)
from mcpconf.diagnosis.container_facts import Fire, NoContainer
from mcpconf.diagnosis.look import container as look_container
from mcpconf.diagnosis.look import firewall as look_firewall
from mcpconf.diagnosis.look import inside as look_inside
from mcpconf.diagnosis.look.inside import Inside
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.names import quote

_PATIENCE = 5.0  # seconds, for one question
_INSIDE = 9.0  # seconds, for the script there, of which Claude Code may take three


def find(given: Given) -> Container | NoContainer:
    """The project's container, as ``explain --live`` finds it.  Raises nothing."""
    return look_container.find(given.place, given.environ, given.container)


def engine(found: Container | NoContainer, *, needed: bool) -> Check:
    """Whether the engine answers and a container of the project runs: pure.

    ``needed``: the project has one.  Where there is no engine at all, it does not run here.
    """
    name = "container"
    if isinstance(found, Container):
        by = f", by {called(found.engine)}" if found.engine else ""
        return Check(name, State.OK, f"{quote(found.name)}{by}")
    if found.kind in {"silent", "denied"} and needed:
        finding = Finding("MC202", found.why, help=(found.help,) if found.help else ())
        return judged(name, "", finding)
    if found.kind == "several":
        which = ", ".join(map(quote, found.names))
        return Check(name, State.UNKNOWN, f"{found.why}: say which with --container ({which})")
    return Check(name, State.UNKNOWN, f"{found.why}; looked from the host")


# --- the firewall -----------------------------------------------------------------------------


def firewall(container: Container, generation: str, *, wanted: bool) -> Check:
    """Ask the container's; ``generation`` is what was written last, "" if nothing."""
    fire = look_firewall.look(container, _PATIENCE)
    return judged_firewall(container.name, fire, generation, wanted=wanted)


def judged_firewall(name: str, fire: Fire, generation: str, *, wanted: bool) -> Check:
    """Pure.  ``wanted``: the container is one that mcpconf closes."""
    who, way = f"the firewall of {quote(name)}", ("mcpconf firewall status",)
    found = []
    if fire.state == "unseen":
        return Check("firewall", State.UNKNOWN, fire.why or "it does not say")
    if fire.state in {"absent", "foreign"} and not wanted:
        return Check("firewall", State.UNKNOWN, f"{fire.why}; this container is not closed")
    if fire.state in {"absent", "foreign"}:
        text = f"the container {quote(name)} is not closed: {quote(fire.why, 200)[1:-1]}"
        found.append(Finding("MC233", text, help=("rebuild it: docs/firewall.md says how",)))
    elif fire.state == "shut":
        text = f"{who} could not be put in force: {quote(fire.why, 300)[1:-1]}"
        found.append(Finding("MC232", text, notes=("nothing leaves the container",), help=way))
    elif fire.state == "faulty":
        faults = "; ".join(
            f"{quote(k)[1:-1]}: {quote(v, 200)[1:-1]}" for k, v in fire.faults.items()
        )
        code = "MC231" if set(fire.faults) == {"egress.json"} else "MC232"
        found.append(Finding(code, f"{who} is not whole: {faults or fire.why}", help=way))
    elif generation and fire.generation and fire.generation != generation:
        text = f"{who} has not taken up the last sync"
        notes = (f"it has {quote(fire.generation)}, the host wrote {quote(generation)}",)
        found.append(Finding("MC231", text, notes=notes, help=("mcpconf firewall status",)))
    rows = f"{len(fire.rows)} destinations open"
    return judged("firewall", f"in force, {fire.mode or 'default'} mode, {rows}", *found)


def ipv6(inside: Inside | str, firewall: Check) -> Check:
    """Whether the container has a way out by IPv6 that nobody shuts: pure.

    A firewall that is in force has looked at both families.
    """
    name = "its IPv6"
    if isinstance(inside, str):
        return Check(name, State.UNKNOWN, inside)
    if not inside.ipv6:
        return Check(name, State.OK, "no address of the world")
    if firewall.state is State.OK:
        return Check(name, State.OK, "shut by the firewall, as IPv4 is")
    return Check(name, State.UNKNOWN, "it has an address of the world; see the firewall")


# --- what it says of itself -------------------------------------------------------------------


def ask(container: Container, project: str) -> Inside | str:
    """What a container says; in one clause why it does not."""
    try:
        seen = inspect(container, _INSIDE)
        who = at_home(container, agent_of(seen, project), _PATIENCE)
        return look_inside.look(container, who, _INSIDE)
    except NoAnswer as why:
        return str(why)
    except Failure as why:
        return why.message


def inside_checks(name: str, said: Inside | str, asked: str) -> list[Check]:
    """What follows from it: pure.  ``asked`` is the version that is answered for."""
    if isinstance(said, str):
        return [Check("in the container", State.UNKNOWN, said)]
    bundle = Bundle(BUNDLE, said.bundle, said.fault) if said.bundle else None
    certificates = judged_certificates(bundle, name)._replace(name="its certificates")
    proxies = ", ".join(said.proxies)
    way = f"{proxies}; the firewall has to let it through" if proxies else "none is set"
    return [
        judged_claude_inside(said.claude, asked),
        judged_clock(name, said.skew),
        certificates,
        Check("its proxies", State.OK, way),
    ]


def judged_claude_inside(version: str, asked: str) -> Check:
    """Claude Code in the container: pure."""
    name = "its Claude Code"
    if not version:
        return Check(name, State.UNKNOWN, "it does not say its version there")
    if version in CLIENTS and version != asked:
        text = f"Claude Code is {version} in the container, and the answers are for {asked}"
        finding = Finding("MC131", text, help=(f"mcpconf doctor --client {version}",))
        return judged(name, "", finding)
    known = "which mcpconf knows" if version in CLIENTS else f"taken for {asked}"
    return Check(name, State.OK, f"{version}, {known}")


def judged_clock(name: str, skew: float | None) -> Check:
    """Compare the container's clock with this one: pure."""
    if skew is None:
        return Check("its clock", State.UNKNOWN, "it does not tell the time")
    if abs(skew) <= MOST_SKEW:
        return Check(
            "its clock", State.OK, f"within {max(1, round(abs(skew)))} s of this machine's"
        )
    way = "behind" if skew > 0 else "ahead of"
    finding = Finding(
        "MC134",
        f"the clock of {quote(name)} is {spoken(abs(skew))} {way} this machine's",
        notes=("tokens count as expired, or as not valid yet",),
        help=("restart the engine's virtual machine, or the engine: it takes the time over",),
    )
    return judged("its clock", "", finding)
