"""``hook initialize``: what the host does before each start; it never fails."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mcpconf.cli import init_commands
from mcpconf.devcontainer.hook import TooLate, bounded
from mcpconf.service import process
from tests import clock
from tests.conftest import House, Said, run

_CONFIG = "project/.devcontainer/devcontainer.json"
_STDIO = {"mcpServers": {"a": {"command": "npx", "args": ["-y", "a"]}}}
_SECRET = {
    "mcpServers": {
        "b": {
            "type": "http",
            "url": "https://b.example.com/mcp",
            "headers": {"X-Api-Key": "s3cr3t-s3cr3t"},
        }
    }
}


def _hook(house: House, **env: str) -> Said:
    where = ["--home", str(house.home), "--project", str(house.project)]
    return run("hook", "initialize", *where, env=env)


@pytest.fixture
def project(house: Callable[..., House]) -> Callable[..., House]:
    """A project after init, with servers of the user."""

    def made(servers: Any = _STDIO) -> House:
        home = house({_CONFIG: '{"image": "x"}', "home/.claude.json": servers})
        assert run("init", "devcontainer", "--project", str(home.project)).code == 0
        return home

    return made


def _container(house: House) -> Path:
    return house.project / ".devcontainer/mcpconf"


def test_it_compiles_and_says_one_line(project: Callable[..., House]) -> None:
    house = project()
    said = _hook(house)
    assert (said.code, said.out, said.err) == (0, "", "mcpconf: 1 server\n")
    assert json.loads((_container(house) / "mcp.json").read_text())["mcpServers"]
    assert (_container(house) / "expected").exists()
    assert house.run("remove").code == 0
    assert sorted(os.listdir(house.project / ".devcontainer")) == ["devcontainer.json"]


def test_it_starts_the_gateway_where_it_is_needed(project: Callable[..., House]) -> None:
    house = project(_SECRET)
    with mock.patch.object(process, "start") as start:
        said = _hook(house)
    assert said.err == "mcpconf: 1 server; the gateway runs\n"
    assert start.call_count == 1


def test_a_gateway_that_does_not_start_is_said(project: Callable[..., House]) -> None:
    house = project(_SECRET)
    broken = process.NotStarted("port in use", house.root / "log", ())
    with mock.patch.object(process, "start", side_effect=broken):
        said = _hook(house)
    assert said.code == 0
    assert "mcpconf: 1 server; the gateway did not start: port in use" in said.err


def test_a_slow_gateway_does_not_hold_up_the_start(project: Callable[..., House]) -> None:
    house = project(_SECRET)

    def slow(*_: object) -> None:
        time.sleep(30)

    began = clock.now()
    with mock.patch.object(process, "start", side_effect=slow):
        said = _hook(house)
    assert clock.now() - began < 12
    assert said.err == "mcpconf: 1 server; the gateway is still starting\n"


def test_a_compile_without_end_is_left(project: Callable[..., House]) -> None:
    house = project()
    with (
        mock.patch(
            "mcpconf.cli.compile_commands.compiled_project",
            side_effect=lambda *_, **__: time.sleep(30),
        ),
        mock.patch.object(init_commands, "_BOUND", 0.5),
    ):
        said = _hook(house)
    assert said.code == 0
    assert "took more than 0.5 seconds" in said.err


@pytest.mark.parametrize(
    "failure", [ValueError("x"), OSError(28, "No space left on device"), RecursionError()]
)
def test_whatever_happens_the_container_may_start(
    project: Callable[..., House], failure: Exception
) -> None:
    house = project()
    with mock.patch("mcpconf.cli.compile_commands.compiled_project", side_effect=failure):
        said = _hook(house)
    assert said.code == 0
    assert said.err.startswith(f"mcpconf: stopped with {type(failure).__name__}")
    assert said.err.count("\n") == 1
    assert (_container(house) / "expected").exists()


def test_a_broken_configuration_is_one_line_and_the_container_is_to_stay_closed(
    project: Callable[..., House],
) -> None:
    house = project("{")
    said = _hook(house)
    assert said.code == 0
    assert said.err.count("\n") == 1
    assert "nothing was written" in said.err
    assert (_container(house) / "expected").exists()
    assert not (_container(house) / "egress.json").exists()


def test_elsewhere_it_does_nothing(house: Callable[..., House]) -> None:
    home = house({"project/x": ""})
    said = _hook(home)
    assert said.code == 0
    assert "init devcontainer" in said.err
    assert [p.name for p in home.project.iterdir()] == ["x"]


def test_a_directory_that_does_not_exist_is_no_failure(program: Callable[..., Said]) -> None:
    assert program("hook", "initialize", "--project", "/nowhere").code == 0


def test_a_bound_gives_back_the_alarm_of_others() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TooLate), bounded(0.05):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) is before
