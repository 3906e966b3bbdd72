"""The command line as a user meets it: words, exit codes, and what the commands do to each other."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from mcpconf.clients import CLIENTS
from mcpconf.codes import RULES
from mcpconf.reasons import REASONS

DOCKER = {"command": "docker", "args": ["run", "-i", "--rm", "mcp/github"]}
DOCS = {"type": "http", "url": "https://docs.example.com/mcp"}
HOME = {"home/.claude.json": {"mcpServers": {"docs": DOCS, "github": DOCKER}}}
POLICY = "home/.config/mcpconf/mcpconf.toml"
COMMANDS = ("list", "plan", "sync", "explain", "allow", "trust", "probe")


def codes(built: Any) -> list[str]:
    return built.run("plan", "--format", "json").codes


# --- words --------------------------------------------------------------------------------------


def test_help_names_every_command(program: Callable[..., Any]) -> None:
    said = program("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert f"  {command} " in said.out
        assert program(command, "--help").code == 0


def test_no_command_is_help_and_a_usage_error(program: Callable[..., Any]) -> None:
    said = program()
    assert said.code == 2
    assert "Usage" in said.out + said.err


def test_the_version_is_that_of_the_package(program: Callable[..., Any]) -> None:
    assert program("--version").out.split() == ["mcpconf", version("mcpconf")]


def test_the_module_and_the_script_are_one_program() -> None:
    script = Path(sys.executable).with_name("mcpconf")
    for command in ([sys.executable, "-m", "mcpconf"], [str(script)]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"mcpconf {version('mcpconf')}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["list", "--nothing"],
        ["list", "--client", "9.9.9"],
        ["list", "--mode", "both"],
        ["list", "--format", "xml"],
        ["list", "--setting-sources", "everything"],
        ["list", "--project", "/nowhere/at/all"],
        ["explain"],
        ["allow"],
        ["allow", "not a host"],
        ["allow", "localhost"],
        ["allow", "*.com"],
        ["allow", "https://api.example.com/v1"],
        ["allow", "api.example.com", "--port", "0"],
        ["allow", "api.example.com", "--port", "70000"],
        ["allow", "api.example.com", "--why", " "],
        ["trust"],
        ["trust", "nothing"],
        ["trust", "gihtub"],
        ["probe", "--offline"],
    ],
    ids=" ".join,
)
def test_what_does_not_exist_is_a_usage_error(house: Callable[..., Any], words: list[str]) -> None:
    built = house(HOME)
    said = built.run(*words)
    assert said.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not (built.root / POLICY).exists()


def test_a_missing_project_says_so_in_one_line_and_a_way_out(house: Callable[..., Any]) -> None:
    said = house(HOME).run("list", "--project", "/nowhere/at/all")
    first, *rest = said.err.splitlines()
    assert first.startswith("usage: ")
    assert "/nowhere/at/all" in first
    assert all(line.startswith("help: ") for line in rest)


@pytest.mark.parametrize("command", ["list", "plan", "sync", "explain"])
def test_an_unknown_client_is_told_the_known_ones(house: Callable[..., Any], command: str) -> None:
    words = ["docs"] if command == "explain" else []
    said = house(HOME).run(command, *words, "--client", "2.1.1")
    assert said.code == 2
    assert all(known in said.err for known in CLIENTS)


def test_a_short_version_of_the_client_will_do(house: Callable[..., Any]) -> None:
    assert (
        house(HOME).run("list", "--format", "json", "--client", "197").json["client"] == "2.1.197"
    )


def test_did_you_mean(house: Callable[..., Any]) -> None:
    built = house(HOME)
    assert "did you mean `github`?" in built.run("trust", "gihtub").err
    said = built.run("explain", "gihtub")
    assert said.code == 1
    assert "did you mean `github`?" in said.out
    built.put(POLICY, "[servers.gihtub]\nroute = 'off'\n")
    assert "did you mean `github`?" in built.run("plan").err


def test_a_name_is_pasted_into_a_command_only_where_it_is_plain(house: Callable[..., Any]) -> None:
    """A help is copied into a shell, and the name came with a clone."""
    hostile = "a.b;$(touch owned)"
    built = house({"home/.claude.json": {"mcpServers": {hostile: DOCKER, "$(id).example": DOCS}}})
    for words in (["plan"], ["list"], ["explain", hostile], ["explain", "a.b;touch owned"],
                  ["explain", "id.example"], ["trust", "a.b;"]):  # fmt: skip
        said = built.run(*words)
        for line in (said.out + said.err).splitlines():
            command = line.partition("mcpconf ")[2].replace(f"`{hostile}`", "")
            assert "$(" not in command, line


# --- exit codes ---------------------------------------------------------------------------------


def test_exit_codes_follow_the_findings(house: Callable[..., Any]) -> None:
    built = house(HOME)
    assert built.run("list").code == 0
    assert built.run("plan").code == 0  # docker is a warning
    built.put("project/.mcp.json", "{")
    assert built.run("list").code == 1
    assert built.run("plan").code == 1
    assert built.run("sync").code == 1
    assert (built.container / "mcp.json").exists()  # the finding does not block
    assert built.run("explain", "docs").code == 0
    assert built.run("explain", "nothing").code == 1


@pytest.mark.parametrize(
    "broken", [{"home/.claude.json": "{"}, {POLICY: "secret = 1\n"}, {"project/mcpconf.toml": "x"}]
)
def test_a_blocking_finding_writes_nothing(house: Callable[..., Any], broken: dict) -> None:
    built = house(HOME)
    assert built.run("sync").code == 0
    before = {p: p.read_bytes() for p in built.state.rglob("*.json")}
    for name, text in broken.items():
        built.put(name, text)
    said = built.run("sync")
    assert said.code == 1
    assert "nothing was written" in said.err
    assert {p: p.read_bytes() for p in built.state.rglob("*.json")} == before


def test_a_closed_pipe_is_no_failure(house: Callable[..., Any]) -> None:
    built = house(HOME)
    where = ["--home", str(built.home), "--project", str(built.project)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "mcpconf", "list", *where],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode in (0, 120)
    assert "Traceback" not in done.stderr


# --- plan and sync ------------------------------------------------------------------------------


def test_plan_check_is_one_until_it_is_synced(house: Callable[..., Any]) -> None:
    built = house(HOME)
    assert built.run("plan", "--check").code == 1
    assert built.run("sync").code == 0
    assert built.run("plan", "--check").code == 0
    built.put("home/.claude.json", {"mcpServers": {}})
    assert built.run("plan", "--check").code == 1


def test_plan_writes_nothing(house: Callable[..., Any]) -> None:
    built = house(HOME)
    before = sorted(built.root.rglob("*"))
    built.run("plan")
    built.run("list")
    built.run("explain", "docs")
    assert sorted(built.root.rglob("*")) == before


def test_a_second_sync_writes_nothing(house: Callable[..., Any]) -> None:
    built = house(HOME)
    assert "create" in built.run("sync").out
    before = {p: p.lstat().st_mtime_ns for p in built.home.rglob("*")}
    said = built.run("sync")
    assert said.out == ""
    assert "everything was up to date" in said.err
    assert {p: p.lstat().st_mtime_ns for p in built.home.rglob("*")} == before


def test_an_edited_file_stops_a_sync_until_it_is_forced(house: Callable[..., Any]) -> None:
    built = house(HOME)
    built.run("sync")
    edited = built.container / "mcp.json"
    edited.write_text('{"mine": 1}\n')
    said = built.run("sync")
    assert said.code == 1
    assert "error[MC040]" in said.err
    assert edited.read_text() == '{"mine": 1}\n'
    assert "MC040" in codes(built)
    assert built.run("sync", "--force").code == 0
    assert set(built.mcp_json()) == {"docs"}
    assert built.run("plan", "--check").code == 0


def test_files_have_the_modes_of_their_readers(house: Callable[..., Any]) -> None:
    built = house(HOME | {POLICY: '[servers.docs]\nroute = "gateway"\n'})
    built.run("sync")
    assert (built.container / "mcp.json").stat().st_mode & 0o777 == 0o644
    assert (built.state / "routes.json").stat().st_mode & 0o777 == 0o600
    assert built.state.stat().st_mode & 0o777 == 0o700


def test_a_container_directory_is_found_or_given(house: Callable[..., Any]) -> None:
    built = house(HOME)
    (built.project / ".devcontainer").mkdir()
    built.run("sync")
    assert (built.project / ".devcontainer/mcpconf/mcp.json").exists()
    (built.project / ".ddev").mkdir()
    built.run("sync")
    assert (built.project / ".ddev/mcpconf/container/mcp.json").exists()
    built.run("sync", "--out", str(built.root / "elsewhere"))
    assert (built.root / "elsewhere/mcp.json").exists()


# --- allow and trust ----------------------------------------------------------------------------


def hosts(built: Any) -> dict[str, list[int]]:
    rows = json.loads((built.container / "egress.json").read_text())["rows"]
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["host"], []).append(row["port"])
    return found


def test_allow_opens_a_host_and_its_undo_closes_it(house: Callable[..., Any]) -> None:
    built = house(HOME)
    built.run("sync")
    assert "api.example.com" not in hosts(built)
    assert built.run("allow", "api.example.com", "--why", "the API").code == 0
    assert built.run("allow", "api.example.com", "--port", "8443").code == 0
    assert built.run("plan", "--check").code == 1
    built.run("sync")
    assert hosts(built)["api.example.com"] == [443, 8443]
    assert "open" in built.run("explain", "api.example.com").out
    assert built.run("allow", "api.example.com", "--undo").code == 0
    built.run("sync")
    assert "api.example.com" not in hosts(built)


def test_allow_holds_for_this_project_only_or_everywhere(house: Callable[..., Any]) -> None:
    built = house(HOME)
    elsewhere = built.root / "elsewhere"
    elsewhere.mkdir()

    def is_open(host: str) -> bool:
        said = built.run("plan", "--format", "json", "--project", str(elsewhere))
        return host in {row["host"] for row in said.json["egress"]}

    built.run("allow", "here.example.com")
    built.run("allow", "everywhere.example.com", "--everywhere")
    assert not is_open("here.example.com")
    assert is_open("everywhere.example.com")


def test_edits_keep_what_the_user_wrote(house: Callable[..., Any]) -> None:
    mine = "# mine\nhttp = 'plain'   # because\n\n[servers.docs]\nroute = 'auto'\n"
    built = house(HOME | {POLICY: mine})
    built.run("allow", "api.example.com")
    built.run("trust", "github")
    text = (built.root / POLICY).read_text()
    assert text.startswith(mine)
    table = tomllib.loads(text)
    assert [row["host"] for row in table["allow"]] == ["api.example.com"]
    assert [row["name"] for row in table["trust"]] == ["github"]
    built.run("allow", "api.example.com", "--undo")
    built.run("trust", "github", "--undo")
    assert (built.root / POLICY).read_text() == mine


def test_an_edit_twice_is_one(house: Callable[..., Any]) -> None:
    built = house(HOME)
    for _ in range(2):
        assert built.run("allow", "api.example.com").code == 0
        assert built.run("trust", "github").code == 0
    table = tomllib.loads((built.root / POLICY).read_text())
    assert (len(table["allow"]), len(table["trust"])) == (1, 1)


def test_trust_gives_a_command_of_the_host_a_route(house: Callable[..., Any]) -> None:
    built = house(HOME)
    built.run("sync")
    assert "github" not in built.mcp_json()
    assert "MC060" in codes(built)
    said = built.run("trust", "github")
    assert said.code == 0
    assert "docker run -i --rm mcp/github" in said.err
    built.run("sync")
    assert built.mcp_json()["github"]["command"] == "mcpconf-bridge"
    routes = json.loads((built.state / "routes.json").read_text())["routes"]
    assert [(r["name"], r["kind"], r["url"]) for r in routes] == [("github", "stdio", None)]
    assert codes(built) == []
    assert built.run("trust", "github", "--undo").code == 0
    built.run("sync")
    assert "github" not in built.mcp_json()


def test_trust_lapses_when_the_entry_is_edited(house: Callable[..., Any]) -> None:
    built = house(HOME)
    built.run("trust", "github")
    edited = {"mcpServers": {"github": {**DOCKER, "args": ["run", "--privileged", "evil"]}}}
    built.put("home/.claude.json", edited)
    assert codes(built) == ["MC065"]
    built.run("sync")
    assert built.mcp_json() == {}
    assert built.run("trust", "github").code == 0
    assert codes(built) == []
    assert len(tomllib.loads((built.root / POLICY).read_text())["trust"]) == 1


def test_trust_holds_for_one_project(house: Callable[..., Any]) -> None:
    built = house(HOME)
    built.run("trust", "github")
    elsewhere = built.root / "elsewhere"
    elsewhere.mkdir()
    said = built.run("plan", "--format", "json", "--project", str(elsewhere))
    assert "MC060" in said.codes


@pytest.mark.parametrize("state", ["pending", "rejected"])
def test_only_a_server_in_force_can_be_trusted(house: Callable[..., Any], state: str) -> None:
    built = house({"project/.mcp.json": {"mcpServers": {"github": DOCKER}}})
    if state == "rejected":
        built.put("home/.claude/settings.json", {"disabledMcpjsonServers": ["github"]})
    assert built.run("trust", "github").code == 2


# --- what is printed ----------------------------------------------------------------------------


def test_stdout_is_data_and_stderr_is_talk(house: Callable[..., Any]) -> None:
    built = house(HOME)
    for words in (["list"], ["plan"], ["sync"], ["explain", "docs"]):
        said = built.run(words[0], "--format", "json", *words[1:])
        assert said.json["version"] == 1
        assert said.out.isascii()
        assert said.err == ""
    assert built.run("list").out.splitlines()[0].split() == ["name", "scope", "state", "kind", "written", "in"]  # fmt: skip
    assert "MC060" in built.run("plan").err


def test_text_and_json_hold_the_same_findings(house: Callable[..., Any]) -> None:
    built = house(HOME | {"project/.mcp.json": '{"mcpServers": {"x": {}, "y": {"comand": "z"}}}'})
    for command in ("list", "plan"):
        said = built.run(command, "--format", "json")
        text = built.run(command).err
        assert len(said.codes) == text.count("[MC")
        for finding in said.json["findings"]:
            assert f"{finding['severity']}[{finding['code']}]: " in text


def test_every_code_and_reason_is_explained_without_a_configuration(
    program: Callable[..., Any],
) -> None:
    for question in (*RULES, *REASONS, "mc002"):
        said = program("explain", question, "--project", "/nowhere/at/all")
        assert said.code == 0
        assert len(said.out) > 40
    assert program("explain", "MC999", "--home", "/nowhere").code == 1


def test_a_name_with_escape_sequences_moves_no_cursor(house: Callable[..., Any]) -> None:
    name = "\x1b[2J\x1b]0;owned\x07\r\n\u202e"
    built = house({"home/.claude.json": {"mcpServers": {name: DOCS, "broken\x1b": {}}}})
    for words in (
        ["list"],
        ["plan"],
        ["sync"],
        ["explain", name],
        ["trust", name],
        ["trust", "x\x1b"],
    ):
        said = built.run(*words)
        for character in "\x1b\x07\r\u202e":
            assert character not in said.out + said.err, words


def on_a_terminal(*words: str, **environ: str) -> bytes:
    """What the program writes when stdout and stderr are a terminal."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mcpconf", *words],
        stdin=child,
        stdout=child,
        stderr=child,
        env={"PATH": os.defpath, "HOME": "/nowhere", "TERM": "xterm", "COLUMNS": "200", **environ},
    ) as process:
        os.close(child)
        content = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            content += piece
        process.wait()
    os.close(parent)
    return content


