"""Plugins' MCP servers: which load, under which name (measured on the real client)."""

from __future__ import annotations

import json
from pathlib import Path

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.model import Scope, Server, State, Stdio
from mcpconf.readers.inputs import Request, Session
from mcpconf.readers.plugins import with_plugins
from mcpconf.readers.world import read_configuration
from mcpconf.survey import survey

SERVER = {"command": "node", "args": ["${CLAUDE_PLUGIN_ROOT}/server.js"]}


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def market(home: Path, *, enabled: object = True) -> Path:
    """A home with the directory marketplace `mk`, whose plugin `plug` has one server `s`."""
    place = home / "market"
    listing = {"name": "mk", "plugins": [{"name": "plug", "source": "./plug"}]}
    write(place / ".claude-plugin/marketplace.json", listing)
    write(place / "plug/.claude-plugin/plugin.json", {"name": "plug"})
    write(place / "plug/.mcp.json", {"mcpServers": {"s": SERVER, "bad": {"url": "x"}}})
    write(home / ".claude/plugins/known_marketplaces.json", {"mk": {"installLocation": str(place)}})
    write(home / ".claude/settings.json", {"enabledPlugins": {"plug@mk": enabled}})
    (home / "project").mkdir()
    return place / "plug"


def look(home: Path, session: Session | None = None) -> dict[str, tuple[State, Scope]]:
    return {r.server.name: (r.state, r.server.scope) for r in resolved(home, session)}


def resolved(home: Path, session: Session | None = None):
    request = Request(home, home / "project", {}, CLIENTS[NEWEST], session=session or Session())
    return survey(with_plugins(read_configuration(request))).resolved


def test_an_enabled_plugin_brings_its_valid_servers(tmp_path: Path) -> None:
    root = market(tmp_path)
    assert look(tmp_path) == {"plugin:plug:s": (State.ACTIVE, Scope.PLUGIN)}
    server = resolved(tmp_path)[0].server
    assert isinstance(server, Server)
    assert isinstance(server.transport, Stdio)
    assert server.transport.args[0].reveal() == f"{root}/server.js".replace("/plug/", "/./plug/")


def test_a_plugin_that_is_not_enabled_is_absent(tmp_path: Path) -> None:
    market(tmp_path, enabled=False)
    assert look(tmp_path) == {}


def test_the_later_source_decides(tmp_path: Path) -> None:
    market(tmp_path)
    write(tmp_path / "project/.claude/settings.json", {"enabledPlugins": {"plug@mk": False}})
    assert look(tmp_path) == {}


def test_an_unknown_marketplace_brings_nothing(tmp_path: Path) -> None:
    market(tmp_path)
    (tmp_path / ".claude/plugins/known_marketplaces.json").unlink()
    assert look(tmp_path) == {}


def test_a_plugin_cannot_lead_out_of_its_marketplace(tmp_path: Path) -> None:
    market(tmp_path)
    listing = {"name": "mk", "plugins": [{"name": "plug", "source": "./../../other"}]}
    write(tmp_path / "market/.claude-plugin/marketplace.json", listing)
    assert look(tmp_path) == {}


def test_the_same_endpoint_in_a_configured_scope_hides_it(tmp_path: Path) -> None:
    root = market(tmp_path)
    command = f"{root}/server.js".replace("/plug/", "/./plug/")
    twin = {"mcpServers": {"mine": {"command": "node", "args": [command]}}}
    write(tmp_path / ".claude.json", twin)
    assert look(tmp_path) == {
        "plugin:plug:s": (State.SHADOWED, Scope.PLUGIN),
        "mine": (State.ACTIVE, Scope.USER),
    }


def test_a_plugin_folder_needs_no_manifest(tmp_path: Path) -> None:
    write(tmp_path / "own/.mcp.json", {"s": {"type": "http", "url": "https://a.example.com/"}})
    (tmp_path / "project").mkdir()
    session = Session(plugin_dirs=(str(tmp_path / "own"),))
    assert look(tmp_path, session) == {"plugin:own:s": (State.ACTIVE, Scope.PLUGIN)}


def test_strict_and_managed_sessions_have_no_plugins(tmp_path: Path) -> None:
    market(tmp_path)
    assert look(tmp_path, Session(strict=True)) == {}
