"""How a container reaches the gateway: the table of DDEV's own rules, and how they are seen."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mcpconf.gateway.routing import ALWAYS_KNOWN
from mcpconf.readers.machine import this_machine
from mcpconf.readers.reach import Machine, reach, reach_from_devcontainer

ALIAS, DDEVS = "mcpconf-gateway", "host.docker.internal"
WSL = {"wsl": True}
MAC = {"system": "darwin"}

TABLE = [
    ({}, ALIAS, ""),
    ({"ide": "192.0.2.7"}, ALIAS, ""),  # ours does not follow the debugger
    ({"engine": "podman"}, ALIAS, ""),
    ({"engine": "podman-rootless"}, ALIAS, "gateway_listen"),
    ({"engine": "rootless"}, DDEVS, "loopback"),
    ({"engine": "rootless", "ide": "192.0.2.7"}, DDEVS, "elsewhere"),
    ({**WSL}, ALIAS, ""),
    ({**WSL, "ide": "wsl2"}, ALIAS, ""),
    ({**WSL, "engine": "desktop"}, DDEVS, "Windows"),
    ({**MAC, "engine": "desktop"}, DDEVS, ""),
    ({**MAC, "engine": "orbstack"}, DDEVS, ""),
    ({**MAC, "engine": "desktop", "ide": "container"}, ALIAS, ""),
    ({**MAC, "engine": "colima"}, DDEVS, ""),
    ({**MAC, "engine": "colima", "ide": "container"}, DDEVS, "elsewhere"),
    ({"cloud": True}, ALIAS, ""),
    ({"cloud": True, "engine": "rootless"}, ALIAS, ""),
]


@pytest.mark.parametrize(("seen", "name", "doubt"), TABLE)
def test_the_table(seen: dict, name: str, doubt: str) -> None:
    found = reach(Machine(**seen))
    assert found.gateway.host == name
    assert found.extra_hosts == ((f"{ALIAS}:host-gateway",) if name == ALIAS else ())
    assert doubt in found.doubt
    assert bool(doubt) == bool(found.doubt)
    assert found.why


@pytest.mark.parametrize(
    ("seen", "name", "doubt"),
    [
        ({}, DDEVS, ""),
        ({"ide": "192.0.2.7"}, DDEVS, ""),  # DDEV's setting is DDEV's
        ({"engine": "podman"}, DDEVS, ""),
        ({"engine": "podman-rootless"}, DDEVS, "gateway_listen"),
        ({"engine": "rootless"}, "10.0.2.2", "loopback"),
        ({**MAC, "engine": "colima"}, "192.168.5.2", ""),
        ({**MAC, "engine": "desktop"}, DDEVS, ""),
        ({**MAC, "engine": "orbstack", "ide": "container"}, DDEVS, ""),
        ({**WSL}, DDEVS, ""),
        ({**WSL, "engine": "desktop"}, DDEVS, "Windows"),
        ({"cloud": True, "engine": "rootless"}, DDEVS, ""),
    ],
)
def test_the_table_of_dev_containers(seen: dict, name: str, doubt: str) -> None:
    found = reach_from_devcontainer(Machine(**seen))
    assert (found.gateway.host, found.extra_hosts) == (name, ())
    assert bool(doubt) == bool(found.doubt)
    assert doubt in found.doubt
    assert found.why
    assert found.gateway.host in ALWAYS_KNOWN  # as Host of a request


@pytest.mark.parametrize("folder", [".ddev", ".devcontainer"])
def test_a_doubt_is_said_until_the_user_has_decided(house, folder: str) -> None:
    ray = {"mcpServers": {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}}
    built = house({"home/.claude.json": ray, f"project/{folder}/config.yaml": "name: x\n"})
    env = {"DOCKER_HOST": "unix:///run/user/1000/podman/podman.sock"}
    said = built.run("sync", env=env)
    assert "MC127" in said.err
    assert "gateway_listen" in said.err
    assert "MC127" not in built.run("sync").err, "on another engine"
    built.put("home/.config/mcpconf/mcpconf.toml", 'gateway_listen = ["192.0.2.1"]\n')
    assert "MC127" not in built.run("sync", env=env).err
    built.put("home/.config/mcpconf/mcpconf.toml", "")
    built.put("home/.claude.json", "{}")
    assert "MC127" not in built.run("sync", env=env).err, "nothing is behind it"


@pytest.mark.parametrize(
    ("folder", "inside", "name"),
    [
        (".ddev", ".ddev/mcpconf/container", ALIAS),
        (".devcontainer", ".devcontainer/mcpconf", DDEVS),
    ],
)
def test_another_port_keeps_the_name(house, folder: str, inside: str, name: str) -> None:
    ray = {"mcpServers": {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}}
    built = house({"home/.claude.json": ray, f"project/{folder}/config.yaml": "name: x\n"})
    built.put("home/.config/mcpconf/mcpconf.toml", 'gateway = ":8899"\n')
    env = {"DOCKER_HOST": "tcp://192.0.2.1:2376"}
    assert built.run("sync", env=env).code == 0
    bridge = json.loads((built.project / inside / "bridge.json").read_text())
    if sys.platform == "linux":
        assert bridge["gateway"] == {"host": name, "port": 8899}
    built.put("home/.config/mcpconf/mcpconf.toml", 'gateway = ":0"\n')
    assert built.run("sync", env=env).code == 1


def test_a_dev_container_on_colima_is_told_the_address(house) -> None:
    ray = {"mcpServers": {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}}
    built = house({"home/.claude.json": ray, "project/.devcontainer/devcontainer.json": "{}"})
    env = {"DOCKER_HOST": "unix:///Users/me/.colima/default/docker.sock"}
    assert built.run("sync", env=env).code == 0
    for name in ("bridge.json", "egress.json"):
        text = (built.project / ".devcontainer/mcpconf" / name).read_text()
        assert json.loads(text)["gateway"] == {"host": "192.168.5.2", "port": 8811}


def context(home: Path, name: str, endpoint: str) -> dict[str, str]:
    """The client's configuration, with this context in use."""
    folder = home / ".docker/contexts/meta" / sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": endpoint}}}))
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("endpoint", "engine"),
    [
        ("unix:///home/ada/.colima/default/docker.sock", "colima"),
        ("unix:///Users/ada/.orbstack/run/docker.sock", "orbstack"),
        ("unix:///home/ada/.docker/desktop/docker.sock", "desktop"),
        ("unix:///Users/ada/.docker/run/docker.sock", "desktop"),
        ("unix:///run/user/1000/docker.sock", "rootless"),
        ("unix:///run/user/1000/podman/podman.sock", "podman-rootless"),
        ("unix:///run/podman/podman.sock", "podman"),
        ("tcp://192.0.2.1:2376", "docker"),
    ],
)
def test_the_engine_is_known_by_its_endpoint(tmp_path: Path, endpoint: str, engine: str) -> None:
    by_variable = this_machine({"DOCKER_HOST": endpoint, "HOME": "/nowhere"}, str(tmp_path))
    by_context = this_machine(context(tmp_path / "home", "mine", endpoint), str(tmp_path))
    if sys.platform == "linux" or engine != "docker":
        assert by_variable.engine == engine
        assert by_context.engine == engine


