"""``whitelist/servers.toml``: what is known about well-known MCP servers."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mcpconf.model import Kind
from mcpconf.origin import Source


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


@dataclass(frozen=True)
class Catalogue:
    """The shipped catalogue.  It is parsed when it is first asked, for it is often not needed."""

    source: Source = field(default_factory=lambda: Source("servers.toml"))

    @cached_property
    def _entries(self) -> Mapping[str, Known]:
        entries: dict[str, Known] = {}
        for row in tomllib.loads(self.source.text).get("server", []):
            known = Known(
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
            entries.update(dict.fromkeys(row["match"], known))
        return entries

    def package(self, package: str) -> Known | None:
        """Look up ``npm:NAME``, ``pypi:NAME`` or ``docker:IMAGE``."""
        return self._entries.get(package) if package else None

    def host(self, host: str, port: int) -> Known | None:
        """Look up a remote server by its host, or by its host and port."""
        return self._entries.get(f"host:{host}:{port}") or self._entries.get(f"host:{host}")

    def __len__(self) -> int:
        return len({known.id for known in self._entries.values()})


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, 443)
