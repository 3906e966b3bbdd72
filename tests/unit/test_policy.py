"""mcpconf.toml: what the user wants, what a project may ask for, and what it does not get."""

from __future__ import annotations

from typing import Any

import pytest

from mcpconf.findings import Finding, blocking
from mcpconf.origin import Source
from mcpconf.readers.inputs import Unreadable
from mcpconf.readers.policy import Policy, read_policy

KEY = "/src/project"
ROW = '[[allow]]\nhost = "{}"\nwhy = "x"\n'
PEER = '[[peer]]\nname = "{}"\nports = [3306]\nwhy = "x"\n'
TRUST = '[[trust]]\nname = "n"\nproject = "{}"\ndigest = "d"\n'


def read(user: str | None = None, project: str | None = None) -> tuple[Policy, list[Finding]]:
    files: list[Any] = [
        text if text is None else Source(path, text)
        for path, text in (("/home/mcpconf.toml", user), ("/src/mcpconf.toml", project))
    ]
    return read_policy(*files, KEY, "/home/mcpconf.toml")


def codes(user: str | None = None, project: str | None = None) -> list[str]:
    return [f.code for f in read(user, project)[1]]


def test_without_files_the_defaults_are_the_strict_ones() -> None:
    policy, findings = read()
    assert findings == []
    assert (policy.secrets, policy.http, policy.firewall) == ("host", "bridge", "default")
    assert (policy.rows, policy.trust, policy.optional) == ((), (), False)
    assert policy.of("x") == ("auto", "host")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "secrets = 5",
        'secrets = "both"',
        'http = "fast"',
        "http = ['plain']",
        "stacks = 'npm'",
        "stacks = [1]",
        "optional = 'yes'",
        "commands = {}",
        "gateway = 8811",
        "firewall = 'strict'",
        "[firewall]\nmode = 'off'",
        "[firewall]\nmodes = 'strict'",
        "[firewall]\ngrace = 9",
        "[firewall]\ngrace = 86401",
        "[firewall]\ngrace = true",
        "[firewall]\ngrace = 30.0",
        "[firewall]\ngrace = '30'",
        "servers = 5",
        "[servers]\nx = 5",
        "[servers.x]\nroute = 'somewhere'",
        "[servers.x]\nroutes = 'off'",
        "[servers.x]\nsecrets = true",
        "trust = 5",
        "trust = ['n']",
        "[[trust]]\nname = 'n'",
        "[[trust]]\nname = 'n'\nproject = 'p'\ndigest = 5",
        "unknown = 1",
        "[gatewy]\n",
    ],
)
def test_a_policy_that_is_half_understood_blocks(text: str) -> None:
    for both in ((text, None), (None, text)):
        _, findings = read(*both)
        assert [f.code for f in findings] == ["MC080"], findings
        assert blocking(tuple(findings))
        assert findings[0].origin
        assert findings[0].help, "what is there to do?"


def test_a_file_that_cannot_be_read_blocks() -> None:
    _, findings = read_policy(Unreadable("/home/mcpconf.toml", "permission denied"), None, KEY)
    assert [f.code for f in findings] == ["MC080"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("allow = 5", "MC081"),
        ("allow = ['a.example.com']", "MC081"),
        ("[[allow]]\nhosts = 'a.example.com'", "MC081"),
        ("[[allow]]\nwhy = 'x'", "MC081"),
        ("[[allow]]\nhost = 5", "MC081"),
        (ROW.format("https://a.example.com"), "MC081"),
        (ROW.format("*.com"), "MC081"),
        (ROW.format("localhost"), "MC081"),
        ("[[allow]]\nhost = 'a.example.com'\nports = '443'\nwhy = 'x'", "MC081"),
        ("[[allow]]\nhost = 'a.example.com'\nports = [0]\nwhy = 'x'", "MC081"),
        ("[[allow]]\nhost = 'a.example.com'", "MC083"),
        (ROW.format("bücher.example.com"), "MC084"),
        ("peer = 5", "MC081"),
        ("peer = ['db']", "MC081"),
        ("[[peer]]\nhost = 'db'\nports = [1]\nwhy = 'x'", "MC081"),
        ("[[peer]]\nname = 5\nports = [1]\nwhy = 'x'", "MC081"),
        ("[[peer]]\nname = 'db'\nwhy = 'x'", "MC081"),
        ("[[peer]]\nname = 'db'\nports = [0]\nwhy = 'x'", "MC081"),
        ("[[peer]]\nname = 'db'\nports = [3306]", "MC083"),
        (PEER.format("host.docker.internal"), "MC081"),
        (PEER.format("127.0.0.1"), "MC081"),
    ],
)
def test_a_bad_row_is_left_out_and_told(text: str, code: str) -> None:
    policy, findings = read(text + "\n" + ROW.format("good.example.com") if "[[" in text else text)
    assert [f.code for f in findings] == [code]
    hosts = [r.destination.host for r in policy.rows]
    assert ("good.example.com" in hosts) == ("[[" in text)
    assert len(hosts) == (1 if code == "MC081" and "[[" in text else 2 if "[[" in text else 0)


# --- the user alone -----------------------------------------------------------------------------


