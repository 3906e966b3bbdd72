"""The cases of the facts, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcpconf import jsonc
from mcpconf.devcontainer.edits import Wish, edit
from mcpconf.devcontainer.undo import undo
from mcpconf.jsonc import JsoncError

_CASES = sorted(p for p in Path(__file__).with_name("cases").iterdir() if p.is_dir())
_REFERENCE = "ghcr.io/example/mcpconf/mcpconf:0"


def _read(file: Path) -> str:
    return file.read_bytes().decode()


@pytest.mark.parametrize("case", _CASES, ids=lambda c: c.name)
def test_a_case_gives_what_is_expected(case: Path) -> None:
    before, report = _read(case / "before.json"), json.loads(_read(case / "report.json"))
    if report.get("refused"):
        with pytest.raises(JsoncError) as refused:
            edit(before, Wish(_REFERENCE, protect=False))
        assert refused.value.message == report["reason"]
        place = jsonc.place(before, refused.value.offset)
        assert place == (report["line"], report["column"])
        return
    done = edit(before, Wish(_REFERENCE, protect=False))
    assert done.text == _read(case / "expected.json")
    assert list(done.changes) == report["changes"]
    assert edit(done.text, Wish(_REFERENCE, protect=False)).changes == ()
    assert undo(done.text, done.steps).text == before


@pytest.mark.parametrize("case", _CASES, ids=lambda c: c.name)
def test_the_command_does_the_same(case, house, program) -> None:  # type: ignore[no-untyped-def]
    files = {
        f"project/.devcontainer/{'devcontainer.json' if f.name == 'before.json' else f.name}": f.read_bytes()
        for f in case.iterdir()
        if f.name not in ("expected.json", "report.json", "docker-compose.mcpconf.yml")
    }
    home = house(files)
    project = home.project
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    words = ["init", "devcontainer", "--project", str(project), "--feature", _REFERENCE]
    said = program(*words)
    report = json.loads(_read(case / "report.json"))
    if report.get("refused"):
        place = f"devcontainer.json:{report['line']}:{report['column']}: {report['reason']}"
        assert said.code == 4
        assert place in said.err
        assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before
        return
    assert said.code == 0, said.err
    folder = project / ".devcontainer"
    assert _read(folder / "devcontainer.json") == _read(case / "expected.json")
    compose = case / "docker-compose.mcpconf.yml"
    if compose.exists():
        ours = _read(folder / "docker-compose.mcpconf.yml").splitlines()[1:]
        assert (
            ours == _read(compose).splitlines()[1:]
        )  # the first line names the command to undo it
    assert not (folder / "mcpconf-feature").exists()
    assert program(*words).err.count("nothing to do") == 1
    assert home.run("remove").code == 0
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before
