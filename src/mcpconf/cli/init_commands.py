"""``init …``, ``remove`` and ``hook …``: into a project's container, and out of it again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf import report
from mcpconf.cli import ddev_commands
from mcpconf.cli import options as o
from mcpconf.errors import Exit, Failure

if TYPE_CHECKING:
    from mcpconf.ddev.prepare import Prepared
    from mcpconf.devcontainer.init import Plan
    from mcpconf.findings import Finding
    from mcpconf.readers.around import Target
    from mcpconf.readers.inputs import Configuration
    from mcpconf.readers.places import Places
    from mcpconf.write import Target as Folders

Feature = Annotated[
    str,
    typer.Option(
        "--feature",
        help="A published Feature, instead of one in the project.",
        metavar="REF",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Which devcontainer.json, if there are several.", metavar="FILE"),
]
Protect = Annotated[
    bool | None,
    typer.Option(
        "--protect/--no-protect",
        help="Mount .devcontainer read-only over itself (default: unless --feature).",
        show_default=False,
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Show what would change, write nothing; exit 1 if any.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite files of mcpconf that somebody edited.")
]
_BOUND = 8.0  # seconds for all of it on a machine that is busy; 0.3 is usual
_GATEWAY = 1.5  # seconds of waiting for the gateway, which goes on starting by itself
_BY_HAND = "run `mcpconf sync` to see what it is"

init = typer.Typer(
    name="init",
    help="Prepare a project, so that its container gets what sync writes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
hook = typer.Typer(name="hook", help="What containers' tools call.", no_args_is_help=True)


@init.command()
def devcontainer(
    feature: Feature = "",
    config: Config = None,
    protect: Protect = None,
    check: Check = False,
    force: Force = False,
    project: o.Project = o.HERE,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002  the option's name
) -> None:
    """Add mcpconf to a devcontainer.json, byte for byte where nothing has to change."""
    from mcpconf.devcontainer.find import find
    from mcpconf.devcontainer.init import Asked, carry_out, plan_init

    found = find(project, config)
    planned = plan_init(found, Asked(feature, protect, force))
    if not check:
        carry_out(planned)
    _show(planned, format, written=not check)
    if not planned.changed:
        report.say("nothing to do: this project has what it needs")
    elif not check:
        report.say("commit these files; then `mcpconf sync`, and rebuild the container")
    raise typer.Exit(Exit.FINDINGS if check and planned.changed else Exit.DONE)


def remove(
    check: Check = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
) -> None:
    """Take back what `init` and `sync` wrote for this project; what you changed since stays."""
    from mcpconf.cli.compile_commands import leave
    from mcpconf.devcontainer.find import roots_of
    from mcpconf.devcontainer.init import plan_remove
    from mcpconf.readers.target import find_target, find_targets

    configuration, places = o.look(home, project)
    at = (configuration.cwd, configuration.key, places)
    targets = find_targets(*at) or (find_target(*at),)
    planned = next(filter(None, map(plan_remove, roots_of(project))), None)
    if (
        "MCPCONF_HOOK" in os.environ
    ):  # `ddev add-on remove`: a dev container is none of its business
        planned, targets = None, tuple(t for t in targets if t.kind == "ddev")
    there = [t.kind for t in targets if os.path.lexists(t.host) or ddev_commands.is_here(t)]
    if check:
        if planned:
            _show(planned, format, written=False)
        raise typer.Exit(Exit.FINDINGS if planned or there else Exit.DONE)
    left = _taken_back(planned, targets, places, format)
    report.findings(left)
    if planned:
        report.say("taken back; rebuild the container")
    if "ddev" in there and "MCPCONF_HOOK" not in os.environ:
        report.say("taken back; `ddev restart` ends the container of Claude Code")
    if not planned and "ddev" not in there:
        gone = "what sync wrote for this project is gone"
        report.say(gone if there else "there is nothing of mcpconf's in this project")
    leave(left)


def _taken_back(
    planned: Plan | None,
    targets: Sequence[Target],
    places: Places,
    format: o.Format,  # noqa: A002
) -> tuple[Finding, ...]:
    """Do it; returns what stays, and why."""
    from mcpconf import write
    from mcpconf.devcontainer.hook import unmark
    from mcpconf.devcontainer.init import carry_out, clear_folders
    from mcpconf.service import control

    if planned:
        carry_out(planned)
        unmark(planned.root)
        _show(planned, format, written=True)
    left: list[Finding] = []
    for target in targets:
        of_ddev = ddev_commands.removed(target)
        left += write.remove(_folders(target)) if of_ddev is None else of_ddev
    for name in clear_folders(planned) if planned else ():
        report.say(f"note: {report.safe(name)} holds files that nobody recorded, so it stays")
    control.poke(places.gateway)
    return tuple(left)


@hook.command()
def initialize(home: o.Home = None, project: o.Project = o.HERE) -> None:
    """Compile and start the gateway, before a dev container starts.  Never fails, and is quick."""
    from mcpconf.devcontainer.hook import TooLate, bounded, mark

    said: list[str] = []
    try:
        with bounded(_BOUND):
            mark(project)
            _initialize(home, project, said)
    except TooLate:
        said.append(f"this took more than {_BOUND:g} seconds and was left; {_BY_HAND}")
    except Failure as broken:
        said.append(f"{broken.message}; {broken.help or _BY_HAND}")
    except Exception as bug:  # noqa: BLE001  whatever it is, the container has to start
        said.append(f"stopped with {type(bug).__name__}; {_BY_HAND}")
    report.say(report.safe(f"mcpconf: {'; '.join(said)}"))


def _initialize(home: Path | None, project: Path, said: list[str]) -> None:
    """Do it; what is to be said comes into ``said`` as soon as it is true."""
    from mcpconf import write
    from mcpconf.cli.compile_commands import compiled_project
    from mcpconf.compiler import with_token
    from mcpconf.findings import blocking

    looked = o.look(home, project)
    target = _of_kind("devcontainer", *looked)
    if target is None:
        said.append("this is no dev container's project; `mcpconf init devcontainer` makes it one")
        return
    compiled, *_ = compiled_project(*looked, with_token=True, target=target)
    place = _folders(target)
    stopped: Sequence[Finding] = blocking(compiled.findings)
    if not stopped and compiled.plan.routes.routes:
        compiled = with_token(compiled, target, write.make_token(place))
    if not stopped:
        stopped = write.write(write.changes(compiled.artifacts, place), place)
    if stopped:
        said.append(f"nothing was written: {stopped[0].message}; {_BY_HAND}")
        return
    servers = len(compiled.plan.servers)
    said.append(f"{servers} server{'' if servers == 1 else 's'}")
    wrong = sum(f.severity.value == "error" for f in compiled.findings)
    if wrong:
        said.append(f"{wrong} error{'' if wrong == 1 else 's'} (`mcpconf plan` shows them)")
    if compiled.plan.routes.routes:
        _start_gateway(home, looked[1].gateway, said)


def _start_gateway(home: Path | None, gateway: Path, said: list[str]) -> None:
    from mcpconf.devcontainer.hook import TooLate, bounded
    from mcpconf.service import control, process

    try:
        with bounded(_GATEWAY):
            process.start(gateway, home.absolute() if home else None)
            control.poke(gateway)
        said.append("the gateway runs")
    except TooLate:
        said.append("the gateway is still starting")
    except Failure as broken:
        said.append(f"{broken.message} (`mcpconf gateway start`)")


def follows(
    configuration: Configuration, places: Places, target: Target, of_ddev: Prepared | None
) -> None:
    """After a sync: say what has to be done in the containers, and what the other one gets."""
    from mcpconf.readers.target import find_targets, is_prepared
    from mcpconf.report import plans

    if of_ddev:
        plans.of_ddev(of_ddev)
    if target.kind == "none":
        return
    if target.kind == "devcontainer" and not is_prepared(target):
        report.say("mcpconf is not in this dev container; `mcpconf init devcontainer` puts it in")
    for other in find_targets(configuration.cwd, configuration.key, places):
        if other.kind != target.kind and is_prepared(other) and "MCPCONF_HOOK" not in os.environ:
            report.say("the dev container of this project gets its own list when it starts")


def _of_kind(kind: str, configuration: Configuration, places: Places) -> Target | None:
    from mcpconf.readers.target import find_targets

    found = find_targets(configuration.cwd, configuration.key, places)
    return next((t for t in found if t.kind == kind), None)


def _folders(target: Target) -> Folders:
    from mcpconf.write import Target as Folders

    return Folders(target.container, target.host, target.root)


def _show(planned: Plan, format: o.Format, *, written: bool) -> None:  # noqa: A002
    from mcpconf.report import initial

    if format is o.Format.JSON:
        report.as_json(initial.plan_json(planned, written=written))
    else:
        initial.plan(planned, written=written)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    ddev_commands.register(init)
    app.add_typer(init)
    app.command("remove")(remove)
    app.add_typer(hook)
