"""``allow`` and ``trust``, and their undo: they edit the user's own mcpconf.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf.cli import options as o
from mcpconf.errors import Usage
from mcpconf.model import Remote, Resolved, Server, State
from mcpconf.names import quote
from mcpconf.survey import survey

if TYPE_CHECKING:
    from mcpconf.edit import Wish
    from mcpconf.toml_file import Edit

Hosts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="HOST",
        help="A name, *.name, address or network; with --blocked, which of what was blocked.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A server's name.")]
Port = Annotated[list[int] | None, typer.Option("--port", help="Port to open (default 443).")]
Why = Annotated[
    str, typer.Option("--why", help="The reason, kept beside the row.", show_default=False)
]
Peer = Annotated[
    str,
    typer.Option(
        "--peer",
        help="Open a host beside the container instead, such as `db`; with --port.",
        metavar="NAME",
        show_default=False,
    ),
]
Blocked = Annotated[
    bool, typer.Option("--blocked", help="Choose from what the container's firewall blocked.")
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        help="Take that list from here: what `mcpconf-fw blocked --format json` printed.",
        metavar="FILE|-",
        show_default=False,
    ),
]
InContainer = Annotated[
    str,
    typer.Option("--container", help="Ask this container.", metavar="NAME", show_default=False),
]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]
Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="For all projects, not only for this one.")
]


def allow(
    hosts: Hosts = None,
    port: Port = None,
    why: Why = "",
    undo: Undo = False,
    everywhere: Everywhere = False,
    peer: Peer = "",
    blocked: Blocked = False,
    source: From = "",
    container: InContainer = "",
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: o.Out = None,
) -> None:
    """Open a host for this project's container (`mcpconf sync` puts it into force)."""
    from mcpconf import edit
    from mcpconf.report import plans

    named = [*(hosts or ())]
    if blocked or source:
        if port or peer or undo:
            raise Usage(
                "`--blocked` takes ports and peers from what was blocked, and undoes nothing"
            )
        done = _allow_blocked(named, why, (home, project, out), (source, container, everywhere))
        if done is not None:
            plans.edited(done.summary, str(done.path), changed=done.changed)
        return
    wish = _wish(named, port, peer)
    configuration, places = o.look(home, project)
    scope = None if everywhere else configuration.key
    if undo:
        done = edit.disallow(places.policy, wish.host, scope, peer=wish.peer)
    else:
        why = why or "allowed by hand"
        done = edit.allow_all(places.policy, [wish], why=why, project=scope)
    plans.edited(done.summary, str(done.path), changed=done.changed)


def _wish(named: list[str], port: list[int] | None, peer: str) -> Wish:
    from mcpconf.edit import Wish

    if len(named) + bool(peer) != 1:
        raise Usage("name one host", help="mcpconf allow api.example.com, or --peer db --port 3306")
    host = peer or named[0]
    name, colon, number = host.rpartition(":")
    if colon and number.isdigit() and ":" not in name and "/" not in name:
        host, port = name, [*(port or ()), int(number)]  # api.example.com:8443
    if peer and not port:
        raise Usage(f"no port is named for {quote(peer)}", help="add it, as --port 3306")
    return Wish(host, tuple(port or (443,)), bool(peer))


def _allow_blocked(
    named: list[str],
    why: str,
    where: tuple[Path | None, Path, Path | None],
    how: tuple[str, str, bool],
) -> Edit | None:
    from mcpconf import edit
    from mcpconf.cli import allow_blocked
    from mcpconf.cli.compile_commands import compiled_project

    home, project, out = where
    source, container, everywhere = how
    configuration, places = o.look(home, project)
    compiled, target, _ = compiled_project(configuration, places, out)
    texts = allow_blocked.lists_of(source, container, o.place_of(configuration, target))
    found = allow_blocked.choose(named, compiled.plan.egress.rows, texts)
    if not found:
        return None
    scope = None if everywhere else configuration.key
    wishes = [edit.Wish(c.host, (c.port,), c.peer) for c in found]
    why = why or allow_blocked.usual_why()
    return edit.allow_all(places.policy, wishes, why=why, project=scope)


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
