"""The law that matters most: a secret reaches no file of the container, no terminal, no log."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mcpconf import report, view
from mcpconf.clients import CLIENTS
from mcpconf.explain import explain
from mcpconf.model import Server
from mcpconf.origin import Source
from mcpconf.readers.places import find_places
from mcpconf.readers.target import find_target
from mcpconf.report import plans
from mcpconf.survey import kinds

from .planted import House, houses, leaks
from .worlds import HOME, PROJECT, around, compiled, configuration

TARGET = find_target(PROJECT, PROJECT, find_places(Path(HOME)))


def _compiled(house: House, client: str) -> Any:
    policy = Source("mcpconf.toml", house.policy.replace("<PROJECT>", PROJECT))
    return compiled(house.files, environ=house.environ, client=client, policy=policy)


def said(speak: Callable[..., None], *what: Any) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        speak(*what)
    return out.getvalue()


def everything(whole: Any) -> Iterator[tuple[str, str]]:
    """Everything that is written, printed or logged without ``--reveal``."""
    yield from ((a.name, a.text) for a in whole.artifacts)
    found = kinds(whole.survey, around().facts)
    yield "list", said(report.survey, whole.survey, found)
    yield "list json", json.dumps(view.survey_json(whole.survey, found), ensure_ascii=False)
    yield "plan", said(plans.plan, whole, TARGET, ())
    yield "plan json", json.dumps(view.plan_json(whole, (), whole.findings), ensure_ascii=False)
    yield "findings", said(report.findings, whole.findings)
    for resolved in whole.survey.resolved:
        answer = explain(resolved.server.name, whole, found)
        yield "explain", said(plans.explanation, answer)
        yield "explain json", json.dumps(view.explanation_json(answer), ensure_ascii=False)
        if isinstance(resolved.server, Server):
            yield "trust", said(plans.trusted, resolved.server)
    for value in (whole, whole.survey, whole.survey.declared, whole.survey.configuration):
        yield f"repr of {type(value).__name__}", repr(value)
    yield "repr of findings", repr([repr(f) for f in whole.findings])


@given(houses(), st.sampled_from(list(CLIENTS)))
@settings(max_examples=200)
def test_a_secret_gets_nowhere(house, client):
    whole = _compiled(house, client)
    assert [(name, leak) for name, text in everything(whole) for leak in leaks(text)] == []


@given(houses())
@settings(max_examples=100)
def test_with_secrets_hidden_the_plan_is_still_complete(house):
    """What the law above protects is really there: every active server is planned."""
    whole = _compiled(house, "2.1.328")
    assert len(whole.plan.servers) == len(whole.survey.active())


# --- through the program, with a disk -----------------------------------------------------------

COMMANDS = (
    ("list",),
    ("list", "--format", "json"),
    ("plan",),
    ("plan", "--format", "json"),
    ("sync",),
    ("sync", "--format", "json"),
    ("plan", "--check"),
    ("explain", "one"),
    ("explain", "one", "--format", "json"),
    ("explain", "x/y"),
    ("explain", "a.example.com"),
    ("trust", "one"),
    ("list", "--client", "197"),
)


def files_of(house: House) -> dict[str, Any]:
    local = {"mcpServers": house.files.get("local", {})}
    given = {
        "home/.claude.json": {
            "mcpServers": house.files.get("user", {}),
            "projects": {"<PROJECT>": local},
        },
        "home/.claude/settings.json": house.files["settings"],
        "home/.config/mcpconf/mcpconf.toml": house.policy,
    }
    if "project" in house.files:
        given["project/.mcp.json"] = {"mcpServers": house.files["project"]}
    return given


@given(house=houses())
@settings(max_examples=12, phases=[Phase.generate])  # each example is a second of commands
def test_a_secret_gets_nowhere_through_the_program(builder, house):
    with tempfile.TemporaryDirectory() as folder:
        built = builder(Path(folder, "house"), files_of(house))
        theirs = set(built.root.rglob("*"))
        for words in COMMANDS:
            answer = built.run(*words, env=house.environ)
            assert answer.code in (0, 1, 2), answer
            assert leaks(answer.out + answer.err) == [], words
        policy = built.home / ".config/mcpconf/mcpconf.toml"
        written = [p for p in built.root.rglob("*") if p not in theirs or p == policy]
        assert any(p.name == "routes.json" for p in written)
        for path in written:
            assert leaks(str(path)) == []
            if path.is_file():
                assert leaks(path.read_text()) == [], path


EVERYWHERE = {
    "home/.claude.json": {
        "mcpServers": {
            "api": {
                "type": "http",
                "url": "https://a.example.com/mcp?key=zqjurl",
                "headers": {"Authorization": "Bearer zqjheader"},
            },
            "tool": {
                "command": "npx",
                "args": ["-y", "pkg"],
                "env": {"API_KEY": "zqjenv", "OTHER": "${ACME}"},
            },
        }
    },
}


def test_no_file_but_the_artifacts_is_opened_for_writing(house, opened_for_write):
    built = house(EVERYWHERE)
    opened_for_write.clear()
    for words in COMMANDS[:11]:
        built.run(*words, env={"ACME": "zqjvariable"})
    there = {p.name for p in built.root.rglob("*")}
    assert {Path(name).name for name in opened_for_write} <= there | {".token"}  # renamed to token
    assert {"mcp.json", "egress.json", "routes.json", "bridge.json"} <= {
        Path(n).name for n in opened_for_write
    }
    for path in filter(Path.is_file, built.home.rglob("mcpconf/**/*")):
        assert leaks(path.read_text()) == [], path


def test_reveal_shows_them_and_nothing_else_does(house):
    built = house(EVERYWHERE)
    environ = {"ACME": "zqjvariable"}
    assert leaks(built.run("list", "--format", "json", env=environ).out) == []
    shown = built.run("list", "--format", "json", "--reveal", env=environ).out
    for secret in ("zqjurl", "zqjheader", "zqjenv", "zqjvariable"):
        assert secret in shown


class Breaks(io.StringIO):
    """A stdout that fails, with what it was given in the message."""

    def write(self, text: str) -> int:
        raise RuntimeError(text)


def test_a_bug_report_holds_no_secret(house):
    answer = house(EVERYWHERE).run("list", "--format", "json", "--reveal", out=Breaks())
    assert answer.code == 3
    assert "RuntimeError" in answer.err
    assert leaks(answer.err) == []


LETS_IN = """\
secrets = "container"
[servers.api]
route = "direct"
"""


def test_what_the_policy_lets_in_is_still_not_printed(house):
    """The container's file holds it, because the user wants that; a terminal is something else."""
    built = house({**EVERYWHERE, "home/.config/mcpconf/mcpconf.toml": LETS_IN})
    environ = {"ACME": "zqjvariable"}
    for words in COMMANDS[:11]:
        for question in ("api", "tool"):
            asked = [question if w == "one" else w for w in words]
            answer = built.run(*asked, env=environ)
            assert leaks(answer.out + answer.err) == [], asked
    assert "zqjheader" in (built.container / "mcp.json").read_text()
    built.put("home/.config/mcpconf/mcpconf.toml", "")  # and now it is taken out again
    assert leaks(built.run("plan", env=environ).out) == []


