"""``clean``: take what is stale out of the client's memory of MCP servers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project, leave
from mcpconf.clients import NEWEST

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these servers (default: all).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")]


def clean(
    names: Names = None,
    dry_run: DryRun = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Delete the client's stale memories of MCP servers; logins and all else stay."""
    from mcpconf.client_state import clean as cleaning
    from mcpconf.client_state.stale import Question
    from mcpconf.readers.world import config_directory
    from mcpconf.report import runtime

    looked = o.look(home, project, client, home_mcp_json=home_mcp_json)
    servers = compiled_project(*looked)[0].plan.servers
    question = Question(
        now=int(time.time() * 1000),
        planned={p.classified.server.name for p in servers if p.entry is not None},
        names=frozenset(names or ()),
    )
    directory = Path(config_directory(looked[0].request))
    done = cleaning.clean(directory, question, dry_run=dry_run)
    if format is o.Format.JSON:
        report.as_json(runtime.cleaning_json(done, dry_run=dry_run))
    else:
        runtime.cleaned(done, dry_run=dry_run)
        report.findings(done.findings)
    leave(done.findings)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("clean")(clean)
