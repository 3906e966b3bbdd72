"""``list``, ``plan`` and ``sync``.

A command imports what it needs when it runs: ``list`` has half of Claude Code's own start to do
its work in, and the rest would take a third of that to load (bench/startup.py).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mcpconf import report
from mcpconf.cli import firewall_commands, init_commands
from mcpconf.cli import options as o
from mcpconf.clients import NEWEST
from mcpconf.codes import Severity
from mcpconf.errors import Exit
from mcpconf.findings import Finding, blocking
from mcpconf.survey import kinds, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcpconf.compiler import Compilation
    from mcpconf.ddev.prepare import Prepared
    from mcpconf.readers.around import Target
    from mcpconf.readers.facts import Facts
    from mcpconf.readers.inputs import Configuration
    from mcpconf.readers.places import Places
    from mcpconf.write import Change

Check = Annotated[
    bool,
    typer.Option(
        "--check", help="Exit 1 if a sync would change anything (an error does so anyway)."
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite generated files that somebody edited.")
]
OrExample = Annotated[
    bool, typer.Option("--or-example", help="Without any server, show the bundled example.")
]
StartGateway = Annotated[
    bool, typer.Option("--start-gateway", help="Start the gateway if it is needed and not running.")
]


def list_servers(
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    mode: o.AsMode = o.Mode.INTERACTIVE,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002  the option's name
    reveal: o.Reveal = False,
    offline: o.Offline = False,  # noqa: ARG001  it never asks the network
    mcp_config: o.McpConfig = None,
    strict_mcp_config: o.Strict = False,
    bare: o.Bare = False,
    setting_sources: o.Sources = None,
    settings: o.SettingsFile = None,
    plugin_dir: o.PluginDirs = None,
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Show every MCP server that was found: its scope, state and kind, and where it stands."""
    session = o.session(mcp_config, setting_sources, settings, plugin_dir, strict_mcp_config, bare)
    from mcpconf.readers.known_facts import read_facts

    configuration, places = o.look(
        home,
        project,
        client,
        session,
        interactive=mode is o.Mode.INTERACTIVE,
        home_mcp_json=home_mcp_json,
    )
    facts = read_facts(configuration, places)
    surveyed = survey(configuration)
    surveyed = surveyed._replace(findings=(*surveyed.findings, *facts.findings))
    found = kinds(surveyed, facts)
    if format is o.Format.JSON:
        from mcpconf import view

        report.as_json(view.survey_json(surveyed, found, reveal=reveal))
    else:
        report.survey(surveyed, found)
        if reveal:
            report.say("--reveal shows values with --format json")
    leave(surveyed.findings)


