"""The whole of it: the real gateway, a server behind a login, and a client with the project's token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcpconf.contract import Routes, dump_routes
from tests import clock

from .conftest import Desk

TOKEN = "t" * 43
ABOUT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class Client:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.count = 0
        self.session: dict[str, str] = {}

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self.count += 1
        message = {"jsonrpc": "2.0", "id": self.count, "method": method, "params": params or {}}
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **self.session,
        }
        request = urllib.request.Request(
            f"{self.url}/shop/jira/mcp", json.dumps(message).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            if "Mcp-Session-Id" in answer.headers:
                self.session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
            text = answer.read().decode()
        lines = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
        value: dict[str, Any] = json.loads(lines[-1] if lines else text)
        return value

    def code(self, method: str, params: dict[str, Any] | None = None) -> str:
        code: str = self.call(method, params)["error"]["data"]["mcpconf"]["code"]
        return code

    def is_there(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def client(desk: Desk, unused_port: int) -> Iterator[Client]:
    project = desk.home.state / "projects" / "shop"
    (project / "gen-1").mkdir(parents=True, mode=0o700)
    (project / "current").symlink_to("gen-1")
    for path, text in (
        (project / "gen-1" / "routes.json", dump_routes(Routes("/", "2.1.328", (desk.route,)))),
        (project / "token", TOKEN),
    ):
        path.write_text(text)
        path.chmod(0o600)
    for folder in (desk.home.state, project.parent, project, project / "gen-1"):
        folder.chmod(0o700)
    home = desk.folder
    (home / ".local" / "state").mkdir(parents=True)
    (home / ".local" / "state" / "mcpconf").symlink_to(desk.home.state)
    words = ["gateway", "run", "--home", str(home), "--listen", f"127.0.0.1:{unused_port}"]
    gateway = subprocess.Popen(
        [sys.executable, "-m", "mcpconf", *words],
        env={**os.environ, **desk.home.environ},
        stderr=subprocess.PIPE,
    )
    client = Client(unused_port)
    try:
        deadline = time.monotonic() + 60
        while not client.is_there() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield client
    finally:
        gateway.terminate()
        _, said = gateway.communicate(timeout=30)
        assert [s for s in desk.oauth.planted() if s in said.decode()] == []


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):
        if path.is_file() and "logins" not in path.parts:
            yield path, path.read_bytes().decode("utf-8", "replace")


def test_a_login_mends_what_the_container_sees(desk: Desk, client: Client) -> None:
    started = clock.now()
    assert client.code("initialize", ABOUT) == "login-needed"
    assert clock.now() - started < 1
    assert desk.log_in().code == "done"
    assert "result" in client.call("initialize", ABOUT)
    assert "result" in client.call("tools/list")
    desk.expire()
    desk.oauth.valid.clear()
    assert "result" in client.call("tools/list")
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1
    desk.oauth.refuse_refresh = "invalid_grant"
    desk.expire()
    assert client.code("tools/list") == "login-expired"
    assert desk.log_in().code == "done"
    assert "result" in client.call("tools/list")  # the same session
    planted = desk.oauth.planted()
    assert len(planted) > 4
    assert [(p, s) for p, text in files(desk.folder) for s in planted if s in text] == []
    assert all(
        a.headers["authorization"] != f"Bearer {TOKEN}"
        for a in desk.oauth.all("/mcp")
        if "authorization" in a.headers
    )
