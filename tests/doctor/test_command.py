"""``mcpconf doctor`` as a user has it: real files, a real gateway, real servers."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpconf.service import only
from tests import clock

Serve = Callable[..., Any]

SCREEN = 24  # lines


@pytest.fixture
def healthy(home: Any, serve: Serve, program: Callable[..., Any]) -> Any:
    """Two servers that work behind a gateway that runs; everything is written."""
    url = f"http://127.0.0.1:{serve().server_port}/mcp"
    entry = {"type": "http", "url": url, "headers": {"X-Api-Key": "sk-live-0123456789abcdef"}}
    for folder in (home.root.parent, home.root, home.home):
        folder.chmod(0o755)  # what others may read, is only closed by its own permissions
    home.put("home/.claude.json", {"mcpServers": {"one": entry, "two": {**entry}}})
    (home.home / ".claude.json").chmod(0o600)
    assert home.run("sync").code == 0
    assert program("gateway", "start", "--home", str(home.home)).code == 0
    return home


def test_a_healthy_set_up_gets_no_alarm(healthy: Any) -> None:
    began = clock.now()
    said = healthy.run("doctor", env={"MCPCONF_ENGINE": ""})
    assert said.code == 0, said.out + said.err
    lines = said.out.splitlines()
    assert len(lines) <= SCREEN
    assert {line.split()[0] for line in lines} <= {"ok", "?"}, said.out
    assert said.err.count("\n") <= 3, said.err
    assert "2 of 2 servers work; nothing is wrong" in said.err
    assert clock.now() - began < 12


def test_json_says_the_same(healthy: Any) -> None:
    said = healthy.run("doctor", "--format", "json")
    document = said.json
    assert (document["version"], document["sound"], said.code) == (1, True, 0)
    assert {c["name"] for c in document["checks"]} >= {
        "installation", "Claude Code", "configuration", "approval", "files", "permissions", "git",
        "add-on", "gateway", "container", "names", "proxies", "certificates", "clocks",
    }  # fmt: skip
    assert all(
        set(c) == {"name", "state", "text", "findings", "remedies"} for c in document["checks"]
    )
    assert [(s["name"], s["works"], s["tools"]) for s in document["servers"]] == [
        ("one", True, 1), ("two", True, 1),
    ]  # fmt: skip


def test_one_server_by_name_and_a_wrong_name(healthy: Any) -> None:
    document = healthy.run("doctor", "two", "--format", "json").json
    assert [s["name"] for s in document["servers"]] == ["two"]
    wrong = healthy.run("doctor", "tow")
    assert wrong.code == 2
    assert "did you mean `two`?" in wrong.err


def test_fix_runs_what_is_safe_and_looks_again(healthy: Any, gateway: Path, program: Any) -> None:
    assert program("gateway", "stop", "--home", str(healthy.home)).code == 0
    (healthy.container / "mcp.json").unlink()
    broken = healthy.run("doctor")
    assert broken.code == 1
    assert "FAIL" in broken.out
    assert "error[MC215]" in broken.err
    fixed = healthy.run("doctor", "--fix")
    assert "running: mcpconf gateway start" in fixed.err
    assert "running: mcpconf sync" in fixed.err
    assert fixed.code == 0, fixed.out + fixed.err
    assert only.running(gateway) is not None


def test_it_works_where_mcpconf_itself_is_broken(healthy: Any) -> None:
    """A state directory in shreds, and a policy that cannot be read."""
    healthy.put("home/.config/mcpconf/mcpconf.toml", "this is = = no toml\n")
    (healthy.state / "current" / "routes.json").write_text("{")
    said = healthy.run("doctor")
    assert said.code == 1
    assert "MC080" in said.err
    assert "bug:" not in said.err
    assert "a fault in mcpconf" not in said.out


def test_nothing_at_all_is_sound(house: Any) -> None:
    empty = house()
    said = empty.run("doctor", "--html", str(empty.root / "p.html"))
    assert said.code == 0, said.out + said.err
    assert "No server is configured here." in (empty.root / "p.html").read_text()
    assert {line.split()[0] for line in said.out.splitlines()} <= {"ok", "?"}, said.out


def test_open_files_drift_and_pending_servers_are_told(house: Any) -> None:
    entry = {"command": "npx", "args": ["-y", "some-server"]}
    here = house({"project/.mcp.json": {"mcpServers": {"waits": entry}}, "home/.claude.json": {}})
    (here.home / ".claude.json").chmod(0o666)
    for folder in (here.home, *here.home.parents):
        if str(folder).startswith(("/tmp/", str(here.root))):
            folder.chmod(folder.stat().st_mode | 0o001)
    said = here.run("doctor")
    assert "`waits`" in next(line for line in said.out.splitlines() if " approval " in line)
    assert "MC031" in said.err
    if all(p.stat().st_mode & 1 for p in here.home.parents):
        assert "error[MC132]" in said.err
        assert "chmod go-w" in said.err


def test_git_and_drift_in_a_project_of_ddev(house: Any, program: Any) -> None:
    here = house({"home/.claude.json": {}, "project/.ddev/config.yaml": "name: shop\n"})
    (here.home / ".claude.json").chmod(0o600)
    subprocess.run(["git", "init", "-q", here.project], check=True)

    def found() -> dict[str, Any]:
        checks = here.run("doctor", "--format", "json", env={"MCPCONF_ENGINE": "/bin/false"}).json[
            "checks"
        ]
        return {c["name"]: (c["state"], [f["code"] for f in c["findings"]]) for c in checks}

    where = ("--home", str(here.home), "--project", str(here.project))
    assert program("init", "ddev", *where, env={"MCPCONF_ENGINE": "/bin/false"}).code == 0
    assert here.run("sync").code == 0
    assert found()["files"] == ("ok", [])
    assert found()["git"] == ("ok", [])
    (here.project / ".ddev/mcpconf/.gitignore").unlink()
    (here.project / ".ddev/docker-compose.mcpconf.yaml").unlink()
    assert found()["git"] == ("warn", ["MC136"])
    assert "MC138" in found()["files"][1]
    (here.project / ".ddev/addon-metadata/mcpconf").mkdir(parents=True)
    (here.project / ".ddev/addon-metadata/mcpconf/manifest.yaml").write_text(
        "name: mcpconf\nversion: v0.0.7\n"
    )
    assert found()["add-on"] == ("warn", ["MC137"])


# --- files ------------------------------------------------------------------------------------


def test_files_with_the_same_fault_are_told_each(healthy: Any) -> None:
    (healthy.home / ".claude.json").chmod(0o644)
    (healthy.home / ".claude/.credentials.json").parent.mkdir(exist_ok=True)
    (healthy.home / ".claude/.credentials.json").write_text("{}")
    (healthy.home / ".claude/.credentials.json").chmod(0o644)
    said = healthy.run("doctor")
    assert said.code == 0
    assert said.err.count("warning[MC133]") == 2, said.err


@pytest.mark.parametrize(
    ("command", "option"), [("doctor", "--report"), ("doctor", "--html"), ("explain", "--svg")]
)
def test_where_a_file_may_be_written(house: Any, command: str, option: str) -> None:
    here = house({"home/.claude.json": {"mcpServers": {"x": {"command": "nosuch"}}}})
    folder = here.root / "out"
    folder.mkdir()
    victim = folder / "victim"
    victim.write_text("mine")
    (folder / "link").symlink_to(victim)
    os.mkfifo(folder / "pipe")
    for name, words in {
        "": "is a directory",
        "link": "is a link",
        "pipe": "is a pipe",
        "absent/file": "there is no directory",
    }.items():
        said = here.run(command, option, str(folder / name))
        assert (said.code, words in said.err) == (2, True), said.err
        assert option in said.err
    said = here.run(command, option, "/dev/zero")
    assert (said.code, "is a device" in said.err) == (2, True)
    assert victim.read_text() == "mine"
    new = folder / "new"
    assert here.run(command, option, str(new)).code == 1
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert new.read_text()
    victim.chmod(0o640)
    victim.with_name("hard").hardlink_to(victim)
    here.run(command, option, str(victim))
    assert stat.S_IMODE(victim.stat().st_mode) == 0o640
    assert victim.with_name("hard").read_text() == "mine", "replaced, not written into"
    assert sorted(p.name for p in folder.iterdir()) == ["hard", "link", "new", "pipe", "victim"]


def test_the_picture_of_one_server(healthy: Any) -> None:
    file = healthy.root / "one.svg"
    said = healthy.run("explain", "one", "--svg", str(file))
    assert said.code == 0, said.err
    text = file.read_text()
    assert "MCP servers of project: 1 of 1 work" in text
    assert "sk-live" not in text
    assert text.count('class="row"') == 1


def test_help_names_the_options(program: Any) -> None:
    said = program("doctor", "--help")
    for option in ("--fix", "--report", "--html", "--format", "--container"):
        assert option in said.out
