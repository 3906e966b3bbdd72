"""The Feature's files: whole, the same for everybody, and scripts that a plain sh takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mcpconf
from mcpconf._resources import data
from mcpconf.devcontainer import feature
from mcpconf.devcontainer.edits import CHAIN, WAIT

_SOURCE = data("addon", "devcontainer", "src", "mcpconf")
_SCRIPTS = ("install.sh", "entrypoint.sh", "mcpconf-container")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("feature") / "mcpconf"
    feature.write(made)
    return made


def test_it_is_whole(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {
        ".gitattributes", "devcontainer-feature.json", *_SCRIPTS, "mcpconf-bridge", "mcpconf-fw",
        "NOTES.md",
    }  # fmt: skip
    for name in (*_SCRIPTS, "mcpconf-bridge", "mcpconf-fw"):
        assert os.access(folder / name, os.X_OK)
        assert b"\r" not in (folder / name).read_bytes()


def test_its_programs_are_text_and_start(folder: Path) -> None:
    for name in ("mcpconf-bridge", "mcpconf-fw"):
        text = (folder / name).read_text()
        assert "\0" not in text
        said = subprocess.run([folder / name, "--help"], capture_output=True, text=True, check=True)
        assert "usage: " + name in said.stdout


def test_what_a_project_has_committed_is_taken_where_nothing_is_mounted(tmp_path: Path) -> None:
    script = (_SOURCE / "mcpconf-container").read_text()
    functions = "".join(
        re.findall(r"^(?:adopt|take)\(\) \{.*?^\}\n", script, re.DOTALL | re.MULTILINE)
    )
    functions = functions.replace("/var/lib/mcpconf", str(tmp_path / "lib"))
    inside, project = tmp_path / "etc", tmp_path / "project/.devcontainer"
    for folder in (inside, project / "mcpconf", project / "mcpconf-committed"):
        folder.mkdir(parents=True)
    (project / "mcpconf/mcp.json").write_text("mounted")
    for name in ("mcp.json", "egress.json"):
        (project / "mcpconf-committed" / name).write_text("committed")
    stubs = 'is_mounted() { return 1; }; as_caller() { "$@"; }; say() { echo "$1"; }'
    text = f"set -eu\nmcp={inside}\n{stubs}\n{functions}\nadopt\nadopt\n"
    said = subprocess.run(
        ["sh"], input=text, text=True, cwd=project.parent, capture_output=True, check=True
    )
    assert said.stdout.startswith("took the policy from the workspace")
    assert {p.name: p.read_text() for p in inside.iterdir()} == {
        "mcp.json": "mounted",
        "egress.json": "committed",
    }


@pytest.mark.parametrize(
    ("user", "name"),
    [("root", "root"), ("0", "root"), ("0:0", "root"), ("root:root", "root"),
     ("nobody-here", ""), ("4711:0", ""), ("a b", ""), ("-x", ""), ("", "")],
)  # fmt: skip
def test_a_user_may_be_a_number_and_have_a_group(user: str, name: str) -> None:
    """As an image's USER may."""
    script = (_SOURCE / "install.sh").read_text()
    functions = re.findall(
        r"^(?:fail|is_name|known)\(\) \{.*?^\}\n", script, re.DOTALL | re.MULTILINE
    )
    text = "set -eu\n" + "".join(functions) + 'found=$(known "$1")\necho "$found"\n'
    done = subprocess.run(
        ["sh", "-s", "--", user], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0 if name else 1, name)
    assert bool(done.stderr) is not bool(name)


def test_its_description_says_what_the_engine_needs() -> None:
    document = json.loads((_SOURCE / "devcontainer-feature.json").read_text())
    assert document["version"] == mcpconf.__version__
    assert document["id"] == _SOURCE.name
    assert document["capAdd"] == ["NET_ADMIN", "NET_RAW"]
    assert "installsAfter" not in document  # a build would ask a registry for it
    assert all({"type", "default", "description"} <= {*o} for o in document["options"].values())
    assert document[WAIT].startswith("/usr/local/sbin/mcpconf-container ")


def test_every_option_is_read() -> None:
    document = json.loads((_SOURCE / "devcontainer-feature.json").read_text())
    script = (_SOURCE / "install.sh").read_text()
    for name in document["options"]:
        assert f"${{{name.upper()}:-" in script


@pytest.mark.parametrize("name", _SCRIPTS)
@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_a_plain_shell_reads_the_scripts(name: str, shell: str) -> None:
    if not shutil.which(shell):
        shell = "sh"
    words = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
    subprocess.run([*words, _SOURCE / name], check=True)


def test_nothing_of_sudo_takes_a_word_of_the_callers() -> None:
    """No wildcard, and no `refresh` or `stop`: the agent cannot name a policy, nor open up."""
    script = (_SOURCE / "install.sh").read_text()
    words = script.partition("\nwords=\n")[2].partition("words=${words#, }")[0]
    assert "*" not in words
    assert not re.search(r"refresh|stop|--policy", words)
    assert " apply " in words
    assert CHAIN.endswith("sudo -n /usr/local/bin/mcpconf-fw apply")


def test_what_install_compiles_is_what_the_loader_runs(folder: Path, tmp_path: Path) -> None:
    """The code behind the text is that of the Python that runs it."""
    script = (folder / "install.sh").read_text()
    program = script.partition("<<'PYTHON'\n")[2].partition("PYTHON\n")[0]
    made = tmp_path / "mcpconf-fw"
    subprocess.run(
        [sys.executable, "-IS", "-", folder / "mcpconf-fw", made],
        input=program,
        text=True,
        check=True,
    )
    made.chmod(0o755)
    assert made.read_bytes().startswith((folder / "mcpconf-fw").read_bytes())
    assert made.stat().st_size > (folder / "mcpconf-fw").stat().st_size * 1.3
    assert (
        "usage: mcpconf-fw"
        in subprocess.run([made, "--help"], capture_output=True, text=True, check=True).stdout
    )