def test_colour_is_for_terminals_and_no_color_is_obeyed(house: Callable[..., Any]) -> None:
    evil = {"type": "http", "url": "https://x.example.com/mcp"}
    built = house({"home/.claude.json": {"mcpServers": {"\x1b[31mred": evil, "broken": {}}}})
    where = ["list", "--home", str(built.home), "--project", str(built.project)]
    coloured = on_a_terminal(*where)
    assert b"\x1b[1;31merror[MC002]\x1b[0m" in coloured
    assert b"\x1b[31mred" not in coloured
    assert b"\x1b" not in on_a_terminal(*where, NO_COLOR="1", TERM="dumb")
    plain = on_a_terminal(*where, NO_COLOR="1")
    assert b"error[MC002]" in plain
    assert b"\x1b[1;31m" not in plain
    assert "\x1b" not in built.run("list").err


def test_the_example_is_not_shown_where_there_are_servers(house: Any) -> None:
    built = house({"home/.claude.json": {"mcpServers": {"s": {"command": "npx", "args": ["x"]}}}})
    said = built.run("plan", "--or-example")
    assert said.err.startswith("servers: 1 active")
    assert "MC005" not in said.err, "the file is read twice and nothing in it is given twice"


def test_the_example_is_shown_where_there_is_none(house: Any) -> None:
    said = house().run("plan", "--or-example")
    assert said.code == 0
    assert "bundled example" in said.err
    assert [line.split()[0] for line in said.out.splitlines()[1:5]] == [
        "exa", "context7", "atlassian", "ray",
    ]  # fmt: skip