def test_the_usual_socket_may_be_a_link_of_a_desktop_engine(tmp_path: Path) -> None:
    socket = tmp_path / "var/run/docker.sock"
    socket.parent.mkdir(parents=True)
    socket.symlink_to("/Users/ada/.orbstack/run/docker.sock")
    assert this_machine({"HOME": "/nowhere"}, str(tmp_path)).engine == "orbstack"


def test_without_a_socket_an_engine_that_needs_none_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environ = {"HOME": "/nowhere", "PATH": str(program.parent)}
    monkeypatch.setattr(sys, "platform", "linux")
    for number, engine in ((0, "podman"), (1000, "podman-rootless")):
        monkeypatch.setattr("os.getuid", lambda number=number: number)
        assert this_machine(environ, str(tmp_path), "6.1").engine == engine
    assert this_machine({**environ, "DOCKER_HOST": "tcp://x"}, str(tmp_path)).engine == "docker"
    (tmp_path / "var/run").mkdir(parents=True)
    (tmp_path / "var/run/docker.sock").touch()
    assert this_machine(environ, str(tmp_path), "6.1").engine == "docker"


def test_wsl_and_docker_desktop_beside_it(tmp_path: Path) -> None:
    kernel = "5.15.167.4-microsoft-standard-WSL2"
    machine = this_machine({"HOME": "/nowhere"}, str(tmp_path), kernel)
    assert machine.wsl
    assert machine.engine == "docker"
    (tmp_path / "mnt/wsl/docker-desktop").mkdir(parents=True)
    assert this_machine({"HOME": "/nowhere"}, str(tmp_path), kernel).engine == "desktop"


@pytest.mark.parametrize("folder", [".ddev", ".config/ddev"])
def test_ddevs_global_setting(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "global_config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text('omit_containers: []\nxdebug_ide_location: "192.0.2.7"\n')
    assert this_machine({"HOME": str(tmp_path)}, str(tmp_path)).ide == "192.0.2.7"
    assert not this_machine({"HOME": "/nowhere"}, str(tmp_path)).ide


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"currentContext": 7}', '{"currentContext": "x"}']
)
def test_a_broken_configuration_of_docker_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(text)
    assert this_machine({"HOME": str(tmp_path)}, str(tmp_path)).engine in ("docker", "desktop")


def test_codespaces() -> None:
    assert this_machine({"HOME": "/nowhere", "CODESPACES": "true"}).cloud
