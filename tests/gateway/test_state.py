"""The gateway of a user: projects of the state directory, hot reload, the control socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from mcpconf.contract import Ref, Route, Routes, dump_routes
from mcpconf.gateway.projects import Projects
from mcpconf.model import Opaque, ServerId

from . import rig
from .rig import Gateway, until

OTHER_TOKEN = "other-Token-0123456789abcdefghijklmnopqrstuv"


class State:
    """A state directory as ``sync`` writes it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / ".local/state/mcpconf"
        self.generation = 0

    def project(
        self, name: str, servers: dict[str, dict[str, Any]], token: str = rig.TOKEN
    ) -> Path:
        """Write a project's servers and token; a new generation each time."""
        self.generation += 1
        folder = self.root / "projects" / name
        source = self.home / f"{name}.json"
        source.write_text(json.dumps({"mcpServers": servers}))
        new = folder / f"generation-{self.generation}"
        new.mkdir(parents=True)
        routes = Routes(
            str(self.home), "2.1.328", tuple(_route(source, n, e) for n, e in servers.items())
        )
        _write(new / "routes.json", dump_routes(routes))
        _write(folder / "token", token + "\n")
        link = folder / "next"
        link.symlink_to(new.name)
        link.replace(folder / "current")
        return folder


def _route(source: Path, name: str, entry: dict[str, Any]) -> Route:
    pointer = f"/mcpServers/{name}"
    remote = "url" in entry
    settings = str(source.with_name("settings.json"))
    variables = {"KEY": (settings, "/env/KEY")}
    headers = {
        h: Ref(str(source), f"{pointer}/headers/{h}", 2, variables)
        for h in entry.get("headers", {})
    }
    return Route(
        ServerId(name),
        name,
        "http" if remote else "stdio",
        entry.get("type", "http") if remote else "stdio",
        Opaque(entry).digest(),
        Ref(str(source), pointer),
        entry.get("url"),
        headers=headers,
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def control(running: Gateway, method: str, path: str) -> Any:
    class Unix(HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(running.home / ".local/state/mcpconf/gateway/control.sock"))

    connection = Unix("localhost", timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body
    return json.loads(body) if body[:1] == b"{" else body.decode()


def test_projects_are_apart(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio("s0"), "s1": rig.stdio("s1")})
    state.project("two", {"s0": rig.stdio("t0")}, OTHER_TOKEN)
    running = gateway(None)
    one = running.session("s0", project="one")
    two = running.session("s0", project="two", token=OTHER_TOKEN)
    assert json.loads(one.tool("whoami").text)["name"] == "s0"
    assert json.loads(two.tool("whoami").text)["name"] == "t0"
    assert running.client("s0", project="two").greet().status == 401
    assert running.client("s0", project="three").greet().status == 401
    assert running.client("s1", project="two", token=OTHER_TOKEN).greet().status == 404
    stolen = running.client("s0", project="two", token=OTHER_TOKEN)
    stolen.session = one.session
    assert stolen.tool("echo").status == 404


def test_a_changed_route_ends_only_its_own_sessions(
    state: State, gateway: Callable[..., Gateway]
) -> None:
    state.project(
        "one", {"kept": rig.stdio("kept"), "new": rig.stdio("old"), "gone": rig.stdio("g")}
    )
    running = gateway(None)
    kept, new, gone = (running.session(n, project="one") for n in ("kept", "new", "gone"))
    pids = {client: rig.pid_of(client) for client in (kept, new, gone)}
    servers = {"kept": rig.stdio("kept"), "new": rig.stdio("fresh"), "added": rig.stdio("a")}
    state.project("one", servers)
    assert control(running, "POST", "/reload") == {}
    assert rig.pid_of(kept) == pids[kept], "a session of an unchanged route goes on"
    assert new.tool("echo").status == 404
    assert gone.tool("echo").status == 404
    until(lambda: not rig.alive(pids[new]) and not rig.alive(pids[gone]))
    assert json.loads(running.session("new", project="one").tool("whoami").text)["name"] == "fresh"
    assert running.session("added", project="one").tool("echo").status == 200


def test_a_change_is_seen_without_being_told(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    assert running.client("s1", project="one").greet().status == 404
    state.project("one", {"s0": rig.stdio(), "s1": rig.stdio()})
    until(lambda: running.client("s1", project="one").greet().status == 200)
    state.project("one", {"s0": rig.stdio()}, OTHER_TOKEN)
    os.kill(running.pid, signal.SIGHUP)
    until(lambda: running.client("s0", project="one").greet().status == 401)
    assert running.client("s0", project="one", token=OTHER_TOKEN).greet().status == 200


def test_a_request_that_began_before_a_sync_is_decided_on_anew(
    state: State, gateway: Callable[..., Gateway]
) -> None:
    """Whoever was let in by a token, or to a server, that is gone by now has come too late."""
    state.project("one", {"s0": rig.stdio(), "s1": rig.stdio()})
    running = gateway(None)
    client = running.client("s1", project="one")
    body = json.dumps(client.message("initialize", {})).encode()
    head = f"Host: localhost\r\nAuthorization: Bearer {rig.TOKEN}\r\nContent-Length: {len(body)}"
    begun = [socket.create_connection(("127.0.0.1", running.port), 5) for _ in "ab"]
    for sock, server in zip(begun, ("s0", "s1"), strict=True):
        sock.sendall(f"POST /one/{server}/mcp HTTP/1.1\r\n{head}\r\n\r\n".encode() + body[:5])
    running.client("s0", project="one").greet()  # the heads were read before this
    state.project("one", {"s0": rig.stdio()})
    control(running, "POST", "/reload")
    begun[1].sendall(body[5:])
    assert begun[1].recv(4096).startswith(b"HTTP/1.1 404 ")
    state.project("one", {"s0": rig.stdio()}, OTHER_TOKEN)
    control(running, "POST", "/reload")
    begun[0].sendall(body[5:])
    assert begun[0].recv(4096).startswith(b"HTTP/1.1 401 ")
    for sock in begun:
        sock.close()
    assert control(running, "GET", "/status")["servers"][0]["calls"] == 0


def test_another_token_ends_what_the_old_one_has_opened(
    state: State, gateway: Callable[..., Gateway]
) -> None:
    state.project("one", {"s0": rig.stdio()})
    state.project("two", {"s0": rig.stdio()})
    running = gateway(None)
    listening = running.session("s0", project="one").listen()
    other = running.session("s0", project="two")
    pid = rig.pid_of(other)
    state.project("one", {"s0": rig.stdio()}, OTHER_TOKEN)
    control(running, "POST", "/reload")
    assert next(listening, None) is None, "the stream has ended"
    assert rig.pid_of(other) == pid, "the other project goes on"


def test_an_entry_that_has_changed_since_the_sync_is_not_run(
    state: State, gateway: Callable[..., Gateway]
) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    (state.home / "one.json").write_text(json.dumps({"mcpServers": {"s0": {"command": "evil"}}}))
    answer = running.client("s0", project="one").greet()
    assert answer.trouble["code"] == "stale-route"
    (row,) = control(running, "GET", "/status")["servers"]
    assert row["state"] == "stale"


def test_a_rotated_secret_is_used_at_once(
    state: State, gateway: Callable[..., Gateway], backend: Callable[..., rig.Backend]
) -> None:
    settings = state.home / "settings.json"
    settings.write_text(json.dumps({"env": {"KEY": "first"}}))
    entry = {"type": "http", "url": backend().url, "headers": {"X-Api-Key": "key-${KEY}"}}
    state.project("one", {"s0": entry})
    running = gateway(None)
    client = running.session("s0", project="one")

    def key() -> str:
        return str(json.loads(client.tool("whoami").text)["headers"]["x-api-key"])

    assert key() == "key-first"
    settings.write_text(json.dumps({"env": {"KEY": "second"}}))
    until(lambda: key() == "key-second")
    settings.write_text("{}")
    until(lambda: "error" in client.tool("whoami").message)
    answer = client.tool("whoami")
    assert answer.trouble["code"] == "secret-missing"
    assert "KEY" in answer.message["error"]["message"]
    assert "second" not in running.stderr()


def test_the_sockets_are_the_users_own(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    folder = state.root / "gateway"
    for name in ("gateway.sock", "control.sock"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(folder / "gateway.sock"))
        sock.sendall(b"POST /one/s0/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 401 "), "the socket needs the token too"
    assert running.stop() == 0
    assert not (folder / "gateway.sock").exists()
    assert not (folder / "control.sock").exists()


def test_status_and_metrics(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio(), "bad": {"command": "/no/such"}, "idle": rig.stdio()})
    running = gateway(None)
    client = running.session("s0", project="one")
    client.tool("echo")
    running.client("bad", project="one").greet()
    status = control(running, "GET", "/status")
    assert status["version"] == 1
    assert status["gateway"]["pid"] == running.pid
    assert f"127.0.0.1:{running.port}" in status["gateway"]["listen"]
    rows = {row["server"]: row for row in status["servers"]}
    assert rows["s0"]["state"] == "ready"
    assert (rows["s0"]["sessions"], rows["s0"]["children"], rows["s0"]["calls"]) == (1, 1, 2)
    assert rows["s0"]["latency_ms"]["p50"] > 0
    assert rows["bad"]["state"] == "failing"
    assert rows["bad"]["last_error"]["code"] == "spawn-failed"
    assert rows["idle"] | {"path": ""} == rows["idle"] | {
        "state": "idle",
        "path": "",
        "sessions": 0,
    }
    running.client("s0", project="one", token="wrong").greet()
    page = control(running, "GET", "/metrics")
    assert 'mcpconf_refusals_total{code="no-token"} 1' in page
    assert 'mcpconf_errors_total{project="one",server="bad",code="spawn-failed"} 1' in page
    assert 'mcpconf_request_seconds_count{project="one",server="s0"} 2' in page
    assert 'mcpconf_sessions{project="one",server="s0"} 1' in page
    assert control(running, "POST", "/logins") == {}
    log = (state.root / "gateway/decisions.jsonl").read_text().splitlines()
    states = [(r["server"], r["state"]) for r in map(json.loads, log) if r["event"] == "state"]
    assert states == [("s0", "starting"), ("s0", "ready"), ("bad", "failing")]


def test_what_a_server_says_on_stderr_is_for_the_user(
    state: State, gateway: Callable[..., Gateway]
) -> None:
    state.project(
        "one", {"s0": rig.script("import sys; sys.stderr.write('no database'); sys.exit(3)")}
    )
    running = gateway(None)
    answer = running.client("s0", project="one").greet()
    assert b"no database" not in answer.body
    assert control(running, "GET", "/stderr/one/s0") == "no database"
    assert control(running, "GET", "/stderr/one/none") == ""


def test_calls_under_way_may_finish(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    client = running.session("s0", project="one")
    answers: list[rig.Answer] = []
    quick = threading.Thread(
        target=lambda: answers.append(client.tool("sleep", ms=700, tag="done"))
    )
    quick.start()
    time.sleep(0.3)
    assert control(running, "POST", "/stop") == {}
    quick.join(30)
    assert "done" in answers[0].text
    assert running.process.wait(30) == 0


def test_calls_that_take_longer_are_told(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    client = running.session("s0", project="one")
    answers: list[rig.Answer] = []
    slow = threading.Thread(target=lambda: answers.append(client.tool("sleep", ms=60_000)))
    slow.start()
    time.sleep(0.3)
    control(running, "POST", "/stop")
    slow.join(30)
    assert answers[0].trouble["code"] == "shutting-down"
    assert running.process.wait(30) == 0


def test_refusals_are_logged_without_tokens(state: State, gateway: Callable[..., Gateway]) -> None:
    state.project("one", {"s0": rig.stdio()})
    running = gateway(None)
    running.client("s0", project="one", token="stolen-secret").greet()
    client = running.client("s0", project="one")
    client.send(client.message("ping"), {"Host": "evil.example"})
    client.send(client.message("ping"), {"Origin": "http://evil.example"})
    text = (state.root / "gateway/decisions.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    codes = [row["code"] for row in rows if row["event"] == "refused"]
    assert codes == ["no-token", "foreign-host", "foreign-origin"]
    assert "stolen-secret" not in text
    assert rig.TOKEN not in text
    assert rows[-1]["peer"].startswith("127.0.0.1:")


# --- reading the directory ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["token", "current/routes.json"])
def test_files_that_others_may_read_are_refused(state: State, name: str) -> None:
    folder = state.project("one", {"s0": rig.stdio()})
    (folder / name).chmod(0o644)
    said: list[str] = []
    projects = Projects(state.root, said.append)
    assert projects.look()
    assert projects.found == {}
    assert "chmod 600" in said[0]
    (folder / name).chmod(0o600)
    assert projects.look(), "mending it is seen"
    assert set(projects.found) == {"one"}


def test_broken_projects_leave_the_others_alone(state: State) -> None:
    state.project("good", {"s0": rig.stdio()})
    for name, text in (("a", "{"), ("b", '{"version":99}'), ("c", "[" * 100_000), ("d", "\0")):
        folder = state.project(name, {})
        _write(folder / "current/routes.json", text)
    short = state.project("e", {})
    _write(short / "token", "short")
    pipe = state.project("f", {})
    (pipe / "token").unlink()
    os.mkfifo(pipe / "token", 0o600)
    said: list[str] = []
    projects = Projects(state.root, said.append)
    projects.look()
    assert set(projects.found) == {"good"}
    assert len(said) == 6
    assert not projects.look(), "what is wrong is said once"


def test_no_directory_is_no_project(tmp_path: Path) -> None:
    projects = Projects(tmp_path / "none", lambda _: None)
    assert not projects.look()
    assert projects.found == {}