def test_a_withdrawn_secret_is_gone_after_the_next_sync(house: Any) -> None:
    entry = {"command": "npx", "args": ["x"], "env": {"API_KEY": "zqj-planted"}}
    built = house({"home/.claude.json": {"mcpServers": {"s": entry}}})
    built.put("home/.config/mcpconf/mcpconf.toml", '[servers.s]\nsecrets = "container"\n')
    built.run("sync")
    built.put("home/.config/mcpconf/mcpconf.toml", "")
    built.run("sync")
    built.run("sync")
    texts = [p.read_text() for p in built.container.rglob("*") if p.is_file()]
    assert texts
    assert not any("zqj-planted" in text for text in texts)


def test_allow_takes_a_port_behind_the_host(house: Any) -> None:
    built = house()
    assert built.run("allow", "api.example.com:8443").code == 0
    assert "api.example.com:8443" in built.run("explain", "api.example.com:8443").out


def test_trust_says_why_a_server_is_not_in_force(house: Any) -> None:
    built = house({"project/.mcp.json": {"mcpServers": {"s": {"command": "x"}}}})
    assert "`s` is pending" in built.run("trust", "s").err


def test_explain_points_to_whether_it_works_and_looks_where_that_is_asked(
    house: Callable[..., Any],
) -> None:
    built = house({"home/.claude.json": {"mcpServers": {"gone": {"type": "http", "url": "x:"}}}})
    assert "mcpconf explain gone --live" in built.run("explain", "gone").err
    said = built.run("explain", "gone", "--fix")
    assert "`gone` does not work" in said.out


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = f'cd {gone} && rmdir {gone} && exec "$0" -m mcpconf list'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable],
        capture_output=True, text=True, check=False, timeout=60,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "the working directory is gone" in done.stderr