def test_the_users_file_is_taken_at_its_word() -> None:
    policy, findings = read(
        'secrets = "container"\nhttp = "plain"\noptional = true\ncommands = ["docker"]\n'
        'gateway = "gw.example.com:9"\nstacks = ["npm"]\n[firewall]\nmode = "strict"\n'
        '[servers.a]\nroute = "direct"\n[servers.b]\nsecrets = "host"\n'
    )
    assert findings == []
    assert (policy.secrets, policy.http, policy.firewall) == ("container", "plain", "strict")
    assert (policy.optional, policy.commands, policy.stacks) == (True, {"docker"}, ("npm",))
    assert policy.gateway == "gw.example.com:9"
    assert policy.of("a") == ("direct", "container")
    assert policy.of("b") == ("auto", "host")


def test_rows_and_trust_may_hold_for_one_project() -> None:
    elsewhere = ROW.format("b.example.com") + 'project = "/elsewhere"\n'
    here = ROW.format("c.example.com") + f'project = "{KEY}"\n'
    policy, _ = read(ROW.format("a.example.com") + elsewhere + here)
    assert [r.destination.host for r in policy.rows] == ["a.example.com", "c.example.com"]
    policy, _ = read(TRUST.format(KEY) + TRUST.format("/elsewhere"))
    assert [t.project for t in policy.trust] == [KEY]


# --- the project's file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project", "allowed_by"),
    [
        ('secrets = "container"', 'secrets = "container"'),
        ("optional = true", "optional = true"),
        ('gateway = "evil.example.com:1"', None),
        (TRUST.format(KEY), None),
        ('[servers.x]\nsecrets = "container"', '[servers.x]\nsecrets = "container"'),
        ('[servers.x]\nroute = "direct"', '[servers.x]\nroute = "direct"'),
        ("[firewall]\ngrace = 301", "[firewall]\ngrace = 301"),
    ],
)
def test_a_project_cannot_loosen(project: str, allowed_by: str | None) -> None:
    policy, findings = read(None, project)
    assert [f.code for f in findings] == ["MC082"]
    assert findings[0].origin
    assert findings[0].origin.source.path == "/src/mcpconf.toml"
    default, _ = read()
    assert policy._replace(servers={}) == default
    assert policy.of("x") == default.of("x")
    if allowed_by:
        assert codes(allowed_by, project) == []


@pytest.mark.parametrize(
    ("user", "project", "field", "value"),
    [
        ('secrets = "container"', 'secrets = "host"', "secrets", "host"),
        ("optional = true", "optional = false", "optional", False),
        ("", '[firewall]\nmode = "strict"', "firewall", "strict"),
        ('[firewall]\nmode = "strict"', '[firewall]\nmode = "default"', "firewall", "strict"),
        ('http = "bridge"', 'http = "plain"', "http", "bridge"),
        ("", "[firewall]\ngrace = 60", "grace", 60),
        ("", "[firewall]\ngrace = 300", "grace", 300),
        ("[firewall]\ngrace = 900", "", "grace", 900),
        ("[firewall]\ngrace = 900", "[firewall]\ngrace = 600", "grace", 600),
        ("[firewall]\ngrace = 20", "[firewall]\ngrace = 20", "grace", 20),
    ],
)
def test_where_both_say_something_the_stricter_counts(
    user: str, project: str, field: str, value: object
) -> None:
    policy, findings = read(user, project)
    assert findings == []
    assert getattr(policy, field) == value


@pytest.mark.parametrize(
    ("mine", "theirs", "route"),
    [
        ("", "off", "off"),
        ("direct", "off", "off"),
        ("gateway", "off", "off"),
        ("", "gateway", "gateway"),
        ("direct", "gateway", "direct"),
        ("off", "gateway", "off"),
        ("off", "direct", "off"),
        ("", "direct", "auto"),
        ("gateway", "direct", "gateway"),
        ("", "auto", "auto"),
    ],
)
def test_the_route_of_a_server(mine: str, theirs: str, route: str) -> None:
    line = '[servers.x]\nroute = "{}"\n'
    policy, _ = read(line.format(mine) if mine else "", line.format(theirs))
    assert policy.of("x").route == route


def test_a_projects_stacks_only_narrow() -> None:
    policy, _ = read(None, 'stacks = ["npm", "go"]')
    assert (policy.stacks, policy.kept_stacks) == (None, ("npm", "go"))


def test_no_message_holds_a_value_of_the_file() -> None:
    _, findings = read(
        'secrets = "hunter2"\ngateway = ["hunter2"]\n[servers.x]\nroute = "hunter2"\n'
    )
    assert "hunter2" not in str([(f.message, f.notes, f.help) for f in findings])


def test_a_project_does_not_keep_addresses_longer_than_the_user() -> None:
    policy, findings = read("[firewall]\ngrace = 60", "[firewall]\ngrace = 61")
    assert policy.grace == 60
    assert [f.code for f in findings] == ["MC082"]
    assert "60 seconds" in findings[0].message


def test_a_peer_is_a_row_of_its_own_form() -> None:
    policy, findings = read(PEER.format("DB") + ROW.format("a.example.com"))
    assert findings == []
    found = {(r.destination.form, r.destination.host, r.ports) for r in policy.rows}
    assert found == {("peer", "db", (3306,)), ("name", "a.example.com", (443,))}
