"""``init devcontainer`` and ``remove``, as programs in a project of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mcpconf.devcontainer import files
from mcpconf.devcontainer.edits import GUARD, MOUNT
from tests.conftest import House, Said, run

_SIMPLE = '{\n  "image": "x" // ours\n}\n'
_CONFIG = "project/.devcontainer/devcontainer.json"


def _init(house: House, *words: str) -> Said:
    return run("init", "devcontainer", "--project", str(house.project), *words)


def _files(house: House) -> dict[str, bytes]:
    found = (p for p in house.project.rglob("*") if p.is_file() and not p.is_symlink())
    return {str(p.relative_to(house.project)): p.read_bytes() for p in found}


@pytest.fixture
def built(house: Callable[..., House]) -> Callable[..., House]:
    """A project with a devcontainer.json, and whatever else is named."""
    return lambda text=_SIMPLE, **more: house({_CONFIG: text, **more.get("files", {})})


def test_it_is_there_twice_and_gone_once(built: Callable[..., House]) -> None:
    house = built()
    before = _files(house)
    said = _init(house)
    assert said.code == 0, said.err
    assert "features: added" in said.out
    once = _files(house)
    assert MOUNT in once[".devcontainer/devcontainer.json"].decode()
    assert GUARD in once[".devcontainer/devcontainer.json"].decode()
    again = _init(house)
    assert (again.code, again.out) == (0, "")
    assert "nothing to do" in again.err
    assert _files(house) == once
    gone = house.run("remove")
    assert gone.code == 0, gone.err
    assert _files(house) == before
    assert sorted(p.name for p in (house.project / ".devcontainer").iterdir()) == [
        "devcontainer.json"
    ]


def test_a_project_without_one_gets_one_and_loses_it_again(house: Callable[..., House]) -> None:
    home = house({"project/README": "x"})
    assert "there was no devcontainer.json" in _init(home).err
    made = json.loads((home.project / ".devcontainer/devcontainer.json").read_text())
    assert made["name"] == "project"
    assert "./mcpconf-feature" in made["features"]
    assert home.run("remove").code == 0
    assert list(home.project.iterdir()) == [home.project / "README"]


def test_a_file_that_we_made_and_the_user_changed_stays_without_ours(
    house: Callable[..., House],
) -> None:
    home = house({"project/README": "x"})
    _init(home)
    config = home.project / ".devcontainer/devcontainer.json"
    config.write_text(config.read_text().replace('"remoteUser": "node"', '"remoteUser": "me"'))
    assert home.run("remove").code == 0
    left = json.loads(config.read_text())
    assert sorted(left) == ["features", "image", "name", "remoteUser"]
    assert "mcpconf" not in config.read_text()


def test_check_writes_nothing_and_says_so(built: Callable[..., House]) -> None:
    house = built()
    before = _files(house)
    said = _init(house, "--check")
    assert said.code == 1
    assert '+  "waitFor": "postStartCommand"' in said.out
    assert _files(house) == before
    _init(house)
    assert _init(house, "--check").code == 0
    assert house.run("remove", "--check").code == 1


def test_json_has_its_shape(built: Callable[..., House]) -> None:
    document = _init(built(), "--format", "json").json
    assert sorted(document) == [
        "changes",
        "config",
        "edits",
        "notes",
        "project",
        "version",
        "written",
    ]
    assert document["written"]
    assert {c["change"] for c in document["changes"]} == {"create", "update"}


@pytest.mark.parametrize("name", [".devcontainer.json", ".devcontainer/php/devcontainer.json"])
def test_other_places(house: Callable[..., House], name: str) -> None:
    home = house({f"project/{name}": _SIMPLE})
    assert _init(home).code == 0
    feature = next(
        iter(json.loads((home.project / name).read_text().replace("// ours", ""))["features"])
    )
    there = (home.project / name).parent / feature
    assert (there.resolve() / "install.sh").exists()
    assert home.run("remove").code == 0
    assert _files(home) == {name: _SIMPLE.encode()}


def test_several_ask_which(house: Callable[..., House]) -> None:
    names = [f".devcontainer/{n}/devcontainer.json" for n in ("one", "two")]
    home = house({f"project/{n}": _SIMPLE for n in names})
    said = _init(home)
    assert said.code == 2
    assert f"--config {names[0]}" in said.err
    chosen = str(home.project / names[1])
    assert _init(home, "--config", chosen).code == 0
    assert (home.project / names[0]).read_text() == _SIMPLE
    assert _init(home, "--config", str(home.project / names[0])).code == 0
    assert home.run("remove").code == 0
    assert _files(home) == {n: _SIMPLE.encode() for n in names}


def test_a_config_elsewhere_is_refused(built: Callable[..., House], tmp_path: Path) -> None:
    (tmp_path / "devcontainer.json").write_text("{}")
    assert _init(built(), "--config", str(tmp_path / "devcontainer.json")).code == 2


def test_below_the_repository_the_file_of_its_root_is_taken(built: Callable[..., House]) -> None:
    house = built(files={"project/.git/HEAD": "x", "project/deep/er/x": ""})
    said = run("init", "devcontainer", "--project", str(house.project / "deep/er"))
    assert said.code == 0
    assert "mcpconf" in (house.project / ".devcontainer/devcontainer.json").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1:1: expected a value"),
        ("[]", ":1:1: a devcontainer.json is an object, { … }"),
        ('{\r\n  "a": 1\r\n  "b": 2}', ":3:3: expected , or }"),
        ('{"a": 1, "a": 2}', ":1:10: duplicate key a"),
        ('{"features": []}', ":1:14: features is to be of type object"),
        ('{"mounts": {}}', ":1:12: mounts is to be of type array"),
        ('{"waitFor": "never"}', ":1:13: waitFor knows"),
        ('{"initializeCommand": 3}', ":1:23: initializeCommand is to be of type"),
        ("{" * 200, ":1:2: expected a name"),
        ('{"a": ' + "[" * 5000, "nested more than 100 deep"),
        ('{"dockerComposeFile": "a.yml"}', "names no service"),
        ('{"dockerComposeFile": "a.yml", "service": "x: {}"}', "names no service"),
        ('{"a": "\x00"}', ":1:7: this string has no end"),
        ("{ /* ", ":1:3: this comment has no end"),
        (b'{"a": "\xff"}', "is not UTF-8: byte 7"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8"),
        (b"{" + b" " * 300_000 + b"}", "has more than 256 KiB"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    built: Callable[..., House], text: str | bytes, said: str
) -> None:
    house = built(text)
    before = _files(house)
    answer = _init(house)
    assert answer.code in (2, 4)
    assert said in answer.err
    assert "help:" in answer.err
    assert _files(house) == before


def test_links_are_not_followed(house: Callable[..., House], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "devcontainer.json").write_text(_SIMPLE)
    for link, name in (
        (".devcontainer", "a directory"),
        (".devcontainer/devcontainer.json", "plain file"),
    ):
        home = house({}) if not (tmp_path / "project").exists() else House(tmp_path)
        path = home.project / link
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(outside if name == "a directory" else outside / "devcontainer.json")
        said = _init(home)
        assert said.code == 4
        assert name in said.err
        assert sorted(os.listdir(outside)) == ["devcontainer.json"]
        assert (outside / "devcontainer.json").read_text() == _SIMPLE
        path.unlink()


@pytest.mark.parametrize("name", ["mcpconf", "mcpconf-feature", "mcpconf/README.md"])
def test_a_link_in_our_place_is_not_followed(
    built: Callable[..., House], tmp_path: Path, name: str
) -> None:
    house = built()
    outside = tmp_path / "outside"
    outside.mkdir()
    path = house.project / ".devcontainer" / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    assert _init(house, "--force").code == 4
    assert list(outside.iterdir()) == []
    assert (house.project / ".devcontainer/devcontainer.json").read_text() == _SIMPLE


def test_a_file_of_the_user_in_our_place_stays(built: Callable[..., House]) -> None:
    house = built(files={"project/.devcontainer/mcpconf/README.md": "mine"})
    assert "not as mcpconf wrote it" in _init(house).err
    assert _init(house, "--force").code == 0


def test_a_changed_file_of_ours_is_kept_by_both(built: Callable[..., House]) -> None:
    house = built()
    _init(house)
    script = house.project / ".devcontainer/mcpconf-feature/install.sh"
    script.write_text("mine")
    assert "not as mcpconf wrote it" in _init(house).err
    said = house.run("remove")
    assert "changed by hand" in said.err
    assert script.read_text() == "mine"
    assert (house.project / ".devcontainer/devcontainer.json").read_text() == _SIMPLE


def test_a_read_only_file_is_left(built: Callable[..., House]) -> None:
    house = built()
    config = house.project / ".devcontainer/devcontainer.json"
    config.chmod(0o444)
    said = _init(house)
    assert said.code == 4
    assert "chmod u+w" in said.err
    assert _files(house) == {".devcontainer/devcontainer.json": _SIMPLE.encode()}


def test_the_mode_stays(built: Callable[..., House]) -> None:
    house = built()
    config = house.project / ".devcontainer/devcontainer.json"
    config.chmod(0o640)
    _init(house)
    assert config.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["a b", "ü 🙂", "q'\"$x", "-dash"])
def test_odd_names_of_projects(house: Callable[..., House], name: str) -> None:
    home = house({f"project/{name}/.devcontainer/devcontainer.json": _SIMPLE})
    where = ["--home", str(home.home), "--project", str(home.project / name)]
    assert run("init", "devcontainer", *where[2:]).code == 0
    assert run("remove", *where).code == 0
    assert (home.project / name / ".devcontainer/devcontainer.json").read_text() == _SIMPLE
    (home.project / name / ".devcontainer/devcontainer.json").unlink()
    assert run("init", "devcontainer", *where[2:]).code == 0
    text = (home.project / name / ".devcontainer/devcontainer.json").read_text()
    assert json.loads(text)["name"] == name


def test_compose_gets_its_file_beside(house: Callable[..., House]) -> None:
    config = '{"dockerComposeFile": ["../a.yml"], "service": "app", "workspaceFolder": "/w/${localWorkspaceFolderBasename}"}'
    home = house({_CONFIG: config})
    assert _init(home).code == 0
    text = (home.project / ".devcontainer/docker-compose.mcpconf.yml").read_text()
    assert 'source: "./.devcontainer/mcpconf"' in text
    assert 'target: "/w/project/.devcontainer"' in text
    assert "mounts" not in (home.project / ".devcontainer/devcontainer.json").read_text()
    assert home.run("remove").code == 0
    assert _files(home) == {".devcontainer/devcontainer.json": config.encode()}


@pytest.mark.parametrize("step", range(1, 14))
def test_killed_at_any_file_it_is_old_or_new_and_completes(
    built: Callable[..., House], step: int
) -> None:
    house = built()
    written: list[str] = []

    def write(root: Path, name: str, content: bytes, mode: int = 0o644) -> None:
        if len(written) == step:
            raise KeyboardInterrupt
        written.append(name)
        real(root, name, content, mode)

    real = files.write
    with mock.patch.object(files, "write", write):
        killed = _init(house)
    config = house.project / ".devcontainer/devcontainer.json"
    done = killed.code == 0
    assert ("mcpconf" in config.read_text()) == done
    assert _init(house).code == 0
    assert "mcpconf" in config.read_text()
    assert house.run("remove").code == 0
    assert _files(house) == {".devcontainer/devcontainer.json": _SIMPLE.encode()}


def test_a_temporary_of_a_killed_one_is_no_obstacle(built: Callable[..., House]) -> None:
    house = built(files={"project/.devcontainer/.devcontainer.json.mcpconf": "half"})
    assert _init(house).code == 0
    assert not (house.project / ".devcontainer/.devcontainer.json.mcpconf").exists()


def test_two_at_once_leave_one_result(built: Callable[..., House]) -> None:
    house = built()
    words = [
        sys.executable,
        "-m",
        "mcpconf",
        "init",
        "devcontainer",
        "--project",
        str(house.project),
    ]
    both = [
        subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    said = [p.communicate()[1].decode() for p in both]
    assert 0 in [p.returncode for p in both], said
    assert _init(house).code == 0
    assert house.run("remove").code == 0
    assert _files(house) == {".devcontainer/devcontainer.json": _SIMPLE.encode()}


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        {"version": 1},
        {"version": 1, "configs": {"../x": {"steps": [], "made": ""}}, "files": {}, "folders": []},
        {
            "version": 1,
            "configs": {},
            "files": {"../../victim": "0" * 64, "src/a": ""},
            "folders": ["..", "/", "src"],
        },
    ],
)
def test_a_hostile_record_reaches_nothing(house: Callable[..., House], record: Any) -> None:
    home = house(
        {
            _CONFIG: _SIMPLE,
            "project/.devcontainer/mcpconf/init.json": record,
            "project/src/.keep": "",
            "x": _SIMPLE,
        }
    )
    said = home.run("remove")
    assert said.code in (0, 4), said.err
    assert (home.root / "x").read_text() == _SIMPLE
    assert (home.project / "src/.keep").exists()
    assert (home.project / ".devcontainer/devcontainer.json").read_text() == _SIMPLE


def test_without_a_record_ours_goes_and_the_rest_is_said(built: Callable[..., House]) -> None:
    house = built()
    _init(house)
    (house.project / ".devcontainer/mcpconf/init.json").unlink()
    said = house.run("remove")
    assert said.code == 0
    assert "waitFor stays" in said.err
    text = (house.project / ".devcontainer/devcontainer.json").read_text()
    assert "mcpconf" not in text
