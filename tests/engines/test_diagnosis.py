"""What ``explain --live`` finds in containers of real engines, with the firewall in force."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcpconf.bridge import bundle
from mcpconf.containers.running import Container as Found
from mcpconf.contract import EgressRow
from mcpconf.diagnosis.container_facts import Aim, InContainer, Wish, sync_of
from mcpconf.diagnosis.judge.container import judge_container
from mcpconf.diagnosis.look import container as look_container
from mcpconf.origin import Origin, Source
from tests.diagnosis.box import ECHO
from tests.engines.engine import Container, Engine
from tests.engines.test_from_the_host import client, made

__all__ = ["client"]

pytestmark = pytest.mark.engine

_AT = Origin(Source("/home/ada/.claude.json"))
_NPX = """#!/bin/sh
curl -sS --max-time 5 https://registry.npmjs.org/server >&2 || { echo 'npm error network' >&2; exit 1; }
"""


@pytest.fixture(params=["docker-26", "podman"])
def engine(request: pytest.FixtureRequest, engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of(request.param)


@pytest.fixture
def host(engine: Engine) -> Path:
    """What a sync writes, on the other machine."""
    folder = engine.machine.files / "container"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


class House:
    """A project: what is written for it, and the path of it inside."""

    project = "/srv/shop"


def sync(folder: Path, number: int, servers: dict[str, Any], *rows: tuple[str, int]) -> None:
    name = f"gen-{number:016x}"
    (folder / name).mkdir()
    listed = [
        {"host": h, "port": p, "form": "name", "servers": ["echo"], "because": []} for h, p in rows
    ]
    egress = {"version": 1, "mode": "default", "grace": 300, "gateway": None, "rows": listed}
    (folder / name / "egress.json").write_text(json.dumps(egress))
    (folder / name / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    for file in ("egress.json", "mcp.json"):
        if not (folder / file).is_symlink():
            (folder / file).symlink_to(f"current/{file}")
    (folder / "next").symlink_to(name)
    (folder / "next").replace(folder / "current")


def entry(command: str, *args: str) -> dict[str, Any]:
    return {"type": "stdio", "command": command, "args": list(args)}


@pytest.fixture
def box(engine: Engine, host: Path, tmp_path: Path) -> Iterator[Container]:
    del tmp_path
    (engine.machine.files / "echo-server").write_text(ECHO)
    (engine.machine.files / "npx").write_text(_NPX)
    bundle.write(engine.machine.files / "mcpconf-bridge")
    servers = {"echo": entry("echo-server"), "runner": entry("npx", "-y", "server")}
    sync(host, 1, servers, ("api.github.com", 443))
    synced = type("Synced", (), {"house": House})
    with made(engine, synced, "--user", "1000") as box:
        for name in ("mcpconf-fw", "mcpconf-bridge", "echo-server", "npx"):
            done = engine.call(
                "exec",
                "-u",
                "0",
                box.name,
                "sh",
                "-c",
                f"cp /opt/test/{name} /usr/local/bin/ && chmod 755 /usr/local/bin/{name}",
            )
            assert done.code == 0, done
        done = engine.call("exec", "-u", "0", box.name, "/usr/local/bin/mcpconf-fw", "apply")
        assert done.code == 0, done
        yield box


def look(client: str, box: Container, *wishes: Wish) -> InContainer:
    asked = look_container.Look(House.project, wishes, seconds=8.0)
    seen = look_container.look(Found(client, box.name), asked)
    assert isinstance(seen, InContainer), seen
    return seen


def found(seen: InContainer, wish: Wish, host: Path, rows: Any = ()) -> list[str]:
    judged = judge_container(seen, Aim(wish, _AT, sync_of(host), "none", None, rows))
    return [v.finding.code for v in judged.causes]


def test_servers_of_a_container_behind_its_firewall(
    box: Container, client: str, host: Path
) -> None:
    echo = Wish("echo", "echo", "container", entry("echo-server"))
    runner = Wish("runner", "runner", "container", entry("npx", "-y", "server"))
    began = time.monotonic()
    seen = look(client, box, echo)
    print(f"a healthy server: {time.monotonic() - began:.1f} s")
    assert (seen.unseen, found(seen, echo, host)) == ((), [])
    seen = look(client, box, echo, runner)
    assert seen.unseen == ()
    assert seen.fire.state == "force", seen.fire
    assert seen.fire.generation == "gen-0000000000000001"
    assert seen.held is not None
    assert (seen.held.uid, seen.held.bridge.same, seen.held.firewall.same) == ("1000", True, True)
    assert seen.tried["echo"].tools == 1
    assert found(seen, echo, host) == []
    judged = judge_container(seen, Aim(runner, _AT, sync_of(host)))
    finding = judged.causes[0].finding
    assert finding.code == "MC230", finding
    assert "registry.npmjs.org" in finding.message
    assert finding.help[0] == "mcpconf allow registry.npmjs.org && mcpconf sync"


def test_a_firewall_that_has_an_older_sync_and_one_that_is_not_in_force(
    engine: Engine, box: Container, client: str, host: Path
) -> None:
    direct = Wish(
        "far", "far", "direct", entry("mcpconf-bridge", "--url", "https://example.com/mcp"),
        (("example.com", 443),),
    )  # fmt: skip
    engine.must(
        "exec", "-u", "0", box.name, "sh", "-c", "kill -STOP $(cat /run/mcpconf-fw/keeper.pid)"
    )
    sync(host, 2, {"far": dict(direct.entry)}, ("example.com", 443))
    rows = (EgressRow("example.com", 443, "name"),)
    time.sleep(6)  # so long a firewall may take
    seen = look(client, box, direct)
    assert "MC231" in found(seen, direct, host, rows)
    assert "MC230" in found(seen, direct, host)
    engine.must(
        "exec",
        "-u",
        "0",
        box.name,
        "sh",
        "-c",
        "mcpconf-fw stop --closed || mcpconf-fw stop; rm -f /run/mcpconf-fw/state.json",
    )
    seen = look(client, box, direct)
    assert seen.fire.state == "shut"
    assert found(seen, direct, host, rows)[0] == "MC232"
