"""A project's token: made once, kept private, told to the container, shown to nobody."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from mcpconf.contract import load_bridge
from mcpconf.write import make_token, remove
from mcpconf.write.folder import Target

ROUTED = {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}


@pytest.fixture
def routed(house: Any) -> Any:
    return house({"home/.claude.json": {"mcpServers": ROUTED}})


def token(house: Any) -> str:
    return (house.state / "token").read_text().strip()


def test_a_sync_makes_it_and_the_container_gets_it(routed: Any) -> None:
    assert routed.run("sync").code == 0
    path = routed.state / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bridge = load_bridge((routed.container / "bridge.json").read_text())
    assert bridge.token.reveal() == token(routed)
    assert len(token(routed)) == 43
    assert (bridge.project, bridge.socket) == (routed.state.name, None)
    assert bridge.gateway == ("host.docker.internal", 8811)
    assert token(routed) not in repr(bridge)


def test_it_stays_the_same(routed: Any) -> None:
    routed.run("sync")
    first = token(routed)
    said = routed.run("sync")
    assert "everything was up to date" in said.err
    assert token(routed) == first


def test_two_projects_have_two(routed: Any) -> None:
    (routed.root / "other").mkdir()
    routed.run("sync")
    first = token(routed)
    routed.run("sync", "--project", str(routed.root / "other"))
    folders = (routed.home / ".local/state/mcpconf/projects").iterdir()
    assert len({(f / "token").read_text() for f in folders} | {first + "\n"}) == 2


def test_a_project_without_routes_gets_none(house: Any) -> None:
    files = {"home/.claude.json": {"mcpServers": {"exa": {"command": "npx", "args": ["exa"]}}}}
    built = house(files)
    assert built.run("sync").code == 0
    assert not (built.state / "token").exists()
    assert not (built.container / "bridge.json").exists()


def test_a_plan_writes_nothing_and_shows_no_token(routed: Any) -> None:
    said = routed.run("plan", "--format", "json")
    assert not (routed.home / ".local").exists()
    (change,) = [c for c in said.json["changes"] if c["file"].endswith("bridge.json")]
    assert change["change"] == "create"
    assert '+  "token": "(made by the first sync)",' in change["diff"]


def test_nothing_that_is_printed_holds_it(routed: Any) -> None:
    before = routed.run("sync")
    secret = token(routed)
    routed.put("home/.config/mcpconf/mcpconf.toml", 'gateway = "gw.internal:9000"\n')
    said = [before, routed.run("plan"), routed.run("plan", "--format", "json"),
            routed.run("explain", "ray"), routed.run("sync"), routed.run("sync", "--format", "json")]  # fmt: skip
    assert not [s for s in said if secret in s.out + s.err]
    changed = next(c for c in said[2].json["changes"] if c["file"].endswith("bridge.json"))
    assert [line for line in changed["diff"] if "9000" in line]


def test_removing_the_state_shuts_the_container_out(routed: Any) -> None:
    routed.run("sync")
    remove(Target(routed.container, routed.state))
    assert not list((routed.home / ".local/state/mcpconf/projects").iterdir())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_one_that_others_may_read_is_refused_with_the_way_out(routed: Any, mode: int) -> None:
    routed.run("sync")
    path = routed.state / "token"
    path.chmod(mode)
    for command in ("sync", "plan"):
        said = routed.run(command)
        assert said.code == 4
        assert f"chmod 600 {path}" in said.err
        assert token(routed) not in said.err
    path.chmod(0o600)
    assert routed.run("sync").code == 0


@pytest.mark.parametrize("content", ["", "short", "x" * 43 + '"', "x" * 200, "a b" * 20])
def test_one_that_is_no_token_is_refused(routed: Any, content: str) -> None:
    routed.run("sync")
    path = routed.state / "token"
    path.write_text(content)
    said = routed.run("sync")
    assert said.code == 4
    assert f"rm {path}" in said.err


def test_a_link_in_its_place_is_refused(routed: Any) -> None:
    routed.run("sync")
    path = routed.state / "token"
    elsewhere = routed.root / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert routed.run("sync").code == 4


def test_what_a_killed_sync_left_is_in_nobodys_way(routed: Any) -> None:
    routed.run("sync")
    (routed.state / "token").unlink()
    (routed.state / ".token").write_text("half")
    assert routed.run("sync").code == 0
    assert not (routed.state / ".token").exists()
    bridge = json.loads((routed.container / "bridge.json").read_text())
    assert bridge["token"] == token(routed)


def test_syncs_at_once_agree_on_one(tmp_path: Any) -> None:
    target = Target(tmp_path / "c", tmp_path / "s")
    children = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            made = make_token(target).reveal()
            (tmp_path / f"saw-{os.getpid()}").write_text(made)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    seen = {p.read_text() for p in tmp_path.glob("saw-*")}
    assert seen == {(tmp_path / "s/token").read_text().strip()}
