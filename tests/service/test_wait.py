"""``wait``: real handshakes, all at once, and who is to blame when one fails."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpconf.report.waiting import Progress, answers
from mcpconf.service import waiting
from mcpconf.service.handshake import Outcome, handshake
from mcpconf.service.process import program as ourselves
from tests import clock

SERVER = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    reply = {"jsonrpc": "2.0", "id": asked["id"]}
    method = asked["method"]
    BODY
    print(json.dumps(reply), flush=True)
"""
FINE = """
    if method == "initialize":
        reply["result"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
    else:
        reply["result"] = {"tools": [{"name": "a"}, {"name": "b"}]}
"""
MODERN = """
    if method == "initialize" or "_meta" not in asked["params"]:
        reply["error"] = {"code": -32601, "message": "not in this era"}
    elif method == "server/discover":
        reply["result"] = {"supportedVersions": ["2026-07-28"]}
    else:
        reply["result"] = {"tools": [{"name": "a"}]}
"""
WITHOUT_TOOLS = """
    if method == "initialize":
        reply["result"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
    else:
        reply["error"] = {"code": -32601, "message": "no such method"}
"""
REFUSES = """
    reply["error"] = {"code": -32000, "message": "not today"}
"""
LATE = """
    if method == "initialize":
        reply["result"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}}
    elif asked["id"] < 4:
        data = {"mcpconf": {"code": "unreachable", "retry": True}}
        reply["error"] = {"code": -32000, "message": "nobody there yet", "data": data}
    else:
        reply["result"] = {"tools": []}
"""
MADE_UP = """
    if method == "initialize":
        reply["result"] = {"protocolVersion": "2025-11-25", "capabilities": {},
                           "serverInfo": {"name": "x", "version": "not reached"},
                           "instructions": "x has not answered yet: no. What it offers comes."}
    else:
        reply["result"] = {"tools": []}
        if asked["id"] == 4:
            print(json.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}),
                  flush=True)
"""
NEEDS_LOGIN = """
    data = {"mcpconf": {"code": "login-needed", "retry": False}}
    reply["error"] = {"code": -32000, "message": "it wants a login", "data": data}
"""
CHATTY = """
    print("listening on stdout", json.dumps([1]), flush=True)
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "method": "roots/list"}), flush=True)
""" + FINE  # fmt: skip


def shake(code: str, seconds: float = 30.0) -> tuple[Outcome, list[Outcome]]:
    heard: list[Outcome] = []
    command = [sys.executable, "-c", code]
    return asyncio.run(handshake(command, os.environ, "/", seconds, heard.append)), heard


def server(body: str) -> str:
    return SERVER.replace("    BODY", body.strip("\n"))


@pytest.mark.parametrize(
    ("body", "tools"),
    [(FINE, 2), (MODERN, 1), (WITHOUT_TOOLS, 0), (CHATTY, 2), (LATE, 0), (MADE_UP, 0)],
)
def test_a_server_that_answers_is_ready(body: str, tools: int) -> None:
    outcome, heard = shake(server(body))
    assert (outcome.tools, outcome.code, outcome.message) == (tools, "", "")
    words = {LATE: {"nobody there yet"}, MADE_UP: {"x has not answered yet: no"}}
    assert {o.message for o in heard} == words.get(body, set())


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (server(REFUSES), "protocol", "it refuses the handshake: not today"),
        (server(NEEDS_LOGIN), "login-needed", "it wants a login"),
        ("import sys; sys.exit('no such database')", "server-exited", "no such database"),
        ("print('x' * 10, flush=True)", "server-exited", "it has ended"),
    ],
)
def test_who_is_to_blame(code: str, expected: str, words: str) -> None:
    outcome, _ = shake(code)
    assert (outcome.tools, outcome.code, outcome.late) == (None, expected, False)
    assert words in outcome.message


