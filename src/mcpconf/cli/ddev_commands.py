"""``init ddev``, and DDEV's part of ``remove``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.errors import Exit

if TYPE_CHECKING:
    from mcpconf.findings import Finding
    from mcpconf.readers.around import Target

Check = Annotated[
    bool, typer.Option("--check", help="Show what would change, write nothing; exit 1 if any.")
]


def ddev(
    check: Check = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
) -> None:
    """Put the files of the DDEV add-on into a project, as `ddev add-on get` would."""
    from mcpconf.ddev import addon
    from mcpconf.ddev.look import MANIFEST
    from mcpconf.report import plans
    from mcpconf.write import Kind

    root, state = _place(home, project)
    if os.path.lexists(root / ".ddev" / MANIFEST):
        report.say("DDEV has mcpconf's add-on here already; `ddev add-on get` brings a newer one")
        raise typer.Exit
    done = addon.install(root, state, os.environ, write=not check)
    report.findings(done.findings)
    if done.stopped:
        raise typer.Exit(Exit.FINDINGS)
    plans.changed(done.changes)
    changed = any(c.kind not in (Kind.UNCHANGED, Kind.FOREIGN) for c in done.changes)
    if check:
        raise typer.Exit(Exit.FINDINGS if changed or done.findings else Exit.DONE)
    if not changed and not done.findings:
        report.say("nothing to do: this project has what it needs")
    report.say("next: mcpconf sync, then: ddev restart, then: ddev claude")
    if os.path.lexists(root / ".devcontainer/mcpconf/init.json"):
        report.say(
            "note: mcpconf is in .devcontainer as well: `mcpconf sync` and the other commands are "
            "about DDEV's container from now on; the dev container gets its list when it starts"
        )
    raise typer.Exit(Exit.FINDINGS if done.findings else Exit.DONE)


def is_here(target: Target) -> bool:
    """Whether ``remove`` has something to do in a project of DDEV's."""
    from mcpconf.ddev import addon

    return target.kind == "ddev" and target.root is not None and addon.is_here(target.root)


def removed(target: Target) -> tuple[Finding, ...] | None:
    """Take DDEV's part back; None where this is no project of DDEV's."""
    from mcpconf.ddev import addon
    from mcpconf.ddev.look import MANIFEST

    if target.kind != "ddev" or target.root is None:
        return None
    by_ddev = os.path.lexists(target.root / ".ddev" / MANIFEST)
    left = addon.remove(target)
    if by_ddev and "MCPCONF_HOOK" not in os.environ:
        report.say("the add-on itself is DDEV's to remove: ddev add-on remove mcpconf")
    if not by_ddev and not left and os.path.lexists(target.root / ".ddev/mcpconf"):
        report.say("note: .ddev/mcpconf holds files that nobody recorded, so it stays")
    return left


def _place(home: Path | None, project: Path) -> tuple[Path, Path]:
    """DDEV's project, and its directory of state."""
    from mcpconf.readers.target import find_targets

    configuration, places = o.look(home, project)
    for target in find_targets(configuration.cwd, configuration.key, places):
        if target.kind == "ddev" and target.root:
            return target.root, target.host
    return project.absolute(), places.of_project(configuration.cwd)


def register(init: typer.Typer) -> None:
    """Add the command to ``init``."""
    init.command("ddev")(ddev)
