"""Odd and hostile projects: what init refuses, says, and takes back whatever came between."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from mcpconf import jsonc
from mcpconf.devcontainer import files, record
from mcpconf.devcontainer.changes import Plan, carry_out, clear_folders
from mcpconf.devcontainer.edits import HOOK, Wish, edit
from mcpconf.devcontainer.find import find
from mcpconf.devcontainer.init import Asked, plan_init, plan_remove
from mcpconf.errors import Failure, Usage
from mcpconf.jsonc import JsoncError

_TEXT = '{\n  "image": "x" // ours\n}\n'
_USUAL = ".devcontainer/devcontainer.json"
_WISH = Wish("./mcpconf-feature")


def _project(root: Path, text: str = _TEXT, name: str = _USUAL) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode())
    return root


def _snap(root: Path) -> dict[str, bytes | None]:
    found = sorted(root.rglob("*"))
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in found}


def _init(root: Path, name: str = _USUAL) -> Plan:
    plan = plan_init(find(root, root / name), Asked())
    carry_out(plan)
    return plan


def _remove(root: Path) -> Plan | None:
    plan = plan_remove(root)
    if plan:
        carry_out(plan)
        clear_folders(plan)
    return plan


@pytest.mark.parametrize("done", range(0, 11, 2))
@pytest.mark.parametrize("again", [False, True])
def test_a_killed_init_is_taken_back_whole(tmp_path: Path, done: int, *, again: bool) -> None:
    """Also from its half of a file."""
    before = _snap(_project(tmp_path))
    plan = plan_init(find(tmp_path), Asked())
    carry_out(plan._replace(changes=plan.changes[:done]))
    following = plan.changes[done].name
    (tmp_path / following).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / files.half(following)).write_bytes(b"half")
    if again:
        _init(tmp_path)
    assert _remove(tmp_path)
    assert _snap(tmp_path) == before
    assert _remove(tmp_path) is None


@pytest.mark.parametrize("done", [0, 1, 4, -1])
def test_a_killed_remove_is_taken_up_again(tmp_path: Path, done: int) -> None:
    before = _snap(_project(tmp_path))
    _init(tmp_path)
    plan = plan_remove(tmp_path)
    assert plan
    carry_out(plan._replace(changes=plan.changes[: done if done >= 0 else None]))
    assert _remove(tmp_path)
    assert _snap(tmp_path) == before


@pytest.mark.parametrize("broken", [None, "{", "<<<<<<< ours\n"])
@pytest.mark.parametrize("again", [False, True])
def test_a_record_that_was_lost_leaves_no_reference_to_what_is_gone(
    tmp_path: Path, broken: str | None, *, again: bool
) -> None:
    _project(tmp_path)
    _init(tmp_path)
    kept = tmp_path / record.NAME
    text = kept.read_text()
    kept.unlink()
    if broken is not None:
        kept.write_text(broken + text)
    if again:
        _init(tmp_path)
    plan = _remove(tmp_path)
    assert plan
    assert [*_snap(tmp_path)] == [".devcontainer", _USUAL]
    left = (tmp_path / _USUAL).read_text()
    assert "mcpconf" not in left
    assert jsonc.parse(left).plain["features"] == {}
    assert [note.partition(" ")[0] for note in plan.notes] == ["runArgs", "waitFor"]  # not certain


def test_a_copy_of_an_edited_config_loses_ours_as_well(tmp_path: Path) -> None:
    _project(tmp_path)
    _init(tmp_path)
    edited = (tmp_path / _USUAL).read_text().replace("./mcpconf", "../mcpconf")
    _project(tmp_path, edited, ".devcontainer/two/devcontainer.json")
    _project(tmp_path, '{"name": "mcpconf, too"', ".devcontainer/three/devcontainer.json")
    assert _remove(tmp_path)
    assert (tmp_path / _USUAL).read_text() == _TEXT
    assert "mcpconf" not in (tmp_path / ".devcontainer/two/devcontainer.json").read_text()


def test_two_dev_containers_are_taken_back_together(tmp_path: Path) -> None:
    second = ".devcontainer/a b/devcontainer.json"
    before = _snap(_project(_project(tmp_path), '{"image": "y"}', second))
    with pytest.raises(Usage) as refused:
        find(_project(tmp_path, "{}", ".devcontainer/a b/devcontainer.json"))
    assert refused.value.help
    _project(tmp_path, '{"image": "y"}', second)
    _init(tmp_path)
    _init(tmp_path, second)
    assert not plan_init(find(tmp_path, tmp_path / _USUAL), Asked()).changed
    assert _remove(tmp_path)
    assert _snap(tmp_path) == before


def test_what_init_refuses_does_not_keep_remove_from_its_work(tmp_path: Path) -> None:
    _project(tmp_path)
    (tmp_path / "real.json").write_text(_TEXT)
    (tmp_path / _USUAL).unlink()
    (tmp_path / _USUAL).symlink_to("../real.json")
    with pytest.raises(Failure):
        plan_init(find(tmp_path), Asked())
    assert plan_remove(tmp_path) is None
    (tmp_path / _USUAL).unlink()
    (tmp_path / _USUAL).mkdir()
    with pytest.raises(Failure, match="no plain file"):
        plan_init(find(tmp_path), Asked())
    assert plan_remove(tmp_path) is None


def test_line_ends_that_git_made_are_no_edit(tmp_path: Path) -> None:
    _project(tmp_path)
    _init(tmp_path)
    for name in ("mcpconf/README.md", "mcpconf/.gitignore", "devcontainer.json"):
        file = tmp_path / ".devcontainer" / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    _init(tmp_path)
    assert _remove(tmp_path)
    assert [*_snap(tmp_path)] == [".devcontainer", _USUAL]
    assert (tmp_path / _USUAL).read_bytes() == _TEXT.replace("\n", "\r\n").encode()


def test_what_is_mounted_can_be_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        _init(_project(tmp_path))
    finally:
        os.umask(before)
    assert (tmp_path / ".devcontainer/mcpconf").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / ".devcontainer/mcpconf-feature").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("reference", ["ghcr.io/a/other:0", 'x"\n', "mcpconf-extra"])
def test_a_reference_to_another_feature_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(Usage, match="no reference"):
        plan_init(find(_project(tmp_path)), Asked(reference))


@pytest.mark.parametrize("files_", ["[]", '""', '["a.yml", ""]', "[1]", "[[]]"])
def test_a_wrong_type_is_named_where_it_stands_in_the_users_file(files_: str) -> None:
    text = f'{{"features": {{"a": {{}}}},\n "service": "x", "dockerComposeFile": {files_}}}'
    with pytest.raises(JsoncError, match="one file or more") as refused:
        edit(text, _WISH)
    assert text[refused.value.offset :].startswith(files_)
    with pytest.raises(JsoncError, match="mounts") as refused:
        edit('{"features": {},\n"mounts": 1}', _WISH)
    assert jsonc.place('{"features": {},\n"mounts": 1}', refused.value.offset) == (2, 11)


@pytest.mark.parametrize(
    "command", [f'"{HOOK}"', '["mcpconf", "hook", "x", "mcpconf hook initialize"]', '{"a": "%s"}']
)
def test_a_hook_that_is_there_in_another_way_is_left_alone(command: str) -> None:
    text = f'{{"initializeCommand": {command.replace("%s", HOOK)}}}'
    done = edit(text, _WISH)
    assert not any(c.startswith("initializeCommand") for c in done.changes)


def test_a_key_of_ours_that_does_something_else_is_said() -> None:
    done = edit('{"initializeCommand": {"mcpconf": ""}}', _WISH)
    assert any("nothing is brought" in note for note in done.notes)


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ('"source=x,target=/etc/mcpconf,type=bind"', True),
        ('{"source": "x", "target": "/etc/mcpconf", "type": "bind"}', True),
        ('"type=bind,source=x,target=/etc/mcpconf,ro"', False),
    ],
)
def test_a_mount_that_the_agent_can_write_is_said(mount: str, *, said: bool) -> None:
    done = edit(f'{{"mounts": [{mount}]}}', _WISH)
    assert any("/etc/mcpconf can be changed" in note for note in done.notes) is said


@pytest.mark.parametrize("command", ["bash -c 'iptables -F'", "(iptables -F)", "true|iptables -F"])
def test_a_flush_in_quotes_is_seen(command: str) -> None:
    done = edit(f'{{"postStartCommand": "{command}"}}', _WISH)
    assert "postStartCommand: chained" in done.changes


def test_nothing_is_put_behind_a_line_end() -> None:
    """`&&` at the beginning of a line is no shell."""
    done = edit('{"postStartCommand": "iptables -F\\n"}', _WISH)
    assert any("postStartCommand flushes" in note for note in done.notes)


@pytest.mark.parametrize(
    ("first", "source"),
    [
        ("a.yml", "./mcpconf"),
        ("../a.yml", "./.devcontainer/mcpconf"),
        ("${localWorkspaceFolder}/a.yml", "./.devcontainer/mcpconf"),
        ("../../${localWorkspaceFolderBasename}/b/a.yml", "../.devcontainer/mcpconf"),
    ],
)
def test_compose_paths_begin_beside_the_first_file(tmp_path: Path, first: str, source: str) -> None:
    text = f'{{"dockerComposeFile": "{first}", "service": "app", "workspaceFolder": "/w"}}'
    _init(_project(tmp_path, text))
    made = (tmp_path / ".devcontainer/docker-compose.mcpconf.yml").read_text()
    assert f'source: "{source}"' in made


def test_a_compose_file_named_by_the_environment_is_refused(tmp_path: Path) -> None:
    _project(tmp_path, '{"dockerComposeFile": "${localEnv:X}/a.yml", "service": "app"}')
    with pytest.raises(Usage, match="by a variable"):
        plan_init(find(tmp_path), Asked())


@pytest.mark.parametrize(
    ("service", "key"), [("app", "app"), ("on", '"on"'), ("1", '"1"'), ("1.0", '"1.0"')]
)
def test_a_service_stays_a_word(tmp_path: Path, service: str, key: str) -> None:
    _init(_project(tmp_path, f'{{"dockerComposeFile": "a.yml", "service": "{service}"}}'))
    made = (tmp_path / ".devcontainer/docker-compose.mcpconf.yml").read_text()
    assert f"\n  {key}:\n" in made
    _project(tmp_path, '{"dockerComposeFile": "a.yml", "service": 1}')
    with pytest.raises(Usage):
        plan_init(find(tmp_path), Asked())


def test_a_project_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    for project in (tmp_path / "nowhere", Path("/etc/passwd")):
        with pytest.raises(Usage, match="not a directory"):
            find(project)


def test_another_reference_does_not_go_unsaid(tmp_path: Path) -> None:
    _init(_project(tmp_path))
    plan = plan_init(find(tmp_path), Asked("ghcr.io/a/mcpconf:0"))
    assert not plan.changed
    assert any("./mcpconf-feature` stays" in note for note in plan.notes)


@pytest.mark.parametrize(
    "name",
    [
        ".devcontainer",
        "",
        "/etc/passwd",
        "../x",
        ".devcontainer/mcpconf/../devcontainer.json",
        ".devcontainer/mcpconf/\ud800",
        ".devcontainer/mcpconf/\0",
        ".devcontainer/mine",
        _USUAL,
    ],
)
def test_a_record_from_anywhere_names_nothing_but_ours(tmp_path: Path, name: str) -> None:
    _project(tmp_path)
    _init(tmp_path)
    (tmp_path / ".devcontainer/mine").write_text("x")
    before = (tmp_path / _USUAL).read_bytes()
    kept = json.loads((tmp_path / record.NAME).read_text())
    kept["files"][name] = kept["configs"][name] = kept["configs"].pop(_USUAL)
    kept["files"][name] = hashlib.sha256(before if name == _USUAL else b"x").hexdigest()
    kept["folders"] = [name]
    (tmp_path / record.NAME).write_text(json.dumps(kept))
    plan = _remove(tmp_path)
    assert plan
    assert (tmp_path / ".devcontainer/mine").read_text() == "x"
    assert "mcpconf" not in (tmp_path / _USUAL).read_text()


@pytest.mark.parametrize("folder", ["b\udcff", "new\nline", "q'\"$x"])
def test_a_folder_may_be_called_anything(tmp_path: Path, folder: str) -> None:
    name = f".devcontainer/{folder}/devcontainer.json"
    before = _snap(_project(tmp_path, name=name))
    _init(tmp_path, name)
    assert _remove(tmp_path)
    assert _snap(tmp_path) == before


def test_two_that_do_the_same_at_once_both_have_done_it(tmp_path: Path) -> None:
    before = _snap(_project(tmp_path))
    first, second = (plan_init(find(tmp_path), Asked()) for _ in range(2))
    carry_out(first)
    carry_out(second)
    back = [plan_remove(tmp_path) for _ in range(2)]
    for plan in back:
        assert plan
        carry_out(plan)
        clear_folders(plan)
    assert _snap(tmp_path) == before
