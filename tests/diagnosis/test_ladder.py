"""``explain --live`` with a real gateway, real bridges and real servers on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcpconf.bridge import bundle
from mcpconf.service import only
from tests.containers.local_engine import LocalEngine, usable

NO_ENGINE = {"MCPCONF_ENGINE": "/bin/false"}
HEALTHY, WORST = 5.0, 12.0  # seconds
TOML = "home/.config/mcpconf/mcpconf.toml"
STDIO = Path(__file__).parents[1] / "faults" / "near.py"


class Lab:
    """A home with servers, its gateway, and what ``explain --live`` says."""

    def __init__(self, home: Any, ask: Callable[..., Any]) -> None:
        self.home, self.ask = home, ask
        self.env = dict(NO_ENGINE)
        self.seconds = 0.0

    def servers(self, **entries: Any) -> None:
        self.home.put("home/.claude.json", {"mcpServers": entries})

    def up(self) -> None:
        """Sync, and start the gateway."""
        assert self.run("sync").code in (0, 1)
        said = self.ask("gateway", "start", env=self.env)
        assert said.code == 0, said.err

    def run(self, *words: str) -> Any:
        began = time.monotonic()
        said = self.home.run(*words, env=self.env)
        self.seconds = time.monotonic() - began
        return said

    def live(self, *words: str, code: int | None = None) -> dict[str, Any]:
        said = self.run("explain", *words, "--live", "--format", "json")
        assert said.code in ((0, 1) if code is None else (code,)), said.out + said.err
        return {s["name"]: s for s in said.json["servers"]}

    def one(self, name: str, *words: str, code: int | None = None) -> dict[str, Any]:
        return self.live(name, *words, code=code)[name]


@pytest.fixture
def lab(home: Any, ask: Callable[..., Any]) -> Lab:
    return Lab(home, ask)


def at(server: Any) -> dict[str, Any]:
    return {"type": "http", "url": f"http://127.0.0.1:{server.server_address[1]}/mcp"}


def free() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def near(lab: Lab, kind: str = "") -> dict[str, Any]:
    """A scripted server that the container could start: it lies in the project."""
    script = lab.home.put("project/near.py", STDIO.read_text())
    return {"command": "python3", "args": [str(script), *([kind] if kind else [])]}


def code_of(found: dict[str, Any]) -> str:
    return str((found["verdict"] or {}).get("code", ""))


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that accepts and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(20)
        yield int(listening.getsockname()[1])


def test_a_healthy_server_has_no_finding(lab: Lab, serve: Any) -> None:
    lab.servers(fine=at(serve()))
    lab.up()
    for _ in range(3):
        found = lab.one("fine", code=0)
        assert lab.seconds < HEALTHY
        assert (found["works"], found["tools"], found["way"]) == (True, 1, "gateway")
        assert (found["verdict"], found["also"], found["start"]) == (None, [], "host")
        assert all(step["ok"] for step in found["steps"])
        assert len(found["unseen"]) == 1  # no container


def test_nothing_was_synced_and_nothing_runs(lab: Lab, serve: Any) -> None:
    lab.servers(fine=at(serve()))
    found = lab.one("fine", code=1)
    assert code_of(found) == "MC201"
    assert [v["code"] for v in found["also"]] == ["MC215"]
    assert found["verdict"]["remedy"] == {"command": "mcpconf sync", "safe": True}


def test_fix_does_what_is_missing_and_looks_again(lab: Lab, serve: Any) -> None:
    lab.servers(fine=at(serve()))
    said = lab.run("explain", "fine", "--live", "--fix")
    assert said.code == 0, said.out + said.err
    running = [line for line in said.err.splitlines() if line.startswith("running: ")]
    assert running == ["running: mcpconf sync", "running: mcpconf gateway start"]
    assert "`fine` does not work" in said.out
    assert "`fine` works through the gateway: 1 tool" in said.out


def test_fix_only_shows_what_is_not_safe(lab: Lab) -> None:
    lab.servers(docker={"command": "docker", "args": ["run", "x"]})
    said = lab.run("explain", "docker", "--live", "--fix")
    assert said.code == 1
    assert "mcpconf trust docker" in said.err
    assert "running:" not in said.err
    lab.servers(odd={"type": "http", "url": "https:///x"})
    said = lab.run("explain", "odd", "--live", "--fix")
    assert "no command mends this" in said.err


def test_a_gateway_that_hangs(lab: Lab, serve: Any, gateway: Path) -> None:
    lab.servers(fine=at(serve()))
    lab.up()
    pid = only.running(gateway)
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        found = lab.one("fine", code=1)
        assert lab.seconds < WORST
        assert code_of(found) == "MC218"
        said = lab.run("explain", "fine", "--live", "--fix")
        assert said.code == 0, said.out + said.err
    finally:
        if only.running(gateway) == pid:
            os.kill(pid, signal.SIGCONT)


def test_two_faults(lab: Lab) -> None:
    """The one that blocks first is named, the other mentioned."""
    lab.servers(gone={"type": "http", "url": f"http://127.0.0.1:{free()}/mcp"})
    lab.run("sync")
    found = lab.one("gone", code=1)
    assert code_of(found) == "MC215"
    assert [v["code"] for v in found["also"]] == ["MC245"]


def test_beyond_the_gateway(lab: Lab, hanging: int) -> None:
    lab.servers(
        gone={"type": "http", "url": f"http://127.0.0.1:{free()}/mcp"},
        hangs={"type": "http", "url": f"http://127.0.0.1:{hanging}/mcp"},
    )
    lab.up()
    found = lab.live(code=1)
    assert lab.seconds < WORST
    assert {name: code_of(one) for name, one in found.items()} == {
        "gone": "MC245",
        "hangs": "MC278",
    }
    assert found["gone"]["verdict"]["shows"]["session"] == "failed"
    assert found["hangs"]["verdict"]["origin"]["pointer"] == "/mcpServers/hangs/url"


def test_a_name_that_does_not_exist(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr("mcpconf.wire.lookup.resolvers", list)
    lab.servers(far={"type": "http", "url": "https://mcp.example.com/mcp"})
    lab.run("sync")
    found = lab.one("far", code=1)
    assert found["way"] == "direct"
    assert code_of(found) == "MC240"


def test_an_edit_after_the_sync(lab: Lab, serve: Any) -> None:
    fine = at(serve())
    lab.servers(fine=fine)
    lab.up()
    lab.servers(fine={**fine, "headers": {"X-New": "1"}})
    assert code_of(lab.one("fine", code=1)) == "MC220"
    said = lab.run("explain", "fine", "--live", "--fix")
    assert said.code == 0, said.out + said.err


def test_a_variable_that_the_gateway_lacks(lab: Lab, serve: Any) -> None:
    lab.servers(key={**at(serve()), "headers": {"X-Key": "${LAB_KEY}"}})
    lab.up()
    assert code_of(lab.one("key", code=1)) == "MC021"
    lab.env["LAB_KEY"] = "s3cr3t-of-the-lab"
    found = lab.one("key", code=1)
    assert code_of(found) == "MC221"
    assert found["verdict"]["remedy"]["safe"] is False
    assert "s3cr3t" not in json.dumps(found)
    lab.ask("gateway", "stop", env=lab.env)
    lab.ask("gateway", "start", env=lab.env)
    assert lab.one("key", code=0)["works"]


def test_processes_of_the_container_here(lab: Lab) -> None:
    """Where no container runs they are started only if that is asked for."""
    lab.servers(fine=near(lab), exits=near(lab, "exits"), old=near(lab, "no-discover"))
    lab.run("sync")
    found = lab.live()
    assert {one["tools"] for one in found.values()} == {None}
    assert all("--start-here" in one["unseen"][0] for one in found.values())
    found = lab.live("--start-here", code=1)
    assert found["fine"]["works"]
    assert {name: code_of(one) for name, one in found.items()} == {
        "fine": "",
        "exits": "MC209",
        "old": "MC294",
    }


def test_servers_that_hang_keep_another_from_starting(lab: Lab) -> None:
    lab.servers(a=near(lab, "silent"), b=near(lab, "silent"), c=near(lab, "silent"), last=near(lab))
    lab.run("sync")
    found = lab.one("last", "--start-here", code=1)
    assert code_of(found) == "MC296"
    assert lab.seconds < WORST


def test_what_the_client_remembers(lab: Lab, serve: Any) -> None:
    lab.servers(fine=at(serve()))
    lab.up()
    cache = "home/.claude/mcp-needs-auth-cache.json"
    lab.home.put(cache, {"fine": {"timestamp": int(time.time() * 1000) - 60000}})
    found = lab.one("fine", code=1)
    assert (code_of(found), found["tools"]) == ("MC290", 1)
    assert found["verdict"]["shows"] == {"listed": "✔ Connected", "session": "needs-auth"}
    said = lab.run("explain", "fine", "--live", "--fix")
    assert said.code == 0, said.out + said.err
    assert json.loads((lab.home.root / cache).read_text()) == {}


def test_a_name_that_nothing_has(lab: Lab) -> None:
    lab.servers(fine={"type": "http", "url": "http://127.0.0.1:1/mcp"})
    said = lab.run("explain", "fime", "--live")
    assert said.code != 0
    assert "`fine`" in said.err + said.out
    assert lab.run("explain").code == 2
    assert lab.run("explain", "fine", "--live", "--offline").code == 2


def test_it_writes_no_secret_anywhere(lab: Lab, serve: Any, opened_for_write: Any) -> None:
    lab.servers(key={**at(serve()), "headers": {"X-Key": "s3cr3t-of-the-lab"}})
    lab.up()
    opened_for_write.clear()
    said = lab.run("explain", "key", "--live")
    assert said.code == 0, said.out + said.err
    assert "s3cr3t" not in said.out + said.err
    ours = ("/tmp/mcpconf-", "/dev/", "?", str(lab.home.home / ".local/state/mcpconf/gateway/lock"))
    assert [name for name in opened_for_write if not name.startswith(ours)] == []


@pytest.mark.skipif(not usable(), reason="needs root, for mount namespaces")
def test_in_a_container(lab: Lab, serve: Any, port: int, tmp_path: Path) -> None:
    """From inside: the bridge there, the gateway's token, the server's own command."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    lab.home.put(TOML, f'gateway = "127.0.0.1:{port}"\n')
    lab.servers(fine=at(serve()), away={"command": "npx", "args": ["-y", "no-such-package"]})
    lab.up()
    engine = LocalEngine(tmp_path / "engine")
    engine.env = {"MCPCONF_PROJECT": str(lab.home.project)}
    engine.mount(lab.home.container)
    engine.put("/usr/local/bin/mcpconf-bridge", bundle.bundle())
    managed = engine.at("/etc/claude-code") / "managed-mcp.json"
    managed.symlink_to("/etc/mcpconf/mcp.json")
    lab.env = dict(engine.environ)
    found = lab.one("fine", code=0)
    assert lab.seconds < HEALTHY
    assert (found["start"], found["tools"]) == ("shop-claude", 1)
    (engine.at("/usr/local/bin") / "mcpconf-bridge").unlink()
    found = lab.one("fine", code=1)
    assert code_of(found) == "MC203"


def test_all_at_once_under_way(lab: Lab, serve: Any) -> None:
    """Many servers take no longer than one."""
    fine = at(serve())
    lab.servers(**{f"s{n}": fine for n in range(12)})
    lab.up()
    found = lab.live(code=0)
    assert len(found) == 12
    assert all(one["works"] for one in found.values())
    assert lab.seconds < WORST
    assert threading.active_count() < 60
    assert sys.getrecursionlimit()  # nothing of the look is left in this process
