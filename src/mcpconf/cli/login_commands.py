"""``gateway login`` and ``gateway logout``: sign-ins of OAuth servers, which stay on the host."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.errors import Exit, Failure, Usage
from mcpconf.names import quote

if TYPE_CHECKING:
    from mcpconf.contract import Route, Routes
    from mcpconf.credentials.login import Outcome
    from mcpconf.readers.places import Places

Name = Annotated[str, typer.Argument(help="The server, by its name or id.")]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Only print the address; paste what comes of it.")
]
Scopes = Annotated[
    str, typer.Option("--scope", help="Rights to ask for beside those the server names.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Register with the server anew.")]
_FINE = ("done", "not-needed", "none")


def login(
    name: Name,
    home: o.Home = None,
    project: o.Project = o.HERE,
    no_browser: NoBrowser = False,
    scope: Scopes = "",
    fresh: Fresh = False,
) -> None:
    """Sign in to a server in this machine's browser; the container never sees the login."""
    from mcpconf.credentials import login as signing
    from mcpconf.credentials.person import open_browser

    places, routes, route = _route(name, home, project)
    person = signing.Person(
        show=lambda line: report.say(report.safe(line)),
        ask=lambda: sys.stdin.readline() or None,
        browse=(lambda _: False) if no_browser else open_browser,
    )
    wishes = signing.Options(scopes=scope, fresh=fresh)
    attempt = signing.Attempt(route, routes.project, signing.Home(places.state), person, wishes)
    _leave(route, signing.login(attempt))


def logout(name: Name, home: o.Home = None, project: o.Project = o.HERE) -> None:
    """Forget the login of a server, here and at its authorization server."""
    from mcpconf.credentials import login as signing

    places, routes, route = _route(name, home, project)
    _leave(route, signing.logout(route, routes.project, signing.Home(places.state)))


def _route(name: str, home: o.Home, project: o.Project) -> tuple[Places, Routes, Route]:
    """The route of a server, as the last sync of the project wrote it."""
    from difflib import get_close_matches

    from mcpconf.contract import ContractError, load_routes
    from mcpconf.readers.target import find_target

    configuration, places = o.look(home, project)
    target = find_target(configuration.cwd, configuration.key, places)
    path = target.host / "routes.json"
    try:
        routes = load_routes(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Usage("this project has no routes yet", help="mcpconf sync") from None
    except (OSError, UnicodeDecodeError, ContractError) as error:
        raise Failure(f"{path} cannot be used: {error}", help="mcpconf sync") from None
    known = {r.server: r for r in routes.routes} | {r.name: r for r in routes.routes}
    if name in known:
        return places, routes, known[name]
    near = get_close_matches(name, known, 1)
    way = f"did you mean {quote(near[0])}?" if near else "`mcpconf plan` shows what goes there"
    raise Usage(f"no server {quote(name)} is behind the gateway in this project", help=way)


def _leave(route: Route, outcome: Outcome) -> NoReturn:
    fine = outcome.code in _FINE
    head = "" if fine else f"error[{outcome.code}]: "
    report.say(f"{head}{quote(route.name)}: {report.safe(outcome.text)}")
    for note in outcome.notes:
        report.say(f"note: {report.safe(note)}")
    raise typer.Exit(Exit.DONE if fine else Exit.FINDINGS)


def register(gateway: typer.Typer) -> None:
    """Add the commands to ``gateway``."""
    gateway.command("login")(login)
    gateway.command("logout")(logout)
