"""~/.claude.json: user servers, and what the client remembers of each project (facts 6-8, 34)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.json_text import Fault, parse_spine
from mcpconf.model import Json
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.readers.entries import a_kind
from mcpconf.readers.inputs import Read, Unreadable
from mcpconf.readers.reading import Reading, report_twice
from mcpconf.readers.settings import javascript_text


class Table(NamedTuple):
    """An object of a document and where it stands."""

    value: Mapping[str, Json]
    origin: Origin

    def __repr__(self) -> str:
        return f"Table({self.origin.json_pointer!r})"  # its values hold secrets


def read_global(file: Read, reading: Reading) -> Table:
    nothing = Table({}, Origin(Source("~/.claude.json")))
    if file is None:
        return nothing
    if isinstance(file, Unreadable):
        reading.add(
            "MC010",
            f"Claude Code's configuration cannot be read: {file.why}",
            Origin(Source(file.path)),
            "mend the file; nothing is written until it can be read",
        )
        return nothing
    if not file.text.strip() and not reading.client.blank_file_is_error:
        return nothing
    document = parse_spine(file, ("mcpServers", "projects"))
    if isinstance(document, Fault):
        reading.add(
            "MC010",
            f"Claude Code's configuration is not JSON: {document.message} "
            f"(line {document.line}, column {document.column})",
            Origin(file, line=document.line),
            "mend the file, or restore a copy from its `backups` folder",
            "do not start claude 2.1.197 meanwhile: it replaces the file by an empty one",
        )
        return nothing
    report_twice(document, reading)
    if not isinstance(document.value, dict):
        reading.add(
            "MC010",
            f"Claude Code's configuration is {a_kind(document.value)}: everything in it is gone",
            Origin(file),
            "restore a copy from its `backups` folder",
        )
        return nothing
    return Table(document.value, Origin(file))


def project_state(home: Table, key: str) -> Table:
    origin = home.origin.at("projects", key)
    projects = home.value.get("projects")
    state = projects.get(key) if isinstance(projects, dict) else None
    return Table(state if isinstance(state, dict) else {}, origin)


def report_connectors(home: Table, reading: Reading) -> None:
    """Say which claude.ai connectors were seen once: they are no servers of the user's files."""
    seen = home.value.get("claudeAiMcpEverConnected")
    names = [n for n in seen if isinstance(n, str)] if isinstance(seen, list) else []
    if names:
        listed = ", ".join(quote(n) for n in names[:5]) + (", …" if len(names) > 5 else "")  # noqa: PLR2004
        reading.add(
            "MC068",
            f"claude.ai connectors stay outside the container: {listed}",
            home.origin.at("claudeAiMcpEverConnected"),
        )


def disabled(state: Table) -> dict[str, Origin]:
    names = state.value.get("disabledMcpServers")
    if not isinstance(names, list):
        return {}
    origin = state.origin.at("disabledMcpServers")
    return {n: origin.at(i) for i, n in enumerate(names) if isinstance(n, str)}


def global_env(value: Json, client: Client) -> dict[str, str]:
    """The variables of ~/.claude.json: texts, numbers and booleans, as texts (fact 42)."""
    table = value if isinstance(value, dict) else {}
    return {
        k: javascript_text(v)
        for k, v in table.items()
        if client.global_env_any_value or isinstance(v, str | int | float)
    }
