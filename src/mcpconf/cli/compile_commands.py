"""``list``, ``plan``, ``sync`` and ``explain``."""

from __future__ import annotations

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.compiler import kinds, survey
from mcpconf.errors import Exit
from mcpconf.findings import Severity
from mcpconf.model import NEWEST
from mcpconf.readers.surroundings import look_around


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
    configuration, places = o.look(
        home, project, client, session,
        interactive=mode is o.Mode.INTERACTIVE, home_mcp_json=home_mcp_json,
    )
    surveyed = survey(configuration)
    found = kinds(surveyed, look_around(configuration, places).facts)
    if format is o.Format.JSON:
        report.as_json(report.survey_json(surveyed, found, reveal=reveal))
    else:
        report.survey(surveyed, found)
    _leave(any(f.severity is Severity.ERROR for f in surveyed.findings))


def _leave(has_findings: bool) -> None:
    raise typer.Exit(Exit.FINDINGS if has_findings else Exit.DONE)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("list")(list_servers)
