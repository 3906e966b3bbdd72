"""Stand-alone: the servers of one ``.mcp.json``-shaped file as the project ``default``.

For trying things out, and for the benchmark.  Variables come from the environment; nothing is
approved or classified: whoever names the file on the command line means it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcpconf.contract import Ref, Route
from mcpconf.errors import Failure
from mcpconf.gateway.child import Command
from mcpconf.gateway.routing import Project
from mcpconf.gateway.source import Missing, Reach
from mcpconf.model import ServerId

DEFAULT = "default"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_TYPES = {"http": "http", "streamable-http": "http", "sse": "sse", "ws": "ws"}
_LARGEST = 16 * 1024 * 1024
_ID = re.compile(r"[^A-Za-z0-9_-]+")


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a file.

    Raises:
        Failure: it cannot be read, or is no such file.

    """
    try:
        if path.stat().st_size > _LARGEST:
            raise Failure(f"{path} is too large for a configuration")
        servers = json.loads(path.read_bytes())["mcpServers"]
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Failure(f"{path} has no `mcpServers`", help='write {"mcpServers": {…}}') from None
    if not isinstance(servers, dict):
        raise Failure(f"`mcpServers` in {path} is not an object")
    return {name: entry for name, entry in servers.items() if isinstance(entry, dict)}


def project(path: Path, token: bytes) -> tuple[Project, ConfigSource]:
    """The project of a file, and what resolves its routes."""
    routes: dict[str, Route] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, entry in read(path).items():
        server = _ID.sub("-", name)[:64] or "server"
        routes[server] = _route(path, name, server, entry)
        entries[server] = entry
    return Project(DEFAULT, str(path.parent), token, routes), ConfigSource(entries)


def _route(path: Path, name: str, server: str, entry: dict[str, Any]) -> Route:
    kind = str(entry.get("type", "stdio" if "command" in entry else "http"))
    pointer = "/mcpServers/" + name.replace("~", "~0").replace("/", "~1")
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    return Route(
        server=ServerId(server),
        name=name,
        kind="stdio" if kind == "stdio" else "http",
        transport=_TYPES.get(kind, "stdio"),
        digest=digest,
        entry=Ref(str(path), pointer),
    )


class ConfigSource:
    """Resolves routes from the entries themselves."""

    def __init__(
        self, entries: Mapping[str, dict[str, Any]], environ: Mapping[str, str] | None = None
    ) -> None:
        self._entries = entries
        self._environ = dict(os.environ if environ is None else environ)

    def command(self, route: Route, project: str) -> Command:  # noqa: ARG002  it stays where it is
        entry = self._entries[route.server]
        command = self._expanded(str(entry.get("command", "")))
        args = [self._expanded(str(a)) for a in entry.get("args") or ()]
        env = {n: self._expanded(v) for n, v in _texts(entry.get("env")).items()}
        return Command((command, *args), self._environ | env)

    async def reach(self, route: Route, project: str) -> Reach:  # noqa: ARG002
        entry = self._entries[route.server]
        headers = _texts(entry.get("headers"))
        return Reach(
            self._expanded(str(entry.get("url", ""))),
            tuple((n, self._expanded(v)) for n, v in headers.items()),
        )

    async def refused(
        self,
        route: Route,  # noqa: ARG002
        project: str,  # noqa: ARG002
        refusal: tuple[int, str],
        sent: Mapping[str, str],  # noqa: ARG002
    ) -> Reach:
        raise Missing("refused-login", f"it refuses the request (HTTP {refusal[0]}, unauthorized)")

    def _expanded(self, text: str) -> str:
        return _VARIABLE.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        value = self._environ.get(found[1], found[2])
        if value is None:
            raise Missing("secret-missing", f"the variable `{found[1]}` is not set")
        return value

    def forget(self) -> None:
        """Nothing is cached."""


def _texts(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}
