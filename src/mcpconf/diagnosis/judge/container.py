"""Judges what was seen of a container: from what it holds to its way to the gateway.  Pure.

What a container says is foreign: it is in messages only through ``quote``, and in no command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from mcpconf.diagnosis.container_facts import Aim, Held, InContainer, NoContainer
from mcpconf.diagnosis.container_shows import with_shows
from mcpconf.diagnosis.container_terms import SYNC, needs_bridge, restart, verdict
from mcpconf.diagnosis.evidence import Judged
from mcpconf.diagnosis.judge.firewall import judge_firewall
from mcpconf.diagnosis.judge.start import judge_start
from mcpconf.diagnosis.judge.way import way_to_gateway
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.model import BRIDGE, Json
from mcpconf.names import quote
from mcpconf.origin import Origin

_ENGINE_KINDS = frozenset({"silent", "denied", "down", "refused"})
_OURS = "the service of mcpconf"


def judge_absence(none: NoContainer, at: Origin | None, *, contained: bool) -> tuple[Verdict, ...]:
    """Why nothing was seen of a container; no cause where the project needs none.

    ``contained``: the project has a container for Claude Code (DDEV, a dev container).
    """
    if not contained or none.kind not in _ENGINE_KINDS:
        return ()
    notes = ("so nobody knows whether the project's container runs, and what it holds",)
    help_ = (none.help,) if none.help else ()
    finding = Finding("MC202", quote(none.why, 300)[1:-1], at, notes, help_)
    return (Verdict(Rung.CONTAINER, finding),)


def judge_container(seen: InContainer, aim: Aim) -> Judged:
    """Every cause in the container that keeps one server from working, and what to mention."""
    works = seen.works(aim.wish.name)
    if seen.held is None and not works:
        return Judged((_no_answer(seen, aim),))
    causes = [*_file(seen, aim)]
    aside: list[Verdict] = []
    if seen.held is not None:
        (aside if works else causes).extend(_last_sync(seen.held, seen, aim))
        aside += _programs(seen.held, aim)
        if not works:
            causes += _bridge(seen.held, seen, aim)
    if not works:
        causes += judge_start(seen, aim)
        causes += way_to_gateway(seen, aim)
        fire = judge_firewall(seen, aim)
        causes += fire.causes
        aside += fire.mentions
    return Judged(with_shows(causes, seen, aim), tuple(aside))


def _no_answer(seen: InContainer, aim: Aim) -> Verdict:
    """Nothing can be started in it: what any try says is the engine's word, not a server's."""
    text = f"nothing can be looked at in the container {quote(seen.name)}"
    notes = (quote(seen.trouble, 300)[1:-1],)
    way = Remedy("see whether it is paused, full or broken: docker ps, docker logs")
    return verdict(Rung.CONTAINER, "MC202", text, aim, notes, way, restart(aim, seen.name))


# --- what it holds ----------------------------------------------------------------------------


def _last_sync(held: Held, seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """Whether it has what the host wrote last: a mount that is stale has what was there before."""
    sync, name = aim.sync, quote(seen.name)
    if not sync.generation or not held.mounted or held.files.get("mcp.json") == "missing":
        return
    behind = held.generation != sync.generation
    differing = [
        file
        for file, digest in sync.digests.items()
        if digest and held.digests.get(file) and held.digests[file] != digest
    ]
    if not behind or not (differing or not any(held.digests.values())):
        return
    text = f"the container {name} has another sync than the host"
    has = quote(held.generation) if held.generation else "none"
    notes = (
        f"it has {has}, the host wrote {quote(sync.generation)}",
        f"what it mounts is not {quote(sync.folder, 200)} any more: that was made anew",
    )
    yield verdict(Rung.CONTAINER, "MC200", text, aim, notes, restart(aim, seen.name))


def _file(seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """Whether Claude Code there loads what mcpconf wrote, and finds this server in it."""
    held, name = seen.held, quote(seen.name)
    if held is None:
        return
    state = held.files.get("mcp.json", "missing")
    if state != "readable":
        why = (
            "is not there"
            if state == "missing"
            else f"cannot be read by {quote(held.user or held.uid)}"
        )
        text = f"`/etc/mcpconf/mcp.json` {why} in the container {name}"
        notes = () if held.mounted else ("nothing is mounted at `/etc/mcpconf` there",)
        yield verdict(Rung.CONTAINER, "MC201", text, aim, notes, SYNC, restart(aim, seen.name))
        return
    yield from _managed(held, seen, aim)
    entry = _entry(held.servers, aim.wish.name)
    if held.servers is not None and entry is None:
        text = f"the container {name} has no {aim.name} in its `/etc/mcpconf/mcp.json`"
        notes = ("its sync is another one than the host's",)
        yield verdict(Rung.CONTAINER, "MC200", text, aim, notes, *_renewed(held, seen, aim))


def _renewed(held: Held, seen: InContainer, aim: Aim) -> tuple[Remedy, ...]:
    """A sync where the container sees the host's directory, else a new start."""
    if held.generation == aim.sync.generation:
        return (SYNC,)
    return (restart(aim, seen.name),)


