"""Which running containers are a project's.

Those that mount the project's directory for them; else those whose labels name the project, as
DDEV and dev containers set them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mcpconf.containers.engine import NoAnswer, ask, called, find_engines
from mcpconf.errors import Failure, Usage
from mcpconf.names import quote

PATIENCE = 5.0  # seconds, for an engine to say which containers there are

_INSIDE = "/etc/mcpconf"  # where a container has the files that sync wrote
# How virtual machines of desktop engines call the paths of the host.
_ELSEWHERE = ("/host_mnt", "/run/desktop/mnt/host", "/mnt")
_DDEV_SERVICES = ("claude", "web")  # the first that is there


class Place(NamedTuple):
    """What a project's containers are known by: the directory for them, and its own ones."""

    container: Path
    roots: tuple[str, ...]


class Container(NamedTuple):
    """A running container; ``engine`` is the program that knows it, "" for this very one."""

    engine: str
    name: str


HERE = Container("", "this container")


def running(
    place: Place, environ: Mapping[str, str], patience: float = PATIENCE
) -> list[Container]:
    """The project's running containers.

    Raises Failure where none is found and the engine that was to know does not answer in time.
    """
    deadline = time.monotonic() + patience
    first: NoAnswer | None = None
    for index, engine in enumerate(find_engines(environ)):
        try:
            found = _running(engine, place, deadline)
        except NoAnswer as why:
            first = why if index == 0 else first
            continue
        if found:
            return found
    if first is not None:
        raise Failure(str(first), help=first.help) from first
    return []


def one_of(found: Sequence[Container], command: str) -> Container:
    """The only one.  Raises Failure where there is none, Usage where the user has to choose."""
    if not found:
        raise nothing_runs()
    if len(found) > 1:
        names = ", ".join(quote(c.name) for c in found)
        raise Usage(
            f"this project has {len(found)} running containers: {names}",
            help=f"say which: mcpconf {command} --container {found[0].name}",
        )
    return found[0]


def nothing_runs() -> Failure:
    """What to say where no container of the project runs."""
    return Failure(
        "no running container of this project was found",
        note="looked for one that mounts what `mcpconf sync` wrote, or has the project's labels",
        help="start it; or name it: --container NAME; after `sync --out DIR`: --out DIR",
    )


def named(name: str, environ: Mapping[str, str]) -> Container:
    """The container that the user names."""
    if not name or name.startswith("-"):
        raise Usage(f"{quote(name)} is no name of a container")
    return Container(find_engines(environ)[0], name)


def _running(engine: str, place: Place, deadline: float) -> list[Container]:
    ids = ask(engine, ["ps", "--quiet", "--no-trunc"], deadline).split()
    if not ids:
        return []
    told = ask(engine, ["inspect", "--type", "container", *ids], deadline, partly=True)
    with suppress(ValueError, RecursionError):
        everyone = [c for c in json.loads(told) if isinstance(c, dict)]
        chosen = [c for c in everyone if _mounts(c, place)] or _labelled(everyone, place)
        return [Container(engine, str(c.get("Name", "")).lstrip("/")) for c in chosen]
    raise NoAnswer(f"{called(engine)} says nothing that can be read about its containers", "")


def _mounts(container: Mapping[str, Any], place: Place) -> bool:
    mounts = container.get("Mounts")
    for mount in mounts if isinstance(mounts, list) else ():
        source = str(mount.get("Source", "")) if isinstance(mount, dict) else ""
        if source and _same(source, str(place.container)):
            return True
        if source and mount.get("Destination") == _INSIDE:
            return any(path.startswith(f"{r}/") for path in _spelled(source) for r in place.roots)
    return False


def _same(source: str, wanted: str) -> bool:
    return not {os.path.realpath(wanted), wanted}.isdisjoint(_spelled(source))


def _spelled(source: str) -> set[str]:
    """The paths on the host that a mount's source may stand for."""
    found = {source, os.path.realpath(source), f"/mnt{source}"}
    for prefix in _ELSEWHERE:
        if source.startswith(f"{prefix}/"):
            found |= {source[len(prefix) :], f"/mnt{source[len(prefix) :]}"}
    return found


def _labelled(everyone: Sequence[Mapping[str, Any]], place: Place) -> list[Mapping[str, Any]]:
    by_service: dict[str, list[Mapping[str, Any]]] = {}
    for container in everyone:
        labels = (container.get("Config") or {}).get("Labels") or {}
        if labels.get("devcontainer.local_folder") in place.roots:
            by_service.setdefault("devcontainer", []).append(container)
        elif labels.get("com.ddev.approot") in place.roots:
            service = str(labels.get("com.docker.compose.service"))
            by_service.setdefault(service, []).append(container)
    return next((by_service[s] for s in ("devcontainer", *_DDEV_SERVICES) if s in by_service), [])