def plan(
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    out: o.Out = None,
    check: Check = False,
    or_example: OrExample = False,
    offline: o.Offline = False,  # noqa: ARG001  it never asks the network
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Show what a sync would do: servers, open hosts, routes, and a diff.  Writes nothing."""
    from mcpconf import view, write
    from mcpconf._resources import data
    from mcpconf.report import plans

    looked = o.look(home, project, client, home_mcp_json=home_mcp_json)
    if or_example and not _has_servers(looked[0]):
        report.say("no MCP server is configured here; this is the bundled example\n")
        example = data("templates", "example", "home")
        looked = o.look(example, project, client)[0], looked[1]
    compiled, target, _ = compiled_project(*looked, out, with_token=True)
    place = write.Target(target.container, target.host, target.root)
    changes = write.changes(compiled.artifacts, place)
    findings = (*compiled.findings, *(c.finding for c in changes if c.finding))
    of_ddev = _of_ddev(looked[0], target, out)
    if of_ddev:
        changes, findings = (*changes, *of_ddev.changes), (*findings, *of_ddev.findings)
    if format is o.Format.JSON:
        report.as_json(view.plan_json(compiled, changes, findings))
    else:
        plans.plan(compiled, target, changes)
        report.findings(findings)
    changed = check and any(c.kind is not write.Kind.UNCHANGED for c in changes)
    leave(findings, changed=changed)


def sync(
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    out: o.Out = None,
    force: Force = False,
    start_gateway: StartGateway = False,
    offline: o.Offline = False,  # noqa: ARG001  it never asks the network
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Write the container's mcp.json, the egress whitelist and the gateway's routes."""
    from mcpconf import view, write
    from mcpconf.compiler import with_token
    from mcpconf.report import plans

    looked = o.look(home, project, client, home_mcp_json=home_mcp_json)
    compiled, target, _ = compiled_project(*looked, out, with_token=True)
    place = write.Target(target.container, target.host, target.root)
    findings = compiled.findings
    stopped = blocking(findings)
    if compiled.plan.routes.routes and not stopped:
        compiled = with_token(compiled, target, write.make_token(place))
    changes = write.changes(compiled.artifacts, place)
    if not stopped:
        in_the_way = write.write(changes, place, force=force)
        findings, stopped = (*findings, *in_the_way), in_the_way
    of_ddev = None if stopped else _of_ddev(looked[0], target, out)
    if of_ddev:
        from mcpconf.ddev import prepare

        prepare.put(of_ddev, target)
        changes, findings = (*changes, *of_ddev.changes), (*findings, *of_ddev.findings)
    if format is o.Format.JSON:
        report.as_json(view.plan_json(compiled, changes, findings, written=not stopped))
    else:
        report.findings(findings)
        plans.written(compiled, target, changes, stopped)
    if not stopped:
        needed = bool(compiled.plan.routes.routes)
        running = _tell_the_gateway(looked[1], changes, needed=needed, start=start_gateway)
        if needed and not running and start_gateway:
            _start_the_gateway(looked[1], home)
        firewall_commands.follows(looked[0], target, changes)
        init_commands.follows(*looked, target, of_ddev)
    leave(findings)


def _has_servers(configuration: Configuration) -> bool:
    surveyed = survey(configuration)
    return bool(surveyed.resolved or surveyed.findings)


def compiled_project(
    configuration: Configuration,
    places: Places,
    out: o.Out = None,
    *,
    with_token: bool = False,
    target: Target | None = None,
) -> tuple[Compilation, Target, Facts]:
    """Compile what was read; ``with_token`` reads the project's token too, if it has one."""
    from mcpconf.compiler import compile_project
    from mcpconf.readers.surroundings import look_around
    from mcpconf.readers.target import find_target
    from mcpconf.readers.token import read_token

    target = target or find_target(configuration.cwd, configuration.key, places, out)
    around = look_around(configuration, places, target.host)
    token = read_token(target.host) if with_token else None
    return compile_project(survey(configuration), around, target, token), target, around.facts


def _of_ddev(configuration: Configuration, target: Target, out: o.Out) -> Prepared | None:
    """The part of a sync that is in ``.ddev``; None in other projects."""
    if target.kind != "ddev" or out is not None:
        return None
    from mcpconf.ddev.prepare import prepare

    return prepare(configuration, target, os.environ)


def _start_the_gateway(places: Places, home: o.Home) -> None:
    from mcpconf.report import runtime
    from mcpconf.service import process

    runtime.started(process.start(places.gateway, home.absolute() if home else None))


def _tell_the_gateway(
    places: Places, changes: Sequence[Change], *, needed: bool, start: bool
) -> bool:
    """Let a running gateway see the new routes, and return whether one runs.

    Says so if there are some and none runs, except where one is about to ``start``.
    """
    from mcpconf.service import only

    changed = any(c.kind.value != "unchanged" for c in changes)
    running = (places.gateway / only.CONTROL).exists()
    if running and changed:
        from mcpconf.service import control

        running = control.poke(places.gateway)
    if running and changed and needed:
        _compare_addresses(places)
    if needed and not running and not start:
        report.say("the gateway does not run; start it: mcpconf gateway start")
    return running


def _compare_addresses(places: Places) -> None:
    """The container may have been told another port than the one that the gateway has."""
    from mcpconf.report import runtime
    from mcpconf.service import control, listen

    with suppress(control.NoAnswer, KeyError, TypeError):
        there = control.ask(places.gateway, "GET", "/status", timeout=1.0)["gateway"]["listen"]
        missing = listen.not_listened_on(places, there)
        if missing:
            report.say("the gateway runs with older settings:")
        runtime.unheard(missing)


def leave(findings: tuple[Finding, ...], *, changed: bool = False) -> NoReturn:
    """End with 1 when there is an error, or something would change and that was the question."""
    failed = changed or any(f.severity is Severity.ERROR for f in findings)
    raise typer.Exit(Exit.FINDINGS if failed else Exit.DONE)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("list")(list_servers)
    app.command("plan")(plan)
    app.command("sync")(sync)
