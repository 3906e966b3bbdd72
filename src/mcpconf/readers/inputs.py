"""What was asked for and what was read, as values: the input of everything that decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.origin import Source

MANAGED = Path("/etc/claude-code")


class Unreadable(NamedTuple):
    """A file that is there and cannot be read; ``why`` in one clause."""

    path: str
    why: str


Read = Source | Unreadable | None
"""What became of a file: its text, why there is none, or None: it does not exist."""


class Session(NamedTuple):
    """The options of a session that change which servers load; named as the client's (§7)."""

    mcp_config: tuple[str, ...] = ()
    strict: bool = False
    bare: bool = False
    sources: frozenset[str] = frozenset({"user", "project", "local"})
    settings: str | None = None
    plugin_dirs: tuple[str, ...] = ()


class Request(NamedTuple):
    """What to look at: whose home, which launch directory, which environment and client."""

    home: Path
    project: Path
    environ: Mapping[str, str]
    client: Client
    interactive: bool = True  # the rule of `mcp list`; False is that of `claude -p`
    session: Session = Session()
    home_mcp_json: bool = False
    managed: Path = MANAGED

    def __repr__(self) -> str:
        return f"Request({str(self.home)!r}, {str(self.project)!r})"  # the environment is secret


class Plugin(NamedTuple):
    """One plugin: its name, its folder, and the files and pointers that declare servers."""

    name: str
    root: str
    sources: tuple[tuple[Source, tuple[str, ...]], ...]


class Configuration(NamedTuple):
    """Everything that Claude Code reads about MCP servers, as texts.

    ``project_files`` runs from the outermost directory to the launch directory.
    """

    request: Request
    cwd: str  # the launch directory without links
    key: str  # its key in `projects`
    global_file: Read
    project_files: tuple[Source | Unreadable, ...]
    home_file: Read  # ~/.mcp.json where the client does not read it
    user_settings: Read
    project_settings: Read
    local_settings: tuple[Source | Unreadable, ...]
    untracked: frozenset[str]  # local settings that git says it does not track
    folders: tuple[str, ...]  # from the launch directory up to its repository's own root
    flag_settings: Read
    managed_settings: tuple[Source | Unreadable, ...]
    managed_servers: Read
    dynamic: tuple[Read, ...]
    credentials: Read
    plugins: tuple[Plugin, ...] = ()  # added by `plugins.with_plugins`
    project_plugins: frozenset[str] = frozenset()  # those that only the project switches on
