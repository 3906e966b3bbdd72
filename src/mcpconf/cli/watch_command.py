"""``watch``: a sync after every change of what it reads, until Ctrl-C."""

from __future__ import annotations

import gc
import io
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.cli import compile_commands
from mcpconf.cli import options as o
from mcpconf.clients import NEWEST
from mcpconf.errors import Failure

Quit = Annotated[
    float | None,
    typer.Option("--quit-after", help="End after so many seconds without a change.", metavar="S"),
]


def watch(
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    out: o.Out = None,
    home_mcp_json: o.HomeMcpJson = False,
    quit_after: Quit = None,
) -> None:
    """Sync again whenever a file changes that says something about MCP servers."""
    from mcpconf import watching

    def sync() -> str:
        """Sync as the command does, and return what that says; a mistake does not end the watch."""
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            try:
                compile_commands.sync(home, project, client, out=out, home_mcp_json=home_mcp_json)
            except typer.Exit:
                pass
            except Failure as failure:
                report.failure(failure)
        return said.getvalue()

    def state() -> watching.State:
        return watching.state_of(watching.watched(*o.look(home, project, client)))

    gc.enable()  # it runs for days
    before = state()
    last = sync()
    sys.stderr.write(last)
    report.say(f"watching {len(before)} files; Ctrl-C ends it")
    while (changed := next(watching.changes(before, time.sleep, quit_after), None)) is not None:
        before = watching.state_of(before)
        said = sync()
        if said != last:  # Claude Code writes its own file all the time
            report.say(f"\nchanged: {', '.join(map(report.shown_path, changed))}")
            sys.stderr.write(said)
        last = said
        before = {**state(), **before}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)
