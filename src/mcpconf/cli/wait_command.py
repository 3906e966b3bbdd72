"""``wait``: until every server answers a real handshake, or one says why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project
from mcpconf.clients import NEWEST
from mcpconf.errors import Exit, Usage
from mcpconf.names import quote

if TYPE_CHECKING:
    from mcpconf.plan.terms import Planned

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these servers (default: all).")
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds each may take.", min=0.1)]
ContainerStdio = Annotated[
    bool,
    typer.Option("--container-stdio", help="Start the container's own servers here, to try them."),
]


def wait(
    names: Names = None,
    timeout: Timeout = 30.0,
    container_stdio: ContainerStdio = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    out: o.Out = None,
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Wait until every server answers a handshake; exit 1 if one does not, and say why."""
    from mcpconf.report import waiting as shown
    from mcpconf.service import waiting

    looked = o.look(home, project, client, home_mcp_json=home_mcp_json)
    compiled, target, _ = compiled_project(*looked, out)
    planned = _chosen(compiled.plan.servers, names or [])
    with waiting.private_folder() as folder:
        bridge = Path(folder)
        if any(p.route for p in planned):
            bridge = waiting.way_to_the_gateway(target, looked[1], bridge)
        setting = waiting.Setting(
            bridge,
            looked[0].cwd,
            os.environ,
            waiting.blame(looked[1], target.project),
            container_stdio,
        )
        servers = waiting.asked(planned, setting)
        answers = waiting.wait(
            servers, setting, timeout, shown.Progress(sum(bool(s.command) for s in servers))
        )
    if format is o.Format.JSON:
        report.as_json(shown.answers_json(answers))
    else:
        shown.answers(answers)
    failed = any(a.state in ("failed", "late") for a in answers)
    raise typer.Exit(Exit.FINDINGS if failed else Exit.DONE)


def _chosen(planned: tuple[Planned, ...], names: list[str]) -> list[Planned]:
    """The servers of these names; all that the container gets, where none is named."""
    from difflib import get_close_matches

    known = {p.classified.server.name: p for p in planned}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            way = (
                f"did you mean {quote(near[0])}?" if near else "`mcpconf plan` shows what there is"
            )
            raise Usage(f"no server {quote(name)} is in the plan", help=way)
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    return [p for p in planned if p.entry is not None]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("wait")(wait)
