"""``gateway login`` and ``logout``: which route is meant, and how the end is said."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from mcpconf.credentials.login import Outcome

SERVERS = {
    "jira cloud": {"type": "http", "url": "http://localhost:2411/mcp"},
    "ray": {"type": "http", "url": "http://localhost:2412/mcp"},
}


@pytest.fixture
def synced(house: Any) -> Any:
    built = house({"home/.claude.json": {"mcpServers": SERVERS}})
    assert built.run("sync").code == 0
    return built


def command(house: Any, program: Any, *words: str) -> Any:
    where = ("--home", str(house.home), "--project", str(house.project))
    return program("gateway", *words, *where)


@pytest.mark.parametrize("name", ["jira cloud", "jira-cloud"])
@pytest.mark.parametrize("verb", ["login", "logout"])
def test_the_route_of_the_project_is_meant(synced: Any, program: Any, name: str, verb: str) -> None:
    if name not in SERVERS:  # its id, whatever that is
        name = next(f for f in _ids(synced) if f.startswith("jira"))
    outcome = Outcome("done", "all is well", notes=("a note",))
    with mock.patch(f"mcpconf.credentials.login.{verb}", return_value=outcome) as called:
        said = command(synced, program, verb, name)
    assert said.code == 0
    assert said.err == "`jira cloud`: all is well\nnote: a note\n"
    told = called.call_args.args
    attempt = told[0]
    route, project, home = (
        (attempt.route, attempt.project, attempt.home) if verb == "login" else told
    )
    assert (route.name, project) == ("jira cloud", str(synced.project))
    assert home.state == synced.home / ".local/state/mcpconf"


def _ids(house: Any) -> list[str]:
    return [s["id"] for s in house.run("list", "--format", "json").json["servers"]]


def test_options_reach_the_login(synced: Any, program: Any) -> None:
    with mock.patch(
        "mcpconf.credentials.login.login", return_value=Outcome("not-needed", "x")
    ) as called:
        words = ("login", "ray", "--no-browser", "--scope", "a b", "--fresh")
        assert command(synced, program, *words).code == 0
    attempt = called.call_args.args[0]
    assert (attempt.options.scopes, attempt.options.fresh) == ("a b", True)
    assert attempt.person.browse("https://example.com") is False


@pytest.mark.parametrize("code", ["login-needed", "unreachable", "refused-login"])
def test_a_login_that_failed_says_why(synced: Any, program: Any, code: str) -> None:
    outcome = Outcome(code, "it says \x1b[2J no")
    with mock.patch("mcpconf.credentials.login.login", return_value=outcome):
        said = command(synced, program, "login", "ray")
    assert said.code == 1
    assert said.err.startswith(f"error[{code}]: `ray`: it says ")
    assert "\x1b" not in said.err


def test_nobody_is_logged_in_to_what_was_never_asked(synced: Any, program: Any) -> None:
    said = command(synced, program, "logout", "ray")
    assert (said.code, said.err) == (0, "`ray`: nobody is logged in\n")


def test_another_name_is_no_server(synced: Any, program: Any) -> None:
    said = command(synced, program, "login", "rat")
    assert (said.code, "did you mean `ray`?" in said.err) == (2, True)


def test_without_a_sync_there_is_no_route(house: Any, program: Any) -> None:
    built = house({"home/.claude.json": {"mcpServers": SERVERS}})
    said = command(built, program, "login", "ray")
    assert (said.code, "help: mcpconf sync" in said.err) == (2, True)
