"""``probe``: ask the servers what they are, and remember the answer."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import leave
from mcpconf.clients import NEWEST
from mcpconf.errors import Usage
from mcpconf.survey import survey

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds a server may take.")]
Local = Annotated[bool, typer.Option("--local", help="Ask servers of this machine as well.")]


def probe(
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    timeout: Timeout = 5.0,
    local: Local = False,
    offline: o.Offline = False,
) -> None:
    """Ask the HTTP servers whether they want a login (no secret is sent) and cache the answers."""
    from mcpconf import probe as probing
    from mcpconf import view
    from mcpconf.diagnosis.roots import trusted_roots
    from mcpconf.readers.known_facts import read_facts
    from mcpconf.report import plans

    if offline:
        raise Usage("--offline forbids what `probe` is for", help="leave --offline out")
    configuration, places = o.look(home, project, client)
    surveyed = survey(configuration)
    servers = surveyed.active()
    fresh = probing.probe(
        servers,
        timeout=timeout,
        now=time.time,
        environ=configuration.request.environ,
        roots=trusted_roots(),
        include_local=local,
    )
    probing.save(places.facts, read_facts(configuration, places).probes, fresh)
    findings = probing.findings(servers, fresh)
    if format is o.Format.JSON:
        report.as_json(view.probes_json(servers, fresh, findings))
    else:
        plans.probes(servers, fresh)
        report.findings(findings)
    leave(findings)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("probe")(probe)
