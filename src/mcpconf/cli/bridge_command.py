"""``bridge``: what the container's entries start.  ``__main__`` takes a faster way to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.errors import Failure

Install = Annotated[
    Path | None,
    typer.Option(
        "--install",
        help="Write the bridge as one executable file that needs nothing but python3.",
        metavar="FILE",
    ),
]
Url = Annotated[
    str | None, typer.Option("--url", help="Connect to this server directly.", metavar="URL")
]
Name = Annotated[str | None, typer.Argument(help="A server's id, reached through the gateway.")]


def bridge(
    context: typer.Context, name: Name = None, url: Url = None, install: Install = None
) -> None:
    """Carry MCP between stdio and a server: NAME through the gateway, or --url directly."""
    if install is not None:
        _install(install)
        report.say(f"written: {report.shown_path(str(install))}")
        raise typer.Exit
    from mcpconf.bridge import command

    words = [*(["--url", url] if url else []), *([name] if name else []), *context.args]
    raise typer.Exit(command.main(words))


def _install(path: Path) -> None:
    from mcpconf.bridge import bundle

    try:
        bundle.write(path.absolute())
    except OSError as error:
        raise Failure(
            f"the bridge could not be written to {path}: {error.strerror or error}",
            help="name a file in a directory that you may write to",
        ) from error


def register(app: typer.Typer) -> None:
    """Add the command."""
    passes = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("bridge", context_settings=passes)(bridge)
