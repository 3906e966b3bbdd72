"""``explain``: why a server, host, code or reason is what it is; ``--live``: whether it works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.cli import asked_text, live_commands
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project
from mcpconf.clients import NEWEST
from mcpconf.errors import Exit, Usage
from mcpconf.survey import kinds

Question = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|HOST|CODE|TEXT|FILE",
        help="A server, host, URL or code; an error text; a log of Claude Code; - is stdin.",
    ),
]

Svg = Annotated[
    Path | None,
    typer.Option("--svg", help="With --live, which it implies: draw the way.", metavar="FILE"),
]


def explain(
    question: Question = None,
    live: o.Live = False,
    fix: o.Fix = False,
    container: o.Inside = None,
    start_here: o.StartHere = False,
    svg: Svg = None,
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    out: o.Out = None,
    offline: o.Offline = False,
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Say where a server is written, why it is what it is, and what the container gets of it."""
    from mcpconf import explain as explaining
    from mcpconf import view
    from mcpconf.report import plans

    live = live or fix or start_here or svg is not None or container is not None
    if live and not offline:
        where = live_commands.Where(home, project, client, out, home_mcp_json)
        wishes = live_commands.Wishes(format, fix, container or "", start_here, svg)
        live_commands.explain_live(asked_text.names_in(question, where), where, wishes)
    if question is None or live:
        why = "--live asks the network, --offline forbids it" if live else "explain what?"
        raise Usage(why, help="mcpconf explain NAME, or all servers: mcpconf explain --live")
    answer = explaining.explain_code(question)
    if answer is None:
        looked = o.look(home, project, client, home_mcp_json=home_mcp_json)
        compiled, _, facts = compiled_project(*looked)
        known = asked_text.known_of(looked[0], compiled, kinds(compiled.survey, facts))
        answer = asked_text.answer(question, known)
    if format is o.Format.JSON:
        report.as_json(view.explanation_json(answer))
    else:
        plans.explanation(answer)
        if answer.kind == "server":
            from mcpconf.plan.terms import shell_word

            report.say(f"whether it works: mcpconf explain {shell_word(question)} --live")
    raise typer.Exit(Exit.DONE if answer.found else Exit.FINDINGS)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)
