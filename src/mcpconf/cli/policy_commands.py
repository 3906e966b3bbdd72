"""``allow`` and ``trust``, and their undo: they edit the user's own mcpconf.toml."""

from __future__ import annotations

from typing import Annotated

import typer

from mcpconf.cli import options as o
from mcpconf.errors import Usage
from mcpconf.model import Remote, Resolved, Server, State
from mcpconf.names import quote
from mcpconf.survey import survey

Host = Annotated[str, typer.Argument(metavar="HOST", help="A name, *.name, address or network.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A server's name.")]
Port = Annotated[list[int] | None, typer.Option("--port", help="Port to open (default 443).")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept beside the row.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]
Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="For all projects, not only for this one.")
]


def allow(
    host: Host,
    port: Port = None,
    why: Why = "allowed by hand",
    undo: Undo = False,
    everywhere: Everywhere = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
) -> None:
    """Open a host for this project's container (`mcpconf sync` puts it into force)."""
    from mcpconf import edit
    from mcpconf.report import plans

    name, colon, number = host.rpartition(":")
    if colon and number.isdigit() and ":" not in name and "/" not in name:
        host, port = name, [*(port or ()), int(number)]  # api.example.com:8443
    configuration, places = o.look(home, project)
    scope = None if everywhere else configuration.key
    if undo:
        done = edit.disallow(places.policy, host, scope)
    else:
        done = edit.allow(places.policy, host, ports=tuple(port or (443,)), why=why, project=scope)
    plans.edited(done.summary, str(done.path), changed=done.changed)


def trust(
    name: Name,
    undo: Undo = False,
    home: o.Home = None,
    project: o.Project = o.HERE,
) -> None:
    """Let a server run on the host, as it is written now, for this project's container."""
    from mcpconf import edit
    from mcpconf.report import plans

    configuration, places = o.look(home, project)
    if undo:
        done = edit.untrust(places.policy, name, configuration.key)
    else:
        server = _find(name, survey(configuration).resolved)
        remote = server.transport
        if isinstance(remote, Remote) and not server.cloned and remote.headers_helper is None:
            raise Usage(
                f"{quote(name)} is a remote server of yours: nothing of it waits for trust",
                help="`mcpconf explain` says how it is reached",
            )
        done = edit.trust(places.policy, name, configuration.key, server.digest)
        plans.trusted(server)
    plans.edited(done.summary, str(done.path), changed=done.changed)


def _find(name: str, resolved: tuple[Resolved, ...]) -> Server:
    from difflib import get_close_matches

    active = {
        r.server.name: r.server
        for r in resolved
        if r.state is State.ACTIVE and isinstance(r.server, Server)
    }
    if name in active:
        return active[name]
    other = next((r for r in reversed(resolved) if r.server.name == name), None)
    if other is not None:
        raise Usage(
            f"{quote(name)} is {other.state.value}, not in force: {other.because.text}",
            help="`mcpconf explain` says more",
        )
    near = get_close_matches(name, active, 1)
    help_ = f"did you mean {quote(near[0])}?" if near else "`mcpconf list` shows what there is"
    raise Usage(f"no server {quote(name)} is in force here", help=help_)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("allow")(allow)
    app.command("trust")(trust)
