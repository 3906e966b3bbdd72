"""Why a process on this host does not answer: its file, its last words, what the client takes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpconf.clients import NEWEST
from mcpconf.compiler import Compilation
from mcpconf.diagnosis.evidence import File, Taken
from mcpconf.diagnosis.judge.last_words import means, waits
from mcpconf.diagnosis.judge.process import of_process
from mcpconf.diagnosis.judge.talk import judge_talk
from mcpconf.diagnosis.look.command import look_at_command
from mcpconf.diagnosis.look.taking import taken
from tests.diagnosis.given import codes, compiled, heard, host

SERVERS = {
    "a": {"command": "/opt/server", "args": ["/opt/other/main.py"]},
    "unset": {"command": "/opt/server", "env": {"KEY": "${NOT_SET}"}},
}
GREETING = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "x", "version": "1"},
}
TOOL = {"name": "t", "inputSchema": {"type": "object"}}


@pytest.fixture
def found(house: Callable[..., Any]) -> Compilation:
    return compiled(house({"home/.claude.json": {"mcpServers": SERVERS}}))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("absent", "MC207"), ("crlf", "MC207"), ("interpreter", "MC207"), ("directory", "MC208"),
        ("denied", "MC208"), ("empty", "MC208"), ("text", "MC208"), ("program", "MC208"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_started(kind: str, code: str, found: Compilation) -> None:
    said = heard("spawn-failed", "the server could not be started: No such file or directory")
    file = File("/opt/server", kind, "/usr/bin/node")
    (verdict,) = of_process(host(found, "a", heard=said._replace(file=file)))
    assert verdict.finding.code == code
    assert verdict.finding.origin is not None
    assert verdict.finding.origin.pointer[-1] == "command"
    assert "`/opt/server`" in " ".join(verdict.finding.notes)


def test_without_a_look_at_it_the_words_say_which(found: Compilation) -> None:
    for words, code in (("Exec format error", "MC208"), ("No such file", "MC207")):
        said = heard("spawn-failed", words)
        assert codes(of_process(host(found, "a", heard=said))) == [code]


def test_a_variable_that_is_not_set_comes_first(found: Compilation) -> None:
    said = heard("server-exited", "the server exited with status 1 before it answered")
    assert codes(of_process(host(found, "unset", heard=said))) == ["MC021", "MC209"]


def test_a_file_among_the_arguments_is_pointed_at(found: Compilation) -> None:
    said = heard("server-exited", "it exited", words="can't open '/opt/other/main.py'")
    (verdict,) = of_process(host(found, "a", heard=said))
    assert verdict.finding.origin is not None
    assert verdict.finding.origin.pointer[-2:] == ("args", 0)


def test_one_that_greets_is_not_silent(found: Compilation) -> None:
    said = heard("server-silent", "no answer within 7 s")
    assert codes(of_process(host(found, "a", heard=said))) == ["MC210"]
    greets = said._replace(taken=Taken(greets=True))
    assert codes(of_process(host(found, "a", heard=greets))) == ["MC283"]


def test_what_the_client_refuses_does_not_work(found: Compilation) -> None:
    for call, code in (("initialize", "MC277"), ("tools/list", "MC283")):
        said = heard(tools=1)._replace(taken=Taken(greets=True, call=call, misfit="x", whose="t"))
        (verdict,) = judge_talk(host(found, "a", heard=said), said, NEWEST)
        assert verdict.finding.code == code
        assert verdict.finding.help


def test_a_session_that_is_lost_is_called_that(found: Compilation) -> None:
    said = heard(tools=0, refused="Bad Request: No valid session ID provided")
    (verdict,) = judge_talk(host(found, "a", heard=said), said, NEWEST)
    assert verdict.finding.code == "MC283"
    assert "session" in verdict.finding.notes[0]


def test_what_last_words_mean() -> None:
    for words, part in (
        ("the input device is not a TTY", "terminal"),
        ("npm error code ECONNREFUSED", "registry"),
        ("npm error code E404", "no such package"),
        ("Cannot connect to the Docker daemon at unix:///x", "engine"),
    ):
        assert part in means(words)[0]
    assert "password" in waits("Enter passphrase for key /x: ")[0]
    assert "HTTP" in waits("Uvicorn running on http://127.0.0.1:8000")[0]
    assert not waits("reading the database")


# --- the looks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "mode", "kind"),
    [
        (b"#!/bin/sh\r\n", 0o755, "crlf"),
        (b"#!/opt/none/node\n", 0o755, "interpreter"),
        (b"echo\n", 0o755, "text"),
        (b"", 0o755, "empty"),
        (b"\x7fELF\0\0", 0o755, "program"),
        (b"#!/bin/sh\n", 0o644, "denied"),
    ],
)
def test_a_look_at_a_file(content: bytes, mode: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "server"
    path.write_bytes(content)
    path.chmod(mode)
    assert look_at_command(str(path), "", "/").kind == kind
    assert look_at_command("./server", "", str(tmp_path)).kind == kind
    assert look_at_command("server", str(tmp_path), "/").kind == kind


def test_a_look_at_nothing(tmp_path: Path) -> None:
    assert look_at_command(str(tmp_path), "", "/").kind == "directory"
    assert look_at_command("server", str(tmp_path), "/").kind == "absent"
    assert look_at_command("./a\0b", "", str(tmp_path)).kind == "absent"


def _taken(hello: Any, tools: Any) -> Taken | None:
    script = (
        "import json, sys\n"
        f"said = {{'initialize': {hello!r}, 'tools/list': {tools!r}}}\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)\n"
        "    result = said.get(asked['method'])\n"
        "    if 'id' in asked and result is not None:\n"
        "        answer = {'jsonrpc': '2.0', 'id': asked['id'], 'result': result}\n"
        "        print(json.dumps(answer), flush=True)\n"
    )
    return asyncio.run(taken((sys.executable, "-c", script), {}, "/", 2.0, old=False))


def test_how_the_client_takes_it() -> None:
    assert _taken(GREETING, {"tools": [TOOL]}) == Taken(greets=True)
    odd = {"name": "odd", "inputSchema": {"type": "string"}}
    refused = Taken(True, "tools/list", "tools.1.inputSchema.type", "odd")
    assert _taken(GREETING, {"tools": [TOOL, odd]}) == refused
    assert _taken({**GREETING, "capabilities": 1}, None) == Taken(
        True, "initialize", "capabilities"
    )
    assert _taken(GREETING, None) == Taken(greets=True)  # its tools never come
    assert _taken(None, None) is None
    waits = {**GREETING, "serverInfo": {"name": "x", "version": "not reached"}}
    assert _taken(waits, {"tools": []}) == Taken(greets=False)  # a bridge, for a server
