"""The add-on as DDEV's own update checker, its installer and old shells see it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

import mcpconf
from mcpconf._resources import data
from mcpconf.ddev import addon, release
from mcpconf.ddev.look import COMMANDS
from tests.conftest import run
from tests.ddev.project import ADDON, CONFIG, FIXTURES, files
from tests.ddev.update_checker import faults

INSTALL = yaml.safe_load((ADDON / "install.yaml").read_text())
SHELL = [*sorted((ADDON / "commands/host").iterdir())]
IMAGE = [
    p
    for p in sorted(data("templates", "ddev", "build").iterdir())
    if p.read_text().startswith("#!/bin/sh")
]


def test_the_update_checker_would_pass() -> None:
    assert list(faults(ADDON)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("README.md", "last commit", "x"),
        ("install.yaml", "v1.25.2", "v1.24.10"),
        ("install.yaml", "ddev_version", " ddev_version"),
        ("commands/host/claude-mcp", "#!/usr/bin/env bash", "#!/bin/bash"),
        ("tests/test.bats", "# bats test_tags=release", "#"),
        (".github/workflows/tests.yml", "@v2", "@v1"),
    ],
)
def test_the_checker_checks(tmp_path: Path, name: str, old: str, new: str) -> None:
    for path in ADDON.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(ADDON)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    edited = tmp_path / name
    edited.write_text(edited.read_text().replace(old, new))
    assert list(faults(tmp_path))


def test_every_file_can_exist_everywhere_and_is_signed() -> None:
    for path in ADDON.rglob("*"):
        assert ":" not in path.name, path
        if path.is_file():
            assert b"\r" not in path.read_bytes(), path
    for name in INSTALL["project_files"]:
        assert (ADDON / name).is_file(), "single files: a folder is shared with other add-ons"
        assert "#ddev-generated" in (ADDON / name).read_text(), name
        assert "#ddev-silent-no-warn" in (ADDON / name).read_text(), name
    shipped = {p.relative_to(ADDON).as_posix() for p in ADDON.rglob("*") if p.is_file()}
    kept = {n for n in shipped if not n.startswith((".github/", "tests/"))}
    assert kept - {"install.yaml", "README.md", "LICENSE", ".gitattributes"} == set(
        INSTALL["project_files"]
    )
    assert set(COMMANDS) < set(INSTALL["project_files"])
    assert INSTALL["name"] == "mcpconf"


def annotations(path: Path) -> dict[str, str]:
    """What DDEV reads of a command: every line that starts with ``## `` and has a colon."""
    found = [
        line[3:].partition(":")
        for line in path.read_text().splitlines()
        if line.startswith("## ") and ":" in line
    ]
    return {key.strip(): value.strip() for key, _, value in found}


def test_the_commands_have_the_documented_names() -> None:
    names = {path.name: annotations(path) for path in SHELL}
    assert {a["Usage"].split()[0] for a in names.values()} == {
        "claude:mcp",
        "claude:mcp-proxy",
        "claude",
    }
    assert names["claude-mcp"]["Aliases"] == "claude-mcp"
    assert names["claude-mcp-proxy"]["Aliases"] == "claude-mcp-proxy"
    for found in names.values():
        assert set(found) <= {"Usage", "Aliases", "Description", "Example", "AutocompleteTerms"}
        json.loads(found.get("AutocompleteTerms", "[]"))
    docs = (ADDON / "README.md").read_text()
    assert all(f"ddev {a['Usage'].split()[0]}" in docs for a in names.values())


NEWER_BASH = {
    "associative arrays": r"(declare|local|typeset)\s+-[a-zA-Z]*[An]",
    "mapfile": r"\b(mapfile|readarray)\b",
    "case of letters": r"\$\{\w+(,,?|\^\^?)",
    "&>>": r"&>>",
    "|&": r"\|&",
    "wait -n": r"\bwait\s+-n",
    "negative substring": r"\$\{\w+: -?\d+: ?-",
    "printf %(": r"printf\s+['\"]?%\(",
    "unguarded array": r'(?<!\+)"\$\{(?!RUN)\w+\[@\]\}"',
}


