"""What is written, approved and planned, as verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.diagnosis.conclude import Seen, conclude
from mcpconf.diagnosis.judge.config import judge_config, known, steps, unset_variable
from mcpconf.diagnosis.model import Rung
from tests.diagnosis.given import codes, compiled

HTTP = {"type": "http", "url": "https://mcp.example.com/mcp"}
DOCKER = {"command": "docker", "args": ["run", "x"]}
USER = "home/.claude.json"
PROJECT = "project/.mcp.json"
SETTINGS = "home/.claude/settings.json"
APPROVES = {"enabledMcpjsonServers": ["a"]}

TABLE: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "in force": ({USER: {"mcpServers": {"a": HTTP}}}, [], []),
    "not approved": ({PROJECT: {"mcpServers": {"a": HTTP}}}, ["MC031"], []),
    "an approval that does not count": (
        {PROJECT: {"mcpServers": {"a": HTTP}}, "project/.claude/settings.json": APPROVES},
        ["MC031"],
        ["MC039"],
    ),
    "a settings file that is dropped": (
        {PROJECT: {"mcpServers": {"a": HTTP}}, SETTINGS: '{"enabledMcpjsonServers": ["a"],'},
        ["MC031"],
        ["MC035"],
    ),
    "rejected": (
        {PROJECT: {"mcpServers": {"a": HTTP}}, SETTINGS: {"disabledMcpjsonServers": ["a"]}},
        ["MC032"],
        [],
    ),
    "disabled": (
        {
            USER: {
                "mcpServers": {"a": HTTP},
                "projects": {"<PROJECT>": {"disabledMcpServers": ["a"]}},
            }
        },
        ["MC033"],
        [],
    ),
    "denied": (
        {
            USER: {"mcpServers": {"a": HTTP}},
            SETTINGS: {"deniedMcpServers": [{"serverName": "a"}]},
        },
        ["MC034"],
        [],
    ),
    "skipped": ({USER: {"mcpServers": {"a": {"comand": "x"}}}}, ["MC002"], []),
    "a reserved name": ({USER: {"mcpServers": {"workspace": HTTP}}}, ["MC003"], []),
    "not trusted": ({USER: {"mcpServers": {"a": DOCKER}}}, ["MC060"], []),
    "a URL that is none": (
        {USER: {"mcpServers": {"a": {"type": "http", "url": "https:///x"}}}},
        ["MC061"],
        [],
    ),
    "switched off": (
        {
            USER: {"mcpServers": {"a": HTTP}},
            "home/.config/mcpconf/mcpconf.toml": '[servers.a]\nroute = "off"\n',
        },
        ["MC067"],
        [],
    ),
    "a file that is no JSON": ({PROJECT: '{"mcpServers": {"a": {'}, ["MC001"], []),
    "its own file is broken": ({USER: '{"mcpServers": {"a": '}, ["MC010"], []),
    "hidden by managed servers": (
        {USER: {"mcpServers": {"a": HTTP}}, "managed/managed-mcp.json": {"mcpServers": {}}},
        ["MC036"],
        [],
    ),
    "its tools hide behind another's": (
        {USER: {"mcpServers": {"x a": HTTP, "x_a": {**HTTP, "url": "https://b.example.com/"}}}},
        ["MC008"],
        [],
    ),
}


@pytest.mark.parametrize("title", TABLE)
def test_what_is_written(title: str, house: Callable[..., Any]) -> None:
    files, causes, mentions = TABLE[title]
    built = house()
    for name, content in files.items():
        built.put(name, content)
    name = {"a reserved name": "workspace", "its tools hide behind another's": "x_a"}.get(
        title, "a"
    )
    judged = judge_config(name, compiled(built))
    assert (codes(judged.causes), codes(judged.mentions)) == (causes, mentions)
    rungs = {v.rung for v in judged.causes}
    assert rungs <= {Rung.CONFIG, Rung.CLIENT}
    assert all(v.finding.help or v.finding.code == "MC036" for v in judged.causes)


def test_a_server_that_is_left_out_is_nowhere(house: Callable[..., Any]) -> None:
    found = compiled(house({USER: {"mcpServers": {"a": DOCKER}}}))
    diagnosis = conclude(Seen("a", found, CLIENTS[NEWEST]))
    assert (diagnosis.way, diagnosis.tools, diagnosis.works) == ("nowhere", None, False)
    assert [s.ok for s in diagnosis.steps] == [True, False]
    remedy = diagnosis.verdicts[0].remedy
    assert remedy is not None
    assert (remedy.command, remedy.safe) == ("mcpconf trust a", False)


def test_what_is_shown_differs_by_client(house: Callable[..., Any]) -> None:
    files = TABLE["disabled"][0]
    built = house()
    for name, content in files.items():
        built.put(name, content)
    shown = {}
    for client in CLIENTS:
        judged = judge_config("a", compiled(built, client=client))
        shown[client] = [v.shows.listed for v in judged.causes if v.shows]
    assert shown["2.1.328"] == ["⊘ Disabled"]
    assert shown["2.1.197"] == []  # its `mcp list` connects, and so do we


def test_every_server_once(house: Callable[..., Any]) -> None:
    found = compiled(
        house(
            {USER: {"mcpServers": {"a b": HTTP}}, PROJECT: {"mcpServers": {"a b": HTTP, "c": HTTP}}}
        )
    )
    assert known((), found) == ("a b", "c")
    (by_id,) = known([found.survey.resolved[0].server.id], found)
    assert by_id == "a b"
    assert known(["gone"], found) == ("gone",)
    assert [s.ok for s in steps("gone", found, judge_config("gone", found))] == [False]


def test_a_variable_that_is_not_set(house: Callable[..., Any]) -> None:
    entry = {**HTTP, "headers": {"X-Key": "${KEY}"}}
    built = house({USER: {"mcpServers": {"a": entry, "b": HTTP}}})
    unset = unset_variable("a", compiled(built))
    assert unset is not None
    assert (unset.finding.code, unset.rung) == ("MC021", Rung.SECRET)
    assert unset_variable("a", compiled(built, {"KEY": "x"})) is None
    assert unset_variable("b", compiled(built)) is None
