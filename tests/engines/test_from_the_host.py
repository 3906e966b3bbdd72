"""``mcpconf firewall`` and ``allow --blocked`` on the host, with real engines and containers."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mcpconf.containers.inside import PATH, PLACES
from mcpconf.containers.running import Container as Found
from mcpconf.containers.running import Place, running
from mcpconf.containers.uptake import state_of
from tests import clock
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
    shutil.rmtree(engine.machine.files / "container", ignore_errors=True)  # another house's
    built = house(_HOME)

    def run(command: str, *words: str, **more: Any) -> Any:
        out = ["--out", str(engine.machine.files / "container")]
        return built.run(command, *(out if command in ("sync", "allow") else []), *words, **more)

    run.house = built
    assert run("sync").code == 0
    return run


@pytest.fixture
def box(engine: Engine, synced: Any) -> Iterator[Container]:
    """A container of the project that has the firewall's program."""
    with made(engine, synced) as box:
        box.must("cp", "/opt/test/mcpconf-fw", "/usr/local/bin/mcpconf-fw")
        yield box


@contextmanager
def made(engine: Engine, synced: Any, *options: str) -> Iterator[Container]:
    name = f"host-{time.monotonic_ns()}"
    words = ["run", "-d", "--name", name, "--network", NETWORK]
    words += [f"--cap-add={each}" for each in engine.kind.capabilities.split(",")]
    words += ["--label", f"com.ddev.approot={synced.house.project}"]
    words += ["--label", "com.docker.compose.service=claude"]
    words += ["-v", f"{_INSIDE}:/etc/mcpconf:ro", "-v", "/state/files:/opt/test:ro"]
    words += [*engine._habits(NETWORK), *options]
    engine.must(*words, _IMAGE, "/bin/sh", "-c", _FIRST_PROCESS)
    try:
        yield Container(engine, name)
    finally:
        engine.call("rm", "-f", name)


@contextmanager
def patient() -> Iterator[None]:
    """A sync that waits for as long as a machine with other tests on it may take."""
    where = "mcpconf.cli.firewall_commands"
    with mock.patch(f"{where}._KNOWN_WITHIN", 30.0), mock.patch(f"{where}._TAKEN_WITHIN", 30.0):
        yield


def test_the_container_is_found_by_its_mount(
    engine: Engine, box: Container, client: str, synced: Any
) -> None:
    environ = {"MCPCONF_ENGINE": client}
    found = [Found(client, box.name)]
    assert running(Place(Path(_INSIDE), ("/nowhere",)), environ) == found
    assert running(Place(Path("/x"), (str(synced.house.project),)), environ) == found, "by labels"
    assert running(Place(Path("/x"), ("/nowhere",)), environ) == []
    assert state_of(found[0], 20) is None
    box.must("mcpconf-fw", "apply")
    state = state_of(found[0], 20)
    assert state is not None
    assert state.in_force
    assert state.generation == (engine.machine.files / "container/current").readlink().name


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
    began = clock.now()
    with patient():
        said = synced("sync", env=environ)
    assert f"the firewall of the container {box.name} has it" in said.err
    assert box.agent(*get).code == 0, box.must("cat", "/run/mcpconf-fw/keeper.log")
    assert clock.now() - began < 15
    said = firewall("status", "--format", "json")
    (row,) = [row for row in said.json["rows"] if row["host"] == "example.com"]
    assert row["packets"] > 0
    assert row["because"].startswith("blocked in the container on ")
    said = firewall("render", "--site", "auto")
    assert "server=/example.com/" in said.out
    assert f"# ===== resolv.conf =====\n{box.must('cat', '/etc/resolv.conf')}" in said.out


TRAP = "/agent/bin"
VARIABLES = {
    "PATH": f"{TRAP}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/agent",
    "ENV": "/agent/start",
    "BASH_ENV": "/agent/start",
    "PYTHONPATH": "/agent/python",
    "LD_LIBRARY_PATH": "/agent/lib",
    "LD_PRELOAD": "/agent/lib/evil.so",
}
PLANT = f"""
mkdir -p {TRAP} /agent/python /agent/lib && cd {TRAP}
printf '#!/bin/sh\\nid -u >> /agent/ran\\necho {{}}\\n' > cat
for name in test sh ls env head readlink mcpconf-fw python3 iptables nft dnsmasq sleep; do
  cp cat $name
done
chmod 755 *
echo 'id -u >> /agent/ran' > /agent/start
echo 'open("/agent/ran", "a").write("python")' | tee /agent/python/json.py > /agent/python/os.py
echo nothing > /agent/lib/evil.so
"""


