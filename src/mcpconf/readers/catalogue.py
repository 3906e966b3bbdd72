"""``whitelist/servers.toml``: what is known about well-known MCP servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mcpconf.model import Kind
from mcpconf.origin import Source

_TABLE = "[[server]]"


class Known(NamedTuple):
    """One catalogue entry.  ``hosts`` are ``(host, port)``; ``source`` backs the claim."""

    id: str
    title: str
    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    auth: str
    secrets: tuple[str, ...]
    source: str
    host_only: str = ""
    any_host: str = ""


class Catalogue(NamedTuple):
    """The shipped catalogue.  Only rows that are asked for are parsed: the whole takes 10 ms."""

    source: Source = Source("servers.toml")

    def package(self, package: str) -> Known | None:
        """Look up ``npm:NAME``, ``pypi:NAME`` or ``docker:IMAGE``."""
        return self._row(package) if package else None

    def host(self, host: str, port: int) -> Known | None:
        """Look up a remote server by its host and port, or by its host at the usual port."""
        return self._row(f"host:{host}:{port}") or self._row(f"host:{host}")

    def _row(self, match: str) -> Known | None:
        """Parse the one ``[[server]]`` whose ``match`` holds this text, if there is one."""
        text = self.source.text
        at = text.find(f'"{match}"')
        if at < 0 or not match.isprintable() or '"' in match or "\\" in match:
            return None
        import tomllib  # noqa: PLC0415  5 ms, and most servers are not in the catalogue

        start = text.rfind(_TABLE, 0, at)
        end = text.find(_TABLE, at)
        row = tomllib.loads(text[start : end if end >= 0 else len(text)])["server"][0]
        return _known(row) if match in row["match"] else None


def _known(row: Mapping[str, Any]) -> Known:
    return Known(
        id=row["id"],
        title=row["title"],
        kind=Kind(row["kind"]),
        hosts=tuple(map(_endpoint, row["hosts"])),
        auth=row["auth"],
        secrets=tuple(row["secrets"]),
        source=row["source"],
        host_only=row.get("host_only", ""),
        any_host=row.get("any_host", ""),
    )


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, 443)
