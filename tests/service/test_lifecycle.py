"""Start, status, logs, stop, against the real gateway: one per user, whatever happened before."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mcpconf.service import logs, only

ROUTED = {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}
FILES = ["control.sock", "gateway.sock", "pid"]


def eventually(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found
    return found


def test_it_starts_once_answers_and_ends(ask: Any, gateway: Path, port: int) -> None:
    assert ask("gateway", "status").code == 1
    first = ask("gateway", "start")
    assert first.code == 0, first.err
    assert f"127.0.0.1:{port}" in first.err
    pid = only.running(gateway)
    assert pid
    assert os.getsid(pid) == pid  # a session of its own: the terminal may close
    said = ask("gateway", "status", "--format", "json")
    assert said.code == 0
    assert (said.json["running"], said.json["gateway"]["pid"], said.json["servers"]) == (
        True, pid, [])  # fmt: skip
    again = ask("gateway", "start")
    assert again.code == 0
    assert f"running already: process {pid}" in again.err
    for name in FILES:
        assert stat.S_IMODE((gateway / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(gateway.stat().st_mode) == 0o700
    assert ask("gateway", "stop").code == 0
    assert only.running(gateway) is None
    assert not [n for n in FILES if (gateway / n).exists()]
    assert "was not running" in ask("gateway", "stop").err


def test_where_none_runs_status_says_so(ask: Any) -> None:
    said = ask("gateway", "status", "--format", "json")
    assert said.code == 1
    assert said.json == {"version": 1, "running": False, "gateway": None, "servers": []}
    assert "mcpconf gateway start" in ask("gateway", "status").err


def test_a_busy_port_is_named_and_leaves_nothing(ask: Any, gateway: Path, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = ask("gateway", "start")
    assert said.code == 4
    assert f"127.0.0.1:{port} is in use" in said.err
    assert "gateway.log" in said.err
    assert only.running(gateway) is None
    assert ask("gateway", "start").code == 0


def test_a_killed_one_leaves_files_that_stand_in_nobodys_way(ask: Any, gateway: Path) -> None:
    ask("gateway", "start")
    pid = only.running(gateway)
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: only.running(gateway) is None)
    assert (gateway / "control.sock").exists()
    said = ask("gateway", "status")
    assert (said.code, "has gone" in said.err) == (1, True)
    assert ask("gateway", "start").code == 0
    assert only.running(gateway) not in (None, pid)


def test_one_that_hangs_is_ended_all_the_same(
    ask: Any, gateway: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("gateway", "start")
    pid = only.running(gateway)
    assert pid
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr("mcpconf.service.process.PATIENCE", 1.5)
    assert ask("gateway", "stop").code == 0
    assert only.running(gateway) is None
    assert ask("gateway", "start").code == 0


def test_one_of_another_version_is_exchanged(ask: Any, gateway: Path) -> None:
    ask("gateway", "start")
    pid = only.running(gateway)
    with mock.patch("mcpconf.__version__", "9.9"):
        said = ask("gateway", "start")
    assert said.code == 0
    assert "has made place for this one" in said.err
    assert only.running(gateway) not in (None, pid)


def test_a_second_one_is_turned_away(ask: Any, gateway: Path) -> None:
    ask("gateway", "start")
    said = ask("gateway", "run")
    assert said.code == 4
    assert f"a gateway is running already: process {only.running(gateway)}" in said.err


def test_a_port_that_changed_since_the_start_is_said(ask: Any, home: Any) -> None:
    home.put("home/.claude.json", {"mcpServers": ROUTED})
    ask("gateway", "start")
    home.put("home/.config/mcpconf/mcpconf.toml", 'gateway = "host.docker.internal:1"\n')
    for words in (["gateway", "start"], ["gateway", "status"], ["sync", "--project", home.project]):
        said = ask(*map(str, words)).err
        assert "it does not listen on 127.0.0.1:1" in said, words
        assert "help: mcpconf gateway stop && mcpconf gateway start" in said
    home.put("home/.config/mcpconf/mcpconf.toml", "gateway = 5\n")
    assert "does not listen" not in ask("gateway", "status").err


def test_starts_at_the_same_time_make_one(home: Any, gateway: Path) -> None:
    command = [sys.executable, "-m", "mcpconf", "gateway", "start", "--home", str(home.home)]
    starting = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [(p.communicate(timeout=30)[1], p.returncode) for p in starting]
    assert only.running(gateway)
    assert [code for _, code in said] == [0, 0, 0], said


def test_a_sync_lets_it_see_the_routes_at_once(home: Any, ask: Any) -> None:
    home.put("home/.claude.json", {"mcpServers": ROUTED})
    assert "start it: mcpconf gateway start" in home.run("sync").err
    ask("gateway", "start")
    home.put("home/.claude.json", {"mcpServers": {**ROUTED, "two": ROUTED["ray"]}})
    assert "gateway start" not in home.run("sync").err
    servers = ask("gateway", "status", "--format", "json").json["servers"]
    assert [s["name"] for s in servers] == ["ray", "two"]
    table = ask("gateway", "status")
    assert table.code == 0
    assert [line.split()[1] for line in table.out.splitlines()[1:]] == ["ray", "two"]


def test_what_it_refuses_is_in_the_log(ask: Any, port: int) -> None:
    assert "has not logged anything" in ask("gateway", "logs").err
    ask("gateway", "start")
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET /x/y/mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert b" 403 " in stranger.recv(1000)
    line = ask("gateway", "logs", "-n", "1").out
    assert "refused  foreign-host" in line
    assert "host=evil.example" in line
    row = json.loads(ask("gateway", "logs", "-n", "1", "--format", "json").out)
    assert (row["event"], row["code"]) == ("refused", "foreign-host")


def test_the_log_is_followed_over_a_rotation(gateway: Path) -> None:
    gateway.mkdir(parents=True)
    path = gateway / logs.DECISIONS
    path.write_text("old\n")
    seen: list[str] = []

    begin = logs.mark(gateway)

    def read() -> None:
        for line in logs.follow(gateway, begin):
            seen.append(line)
            if line == "last":
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with path.open("a") as file:
        file.write("one\n")
    eventually(lambda: seen == ["one"])
    with path.open("a") as file:
        file.write("two\n")
    path.rename(gateway / f"{logs.DECISIONS}.1")
    path.write_text("last\n")
    reader.join(30)
    assert seen == ["one", "two", "last"]
    assert logs.tail(gateway, 10, logs.mark(gateway)) == ["old", "one", "two", "last"]
    assert logs.tail(gateway, 2, logs.mark(gateway)) == ["two", "last"]


def test_a_pipe_gets_each_line_at_once(home: Any, gateway: Path) -> None:
    gateway.mkdir(parents=True)
    (gateway / "decisions.jsonl").write_text('{"at": 1, "event": "first"}\n')
    command = [sys.executable, "-m", "mcpconf", "gateway", "logs", "--follow", "--home"]
    with subprocess.Popen(
        [*command, str(home.home)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as following:  # a shell's background job ignores SIGINT, and hands that on
        assert following.stdout is not None
        assert following.stdout.readline().endswith("  first\n")
        with (gateway / "decisions.jsonl").open("a") as log:
            log.write('{"at": 1, "event": "second"}\n')
        assert following.stdout.readline().endswith("  second\n")
        following.send_signal(signal.SIGINT)
    assert following.returncode == 130


@pytest.mark.parametrize("line", ["", "no json", "[]", '{"at": "x"}', '{"at": 1e999}', "\x1b[2J"])
def test_a_line_that_is_none_of_the_log_is_shown_harmlessly(ask: Any, gateway: Path,
                                                            line: str) -> None:  # fmt: skip
    gateway.mkdir(parents=True)
    (gateway / "decisions.jsonl").write_text(f"{line}\n")
    said = ask("gateway", "logs")
    assert said.code == 0
    assert "\x1b" not in said.out


def test_a_state_directory_that_cannot_be_used_is_said(home: Any, ask: Any) -> None:
    home.put("home/.local/state/mcpconf", "a file")
    for command in ("start", "run"):
        said = ask("gateway", command)
        assert said.code == 4
        assert "cannot be used" in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_directory_that_may_not_be_written_is_said(home: Any, ask: Any) -> None:
    state = home.home / ".local/state/mcpconf"
    state.mkdir(parents=True)
    state.chmod(0o500)
    said = ask("gateway", "start")
    assert said.code == 4
    assert "make it writable" in said.err


def test_a_read_only_file_system_is_said(ask: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with mock.patch("pathlib.Path.mkdir", refuse):
        said = ask("gateway", "start")
    assert said.code == 4
    assert "mounted read-only" in said.err


def test_a_path_that_is_too_long_for_a_socket_is_said(tmp_path: Path, program: Any) -> None:
    said = program("gateway", "start", "--home", str(tmp_path / ("x" * 120)))
    assert said.code == 4
    assert "is too long" in said.err


def test_a_directory_that_others_may_enter_is_closed(gateway: Path) -> None:
    gateway.mkdir(parents=True)
    gateway.chmod(0o777)
    only.prepare(gateway)
    assert stat.S_IMODE(gateway.stat().st_mode) == 0o700


def run_alone(config: Path, port: int, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mcpconf", "gateway", "run", "--config", str(config), "--port",
         str(port), f"--home={config.parent}"],
        stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], **env},
    )  # fmt: skip


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return json.load(answer) == {"status": "ok"}
    except OSError:
        return False


@pytest.mark.parametrize("given", ["", "t" * 40])
def test_stand_alone_it_serves_one_file_and_keeps_nothing(
    tmp_path: Path, port: int, serve: Any, given: str
) -> None:
    backend = serve()
    url = f"http://127.0.0.1:{backend.server_address[1]}/mcp"
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"one": {"type": "http", "url": url}}}))
    running = run_alone(config, port, {"MCPCONF_GATEWAY_TOKEN": given} if given else {})
    try:
        eventually(lambda: answers(port))
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=30)[1]
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0
    assert said.startswith("token: ") is (given == "")
    assert list(tmp_path.iterdir()) == [config]


def test_a_token_that_could_be_guessed_is_refused(program: Any, tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    config.write_text('{"mcpServers": {}}')
    env = {"MCPCONF_GATEWAY_TOKEN": "hunter2"}
    said = program("gateway", "run", "--config", str(config), "--port", "0", env=env)
    assert said.code == 2
    assert "MCPCONF_GATEWAY_TOKEN is not a token" in said.err
    assert "hunter2" not in said.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--bla"], "does not know"), (["--port"], "wants a value"), (["--port", "70000"], "not a port"),
     (["--listen", "0.0.0.0:1"], "every network"), (["--config", "/nonexistent"], "not a file")],
)  # fmt: skip
def test_wrong_words_are_said(program: Any, words: list[str], complaint: str) -> None:
    said = program("gateway", "run", *words)
    assert said.code == 2
    assert complaint in said.err