def test_a_program_of_the_agents_does_not_run_in_our_place(
    engine: Engine, client: str, synced: Any, program: Callable[..., Any]
) -> None:
    """The image's PATH begins with a directory of the agent's, as ~/.local/bin often is."""
    environ = {"MCPCONF_ENGINE": client}
    options = [o for key, value in VARIABLES.items() for o in ("-e", f"{key}={value}")]
    where = ["--home", str(synced.house.home), "--project", str(synced.house.project)]
    with made(engine, synced, *options, "--tmpfs", "/agent:mode=777,exec") as box:
        box.must("/bin/cp", "/opt/test/mcpconf-fw", PLACES[0])
        assert box.agent("/bin/sh", "-c", f"PATH={PATH}; {PLANT}").code == 0
        assert box.root("cat", "/etc/hosts").out == "{}\n", "whoever types a bare name runs it"
        box.agent("/bin/rm", "/agent/ran")
        assert box.root("/usr/bin/env", "-i", PLACES[0], "apply").code == 0
        for words in (
            ["firewall", "status"],
            ["firewall", "verify"],
            ["firewall", "refresh"],
            ["firewall", "blocked", "--format", "json"],
            ["firewall", "status", "--container", box.name],
            ["firewall", "render", "--site", "auto"],
            ["allow", "--blocked"],
        ):
            said = program(*words, *where, env=environ)
            assert said.code == 0, (words, said)
            assert "evil.so" not in said.err, "it was to be loaded"
        assert synced("allow", "example.com").code == 0
        with patient():
            said = synced("sync", env=environ)
        assert f"the firewall of the container {box.name} has it" in said.err
        ran = box.root("/usr/bin/env", "-i", "/bin/cat", "/agent/ran")
        assert (ran.code, ran.out) == (1, ""), "the agent's programs ran"


@pytest.mark.parametrize("engine", ["docker-26"], indirect=True)  # it is the shell that decides
@pytest.mark.parametrize(
    "spoil",
    [
        f"chown 1000 {PLACES[0]}",
        f"chmod g+w {PLACES[0]}",
        f"chmod o+w {PLACES[0]}",
        "chmod 1777 /usr/local/sbin",
        "chown 1000 /usr/local",
        f"mv {PLACES[0]} /usr/bin/there && ln -s ../../bin/there {PLACES[0]}",
    ],
)
def test_a_program_that_is_not_roots_alone_is_not_run(
    engine: Engine, client: str, synced: Any, program: Callable[..., Any], spoil: str
) -> None:
    with made(engine, synced) as box:
        box.must("cp", "/opt/test/mcpconf-fw", PLACES[0])
        box.must("cp", "/opt/test/mcpconf-fw", PLACES[1])
        environ = {"MCPCONF_ENGINE": client}
        words = ["firewall", "status", "--container", box.name]
        assert "is not in force" in (said := program(*words, env=environ)).out + said.err, said
        box.must("sh", "-c", spoil)
        said = program(*words, env=environ)
        assert (said.code, said.out) == (4, "")
        assert "is not root's alone, so it was not run" in said.err


@pytest.mark.parametrize("engine", ["docker-20", "docker-26", "podman"], indirect=True)
def test_a_container_that_cannot_start_anything_has_not_taken_it_up(
    engine: Engine, client: str, synced: Any
) -> None:
    """The agent fills the limit of processes: what reloads cannot, and nobody can ask.

    Rootless Podman has a limit only where the machine hands it control groups.
    """
    with made(engine, synced, "--pids-limit", "60") as box:
        box.must("cp", "/opt/test/mcpconf-fw", PLACES[0])
        box.must(PLACES[0], "apply")
        box._engine.must("exec", "-d", "-u", "1000", box.name, "/usr/bin/python3", "-c", FILL)
        time.sleep(3)
        assert synced("allow", "example.com").code == 0
        said = synced("sync", env={"MCPCONF_ENGINE": client})
        assert f"warning: the firewall of the container {box.name} " in said.err
        assert "help: mcpconf firewall status" in said.err


FILL = """
import os, time
while True:
    try:
        if not os.fork():
            time.sleep(600)
    except OSError:
        time.sleep(0.001)
"""
