"""What was tried in a container for one server, as steps.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf.diagnosis.container_facts import Aim, InContainer
from mcpconf.diagnosis.container_terms import hidden, needs_bridge
from mcpconf.diagnosis.judge.firewall import covers
from mcpconf.diagnosis.judge.way import REACHES
from mcpconf.diagnosis.model import Rung, Step
from mcpconf.names import quote


def steps(seen: InContainer, aim: Aim) -> tuple[Step, ...]:
    """What was tried in the container for one server, for whoever wants to follow it."""
    return (*_held_steps(seen, aim), *_fire_steps(seen, aim), *_tried_steps(seen, aim))


_FIRES = {
    "force": "in force",
    "faulty": "in force, and something of it does not work",
    "shut": "not in force: everything is shut",
    "absent": "there is none",
    "foreign": "its program is not root's alone",
}


def _fire_steps(seen: InContainer, aim: Aim) -> Iterator[Step]:
    """The firewall, for what the container reaches by itself."""
    fire = seen.fire
    if aim.wish.way == "gateway":
        return
    came = _FIRES.get(fire.state) or quote(fire.why, 120)[1:-1]
    closed = [h for h, _ in aim.wish.hosts if not any(covers(r.host, r.form, h) for r in fire.rows)]
    if fire.state == "force" and closed:
        came = f"in force, and shut for {', '.join(map(quote, closed[:3]))}"
    good = None if fire.state not in {"force", "faulty", "shut"} else fire.state == "force"
    yield Step(Rung.FIREWALL, "container", "mcpconf-fw status", came, good and not closed)


def _held_steps(seen: InContainer, aim: Aim) -> Iterator[Step]:
    held = seen.held
    if held is None:
        yield Step(Rung.CONTAINER, "container", "what it holds", "it does not say", None)
        return
    state = held.files.get("mcp.json", "missing")
    came = f"{quote(held.generation)}, {state}" if held.generation else state
    yield Step(Rung.CONTAINER, "container", "/etc/mcpconf/mcp.json", came, state == "readable")
    if needs_bridge(aim):
        copy = held.bridge
        version = {True: "of this version", False: "of another version", None: "not compared"}
        came = f"{quote(copy.path, 100)}, {version[copy.same]}" if copy.path else "not there"
        yield Step(Rung.BRIDGE, "container", "mcpconf-bridge", came, bool(copy.path))
    if aim.wish.way == "gateway":
        reach = seen.reach
        where = f"{quote(reach.host, 80)} port {reach.port}" if reach.host else "the gateway"
        token = {True: ", it takes the token", False: ", it refuses the token", None: ""}
        came = REACHES.get(reach.state, reach.state) + token[reach.token]
        good = None if reach.state == "unseen" else reach.state == "ok" and reach.token is not False
        yield Step(Rung.GATEWAY, "container", where, came, good)


def _tried_steps(seen: InContainer, aim: Aim) -> Iterator[Step]:
    tried = seen.tried.get(aim.wish.name)
    if tried is None:
        return
    what = "the bridge asked for it" if needs_bridge(aim) else "started there as the agent"
    rung = Rung.MCP if needs_bridge(aim) else Rung.COMMAND
    if tried.tools is not None:
        came = f"{tried.tools} tools"
    else:
        last = hidden(tried.words.rpartition("\n")[2]).replace("`", "'")
        came = f"{tried.code or 'no answer'}: {quote(last, 160)}"
    yield Step(rung, "container", what, came, tried.tools is not None, tried.seconds * 1000)
