"""Logs of Claude Code: the true error is found, nothing else of them is shown."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mcpconf.diagnosis.words import client_log
from mcpconf.diagnosis.words.said import causes, phrase_of
from tests.conftest import House, build

SAID = json.loads(Path(__file__).with_name("said.json").read_text("utf-8"))
VERSIONS = ("2.1.328", "2.1.197")
UNKNOWN = {"refuses", "tools-401"}  # 2.1.197 has only the server's words, or none, for these
WORKS = {
    "healthy",
    "slow",
    "starved",
    "cached",
    "tokenless",
    "unapproved",
    "old-as-new",
    "disabled",
}
SILENT = {"no-config", "no-gateway", "tools-error"}  # the log has no word of it
SECRET = "k3y-s3cret"
SERVERS = {"my.srv": {"type": "http", "url": "https://h/mcp", "headers": {"X-Api-Key": SECRET}}}


def text_of(*records: dict[str, Any]) -> str:
    when = {"timestamp": "2026-01-02T03:04:05.678Z", "sessionId": "s", "cwd": "/w/p"}
    return "".join(json.dumps({**record, **when}) + "\n" for record in records)


def a_log() -> str:
    options = {
        "url": "https://h/mcp?key=q",
        "headers": {"X-Api-Key": SECRET, "User-Agent": "claude-code/2.1.197 (x)"},
    }
    return text_of(
        {"debug": "Initializing HTTP transport to https://h/mcp"},
        {"debug": "HTTP transport options: " + json.dumps(options)},
        {"error": f"Connection failed: Streamable HTTP error: Unexpected content type: null {SECRET}"},
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> House:
    return build(tmp_path, {"home/.claude.json": {"mcpServers": SERVERS}})


def path_of(home: House, name: str = "my-srv", file: str = "2026-01-02.jsonl") -> Path:
    slug = "".join(c if c.isalnum() else "-" for c in str(home.project))
    return home.home / ".cache/claude-cli-nodejs" / slug / f"mcp-logs-{name}" / file


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", SAID)
def test_the_log_of_each_fault_leads_to_its_cause(row: str, version: str) -> None:
    lines = SAID[row][version]["log"]
    if row in WORKS | SILENT or not lines:
        return
    log = client_log.parse("\n".join(lines))
    assert log is not None
    if version == "2.1.197" and row in UNKNOWN:
        return
    assert log.reason is not None
    phrase = phrase_of(log.reason.text)
    assert phrase is not None, log.reason
    assert SAID[row]["code"] in [c.code for c in causes(phrase)], log.reason


@pytest.mark.parametrize("version", VERSIONS)
def test_a_403_and_a_401_are_told_apart(version: str) -> None:
    for row, code in (("403", "MC264"), ("403-oauth", "MC264"), ("login", "MC223")):
        log = client_log.parse("\n".join(SAID[row][version]["log"]))
        assert log is not None
        assert log.reason is not None
        phrase = phrase_of(log.reason.text)
        assert phrase is not None
        assert causes(phrase)[0].code == code


def test_a_log_shows_its_error_and_no_secret(home: House) -> None:
    said = home.run("explain", str(put(path_of(home), a_log())))
    assert said.code == 0
    assert SECRET not in said.out + said.err
    assert "key=q" not in said.out
    for shown in ("Claude Code 2.1.197", "Unexpected content type: null ***", "MC276", "03:04:05"):
        assert shown in said.out
    assert "`my.srv`" in said.out


def test_a_folder_means_its_newest_file(home: House) -> None:
    old = put(path_of(home, file="old.jsonl"), text_of({"error": "Connection failed: x ENOENT"}))
    os.utime(old, (1, 1))
    put(path_of(home), a_log())
    assert "MC276" in home.run("explain", str(old.parent)).out
    assert "MC276" in home.run("explain", str(old.parent.parent)).out


def test_only_the_last_attempt_counts(home: House) -> None:
    well = text_of(
        {"debug": "Initializing HTTP transport to https://h/mcp"},
        {"debug": "Successfully connected (transport: http) in 12ms"},
    )
    said = home.run("explain", str(put(path_of(home), a_log() + well)))
    assert "the last attempt went well" in said.out
    assert said.code == 0


def test_a_status_without_a_reason_is_looked_up_in_the_log(home: House) -> None:
    put(path_of(home), a_log())
    said = home.run("explain", "my.srv: https://h/mcp (HTTP) - ✘ Failed to connect")
    assert "its log" in said.out
    assert "MC276" in said.out
    assert "MC245" not in said.out
    assert SECRET not in said.out


def test_standard_input_is_read(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(a_log().encode())

    monkeypatch.setattr("sys.stdin", Input)
    assert "MC276" in home.run("explain", "-").out


@pytest.mark.timeout(30)
def test_files_that_nobody_should_give(home: House, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.log"
    os.mkfifo(fifo)
    assert home.run("explain", str(fifo)).code == 2
    assert home.run("explain", "/etc").code == 2
    assert home.run("explain", "/dev/zero").code == 2
    noise = put(tmp_path / "noise.log", os.urandom(3_000_000))
    assert home.run("explain", str(noise)).code == 1
    deep = put(tmp_path / "deep.jsonl", '{"error":' + "[" * 900_000)
    assert home.run("explain", str(deep)).code == 1
    strange = text_of({"error": "Connection failed: \x1b[31m\u202eECONNREFUSED\x07" * 9_000})
    said = home.run("explain", str(put(tmp_path / "strange.jsonl", strange)))
    assert said.code == 0
    assert not {"\x1b", "\u202e", "\x07"} & {*said.out}
    assert len(said.out) < 10_000
    wrong = put(tmp_path / "wrong.jsonl", '[1]\n{"error":5}\n{"debug":null}\n"x"\nnull\n')
    assert home.run("explain", str(wrong)).code == 1


@pytest.mark.parametrize("question", ["/no/such.log", "./here.jsonl", "../up", "~/x"])
def test_a_file_that_is_not_there(home: House, question: str) -> None:
    said = home.run("explain", question)
    assert said.code == 1
    assert f"there is no file `{question}`" in said.out
