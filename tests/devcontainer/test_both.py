"""A project that has both: DDEV's container and a dev container."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from unittest import mock

import pytest

from mcpconf.service import process
from tests.conftest import House, Said, run

RAY = {"mcpServers": {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}}
MORE = {"mcpServers": {**RAY["mcpServers"], "a": {"command": "npx", "args": ["-y", "a"]}}}
FILES = {
    "home/.claude.json": RAY,
    "project/.ddev/config.yaml": "name: bakery\ntype: php\n",
    "project/.devcontainer/devcontainer.json": '{\r\n\t"image": "x" // here\r\n}\r\n',
}


@pytest.fixture
def both(house: Callable[..., House]) -> House:
    return house(FILES)


def init(house: House, what: str) -> Said:
    home = ("--home", str(house.home)) if what == "ddev" else ()
    said = run("init", what, *home, "--project", str(house.project))
    assert said.code == 0, said.err
    return said


def hook(house: House) -> str:
    with mock.patch.object(process, "start"):
        where = ("--home", str(house.home), "--project", str(house.project))
        return run("hook", "initialize", *where).err


def servers(house: House, folder: str) -> list[str]:
    return sorted(json.loads((house.project / folder / "mcp.json").read_text())["mcpServers"])


OF_DDEV, OF_DEVCONTAINER = ".ddev/mcpconf/container", ".devcontainer/mcpconf"


def test_a_sync_is_for_the_one_into_which_mcpconf_was_put(both: House) -> None:
    assert "`mcpconf init ddev` puts it in" in both.run("sync").err
    assert "this project has .ddev as well" in init(both, "devcontainer").err
    assert "container: devcontainer," in both.run("sync").err
    assert servers(both, OF_DEVCONTAINER) == ["ray"]


def test_both_get_their_own_and_neither_takes_the_other_for_edited(both: House) -> None:
    init(both, "devcontainer")
    assert "mcpconf is in .devcontainer as well" in init(both, "ddev").err
    said = both.run("sync")
    assert "container: ddev," in said.err
    assert "the dev container of this project gets its own list when it starts" in said.err
    assert hook(both) == "mcpconf: 1 server; the gateway runs\n"
    for _ in range(2):
        both.put("home/.claude.json", MORE)
        assert both.run("sync").code == 0
        assert hook(both) == "mcpconf: 2 servers; the gateway runs\n"
        assert servers(both, OF_DDEV) == servers(both, OF_DEVCONTAINER) == ["a", "ray"]
        both.put("home/.claude.json", RAY)
        assert hook(both) == "mcpconf: 1 server; the gateway runs\n"
        assert both.run("sync").code == 0
    bridges = [(both.project / f / "bridge.json").read_text() for f in (OF_DDEV, OF_DEVCONTAINER)]
    assert len({json.loads(text)["token"] for text in bridges}) == len(bridges)


def test_ddev_that_comes_later_has_a_state_of_its_own(house: Callable[..., House]) -> None:
    built = house({name: text for name, text in FILES.items() if ".ddev" not in name})
    init(built, "devcontainer")
    assert built.run("sync").code == 0
    built.put("project/.ddev/config.yaml", "name: bakery\ntype: php\n")
    assert built.run("sync").code == 0
    init(built, "ddev")
    built.put("home/.claude.json", MORE)
    assert built.run("sync").code == 0
    assert hook(built) == "mcpconf: 2 servers; the gateway runs\n"


@pytest.mark.parametrize("order", [("ddev", "devcontainer"), ("devcontainer", "ddev")])
def test_remove_takes_both_back(both: House, order: tuple[str, str]) -> None:
    before = contents(both)
    for what in order:
        init(both, what)
    both.run("sync")
    hook(both)
    assert both.run("remove", "--check").code == 1
    assert both.run("remove").code == 0
    assert contents(both) == before
    assert both.run("remove", "--check").code == 0
    assert "nothing of mcpconf's" in both.run("remove").err


def test_ddev_takes_only_its_own_back(both: House) -> None:
    init(both, "devcontainer")
    there = contents(both)
    init(both, "ddev")
    both.run("sync")
    both.run("remove", env={"MCPCONF_HOOK": "remove"})
    assert contents(both) == there


def contents(house: House) -> dict[str, bytes | None]:
    return {
        os.path.relpath(path, house.project): path.read_bytes() if path.is_file() else None
        for path in house.project.rglob("*")
    }
