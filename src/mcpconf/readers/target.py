"""Which container a project has, found by looking at it, and what that container is like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mcpconf.contract import GATEWAY
from mcpconf.model import BRIDGE
from mcpconf.readers.around import Target
from mcpconf.readers.places import Places

if TYPE_CHECKING:
    from mcpconf.readers.reach import Reach

# What the container can start by name: Debian slim with Node.js (Claude Code brings it), Python
# and uv.  `commands` in mcpconf.toml adds to it.
PROGRAMS = frozenset(
    "npx npm node bunx bun pnpm yarn uvx uv pipx python python3 sh bash deno tsx".split()
) | {BRIDGE}


_FOLDERS = {"ddev": ".ddev", "devcontainer": ".devcontainer"}
_INSIDE = {"ddev": "mcpconf/container", "devcontainer": "mcpconf"}
# What says that mcpconf was put into one of them.
MARKS = {
    "ddev": (
        "docker-compose.mcpconf.yaml",
        "config.mcpconf.yaml",
        "addon-metadata/mcpconf/manifest.yaml",
    ),
    "devcontainer": ("mcpconf/init.json",),
}


def find_target(cwd: str, key: str, places: Places, out: Path | None = None) -> Target:
    """Look for ``.ddev`` or ``.devcontainer`` in the launch directory and the repository's root.

    Of both, the one into which mcpconf was put; DDEV's, if both or none is.
    """
    if out is not None:
        out = out.absolute()
        above = next((Path(r) for r in (cwd, key) if out.is_relative_to(r)), None)
        return Target("none", out, places.of_project(cwd), above, PROGRAMS, GATEWAY)
    found = find_targets(cwd, key, places)
    if found:
        return next((t for t in found if is_prepared(t)), found[0]) if found[1:] else found[0]
    host = places.of_project(cwd)
    return Target("none", host / "container", host, None, PROGRAMS, GATEWAY)


def find_targets(cwd: str, key: str, places: Places) -> tuple[Target, ...]:
    """Every container that the project has: none, DDEV's, a dev container, or both.

    Each has a state of its own on the host: two containers are two lists and two tokens.
    """
    found = [target for kind in _FOLDERS for target in _of_kind(kind, cwd, key, places)]
    if len(found) < 2 or found[0].host != found[1].host:  # noqa: PLR2004
        return tuple(found)
    # The state that was there first stays with the container whose files it is about.
    second = 0 if _is_about(found[1]) else 1
    own = places.of_project(os.path.join(str(found[1].root), _FOLDERS[found[second].kind]))
    found[second] = found[second]._replace(host=own)
    return tuple(found)


def _of_kind(kind: str, cwd: str, key: str, places: Places) -> Iterator[Target]:
    for root in dict.fromkeys((cwd, key)):
        if os.path.isdir(os.path.join(root, _FOLDERS[kind])):
            container = Path(root, _FOLDERS[kind], _INSIDE[kind])
            host = places.of_project(root)  # one container, one state
            found = reach_of(kind)
            yield Target(
                kind, container, host, Path(root), PROGRAMS, found.gateway, found.why, found.doubt
            )
            return


def _is_about(target: Target) -> bool:
    """Whether what the container reads was written with this state (write/__init__.py)."""
    try:
        there = os.readlink(target.container / "current")
    except OSError:
        return False
    links = (target.host / name for name in ("current", "next"))
    return there in [os.readlink(link) for link in links if link.is_symlink()]


def is_prepared(target: Target) -> bool:
    """Whether mcpconf was put into this one: by ``init``, or by ``ddev add-on get``."""
    assert target.root is not None
    folder = os.path.join(target.root, _FOLDERS[target.kind])
    return any(os.path.lexists(os.path.join(folder, mark)) for mark in MARKS[target.kind])


def reach_of(kind: str) -> Reach:
    """How such a container reaches the gateway on this machine."""
    from mcpconf.readers.machine import this_machine  # noqa: PLC0415  for projects with one only
    from mcpconf.readers.reach import reach, reach_from_devcontainer  # noqa: PLC0415

    return {"ddev": reach, "devcontainer": reach_from_devcontainer}[kind](this_machine(os.environ))
