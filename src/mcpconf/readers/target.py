"""Which container a project has, found by looking at it, and what that container is like."""

from __future__ import annotations

import os
from pathlib import Path

from mcpconf.contract import GATEWAY, GatewayAddress
from mcpconf.readers.around import Target
from mcpconf.readers.places import Places

# What the container can start by name: Debian slim with Node.js (Claude Code brings it), Python
# and uv.  `commands` in mcpconf.toml adds to it.
PROGRAMS = frozenset(
    "npx npm node bunx bun pnpm yarn uvx uv pipx python python3 sh bash deno tsx".split()
)


def find_target(cwd: str, key: str, places: Places, out: Path | None = None) -> Target:
    """Look for ``.ddev`` or ``.devcontainer`` in the launch directory and the repository's root."""
    if out is not None:
        out = out.absolute()
        above = next((Path(r) for r in (cwd, key) if out.is_relative_to(r)), None)
        return Target("none", out, places.of_project(cwd), above, PROGRAMS, GATEWAY)
    for kind, folder, inside in (
        ("ddev", ".ddev", "mcpconf/container"),
        ("devcontainer", ".devcontainer", "mcpconf"),
    ):
        for root in dict.fromkeys((cwd, key)):
            if os.path.isdir(os.path.join(root, folder)):
                container = Path(root, folder, inside)
                host = places.of_project(root)  # one container, one state
                gateway = _gateway_of_ddev() if kind == "ddev" else GATEWAY
                return Target(kind, container, host, Path(root), PROGRAMS, gateway)
    host = places.of_project(cwd)
    return Target("none", host / "container", host, None, PROGRAMS, GATEWAY)


def _gateway_of_ddev() -> GatewayAddress:
    from mcpconf.readers.machine import this_machine  # noqa: PLC0415  for DDEV's projects only
    from mcpconf.readers.reach import reach  # noqa: PLC0415

    return reach(this_machine(os.environ)).gateway
