"""What Claude Code remembers and how long it waits: judged from made-up evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpconf.clients import CLIENTS
from mcpconf.diagnosis.evidence import Login, Remembered
from mcpconf.diagnosis.judge.client import Using, endpoint_hash, judge_client
from mcpconf.diagnosis.look.client import at_once, look_at_client, patience, remembered
from mcpconf.diagnosis.starving import before, starved
from mcpconf.expand import Variables
from mcpconf.model import Remote, Server
from tests.diagnosis.given import codes, compiled

NOW = 1_000_000.0
NEW, OLD = CLIENTS["2.1.328"], CLIENTS["2.1.197"]


def server(house: Any, name: str = "a", **more: Any) -> Server:
    entry = {"type": "http", "url": "http://127.0.0.1:1/mcp", **more}
    house.put("home/.claude.json", {"mcpServers": {name: entry}})
    found = compiled(house).plan.servers[0].classified.server
    assert isinstance(found.transport, Remote)
    return found


def using(found: Server, **more: Any) -> Using:
    assert isinstance(found.transport, Remote)
    return Using(found, NEW, found.transport)._replace(**more)


def memory(**more: Any) -> Remembered:
    return Remembered(now=NOW)._replace(**more)


@pytest.mark.parametrize(
    ("age", "client", "expected"),
    [
        (60, NEW, ["MC290"]),
        (899, NEW, ["MC290"]),
        (900, NEW, []),
        (-60, NEW, []),
        (-60, OLD, ["MC290"]),  # it does not expire there (fact 56)
    ],
)
def test_the_needs_auth_cache(age: int, client: Any, expected: list[str], house: Any) -> None:
    asking = using(server(house()), client=client)
    found = judge_client(asking, memory(needs_auth={"a": NOW - age}))
    assert codes(found.causes) == expected
    for verdict in found.causes:
        assert verdict.remedy is not None
        assert (verdict.remedy.argv, verdict.remedy.safe) == (("clean", "a"), True)
    assert codes(judge_client(asking, memory(needs_auth={"b": NOW - 60})).causes) == []


def test_a_process_clears_the_cache_itself(house: Any) -> None:
    asking = using(server(house()), remote=None)
    assert judge_client(asking, memory(needs_auth={"a": NOW})).causes == ()


def test_the_hash_of_an_endpoint(house: Any) -> None:
    """As 2.1.328 made it for `http://127.0.0.1:1/mcp` without headers (fact 56)."""
    remote = server(house()).transport
    assert isinstance(remote, Remote)
    text = '{"type":"http","url":"http://127.0.0.1:1/mcp","headers":{}}'
    assert endpoint_hash(remote) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_login_without_a_token(house: Any) -> None:
    found = server(house())
    assert isinstance(found.transport, Remote)
    now = endpoint_hash(found.transport)
    stale = Login("a", now, token=False, discovered=True, rejected=True)
    assert codes(judge_client(using(found), memory(logins=(stale,))).causes) == ["MC291"]
    for other in (
        stale._replace(token=True),
        stale._replace(hash="0" * 16),
        stale._replace(rejected=False),
        stale._replace(name="b"),
    ):
        assert judge_client(using(found), memory(logins=(other,))).causes == ()
    old = using(found, client=OLD)
    half = stale._replace(rejected=False)
    assert codes(judge_client(old, memory(logins=(half,))).causes) == ["MC291"]


def test_an_authorization_keeps_the_client_from_its_logins(house: Any) -> None:
    found = server(house(), headers={"authorization": "x"})
    assert isinstance(found.transport, Remote)
    stale = Login("a", endpoint_hash(found.transport), token=False, discovered=True, rejected=True)
    assert judge_client(using(found), memory(logins=(stale,))).causes == ()


def test_a_login_that_is_not_found(house: Any) -> None:
    found = server(house())
    assert isinstance(found.transport, Remote)
    lost = Login("a", "0" * 16, token=True)
    wants = using(found, wants_login=True)
    assert codes(judge_client(wants, memory(logins=(lost,))).causes) == ["MC293"]
    assert judge_client(using(found), memory(logins=(lost,))).causes == ()
    good = lost._replace(hash=endpoint_hash(found.transport))
    assert judge_client(wants, memory(logins=(lost, good))).causes == ()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"proxy": "HTTP_PROXY", "dead": "connection refused"}, ["MC295"]),
        ({"proxy": "HTTP_PROXY", "far": True}, ["MC295"]),
        ({"proxy": "HTTP_PROXY"}, []),  # one of this machine that takes connections
        ({"proxy": "HTTP_PROXY", "dead": "x", "exempt": ("127.0.0.1",)}, []),
        ({"proxy": "HTTP_PROXY", "dead": "x", "exempt": ("*",)}, []),
        ({"proxy": "HTTP_PROXY", "dead": "x", "exempt": (".0.0.1", "localhost")}, ["MC295"]),
        ({}, []),
    ],
)
def test_a_proxy_for_this_machine(more: Any, expected: list[str], house: Any) -> None:
    assert codes(judge_client(using(server(house())), memory(**more)).causes) == expected


def test_a_proxy_is_nobodys_business_elsewhere(house: Any) -> None:
    found = server(house(), url="https://mcp.example.com/mcp")
    assert judge_client(using(found), memory(proxy="HTTP_PROXY", dead="x")).causes == ()


def test_a_slow_process(house: Any) -> None:
    found = server(house())
    assert codes(judge_client(using(found, seconds=4.2), memory()).causes) == ["MC285"]
    assert judge_client(using(found, seconds=2.9), memory()).causes == ()


# --- what is read -----------------------------------------------------------------------------


def test_documents_of_the_client() -> None:
    caches = {"a": {"timestamp": 2000}, "b": {"timestamp": "x"}, "c": 1}
    tokens = {
        "a|0123": {"accessToken": "t0ken", "discoveryState": {"oauthMetadataFound": True}},
        "b|4567": {"accessToken": "", "discoveryState": {"tokenlessRejectedAt": 1}},
        "c": None,
    }
    found = remembered(caches, {"mcpOAuth": tokens}, NOW)
    assert found.needs_auth == {"a": 2.0}
    assert found.logins == (
        Login("a", "0123", token=True, discovered=True),
        Login("b", "4567", token=False, rejected=True),
    )
    assert "t0ken" not in repr(found)


@pytest.mark.parametrize("wrong", [None, [], "x", {"mcpOAuth": 3}, {"mcpOAuth": {"a": []}}])
def test_other_shapes_count_for_nothing(wrong: object) -> None:
    assert remembered(wrong, wrong, NOW).logins == ()


def test_looking_at_the_client(house: Callable[..., Any]) -> None:
    built = house(
        {
            "home/.claude/mcp-needs-auth-cache.json": {"a": {"timestamp": 2000}},
            "home/.claude/.credentials.json": "{",
        }
    )
    folder = built.home / ".cache/claude-cli-nodejs" / "-w-p"
    built.put(f"{folder.relative_to(built.root)}/mcp-logs-a/1.jsonl", "{}")
    newest = built.put(f"{folder.relative_to(built.root)}/mcp-logs-a/2.jsonl", "{}")
    variables = Variables(({"MCP_TIMEOUT": "2000", "HTTP_PROXY": "http://127.0.0.1:9"}, None))
    found = look_at_client(built.home / ".claude", built.home, "/w/p", ["a", "b"], variables)
    assert found.needs_auth == {"a": 2.0}
    assert found.logins == ()
    assert found.timeout == 2.0
    assert (found.proxy, found.dead, found.far) == ("HTTP_PROXY", "connection refused", False)
    assert found.log == {"a": str(newest)}
    assert found.needs_auth_file is not None
    assert found.needs_auth_file.at("a").position is not None


def test_numbers_of_the_client() -> None:
    assert [patience(t) for t in (None, "", "2000", "x", "0", "-5", "9" * 40)] == [
        30.0, 30.0, 2.0, 30.0, 30.0, 30.0, 30.0,
    ]  # fmt: skip
    assert [at_once(t) for t in (None, "5", "0", "x", "9" * 40)] == [3, 5, 3, 3, 3]


# --- servers before it ------------------------------------------------------------------------


def test_servers_that_hang_before_it(house: Callable[..., Any]) -> None:
    process = {"command": "npx", "args": ["x"]}
    far = {"type": "http", "url": "https://mcp.example.com/mcp"}
    names = ("one", "two", "far", "three", "last")
    entries = {n: far if n == "far" else {**process, "args": [n]} for n in names}
    found = compiled(house({"home/.claude.json": {"mcpServers": entries}}))
    for inside in (False, True):
        earlier = [p.classified.server.name for p in before("last", found, inside=inside)]
        assert earlier == ["one", "two", "three"]
    assert before("three", found, inside=False) == ()
    assert before("far", found, inside=False) == ()
    last = found.plan.servers[-1]
    assert starved(last, ("one", "two"), 3) is None
    verdict = starved(last, ("one", "two", "three"), 3)
    assert verdict is not None
    assert verdict.finding.code == "MC296"
    assert starved(last, ("one", "two", "three"), 4) is None


def test_a_path(tmp_path: Path) -> None:
    nothing = Variables(({}, None))
    found = look_at_client(tmp_path, tmp_path, "/", ["a"], nothing)
    assert found._replace(now=0.0) == Remembered()