def _managed(held: Held, seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    """Whether ``managed-mcp.json`` leads there, in the containers whose Claude Code loads it."""
    ours = seen.why_user == _OURS
    if not ours and aim.kind != "devcontainer":
        return
    path = "`/etc/claude-code/managed-mcp.json`"
    if held.managed_state != "readable":
        text = f"{path} leads nowhere in the container {quote(seen.name)}"
        notes = ("without it Claude Code loads servers by other rules, not those of mcpconf",)
    elif held.managed.startswith("/etc/mcpconf/"):
        return
    else:
        text = f"{path} of the container {quote(seen.name)} is not what mcpconf wrote"
        notes = (f"it is {quote(held.managed, 120)}, and Claude Code loads that and nothing else",)
    way = Remedy(
        "ln -sfn /etc/mcpconf/mcp.json /etc/claude-code/managed-mcp.json    (in the image)"
    )
    yield verdict(Rung.CONTAINER, "MC201", text, aim, notes, way)


def _entry(servers: str | None, name: str) -> Json:
    with suppress(ValueError, RecursionError, AttributeError, TypeError):
        found: Json = json.loads(servers or "")["mcpServers"].get(name)
        return found
    return None


# --- the bridge -------------------------------------------------------------------------------


def _bridge(held: Held, seen: InContainer, aim: Aim) -> Iterator[Verdict]:
    if not needs_bridge(aim):
        return
    name = quote(seen.name)
    program = held.programs.get(BRIDGE)
    if not held.bridge.path:
        text = f"the container {name} has no `mcpconf-bridge`, by which it reaches {aim.name}"
        yield verdict(Rung.BRIDGE, "MC203", text, aim, (), *_image(aim))
    elif program is not None and not program.found:
        text = f"`mcpconf-bridge` of the container {name} may not be executed"
        notes = (f"it is {quote(held.bridge.path, 120)}",)
        yield verdict(Rung.BRIDGE, "MC203", text, aim, notes, *_image(aim))
    elif not held.python:
        text = f"the container {name} has no `python3`, which `mcpconf-bridge` needs"
        notes = (f"{aim.name} is reached by it",)
        way = Remedy("put the package python3 into the image (3.9 or newer)")
        yield verdict(Rung.BRIDGE, "MC203", text, aim, notes, way)
    state = held.files.get("bridge.json", "missing")
    if aim.wish.way == "gateway" and state != "readable":
        yield _unreadable(state, held, seen, aim)


def _unreadable(state: str, held: Held, seen: InContainer, aim: Aim) -> Verdict:
    who = quote(held.user or held.uid)
    why = "has no" if state == "missing" else f"does not let {who} read its"
    text = f"the container {quote(seen.name)} {why} `/etc/mcpconf/bridge.json`"
    notes = (f"it says how {aim.name} is reached through the gateway",)
    return verdict(Rung.BRIDGE, "MC205", text, aim, notes, SYNC, restart(aim, seen.name))


def _image(aim: Aim) -> tuple[Remedy, ...]:
    """What puts our programs into the image."""
    if aim.kind == "ddev":
        return (Remedy("mcpconf sync && ddev utility rebuild -s claude"),)
    if aim.kind == "devcontainer":
        return (Remedy("mcpconf init devcontainer"), Remedy("rebuild the dev container"))
    return (Remedy("mcpconf bridge --install mcpconf-bridge"),)


def _programs(held: Held, aim: Aim) -> Iterator[Verdict]:
    """What to mention: programs of another version, which need not be why something fails."""
    ours = (("mcpconf-bridge", held.bridge), ("mcpconf-fw", held.firewall))
    for program, copy in ours:
        if copy.same is False and (program == "mcpconf-fw" or needs_bridge(aim)):
            text = f"`{program}` in the container is not the one of this mcpconf"
            notes = (
                f"it is {quote(copy.path, 120)}; the two may understand each other all the same",
            )
            rung = Rung.BRIDGE if program == BRIDGE else Rung.FIREWALL
            yield verdict(rung, "MC204", text, aim, notes, *_image(aim))
