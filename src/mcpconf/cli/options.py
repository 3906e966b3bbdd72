"""Options that several commands share, and what they mean together."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf.clients import CLIENTS, NEWEST, Client
from mcpconf.errors import Usage
from mcpconf.readers.inputs import Configuration, Request, Session
from mcpconf.readers.places import Places, find_places
from mcpconf.readers.plugins import with_plugins
from mcpconf.readers.world import read_configuration

if TYPE_CHECKING:
    from mcpconf.containers.running import Place
    from mcpconf.readers.around import Target


class Format(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


class Mode(StrEnum):
    """Whose rules: an interactive session (and `mcp list`), or `claude -p`."""

    INTERACTIVE = "interactive"
    SESSION = "session"


def located(path: Path | None) -> Path | None:
    """Make a path that was typed absolute, with each ``..`` where the file system has it.

    Raises BadParameter where it is relative to a directory that somebody has deleted.
    """
    try:
        if path is not None and ".." in path.parts:
            return Path(os.path.realpath(path))
        return path and path.absolute()
    except FileNotFoundError as error:
        raise typer.BadParameter("the working directory is gone; go to one that exists") from error


Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Whose configuration to read (default: yours).",
        metavar="DIR",
        callback=located,
    ),
]
Project = Annotated[
    Path,
    typer.Option(
        "--project",
        help="The directory Claude Code is started in.",
        metavar="DIR",
        callback=located,
    ),
]
ClientVersion = Annotated[
    str, typer.Option("--client", help="Claude Code's version.", metavar="VERSION")
]
AsFormat = Annotated[Format, typer.Option("--format", help="How to print.")]
AsMode = Annotated[Mode, typer.Option("--mode", help="Whose rules decide about approval.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show secret values.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never touch the network.")]
McpConfig = Annotated[
    list[str] | None,
    typer.Option("--mcp-config", help="As claude's option.", metavar="FILE|JSON"),
]
Strict = Annotated[bool, typer.Option("--strict-mcp-config", help="As claude's option.")]
Bare = Annotated[bool, typer.Option("--bare", help="As claude's option.")]
Sources = Annotated[
    str | None, typer.Option("--setting-sources", help="As claude's option.", metavar="LIST")
]
SettingsFile = Annotated[
    str | None, typer.Option("--settings", help="As claude's option.", metavar="FILE|JSON")
]
PluginDirs = Annotated[
    list[str] | None, typer.Option("--plugin-dir", help="As claude's option.", metavar="DIR")
]
HomeMcpJson = Annotated[
    bool, typer.Option("--home-mcp-json", help="Take ~/.mcp.json in as user servers.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Where the container's files go (default: found).",
        metavar="DIR",
        callback=located,
    ),
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Look at the running parts, and name what is broken; the next three imply it.",
    ),
]
Fix = Annotated[bool, typer.Option("--fix", help="Run the command that mends it, if it is safe.")]
Inside = Annotated[
    str | None,
    typer.Option(
        "--container",
        help="Look into this container (default: found).",
        metavar="NAME",
    ),
]
StartHere = Annotated[
    bool,
    typer.Option("--start-here", help="Start the container's own servers here."),
]
HERE = Path()


def place_of(configuration: Configuration, target: Target) -> Place:
    """What the project's containers are known by."""
    from mcpconf.containers.running import Place

    roots = dict.fromkeys(
        (str(target.root or configuration.cwd), configuration.cwd, configuration.key)
    )
    return Place(target.container, tuple(roots))


def client(version: str) -> Client:
    """Find a client by its version; a short form such as `328` will do."""
    for known in CLIENTS.values():
        if version in (known.version, known.version.rpartition(".")[2]):
            return known
    raise Usage(
        f"no client {version!a} is known",
        help=f"known versions: {', '.join(CLIENTS)} (default {NEWEST})",
    )


def session(
    mcp_config: list[str] | None,
    sources: str | None,
    settings: str | None,
    plugin_dirs: list[str] | None,
    *flags: bool,
) -> Session:
    """Put the client's own options together; ``flags`` are strict and bare."""
    strict, bare = flags
    chosen = frozenset({"user", "project", "local"})
    if sources is not None:
        names = frozenset(s.strip() for s in sources.split(",") if s.strip())
        if names - chosen:
            wrong = min(names - chosen)
            raise Usage(f"--setting-sources knows user, project and local, not {wrong!a}")
        chosen = names
    return Session(
        mcp_config=tuple(mcp_config or ()),
        strict=strict,
        bare=bare or bool(os.environ.get("CLAUDE_CODE_SIMPLE")),
        sources=chosen,
        settings=settings,
        plugin_dirs=tuple(plugin_dirs or ()),
    )


def look(
    home: Path | None,
    project: Path,
    version: str = NEWEST,
    options: Session | None = None,
    *,
    interactive: bool = True,
    home_mcp_json: bool = False,
) -> tuple[Configuration, Places]:
    """Read the configuration of a home and a project."""
    if not project.is_dir():
        raise Usage(f"{str(project)!a} is not a directory", help="give --project DIR")
    request = Request(
        home=(home or Path.home()).absolute(),
        project=project.absolute(),
        environ=os.environ,
        client=client(version),
        interactive=interactive,
        session=options or Session(),
        home_mcp_json=home_mcp_json,
    )
    return with_plugins(read_configuration(request)), find_places(home.absolute() if home else None)
