"""``mcpconf firewall`` and ``allow --blocked`` on the host, with real engines and containers."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mcpconf.containers.program import has_firewall
from mcpconf.containers.running import Container as Found
from mcpconf.containers.running import Place, running
from tests.engines.engine import (
    _AS_OWNER,
    _FIRST_PROCESS,
    _IMAGE,
    KINDS,
    NETWORK,
    Container,
    Engine,
)

pytestmark = pytest.mark.engine

_HOME = {
    "home/.claude.json": {"mcpServers": {}},
    "home/.config/mcpconf/mcpconf.toml": '[[allow]]\nhost = "api.github.com"\nwhy = "a test"\n',
}
_INSIDE = "/state/files/container"  # what the machine calls the directory of the project


@pytest.fixture(params=[kind.name for kind in KINDS])
def engine(request: pytest.FixtureRequest, engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of(request.param)


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> str:
    """The engine's client on the other machine, as a program of this one."""
    environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
    environment += ["PODMAN_IGNORE_CGROUPSV1_WARNING=1"]
    if engine.kind.rootless:
        environment += ["HOME=/state/disk/home", "XDG_RUNTIME_DIR=/state/disk/home", *_AS_OWNER]
    words = engine.machine.words(*environment, engine.kind.program)
    path = tmp_path / engine.kind.program
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def synced(house: Callable[..., Any], engine: Engine) -> Callable[..., Any]:
    """Run a command for a house whose container directory is on the other machine."""
    built = house(_HOME)

    def run(command: str, *words: str, **more: Any) -> Any:
        out = ["--out", str(engine.machine.files / "container")]
        return built.run(command, *(out if command in ("sync", "allow") else []), *words, **more)

    run.house = built
    assert run("sync").code == 0
    return run


@pytest.fixture
def box(engine: Engine, synced: Any) -> Iterator[Container]:
    """A container of the project, with the firewall in force."""
    name = f"host-{time.monotonic_ns()}"
    words = ["run", "-d", "--name", name, "--network", NETWORK]
    words += [f"--cap-add={each}" for each in engine.kind.capabilities.split(",")]
    words += ["--label", f"com.ddev.approot={synced.house.project}"]
    words += ["--label", "com.docker.compose.service=claude"]
    words += ["-v", f"{_INSIDE}:/etc/mcpconf:ro", "-v", "/state/files:/opt/test:ro"]
    engine.must(*words, *engine._habits(NETWORK), _IMAGE, "sh", "-c", _FIRST_PROCESS)
    made = Container(engine, name)
    try:
        made.must("cp", "/opt/test/mcpconf-fw", "/usr/local/bin/mcpconf-fw")
        yield made
    finally:
        engine.call("rm", "-f", name)


def test_the_container_is_found_by_its_mount(box: Container, client: str, synced: Any) -> None:
    environ = {"MCPCONF_ENGINE": client}
    found = [Found(client, box.name)]
    assert running(Place(Path(_INSIDE), ("/nowhere",)), environ) == found
    assert running(Place(Path("/x"), (str(synced.house.project),)), environ) == found, "by labels"
    assert running(Place(Path("/x"), ("/nowhere",)), environ) == []
    assert not has_firewall(found[0], 20)
    box.must("mcpconf-fw", "apply")
    assert has_firewall(found[0], 20)


def test_what_was_blocked_is_allowed_and_a_sync_opens_it(
    box: Container, client: str, synced: Any, program: Callable[..., Any]
) -> None:
    environ = {"MCPCONF_ENGINE": client}
    where = ["--home", str(synced.house.home), "--project", str(synced.house.project)]

    def firewall(*words: str) -> Any:
        return program("firewall", *words, *where, env=environ)

    box.must("mcpconf-fw", "apply")
    said = firewall("status", "--format", "json")
    assert said.code == 0, said
    assert "api.github.com" in [row["host"] for row in said.json["rows"]]
    said = firewall("verify")
    assert said.code == 0, said
    get = ["curl", "-sSk", "--max-time", "8", "https://example.com"]
    assert box.agent(*get).code == 7  # refused
    said = firewall("blocked", "example.com", "--format", "json")
    assert [(b["name"], b["port"], b["reason"]) for b in said.json["blocked"]] == [
        ("example.com", 443, "name")
    ]
    assert synced("allow", "--blocked", "example.com", env=environ).code == 0
    began = time.monotonic()
    with mock.patch("mcpconf.cli.firewall_commands._KNOWN_WITHIN", 30.0):
        said = synced("sync", env=environ)
    assert f"the firewall of the container {box.name} follows" in said.err
    while box.agent(*get).code:
        assert time.monotonic() - began < 15, box.must("cat", "/run/mcpconf-fw/keeper.log")
        time.sleep(0.1)
    said = firewall("status", "--format", "json")
    (row,) = [row for row in said.json["rows"] if row["host"] == "example.com"]
    assert row["packets"] > 0
    assert row["because"].startswith("blocked in the container on ")
    said = firewall("render", "--site", "auto")
    assert "server=/example.com/" in said.out
    assert f"# ===== resolv.conf =====\n{box.must('cat', '/etc/resolv.conf')}" in said.out
