"""Which container a project has, found by looking at it, and what that container is like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import GatewayAddress
from mcpconf.readers.places import Places

GATEWAY = GatewayAddress("host.docker.internal", 8811)
# What the container can start by name: Debian slim with Node.js (Claude Code brings it), Python
# and uv.  `commands` in mcpconf.toml adds to it.
PROGRAMS = frozenset(
    "npx npm node bunx bun pnpm yarn uvx uv pipx python python3 sh bash deno tsx".split()
)


class Target(NamedTuple):
    """Where a project's files go.

    ``container`` is the directory that is mounted into the container read-only, ``host`` the
    directory of what only the host reads, ``root`` the directory below which links are not
    followed (None where ``container`` is the user's own).
    """

    kind: str  # ddev, devcontainer or none
    container: Path
    host: Path
    root: Path | None
    programs: frozenset[str] = PROGRAMS
    gateway: GatewayAddress = GATEWAY


def find_target(cwd: str, key: str, places: Places, out: Path | None = None) -> Target:
    """Look for ``.ddev`` or ``.devcontainer`` in the launch directory and the repository's root."""
    host = places.of_project(cwd)
    if out is not None:
        return Target("none", out.absolute(), host, None)
    for kind, folder, inside in (
        ("ddev", ".ddev", "mcpconf/container"),
        ("devcontainer", ".devcontainer", "mcpconf"),
    ):
        for root in dict.fromkeys((cwd, key)):
            if os.path.isdir(os.path.join(root, folder)):
                return Target(kind, Path(root, folder, inside), host, Path(root))
    return Target("none", host / "container", host, None)
