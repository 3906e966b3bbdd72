"""The commands of the add-on on a machine that has this or that."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import mcpconf
from tests.ddev.project import ADDON, FIXTURES, STUB

CASES = json.loads((FIXTURES / "host-command/cases.json").read_text())
BASH = shutil.which("bash") or "/bin/bash"
RENDERED = "#ddev-generated\n# service: claude\nservices:\n  claude:\n    build:\n      context: ./mcpconf/build\n"


class Machine:
    """A project with the add-on, and a PATH with stubs that say how they were called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "pro ject"
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        self.folder = self.project / ".ddev"
        (self.folder / "commands/host").mkdir(parents=True)
        for path in (ADDON / "commands/host").iterdir():
            shutil.copy(path, self.folder / "commands/host" / path.name)
        self.compose = self.folder / "docker-compose.mcpconf.yaml"
        self.compose.write_text(STUB)

    def stub(self, name: str, body: str = "") -> None:
        path = self.bin / name if "/" not in name else Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{BASH}\n{body}\necho "{path.name}" "$@" "in $PWD"\n')
        path.chmod(0o755)

    def run(
        self, command: str, *words: str, cwd: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BASH, str(self.folder / "commands/host" / command), *words],
            cwd=cwd or self.project,
            env={"PATH": str(self.bin), "DDEV_APPROOT": str(self.project), **environ},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def python(machine: Machine, version: str) -> None:
    """A python3 that answers the question for its version, or one that only looks like it."""
    major, _, minor = version.partition(".")
    if minor.isdigit():
        new = (int(major), int(minor)) >= (3, 11)
        machine.stub("python3", f'if [ "$1" = -c ]; then echo {new}; exit; fi')
    elif "9009" in version:
        machine.stub("python3", 'if [ "$1" = -c ]; then exit 0; fi')
    else:
        machine.stub("python3", "echo 'xcode-select: note: install the tools' >&2; exit 1")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_where_mcpconf_is_found(machine: Machine, case: dict) -> None:
    for name in case["path"]:
        machine.stub(name)
    if "python" in case:
        python(machine, case["python"])
    environ = dict(case["env"])
    if "MCPCONF_BIN" in environ:
        environ["MCPCONF_BIN"] = str(machine.root / environ["MCPCONF_BIN"].lstrip("/"))
        machine.stub(environ["MCPCONF_BIN"])
    archive = machine.folder / "mcpconf/mcpconf.pyz"
    if "zipapp" in case["name"] or "python" in case:
        archive.parent.mkdir()
        archive.write_text("#ddev-generated")
        released(machine, archive)
    done = machine.run("claude-mcp", *case.get("args", ["sync"]), **environ)
    assert done.returncode == case.get("exit", 0), done
    if "runs" in case:
        wanted = case["runs"].replace("${DDEV_APPROOT}", str(machine.project))
        wanted = wanted.replace("<pinned>", mcpconf.__version__)
        assert done.stdout == f"{wanted.rpartition('/opt/tools/')[2]} in {machine.project}\n"
    for text in case.get("stderr_contains", ()):
        assert text in done.stderr