@pytest.mark.parametrize("path", SHELL, ids=lambda p: p.name)
def test_the_host_commands_are_for_bash_3(path: Path) -> None:
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    code = "\n".join(
        line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    assert [name for name, pattern in NEWER_BASH.items() if re.search(pattern, code)] == []


@pytest.mark.parametrize("path", IMAGE, ids=lambda p: p.name)
def test_the_images_scripts_are_for_sh(path: Path) -> None:
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
    assert not re.search(r"\[\[|\bfunction\b|\bsource\b|<\(", path.read_text())


def test_the_version_to_fetch_is_ours() -> None:
    assert f"VERSION={mcpconf.__version__} " in (ADDON / "commands/host/claude-mcp").read_text()


def test_the_stubs_are_what_a_sync_makes_of_them() -> None:
    text = data("templates", "ddev", "config.mcpconf.yaml.j2").read_text()
    assert (ADDON / "config.mcpconf.yaml").read_text() == text
    assert "{" not in text, "it has no variable, so it is its own rendering"


def test_the_hooks() -> None:
    hooks = yaml.safe_load((ADDON / "config.mcpconf.yaml").read_text())["hooks"]
    before = json.loads((FIXTURES / "A-plain-web/expected-hooks.json").read_text())
    assert set(hooks) == {"pre-start", "post-start"} == set(before) - {"order_rule"}
    for tasks in hooks.values():
        for task in tasks:
            assert set(task) == {"exec-host"}
            assert task["exec-host"].endswith("|| true"), "a hook never makes a start fail"


# --- the actions, as DDEV runs them ------------------------------------------------------------


def act(
    name: str, project: Path, path: str = "/usr/bin:/bin", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run all actions of a kind: ``bash -c`` with its strict mode, where DDEV runs them."""
    folder = project if name == "pre_install_actions" else project / ".ddev"
    said = None
    for action in INSTALL[name]:
        assert "{{" not in action, "actions are templates of Go"
        said = subprocess.run(
            ["bash", "-c", "set -eu -o pipefail\n" + action],
            cwd=folder,
            env={"PATH": path, "DDEV_APPROOT": str(project), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            break
    assert said is not None
    return said


def get(project: Path) -> None:
    """Copy the add-on's files and write its manifest, as ``ddev add-on get`` does."""
    for name in INSTALL["project_files"]:
        target = project / ".ddev" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or "#ddev-generated" in target.read_text():
            target.write_bytes((ADDON / name).read_bytes())
    manifest = project / ".ddev/addon-metadata/mcpconf/manifest.yaml"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    listed = "".join(f"    - {n}\n" for n in INSTALL["project_files"])
    manifest.write_text(
        f"name: mcpconf\nrepository: x\nversion: y\nproject_files:\n{listed}global_files: []\n"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / 'a project\'s "place" ü'
    (root / ".ddev/commands/host").mkdir(parents=True)
    (root / ".ddev/config.yaml").write_text(CONFIG)
    return root


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (
            (FIXTURES / "D-refuse-network-mode/dot-ddev/docker-compose.sidecar.yaml").read_text(),
            True,
        ),
        ('services:\n  x:\n    "network_mode": host\n', True),
        ("services:\n  x:\n    # network_mode: host\n    image: y\n", False),
        ("services: {}\n", False),
    ],
)
def test_network_mode_stops_the_installation(project: Path, text: str, *, refused: bool) -> None:
    (project / ".ddev/docker-compose.side car.yaml").write_text(text)
    done = act("pre_install_actions", project)
    assert bool(done.returncode) == refused, done.stderr
    assert ("docker-compose.side car.yaml has network_mode" in done.stderr) == refused


def test_files_of_an_older_version_go_and_only_those(project: Path) -> None:
    get(project)
    folder = project / ".ddev"
    (folder / "web-build").mkdir()
    (folder / "web-build/Dockerfile.mcpconf").write_text("#ddev-generated\n")
    (folder / "kept.yaml").write_text("mine\n")
    (project / "outside").write_text("#ddev-generated\n")
    (folder / "notlisted").write_text("#ddev-generated\n")
    manifest = folder / "addon-metadata/mcpconf/manifest.yaml"
    listed = "    - web-build/Dockerfile.mcpconf\n    - kept.yaml\n    - ../outside\n    - gone.yaml\n    - $(touch hacked)\n"
    text = manifest.read_text().replace(
        "global_files: []", f"{listed}global_files:\n    - notlisted"
    )
    manifest.write_text(text)
    before = files(project)
    done = act("pre_install_actions", project)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "removed .ddev/web-build/Dockerfile.mcpconf\n"
    after = files(project)
    assert before.keys() - after.keys() == {".ddev/web-build/Dockerfile.mcpconf"}


def test_the_action_knows_every_file_that_is_listed() -> None:
    for name in INSTALL["project_files"]:
        assert re.search(
            rf"(?m)^\s+.*\b{re.escape(name)}\b.*\) continue ;;$", INSTALL["pre_install_actions"][1]
        ), name


def test_installing_syncs_if_it_can(project: Path, tmp_path: Path) -> None:
    get(project)
    done = act("post_install_actions", project)
    assert done.returncode == 0
    assert "mcpconf was not found" in done.stderr
    program = tmp_path / "bin/mcpconf"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$PWD: $*"\n')
    program.chmod(0o755)
    done = act("post_install_actions", project, f"{program.parent}:/usr/bin:/bin")
    assert done.stdout == f"{project}: sync\n"
    assert "ddev restart" in done.stderr


def test_removal_takes_our_folder_if_it_is_ours(project: Path) -> None:
    get(project)
    ours = project / ".ddev/mcpconf"
    (ours / "container").mkdir(parents=True)
    (ours / "container/mcp.json").write_text("{}")
    assert act("removal_actions", project).returncode == 0
    assert ours.exists(), "not signed"
    (ours / ".gitignore").write_text("#ddev-generated\n*\n")
    assert act("removal_actions", project).returncode == 0
    assert not ours.exists()


def test_removal_tells_mcpconf(project: Path, tmp_path: Path) -> None:
    get(project)
    program = tmp_path / "mcpconf"
    program.write_text('#!/bin/sh\necho "$PWD: $*"\nexit 4\n')
    program.chmod(0o755)
    done = act("removal_actions", project, MCPCONF_BIN=str(program))
    assert done.returncode == 0
    assert done.stdout == f"{project}: remove\n"


# --- init and remove, without ddev -------------------------------------------------------------


@pytest.fixture
def ddev(house):
    return house(
        {
            "home/.claude.json": {
                "mcpServers": {"r": {"type": "http", "url": "http://localhost:1/"}}
            },
            "project/.ddev/config.yaml": CONFIG,
            "project/.ddev/mine": "x",
        }
    )


def test_init_sync_remove_leaves_the_project_as_it_was(ddev) -> None:
    before = files(ddev.project)
    state = ddev.home / ".local/state/mcpconf/projects"
    said = run_init(ddev)
    assert said.code == 0, said
    assert ddev.run("sync").code == 0
    assert ddev.run("remove", "--check").code == 1
    said = ddev.run("remove")
    assert said.code == 0, said
    assert files(ddev.project) == before
    assert not list(state.iterdir())
    assert ddev.run("remove", "--check").code == 0


def run_init(house, *words: str):
    return run("init", "ddev", "--home", str(house.home), "--project", str(house.project), *words)


def test_init_twice_changes_nothing(ddev) -> None:
    assert run_init(ddev, "--check").code == 1
    assert run_init(ddev).code == 0
    assert ddev.run("sync").code == 0
    before = files(ddev.project)
    said = run_init(ddev)
    assert "nothing to do" in said.err
    assert files(ddev.project) == before
    assert run_init(ddev, "--check").code == 0


def test_init_puts_a_vanished_command_back(ddev) -> None:
    run_init(ddev)
    path = ddev.project / ".ddev/commands/host/claude-mcp"
    path.unlink()
    assert "MC124" in ddev.run("sync").err
    assert run_init(ddev).code == 0
    assert path.exists()
    assert "MC124" not in ddev.run("sync").err


def test_init_needs_a_project_of_ddevs(house) -> None:
    built = house({})
    said = run_init(built)
    assert said.code == 4
    assert "ddev config" in said.err
    assert not files(built.project)


def test_below_a_project_init_says_which_it_is(ddev) -> None:
    below = ddev.project / "deep er"
    below.mkdir()
    said = run("init", "ddev", "--project", str(below))
    assert said.code == 4
    assert f"cd {ddev.project}" in said.err


def test_no_folder_that_is_a_link(ddev) -> None:
    elsewhere = ddev.project.parent / "elsewhere"
    (ddev.project / ".ddev").rename(elsewhere)
    (ddev.project / ".ddev").symlink_to("../elsewhere")
    before = files(elsewhere)
    said = run("init", "ddev", "--project", str(ddev.project))
    assert said.code == 4
    assert "is a link" in said.err
    assert files(elsewhere) == before


def test_what_a_kill_left_goes_as_well_and_nothing_else(ddev) -> None:
    before = files(ddev.project)
    run_init(ddev)
    ddev.run("sync")
    folder = ddev.project / ".ddev"
    halves = (
        ".config.mcpconf.yaml.123",
        "commands/host/.claude-mcp.99",
        "mcpconf/..gitignore.7",
        "mcpconf/build/.Dockerfile.8",
    )
    for name in halves:
        (folder / name).write_text("#ddev-generated\nhalf")
    mine = [folder / ".mine.99", folder / ".config.mcpconf.yaml.9"]
    for path in mine:
        path.write_text("of the user")
    assert ddev.run("remove").code == 0
    for path in mine:
        path.unlink()
    assert files(ddev.project) == before


def test_init_keeps_what_the_user_wrote(ddev) -> None:
    path = ddev.put("project/.ddev/commands/host/claude-mcp", "mine\n")
    said = run_init(ddev)
    assert said.code == 1
    assert "MC041" in said.err
    assert path.read_text() == "mine\n"
    assert run_init(ddev, "--check").code == 1
    assert ddev.run("remove").code == 1, "it is left, and said"
    assert path.read_text() == "mine\n"


def test_a_project_that_was_moved_is_told_so(ddev) -> None:
    run_init(ddev)
    assert ddev.run("sync").code == 0
    elsewhere = ddev.project.rename(ddev.root / "elsewhere")
    where = ("--home", str(ddev.home), "--project", str(elsewhere))
    said = run("sync", *where)
    assert said.code == 1
    assert "is nothing that mcpconf remembers to have written" in said.err
    assert "moved or copied" in said.err
    assert "so it stays" in run("remove", *where).err
    assert run("sync", *where, "--force").code == 0
    assert run("remove", *where).code == 0
    assert not (elsewhere / ".ddev/mcpconf").exists()


def test_init_refuses_network_mode(ddev) -> None:
    ddev.put("project/.ddev/docker-compose.x.yaml", "services: {x: {network_mode: host}}\n")
    before = files(ddev.project)
    said = run_init(ddev)
    assert said.code == 1
    assert "MC122" in said.err
    assert files(ddev.project) == before


def test_remove_beside_an_add_on_of_ddevs_leaves_a_project_that_starts(ddev) -> None:
    get(ddev.project)
    before = files(ddev.project)
    assert ddev.run("sync").code == 0
    assert (
        "context: ./mcpconf/build"
        in (ddev.project / ".ddev/docker-compose.mcpconf.yaml").read_text()
    )
    said = ddev.run("remove")
    assert "ddev add-on remove mcpconf" in said.err
    assert {n: w for n, (w, _) in files(ddev.project).items()} == {
        n: w for n, (w, _) in before.items()
    }
    assert run_init(ddev).code == 0, "nothing to do: DDEV has it"


def test_what_is_edited_by_hand_but_signed_goes(ddev) -> None:
    before = files(ddev.project)
    run_init(ddev)
    ddev.run("sync")
    path = ddev.project / ".ddev/docker-compose.mcpconf.yaml"
    path.write_text(path.read_text() + "# more\n")
    assert ddev.run("remove").code == 0
    assert files(ddev.project) == before


def test_an_interrupted_init_is_taken_up(ddev) -> None:
    before = files(ddev.project)
    run_init(ddev)
    for name in ("commands/host/claude-mcp", "docker-compose.mcpconf.yaml"):
        (ddev.project / ".ddev" / name).unlink()
    assert run_init(ddev).code == 0
    assert ddev.run("remove").code == 0
    assert files(ddev.project) == before


# --- the release --------------------------------------------------------------------------------


def test_the_release_is_one_folder_and_always_the_same(tmp_path: Path) -> None:
    made = release.release(ADDON)
    assert made == release.release(ADDON)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        names = tar.getnames()
        assert {n.split("/")[0] for n in names} == {"ddev-mcpconf"}
        tar.extractall(tmp_path, filter="data")
    assert {
        f"ddev-mcpconf/{n}"
        for n in (*INSTALL["project_files"], "install.yaml", "README.md", "LICENSE")
    } == set(names)
    assert (tmp_path / "ddev-mcpconf/commands/host/claude-mcp").stat().st_mode & 0o111


def test_a_release_with_an_archive_knows_its_hash(tmp_path: Path) -> None:
    archive = tmp_path / "mcpconf.pyz"
    archive.write_bytes(b"#!/usr/bin/env python3\nPK\x03\x04rest")
    with tarfile.open(fileobj=io.BytesIO(release.release(ADDON, archive))) as tar:
        tar.extractall(tmp_path, filter="data")
    shipped = (tmp_path / "ddev-mcpconf/mcpconf/mcpconf.pyz").read_bytes()
    assert shipped == b"#!/usr/bin/env python3\n#ddev-generated\nPK\x03\x04rest"
    finder = (tmp_path / "ddev-mcpconf/commands/host/claude-mcp").read_text()
    assert f"PYZ_SHA256={hashlib.sha256(shipped).hexdigest()} #" in finder
    listed = yaml.safe_load((tmp_path / "ddev-mcpconf/install.yaml").read_text())["project_files"]
    assert "mcpconf/mcpconf.pyz" in listed


def test_listed_is_what_the_installer_lists() -> None:
    assert addon.listed() == INSTALL["project_files"]