@pytest.mark.parametrize("inside", ["zqj/x", "zqj#x", "zqj?x", "zqj\\x"])
def test_a_password_that_was_not_encoded_is_hidden_as_well(inside):
    """Such a URL means something else to the client; the user still wrote a password."""
    url = f"https://me:{inside}@a.example.com/mcp"
    remote = {"type": "http", "url": url}
    process = {"command": "npx", "args": ["-y", "pkg", f"postgres://me:{inside}@db.example.com/x"]}
    for entry in (remote, process):
        whole = compiled({"user": {"one": entry}})
        assert [(name, leak) for name, text in everything(whole) for leak in leaks(text)] == []


def test_lists_of_policy_are_hidden_in_a_repr():
    """An entry of an allow list repeats the command it allows."""
    listed = [
        {"serverCommand": ["npx", "pkg", "--api-key", "zqjcommand"]},
        {"serverUrl": "https://a.example.com/mcp?key=zqjurl"},
    ]
    whole = compiled({"settings": {"deniedMcpServers": listed}})
    assert leaks(repr(whole)) == []


def test_options_that_hold_json_are_hidden_in_a_repr():
    inline = '{"mcpServers": {"x": {"command": "x", "env": {"K": "zqjenv"}}}}'
    plain = configuration({})
    session = plain.request.session._replace(mcp_config=(inline,), settings='{"env": {"K": "zqj"}}')
    told = repr(plain._replace(request=plain.request._replace(session=session)))
    assert leaks(told) == []
