"""Which definition is in force, where the recorded cases of the client do not say (measured)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcpconf.clients import CLIENTS
from mcpconf.model import State
from mcpconf.readers.inputs import Request
from mcpconf.readers.world import read_configuration
from mcpconf.survey import survey

ALL = "enableAllProjectMcpServers"


def states(root: Path, files: dict[str, object], client: str) -> dict[str, State]:
    """The state of every server of a home, a project and a managed directory."""
    for name, content in {"project/.keep": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    request = Request(root, root / "project", {}, CLIENTS[client], managed=root / "managed")
    return {r.server.name: r.state for r in survey(read_configuration(request)).resolved}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("user", "project", "local", "trusted", "expected"),
    [
        (True, None, False, True, State.PENDING),
        (True, False, None, True, State.PENDING),
        (False, None, True, True, State.ACTIVE),
        (False, True, None, True, State.ACTIVE),
        (True, False, True, True, State.ACTIVE),
        (None, True, False, True, State.PENDING),
        (True, None, False, False, State.ACTIVE),
        (True, True, False, False, State.ACTIVE),
    ],
)
def test_of_several_settings_that_count_the_strongest_approves_all_or_not(
    tmp_path: Path, client: str, user, project, local, trusted, expected
) -> None:
    trust = {"projects": {str(tmp_path / "project"): {"hasTrustDialogAccepted": trusted}}}
    files: dict[str, object] = {
        ".claude.json": trust,
        "project/.mcp.json": {"mcpServers": {"f": {"command": "true"}}},
    }
    for name, value in (
        (".claude/settings.json", user),
        ("project/.claude/settings.json", project),
        ("project/.claude/settings.local.json", local),
    ):
        if value is not None:
            files[name] = {ALL: value}
    assert states(tmp_path, files, client) == {"f": expected}


@pytest.mark.parametrize(
    ("entry", "newer"),
    [
        ({"command": "x", "args": ["a"]}, State.ACTIVE),
        ({"command": "x", "env": {"A": "${V}"}}, State.ACTIVE),
        ({"command": "x", "args": ["${V}"]}, State.DENIED),
        ({"command": "${V:-x}"}, State.DENIED),
        ({"type": "http", "url": "https://a.example.com/"}, State.ACTIVE),
        ({"type": "http", "url": "https://${V:-a}.example.com/"}, State.DENIED),
        ({"type": "http", "url": "https://a.example.com/", "headers": {"X": "${V}"}}, State.DENIED),
        ({"type": "http", "url": "https://a.example.com/", "headersHelper": "x"}, State.ACTIVE),
    ],
)
def test_an_allow_list_and_the_managed_set(tmp_path: Path, entry: object, newer: State) -> None:
    """2.1.197 always asks the list; 2.1.328 only where variables decide what is reached."""
    files = {
        "managed/managed-mcp.json": {"mcpServers": {"f": entry}},
        "managed/managed-settings.json": {"allowedMcpServers": [{"serverName": "other"}]},
    }
    assert states(tmp_path, files, "2.1.328") == {"f": newer}
    assert states(tmp_path, files, "2.1.197") == {"f": State.DENIED}