def test_one_that_is_silent_is_late_and_does_not_stay(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outcome, _ = shake(code, 0.5)
    assert (outcome.code, outcome.late) == ("timeout", True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_what_cannot_be_started_is_said() -> None:
    outcome = asyncio.run(handshake(["/no/such/program"], {}, "/", 5, lambda _: None))
    assert outcome.code == "spawn-failed"
    assert "No such file" in outcome.message


def asked(name: str, code: str) -> waiting.Asked:
    return waiting.Asked(name, name, "container", (sys.executable, "-c", code))


def setting(tmp_path: Path) -> waiting.Setting:
    return waiting.Setting(tmp_path, "/", os.environ, lambda _: "")


def test_all_are_asked_at_once_and_one_does_not_delay_the_others(tmp_path: Path) -> None:
    servers = [asked(f"s{n}", "import time; time.sleep(0.7)\n" + server(FINE)) for n in range(6)]
    servers.append(asked("hangs", "import time; time.sleep(60)"))
    told: list[waiting.Answer] = []
    began = clock.now()
    found = waiting.wait(servers, setting(tmp_path), 2.5, told.append)
    assert clock.now() - began < 5.5  # one after the other they would take 6.7 s at least
    assert [a.state for a in found] == ["ready"] * 6 + ["late"]
    assert [a.asked.name for a in told][-1] == "hangs"


def test_a_server_without_gateway_is_reached_by_the_bridge_alone(
    tmp_path: Path, serve: Any, port: int
) -> None:
    up = f"http://127.0.0.1:{serve().server_address[1]}/mcp"
    down = f"http://127.0.0.1:{port}/mcp"
    servers = [
        waiting.Asked(n, n, "direct", (*ourselves(), "bridge", "--url", url, "--cache", ""))
        for n, url in (("up", up), ("down", down))
    ]
    told: list[waiting.Answer] = []
    found = waiting.wait(servers, setting(tmp_path), 2.7, told.append)
    assert [(a.state, a.outcome.tools) for a in found] == [("ready", 1), ("late", None)]
    assert "has not answered yet" in found[1].outcome.message


def routed(home: Any, **ports: int) -> None:
    servers = {n: {"type": "http", "url": f"http://localhost:{p}/mcp"} for n, p in ports.items()}
    home.put("home/.claude.json", {"mcpServers": servers})
    assert home.run("sync").code == 0


def test_servers_behind_the_gateway_are_reached_through_it(
    home: Any, ask: Any, serve: Any, port: int, tmp_path: Path
) -> None:
    backend = serve()
    routed(home, one=backend.server_address[1], two=backend.server_address[1], gone=port + 1)
    ask("gateway", "start")
    env = {"TMPDIR": str(tmp_path)}
    said = home.run("wait", "--timeout", "2.5", "--format", "json", env=env)
    assert said.code == 1
    assert said.json["version"] == 1
    assert said.json["ready"] is False
    rows = {row["name"]: row for row in said.json["servers"]}
    assert {n: (r["way"], r["state"], r["tools"]) for n, r in rows.items()} == {
        "one": ("gateway", "ready", 1),
        "two": ("gateway", "ready", 1),
        "gone": ("gateway", "late", None),
    }
    assert list(tmp_path.iterdir()) == []  # the token was in a file there
    assert "] one: ready, 1 tool" in said.err
    assert {path for path, _, _ in backend.heard} == {"/mcp"}
    fine = home.run("wait", "one", "two")
    assert fine.code == 0
    assert [line.split()[:3] for line in fine.out.splitlines()[1:]] == [
        ["one", "gateway", "ready"],
        ["two", "gateway", "ready"],
    ]


def test_without_gateway_or_sync_the_way_out_is_said(home: Any, ask: Any) -> None:
    server = {"type": "http", "url": "http://localhost:1/mcp"}
    home.put("home/.claude.json", {"mcpServers": {"ray": server}})
    said = home.run("wait")
    assert (said.code, "mcpconf gateway start" in said.err) == (4, True)
    ask("gateway", "start")
    said = home.run("wait")
    assert (said.code, "help: mcpconf sync" in said.err) == (4, True)


def test_the_containers_own_servers_are_not_started_unless_wanted(home: Any) -> None:
    home.put("project/server.py", server(FINE) + "# ${NAME}")
    entry = {"command": "python3", "args": ["server.py"], "env": {"A": "b"}}
    home.put("home/.claude.json", {"mcpServers": {"mine": entry}})
    said = home.run("wait", "--format", "json")
    assert said.code == 0
    (row,) = said.json["servers"]
    assert (row["way"], row["state"], row["message"]) == (
        "container", "container", "it starts in the container")  # fmt: skip
    said = home.run("wait", "--container-stdio", "--format", "json")
    assert said.code == 0
    assert (said.json["servers"][0]["state"], said.json["servers"][0]["tools"]) == ("ready", 2)


def test_a_server_that_is_left_out_is_said_with_the_reason(home: Any) -> None:
    entry = {"command": "/opt/own/tool"}
    home.put("home/.claude.json", {"mcpServers": {"own": entry}})
    assert "nothing to wait for" in home.run("wait").err
    said = home.run("wait", "own", "--format", "json")
    assert said.code == 1
    assert said.json["servers"][0]["way"] == "nowhere"
    assert "not trusted" in said.json["servers"][0]["message"]
    assert "did you mean `own`" in home.run("wait", "won").err


def test_what_a_server_says_cannot_move_the_cursor(capsys: Any) -> None:
    evil = waiting.Answer(
        waiting.Asked("x\x1b[2J", "x", "gateway", ("x",)), "failed", 1.0,
        Outcome(message="\x1b]0;owned\x07\nready"))  # fmt: skip
    Progress(1)(evil)
    answers([evil])
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert len(printed.err.splitlines()) == 1
