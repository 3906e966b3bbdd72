"""The command line: parse, call, report, exit code.  No decision is taken here."""

from __future__ import annotations

import typer

from mcpconf import __version__
from mcpconf.cli import (
    bridge_command,
    client_commands,
    compile_commands,
    doctor_command,
    explain_command,
    firewall_commands,
    gateway_commands,
    init_commands,
    policy_commands,
    probe_commands,
    wait_command,
    watch_command,
)

app = typer.Typer(
    name="mcpconf",
    help="Your MCP servers inside the firewalled container in which Claude Code runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks can show locals, and ours hold tokens
    add_completion=False,
    rich_markup_mode=None,
)
for commands in (
    compile_commands,
    doctor_command,
    explain_command,
    policy_commands,
    probe_commands,
    gateway_commands,
    firewall_commands,
    bridge_command,
    client_commands,
    wait_command,
    init_commands,
    watch_command,
):
    commands.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcpconf {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Your MCP servers inside the firewalled container in which Claude Code runs."""
