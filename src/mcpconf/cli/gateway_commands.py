"""``gateway …``: the proxy on the host, as a service of this user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.cli import login_commands
from mcpconf.cli import options as o
from mcpconf.errors import Exit
from mcpconf.readers.places import find_places

Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        help="Listen here instead (repeatable).",
        metavar="ADDRESS:PORT|unix:PATH",
    ),
]
Port = Annotated[
    list[int] | None, typer.Option("--port", help="The same for 127.0.0.1:N.", metavar="N")
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Serve the servers of this file alone, as project `default`.",
        metavar="FILE",
    ),
]
Lines = Annotated[int, typer.Option("-n", "--lines", help="How many lines.", min=0)]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")]
_TROUBLE = ("failing", "login-needed")

gateway = typer.Typer(
    name="gateway",
    help="The proxy on the host: containers reach servers with secrets and logins through it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@gateway.command()
def start(home: o.Home = None) -> None:
    """Start the gateway in the background; says so if it runs already."""
    from mcpconf.report import runtime
    from mcpconf.service import listen, process

    places = find_places(home.absolute() if home else None)
    try:
        done = process.start(places.gateway, home.absolute() if home else None)
    except process.NotStarted as failed:
        for line in failed.words:
            report.say(f"  | {report.safe(line)}")
        raise
    runtime.started(done)
    runtime.unheard(listen.not_listened_on(places, done.status["gateway"]["listen"]))


@gateway.command()
def stop(home: o.Home = None) -> None:
    """End the gateway; the bridges wait for its return."""
    from mcpconf.service import process

    ended = process.stop(find_places(home.absolute() if home else None).gateway)
    report.say("the gateway has ended" if ended else "the gateway was not running")


@gateway.command()
def status(home: o.Home = None, format: o.AsFormat = o.Format.TEXT) -> None:  # noqa: A002
    """Show servers, since when, calls and last errors; exit 1 if one of them is in trouble."""
    from mcpconf.report import runtime
    from mcpconf.service import listen
    from mcpconf.service.control import NoAnswer, ask

    places = find_places(home.absolute() if home else None)
    try:
        document = ask(places.gateway, "GET", "/status")
    except NoAnswer as why:
        if format is o.Format.JSON:
            report.as_json({"version": 1, "running": False, "gateway": None, "servers": []})
        else:
            report.say(f"the gateway does not answer: {why}")
            report.say("help: mcpconf gateway start")
        raise typer.Exit(Exit.FINDINGS) from None
    if format is o.Format.JSON:
        report.as_json({**document, "running": True})
    else:
        runtime.status(document)
        runtime.unheard(listen.not_listened_on(places, document["gateway"]["listen"]))
    trouble = any(server["state"] in _TROUBLE for server in document["servers"])
    raise typer.Exit(Exit.FINDINGS if trouble else Exit.DONE)


@gateway.command()
def logs(
    home: o.Home = None,
    lines: Lines = 20,
    follow: Follow = False,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
) -> None:
    """Show what the gateway refused, what failed and what it changed."""
    from mcpconf.report import runtime
    from mcpconf.service import logs as written

    directory = find_places(home.absolute() if home else None).gateway
    here = written.mark(directory)
    tail = written.tail(directory, lines, here)
    if not tail and not follow:
        report.say("the gateway has not logged anything yet")
    show = runtime.decisions if format is o.Format.TEXT else runtime.raw
    show(tail)
    if follow:
        show(written.follow(directory, here))


@gateway.command()
def run(
    home: o.Home = None, listen: Listen = None, port: Port = None, config: Config = None
) -> None:
    """Run the gateway in the foreground, until Ctrl-C."""
    from mcpconf.service import foreground

    asked = foreground.Run(
        home.absolute() if home else None,
        tuple(listen or ()),
        tuple(port or ()),
        config.absolute() if config else None,
    )
    raise typer.Exit(foreground.run(asked))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    login_commands.register(gateway)
    app.add_typer(gateway)