def released(machine: Machine, archive: Path) -> None:
    """What a release does to the command, and the program that it asks for a hash."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    finder = machine.folder / "commands/host/claude-mcp"
    finder.write_text(finder.read_text().replace("PYZ_SHA256=  ", f"PYZ_SHA256={digest} "))
    machine.bin.joinpath("sha256sum").symlink_to(shutil.which("sha256sum") or "/usr/bin/sha256sum")


@pytest.mark.parametrize("hashed", [True, False])
def test_an_archive_that_is_not_the_releases_is_not_run(machine: Machine, *, hashed: bool) -> None:
    python(machine, "3.12")
    archive = machine.folder / "mcpconf/mcpconf.pyz"
    archive.parent.mkdir()
    archive.write_text("#ddev-generated")
    if hashed:
        released(machine, archive)
        archive.write_text("#ddev-generated, and more")
    done = machine.run("claude-mcp", "sync", MCPCONF_OFFLINE="1")
    assert done.returncode == 127
    assert not done.stdout


def test_arguments_arrive_as_they_were(machine: Machine) -> None:
    machine.stub("mcpconf", 'for word in "$@"; do printf "<%s>" "$word"; done; exit 3')
    done = machine.run("claude-mcp", "allow", "a b", "$HOME", "*", "", "--why='x'")
    assert done.stdout == "<allow><a b><$HOME><*><><--why='x'>"
    assert done.returncode == 3


def test_it_finds_its_project_without_ddevs_variables(machine: Machine) -> None:
    machine.stub("mcpconf")
    done = subprocess.run(
        [BASH, ".ddev/commands/host/claude-mcp", "list"],
        cwd=machine.project, env={"PATH": str(machine.bin)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"mcpconf list in {machine.project}\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), "gateway status"),
        (("start",), "gateway start"),
        (("login", "jira"), "gateway login jira"),
    ],
)
def test_the_proxys_command(machine: Machine, words: tuple[str, ...], wanted: str) -> None:
    machine.stub("mcpconf")
    machine.bin.joinpath("bash").symlink_to(BASH)
    done = machine.run("claude-mcp-proxy", *words)
    assert done.stdout == f"mcpconf {wanted} in {machine.project}\n"
    (machine.folder / "commands/host/claude-mcp").unlink()
    done = machine.run("claude-mcp-proxy", *words)
    assert done.returncode == 1
    assert "install the add-on again" in done.stderr


# --- hooks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 4, 130])
def test_a_hook_always_ends_well(machine: Machine, code: int) -> None:
    machine.stub("mcpconf", f'echo "$MCPCONF_HOOK $*"; exit {code}')
    for hook, wanted in (
        ("pre-start", "sync --start-gateway"),
        ("post-install", "sync"),
        ("remove", "remove"),
    ):
        done = machine.run("claude-mcp", "hook", hook)
        assert done.returncode == 0
        assert done.stdout == f"{hook} {wanted}\n"
    assert machine.run("claude-mcp", "hook").returncode == 0
    assert machine.run("claude-mcp", "hook", "other").returncode == 0


def test_a_hook_never_reaches_for_the_network(machine: Machine) -> None:
    machine.stub("uvx")
    machine.stub("pipx")
    done = machine.run("claude-mcp", "hook", "pre-start")
    assert (done.returncode, done.stdout) == (0, "")
    assert "mcpconf was not found" in done.stderr


@pytest.mark.parametrize(
    ("code", "said"), [(0, "holds"), (1, "does not hold"), (4, "does not hold")]
)
def test_after_the_start_one_line(machine: Machine, code: int, said: str) -> None:
    machine.stub(
        "mcpconf", f'[ "$*" = "firewall verify" ] || exit 9; printf "a\\nb\\nc\\n"; exit {code}'
    )
    assert not machine.run("claude-mcp", "hook", "post-start").stderr, (
        "there is no container of ours"
    )
    machine.compose.write_text(RENDERED)
    done = machine.run("claude-mcp", "hook", "post-start")
    assert done.returncode == 0
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    assert said in line


def test_a_team_mate_without_mcpconf_has_a_project_that_starts(machine: Machine) -> None:
    machine.compose.write_text(RENDERED)
    done = machine.run("claude-mcp", "hook", "pre-start")
    assert done.returncode == 0
    assert "switched off" in done.stderr
    assert machine.compose.read_text() == STUB
    assert "switched off" not in machine.run("claude-mcp", "hook", "pre-start").stderr


@pytest.mark.parametrize("code", [1, 4, 127])
def test_a_sync_that_fails_in_a_fresh_clone_lets_the_project_start(
    machine: Machine, code: int
) -> None:
    machine.compose.write_text(RENDERED)
    machine.stub("mcpconf", f"exit {code}")
    done = machine.run("claude-mcp", "hook", "pre-start")
    assert done.returncode == 0
    assert "switched off" in done.stderr
    assert machine.compose.read_text() == STUB


def test_a_program_that_is_not_there_lets_the_project_start(machine: Machine) -> None:
    machine.compose.write_text(RENDERED)
    done = machine.run("claude-mcp", "hook", "pre-start", MCPCONF_BIN="/nowhere/mcpconf")
    assert done.returncode == 0
    assert machine.compose.read_text() == STUB


def test_after_the_start_nothing_is_said_where_nothing_is(machine: Machine) -> None:
    machine.stub("mcpconf")
    machine.compose.unlink()
    done = machine.run("claude-mcp", "hook", "post-start")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("why", ["mine", "built", "link", "elsewhere"])
def test_and_nothing_else_is_touched(machine: Machine, why: str) -> None:
    text = RENDERED
    if why == "mine":
        text = RENDERED.replace("#ddev-generated", "# mine")
    machine.compose.write_text(text)
    if why == "built":
        (machine.folder / "mcpconf/build").mkdir(parents=True)
        (machine.folder / "mcpconf/build/Dockerfile").write_text("FROM scratch\n")
    if why == "link":
        machine.compose.rename(machine.root / "elsewhere")
        machine.compose.symlink_to(machine.root / "elsewhere")
    if why == "elsewhere":
        machine.compose.write_text(text := "#ddev-generated\nservices: {}\n")
    assert machine.run("claude-mcp", "hook", "pre-start").returncode == 0
    assert machine.compose.read_text() == text


# --- ddev claude -------------------------------------------------------------------------------


def test_claude_runs_in_its_service_where_you_are(machine: Machine) -> None:
    machine.compose.write_text(RENDERED)
    machine.stub("ddev", 'for word in "$@"; do printf "<%s>" "$word"; done; exit 5')
    inside = machine.project / "sub dir"
    inside.mkdir()
    done = machine.run("mcpconf-claude", "-p", "two words", cwd=inside)
    assert done.returncode == 5
    assert done.stdout == f"<exec><-s><claude><-d><{inside}><--raw><--><claude><-p><two words>"
    done = machine.run(
        "mcpconf-claude", cwd=machine.root, DDEV_EXECUTABLE=str(machine.bin / "ddev")
    )
    assert f"<-d><{machine.project}>" in done.stdout


@pytest.mark.parametrize(
    ("service", "place", "directory"),
    [
        ("web", "", "/var/www/html/sub"),
        ("web", "/var/www/html", "/var/www/html/sub"),
        ("claude-code", "/work space", "/work space/sub"),
        ("claude-code", "${DDEV_APPROOT}", "{project}/sub"),
        ("claude-code", "", None),
    ],
)
def test_claude_elsewhere_gets_the_servers_and_a_word_of_warning(
    machine: Machine, service: str, place: str, directory: str | None
) -> None:
    """In the directory where you are, if that service has it."""
    line = f"# project: {place}\n" if place else ""
    machine.compose.write_text(f"#ddev-generated\n# service: {service}\n{line}services: {{}}\n")
    machine.stub("ddev", 'for word in "$@"; do printf "<%s>" "$word"; done; exit')
    inside = machine.project / "sub"
    inside.mkdir()
    done = machine.run("mcpconf-claude", cwd=inside)
    there = f"<-d><{directory}>" if directory else ""
    assert f"<-s><{service}>{there}<--raw>" in done.stdout.replace(
        str(machine.project), "{project}"
    )
    assert done.stdout.endswith(
        "<claude><--strict-mcp-config><--mcp-config></etc/mcpconf/mcp.json>"
    )
    assert "not mcpconf's" in done.stderr


def test_claude_before_a_sync(machine: Machine) -> None:
    for text in (STUB, None):
        machine.compose.unlink() if text is None else machine.compose.write_text(text)
        done = machine.run("mcpconf-claude")
        assert done.returncode == 1
        assert "ddev claude:mcp sync" in done.stderr


def test_no_key_of_the_user_goes_along(machine: Machine) -> None:
    machine.compose.write_text(RENDERED)
    machine.stub("ddev", 'printf "%s|" "$@"; echo')
    done = machine.run("mcpconf-claude", ANTHROPIC_API_KEY="s3cr3t")
    assert "s3cr3t" not in done.stdout
    assert os.path.basename(BASH) == "bash"
