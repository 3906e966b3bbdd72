"""Which containers are a project's, and what is said when that cannot be found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcpconf.containers.running import Container, Place, named, one_of, running
from mcpconf.errors import Failure, Usage
from tests import clock
from tests.containers.fake_engine import FakeEngine, container

OURS = "/home/ada/shop/.ddev/mcpconf/container"
PLACE = Place(Path(OURS), ("/home/ada/shop",))


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


def names(engine: FakeEngine, place: Place = PLACE) -> list[str]:
    return [c.name for c in running(place, engine.environ)]


@pytest.mark.parametrize(
    "source",
    [
        OURS,
        f"/host_mnt{OURS}",
        f"/run/desktop/mnt/host{OURS}",
        f"/run/desktop/mnt/host/wsl{OURS}".replace("/wsl", ""),
    ],
)
def test_a_container_that_mounts_the_directory_is_found(engine: FakeEngine, source: str) -> None:
    engine.containers = [
        container("other", mounts={"/home/ada/other/.ddev/mcpconf/container": "/etc/mcpconf"}),
        container("shop", mounts={"/var/lib/x": "/x", source: "/somewhere"}),
        container("whole", mounts={"/home/ada/shop": "/var/www/html"}),
    ]
    assert names(engine) == ["shop"]


def test_windows_drives_of_the_subsystem_and_of_the_virtual_machine_are_one(
    engine: FakeEngine,
) -> None:
    place = Place(Path("/mnt/c/Users/ada/shop/.devcontainer/mcpconf"), ("/mnt/c/Users/ada/shop",))
    source = "/run/desktop/mnt/host/c/Users/ada/shop/.devcontainer/mcpconf"
    engine.containers = [container("shop", mounts={source: "/etc/mcpconf"})]
    assert names(engine, place) == ["shop"]


def test_a_link_on_the_way_is_followed(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    engine.containers = [container("shop", mounts={str(tmp_path / "real"): "/etc/mcpconf"})]
    assert names(engine, Place(tmp_path / "link", (str(tmp_path),))) == ["shop"]


def test_another_directory_of_the_project_counts_where_the_container_reads(
    engine: FakeEngine,
) -> None:
    """After ``sync --out DIR``."""
    engine.containers = [
        container("shop", mounts={"/home/ada/shop/mcpconf-container": "/etc/mcpconf"}),
        container("near", mounts={"/home/ada/shopping/x": "/etc/mcpconf"}),
    ]
    assert names(engine) == ["shop"]


def test_labels_of_ddev_and_dev_containers(engine: FakeEngine) -> None:
    root = {"com__ddev__approot": "/home/ada/shop"}
    engine.containers = [
        container("web", com__docker__compose__service="web", **root),
        container("db", com__docker__compose__service="db", **root),
        container("elsewhere", com__ddev__approot="/x", com__docker__compose__service="claude"),
    ]
    assert names(engine) == ["web"]
    engine.containers.append(container("claude", com__docker__compose__service="claude", **root))
    assert names(engine) == ["claude"]
    engine.containers = [container("dev", devcontainer__local_folder="/home/ada/shop")]
    assert names(engine) == ["dev"]
    engine.containers.append(container("shop", mounts={OURS: "/etc/mcpconf"}))
    assert names(engine) == ["shop"], "a mount says more than a label"


@pytest.mark.parametrize(
    "odd",
    [
        {"Mounts": None, "Config": None},
        {"Mounts": [None, 5, {}], "Config": {"Labels": None}},
        {"Mounts": {}, "Config": {"Labels": {"com.ddev.approot": 5}}},
    ],
)
def test_a_container_that_says_little_is_none(engine: FakeEngine, odd: dict[str, object]) -> None:
    engine.containers = [{**container("odd"), **odd}, container("shop", mounts={OURS: "/x"})]
    assert names(engine) == ["shop"]


def test_nothing_runs(engine: FakeEngine) -> None:
    assert names(engine) == []
    assert [words[1] for words in engine.asked] == ["ps"], "there is nothing to inspect"
    with pytest.raises(Failure, match="no running container") as failure:
        one_of([], "firewall status")
    assert "--container" in failure.value.help


def test_of_several_one_has_to_be_named() -> None:
    found = [Container("docker", "a"), Container("docker", "b")]
    with pytest.raises(Usage, match="`a`, `b`") as usage:
        one_of(found, "firewall refresh")
    assert usage.value.help == "say which: mcpconf firewall refresh --container a"


@pytest.mark.parametrize("name", ["", "-it", "--privileged"])
def test_an_option_is_no_name(engine: FakeEngine, name: str) -> None:
    with pytest.raises(Usage):
        named(name, engine.environ)


def test_a_container_that_has_gone_meanwhile_is_left_out(engine: FakeEngine) -> None:
    engine.containers = [container("shop", mounts={OURS: "/x"})]
    engine.faults = {"inspect": {"stderr": "Error: No such container: 12ab"}}
    assert names(engine) == ["shop"]


@pytest.mark.parametrize(
    ("fault", "message", "help_"),
    [
        (
            {"stderr": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
                       "Is the docker daemon running?", "code": 1},
            "does not run", "start it",
        ),
        (
            {"stderr": "permission denied while trying to connect to the Docker daemon socket",
             "code": 1},
            "permission denied", "group of its socket",
        ),
        ({"stderr": "first\nlast words\n", "code": 125}, "refuses: last words", "ps"),
        ({"code": 1}, "does not say why", "ps"),
        ({"seconds": 30}, "did not answer in time", "hangs"),
    ],
)  # fmt: skip
def test_an_engine_that_fails_says_how(
    engine: FakeEngine, fault: dict[str, object], message: str, help_: str
) -> None:
    for verb in ("ps", "inspect"):
        engine.containers = [container("shop", mounts={OURS: "/x"})]
        engine.faults = {verb: fault}
        began = clock.now()
        with pytest.raises(Failure) as failure:
            running(PLACE, engine.environ, 0.6 if "seconds" in fault else 10.0)
        assert message in failure.value.message
        assert "fake-engine" in failure.value.message
        assert help_ in failure.value.help
        assert clock.now() - began < 10


def test_what_is_no_json_is_said(tmp_path: Path) -> None:
    program = tmp_path / "odd-engine"
    program.write_text("#!/bin/sh\necho nothing\n")
    program.chmod(0o755)
    with pytest.raises(Failure, match="nothing that can be read"):
        running(PLACE, {"MCPCONF_ENGINE": str(program)})


def test_without_an_engine(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="neither docker nor podman") as failure:
        running(PLACE, {"PATH": str(tmp_path)})
    assert "MCPCONF_ENGINE" in failure.value.help
    with pytest.raises(Failure, match="no such program"):
        running(PLACE, {"PATH": str(tmp_path), "MCPCONF_ENGINE": "fake-engine"})


def test_the_second_engine_is_asked_where_the_first_has_nothing(tmp_path: Path) -> None:
    """Fakes again, under the names that are looked for."""
    docker, podman = (FakeEngine(tmp_path / "bin", name) for name in ("docker", "podman"))
    podman.containers = [container("shop", mounts={OURS: "/etc/mcpconf"})]
    docker.write()
    podman.write()
    where = {"PATH": str(tmp_path / "bin")}
    (found,) = running(PLACE, where)
    assert found == Container(podman.path, "shop")
    podman.containers = []
    podman.write()
    assert running(PLACE, where) == []
    docker.faults = {"ps": {"code": 1, "stderr": "Cannot connect to the Docker daemon"}}
    docker.write()
    with pytest.raises(Failure, match="docker does not run"):
        running(PLACE, where)
