"""What came with a clone loosens nothing: each way in which a repository could try."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from mcpconf import model

APPROVED = {"enableAllProjectMcpServers": True}
REMOTE = {"type": "http", "url": "https://a.example.com/mcp"}


def cloned(house: Any, servers: dict[str, object], **files: object) -> Any:
    """A house whose project has these servers, all approved by the user."""
    return house(
        {
            "project/.mcp.json": {"mcpServers": servers},
            "home/.claude/settings.json": APPROVED,
            **{name.replace("__", "/"): content for name, content in files.items()},
        }
    )


def codes(built: Any, name: str = "plan") -> list[str]:
    return [f["code"] for f in built.run(name, "--format", "json").json["findings"]]


def test_a_headers_helper_of_the_project_waits_for_trust(house: Any) -> None:
    built = cloned(house, {"s": {**REMOTE, "headersHelper": "touch owned"}})
    assert "MC060" in codes(built, "sync")
    assert built.mcp_json() == {}
    assert json.loads((built.state / "routes.json").read_text())["routes"] == []
    assert built.run("trust", "s").code == 0
    assert codes(built, "sync") == []
    assert list(built.mcp_json()) == ["s"]


def test_a_routed_entry_that_changes_waits_for_trust(house: Any) -> None:
    built = cloned(house, {"s": {"type": "http", "url": "http://localhost:2411/mcp"}})
    assert codes(built, "sync") == []
    changed = {"s": {"type": "http", "url": "http://localhost:2375/mcp"}}
    built.put("project/.mcp.json", {"mcpServers": changed})
    assert codes(built, "sync") == ["MC065"]
    assert built.mcp_json() == {}
    assert codes(built, "sync") == ["MC065"], "it goes on waiting"
    assert built.run("trust", "s").code == 0
    assert codes(built, "sync") == []
    assert list(built.mcp_json()) == ["s"]


def test_the_users_own_entry_may_change(house: Any) -> None:
    def user(port: int) -> dict[str, object]:
        return {"mcpServers": {"s": {"type": "http", "url": f"http://localhost:{port}/mcp"}}}

    built = house({"home/.claude.json": user(2411)})
    assert codes(built, "sync") == []
    built.put("home/.claude.json", user(2412))
    assert codes(built, "sync") == []


def test_the_users_lines_for_a_name_do_not_hold_for_a_clone_of_that_name(house: Any) -> None:
    built = cloned(
        house,
        {"github": {"command": "npx", "args": ["x"], "env": {"K": "${AWS_SECRET_ACCESS_KEY}"}}},
        home__d=None,
    )
    built.put("home/.config/mcpconf/mcpconf.toml", '[servers.github]\nsecrets = "container"\n')
    said = built.run("sync", env={"AWS_SECRET_ACCESS_KEY": "zqj-planted"})
    assert "zqj-planted" not in json.dumps(built.mcp_json()) + said.out + said.err


def test_the_projects_commands_hold_for_its_own_servers_only(house: Any) -> None:
    built = cloned(house, {"theirs": {"command": "crm-mcp"}})
    built.put("home/.claude.json", {"mcpServers": {"mine": {"command": "crm-mcp"}}})
    built.put("project/mcpconf.toml", 'commands = ["crm-mcp"]\n')
    built.run("sync")
    assert list(built.mcp_json()) == ["theirs"]


def test_a_plugin_that_only_the_project_switches_on_is_left_out(house: Any) -> None:
    market = {"name": "mk", "plugins": [{"name": "plug", "source": "./plug"}]}
    built = house(
        {
            "home/market/.claude-plugin/marketplace.json": market,
            "home/market/plug/.mcp.json": {"mcpServers": {"s": REMOTE}},
            "home/.claude/plugins/known_marketplaces.json": '{"mk": {"installLocation": "<HOME>/market"}}',
            "project/.claude/settings.json": {"enabledPlugins": {"plug@mk": True}},
        }
    )
    assert built.list()["plugin:plug:s"]["state"] == "active", "as the client has it"
    assert codes(built, "sync") == ["MC082"]
    assert built.mcp_json() == {}
    built.put("home/.claude/settings.json", {"enabledPlugins": {"plug@mk": True}})
    built.run("sync")
    assert list(built.mcp_json()) == ["plugin:plug:s"]


def test_approval_by_the_projects_own_settings_is_said(house: Any) -> None:
    built = house(
        {
            "project/.mcp.json": {"mcpServers": {"s": REMOTE}},
            "project/.claude/settings.json": APPROVED,
            "home/.claude.json": '{"projects": {"<PROJECT>": {"hasTrustDialogAccepted": true}}}',
        }
    )
    assert codes(built) == ["MC070"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com\\@127.0.0.1:2375/mcp",
        "https://example.com\t.evil.example/mcp",
        "https:/\\example.com/mcp",
        "https://a@b@example.com/mcp",
    ],
)
def test_a_url_that_is_read_in_two_ways_is_left_out(house: Any, url: str) -> None:
    built = cloned(house, {"s": {"type": "http", "url": url}})
    built.run("sync")
    assert built.mcp_json() == {}
    assert json.loads((built.state / "routes.json").read_text())["routes"] == []


def test_two_names_with_one_id_do_not_share_a_route(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(model, "sha256_hex", lambda _: "0" * 64)
    built = cloned(
        house, {"a.": {**REMOTE, "headers": {"X": "1"}}, "a:": {**REMOTE, "headers": {"X": "2"}}}
    )
    assert codes(built).count("MC004") == 1


def test_git_is_asked_without_letting_the_repository_start_anything(house: Any) -> None:
    built = house(
        {
            "project/.mcp.json": {"mcpServers": {"s": REMOTE}},
            "project/.claude/settings.local.json": APPROVED,
        }
    )
    git = ["git", "-C", str(built.project), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    hook = built.put("project/hook.sh", "#!/bin/sh\ntouch <PROJECT>/owned\n")
    hook.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor"):
        subprocess.run([*git, "config", key, str(hook)], check=True)
    assert built.list("--client", "2.1.197")["s"]["state"] == "active"
    assert not (built.project / "owned").exists()
