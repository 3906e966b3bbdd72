"""The command line: parse, call, report, exit code.  No decision is taken here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import typer

from mcpconf import __version__

# In the order of --help: the modules, and the commands that each registers.
MODULES = {
    "compile_commands": ("list", "plan", "sync"),
    "doctor_command": ("doctor",),
    "explain_command": ("explain",),
    "policy_commands": ("allow", "trust"),
    "probe_commands": ("probe",),
    "gateway_commands": ("gateway",),
    "firewall_commands": ("firewall",),
    "bridge_command": ("bridge",),
    "client_commands": ("clean",),
    "wait_command": ("wait",),
    "init_commands": ("init", "remove", "hook"),
    "watch_command": ("watch",),
}


def app_for(words: Sequence[str]) -> typer.Typer:
    """Return the command line for these words.

    Where they begin with a command, only its module is loaded: to build all commands takes typer as
    long as a small project takes us.
    """
    app = typer.Typer(
        name="mcpconf",
        help="Your MCP servers inside the firewalled container in which Claude Code runs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # its tracebacks can show locals, and ours hold tokens
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback()(root)
    needed = [name for name, commands in MODULES.items() if words and words[0] in commands]
    for name in needed or MODULES:
        import_module(f"mcpconf.cli.{name}").register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcpconf {__version__}")
        raise typer.Exit


def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Your MCP servers inside the firewalled container in which Claude Code runs."""
