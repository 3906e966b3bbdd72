"""The service of the DDEV add-on on a real engine, by real compose, with DDEV's variables.

What DDEV adds to a project is in ``base.yaml``: its two networks and a web container.  Nothing is
fetched: the base image has the programs and the real Claude Code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import clock
from tests.engines.engine import _IMAGE, Container, Done, Engine, Kind, running
from tests.engines.rootfs import NEW
from tests.parity.oracle import VERSIONS, client_path

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("ddev-service")]

KIND = Kind("docker-compose", "docker", NEW, ())
ROOT = Path(__file__).parents[2]
INSIDE = "/state/files/st ory ü"  # what the engine's machine calls the house
APPROOT = f"{INSIDE}/project"
PLANTED = "s3cr3t-planted-value"
BASE = """
services:
  web:
    image: mcpconf-test
    container_name: ddev-bakery-web
    command: [sleep, infinity]
    init: true
    labels: {com.ddev.site-name: bakery, com.ddev.approot: "${DDEV_APPROOT}"}
    volumes: ["../:/var/www/html"]
    networks: [default, ddev_default]
  claude:
    networks: [default, ddev_default]
networks:
  default: {name: ddev-bakery_default}
  ddev_default: {name: ddev_default, external: true}
"""
FILES = {
    "home/.claude.json": {
        "theme": "dark",
        "hasCompletedOnboarding": True,
        "oauthAccount": {"accessToken": PLANTED},
        "mcpServers": {
            "ray": {
                "type": "http",
                "url": "http://localhost:2411/mcp",
                "headers": {"Authorization": f"Bearer {PLANTED}"},
            }
        },
    },
    # the usual port is taken on the engine's machine
    "home/.config/mcpconf/mcpconf.toml": 'gateway = "mcpconf-gateway:8822"\n[[allow]]\nhost = "api.github.com"\nwhy = "a test"\n',
    "project/.ddev/config.yaml": "name: bakery\ntype: php\n",
    "project/.ddev/.env.mcpconf": "MCPCONF_BASE_IMAGE=mcpconf-base\n",
    "project/.ddev/base.yaml": BASE,
    "project/.env": f"SECRET={PLANTED}\n",
    "project/.devcontainer/devcontainer.json": "{}\n",
    "project/index.php": "<?php\n",
}
HELLO = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "me", "version": "1"},
        },
    }
)


class Project:
    """A project of DDEV's on the engine's machine."""

    def __init__(self, engine: Engine, house: Any) -> None:
        self.engine = engine
        self.house = house
        self.claude = Container(engine, "ddev-bakery-claude")

    def compose(self, *words: str, timeout: float = 300) -> Done:
        """Compose as DDEV calls it: all files, in the order of their names."""
        values = {
            "DDEV_APPROOT": APPROOT,
            "DDEV_SITENAME": "bakery",
            "DDEV_UID": "1000",
            "DDEV_GID": "1000",
        }
        folder = f"{APPROOT}/.ddev"
        command = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        command += [f"{name}={value}" for name, value in values.items()]
        command += ["docker", "compose", "--project-directory", folder, "-p", "ddev-bakery"]
        command += [
            "-f",
            f"{folder}/base.yaml",
            "-f",
            f"{folder}/docker-compose.mcpconf.yaml",
            *words,
        ]
        done = subprocess.run(
            self.engine.machine.words(*command),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def agent(self, *command: str, timeout: float = 60) -> Done:
        """As a program that Claude Code starts."""
        return self.claude.root("mcpconf-agent", *command, timeout=timeout)

    def state(self) -> dict[str, Any]:
        (found,) = json.loads(self.engine.must("inspect", self.claude.name))
        return found

    def until_healthy(self) -> None:
        end = time.monotonic() + 60
        while self.state()["State"].get("Health", {}).get("Status") != "healthy":
            assert self.state()["State"]["Running"], self.engine.call("logs", self.claude.name).err
            assert time.monotonic() < end, self.claude.root("mcpconf-fw", "status")
            time.sleep(0.2)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(KIND, tmp_path_factory.mktemp("compose")) as started:
        yield started


@pytest.fixture(scope="module")
def project(
    engine: Engine, builder: Callable[..., Any], program: Callable[..., Any]
) -> Iterator[Project]:
    """The project after ``init``, ``sync`` and a start, with a server and the gateway on the host."""
    house = builder(engine.machine.files / "st ory ü", FILES)
    os.chown(house.project, 1000, 1000)
    where = ["--home", str(house.home), "--project", str(house.project)]
    assert program("init", "ddev", *where).code == 0
    said = house.run("sync")
    assert said.code == 0, said
    made = Project(engine, house)
    base_image(engine)
    engine.must("network", "create", "ddev_default")
    with host_programs(engine, house.home):
        done = made.compose("build", "--build-arg", "MCPCONF_OFFLINE=1")
        assert done.code == 0, done.err
        done = made.compose("up", "-d")
        assert done.code == 0, done.err
        made.until_healthy()
        yield made
    made.compose("down", "-v")


def base_image(engine: Engine) -> None:
    """The programs of the test image, with the real client in it."""
    client = client_path(VERSIONS[-1])
    assert client, "python -m tests.parity.install_clients"
    folder = engine.machine.files / "base"
    folder.mkdir()
    try:
        os.link(os.path.realpath(client), folder / "claude")
    except OSError:
        (folder / "claude").write_bytes(Path(client).read_bytes())
    (folder / "Dockerfile").write_text(f"FROM {_IMAGE}\nCOPY claude /usr/local/bin/claude\n")
    done = engine.call("build", "-q", "-t", "mcpconf-base", "/state/files/base", timeout=300)
    assert done.code == 0, done.err


@contextmanager
def host_programs(engine: Engine, home: Path) -> Iterator[None]:
    """A server on the machine's localhost, and the gateway, in the machine's network."""
    backend = [str(ROOT / "bench/proxy/backend.py"), "http", "--port", "2411"]
    backend += ["--set", json.dumps({"auth": PLANTED})]
    gateway = ["-m", "mcpconf", "gateway", "run", "--home", str(home)]
    network = ["nsenter", f"--net=/proc/{engine.machine._init}/ns/net", "--", sys.executable]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHONPATH": str(ROOT / "src")}
    log = engine.machine.state / "host-programs"
    started = []
    try:
        with log.open("wb") as said:
            for words in (backend, gateway):
                command = [*network, *words]
                started.append(
                    subprocess.Popen(command, env=environ, stdout=said, stderr=said, cwd="/")
                )
        end = time.monotonic() + 60
        while not (home / ".local/state/mcpconf/gateway/control.sock").exists():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def test_it_is_in_force_and_healthy(project: Project) -> None:
    assert "in force" in project.claude.must("mcpconf-fw", "status")
    assert project.claude.root("mcpconf-fw", "verify").code == 0
    labels = project.state()["Config"]["Labels"]
    assert labels["com.ddev.approot"] == APPROOT
    link = project.claude.must("readlink", "/etc/claude-code/managed-mcp.json")
    assert link.strip() == "/etc/mcpconf/mcp.json"


def test_process_one_is_nobody_without_a_capability(project: Project) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in project.claude.must("cat", "/proc/1/status").splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == ["65534"] * 4
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"


def test_the_agent_is_nobody_special(project: Project) -> None:
    status = project.agent("cat", "/proc/self/status").out
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status
    assert "Uid:\t1000\t1000\t1000\t1000" in status
    assert "NoNewPrivs:\t1" in status
    for command in (
        "iptables -F",
        "iptables-legacy -P OUTPUT ACCEPT",
        "nft flush ruleset",
        "mcpconf-fw stop --open",
        "mcpconf-fw apply",
        "sudo -n true",
        "su -c true",
        "kill -9 $(cat /run/mcpconf-fw/keeper.pid)",
        "kill -TERM 1",
        "echo nameserver 45.66.77.53 > /etc/resolv.conf",
        "mount -t tmpfs x /mnt",
        "unshare -rn true && unshare -rm umount /etc/mcpconf",
        f"echo x > '{APPROOT}/.ddev/commands/host/evil'",
        f"echo x > '{APPROOT}/.devcontainer/devcontainer.json'",
        f"mv '{APPROOT}/.ddev' '{APPROOT}/other'",
        f"rm -rf '{APPROOT}/.env' && test ! -e '{APPROOT}/.env'",
        "echo x > /etc/mcpconf/mcp.json",
        "echo x > /etc/claude-code/managed-mcp.json",
        "echo x > /usr/local/bin/claude",
    ):
        assert project.agent("sh", "-c", command).code != 0, command
    assert project.state()["State"]["Running"]
    done = project.agent("sh", "-c", f"echo ok > '{APPROOT}/made' && cat '{APPROOT}/made'")
    assert done.out == "ok\n", done.err


def test_secrets_of_the_project_and_the_host_are_not_inside(project: Project) -> None:
    assert project.agent("cat", f"{APPROOT}/.env").out == ""
    pattern = PLANTED.replace("-", "[-]")  # which does not find itself
    search = f"grep -rlI --exclude-dir=proc --exclude-dir=sys --exclude=claude '{pattern}' /"
    assert project.claude.root("sh", "-c", search, timeout=120).out == ""
    processes = f"cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | grep -ac '{pattern}'"
    assert project.claude.root("sh", "-c", processes).out == "0\n"
    assert PLANTED not in json.dumps(project.state())


def test_it_reaches_what_is_listed_and_nothing_else(project: Project) -> None:
    curl = ["curl", "-sSk", "--max-time", "8"]
    assert project.agent(*curl, "https://api.github.com/").code == 0
    for url in (
        "https://example.com/",
        "http://45.66.77.66/",
        "http://web/",
        "http://mcpconf-gateway:22/",
    ):
        assert project.agent(*curl, url).code != 0, url


def test_the_bridge_reaches_a_server_on_the_hosts_localhost(project: Project) -> None:
    done = project.agent("sh", "-c", f"(printf '%s\\n' '{HELLO}'; sleep 4) | mcpconf-bridge ray")
    answer = json.loads(done.out.splitlines()[0])
    assert answer["result"]["serverInfo"]["name"] == "bench-backend", done


def test_the_real_client_has_the_server_and_only_behind_the_firewall(project: Project) -> None:
    done = project.claude.root("claude", "--version")
    assert VERSIONS[-1] in done.out, done
    done = project.claude.root("sh", "-c", f"cd '{APPROOT}' && claude mcp list", timeout=90)
    assert "ray" in done.out, done
    assert "Connected" in done.out, done
    seeded = json.loads(project.claude.must("cat", "/home/agent/.claude/.claude.json"))
    assert seeded["hasCompletedOnboarding"] is True
    assert "mcpServers" not in seeded


def test_a_start_is_quick_and_closed_again(project: Project) -> None:
    took = []
    for _ in range(3):
        project.engine.must("restart", "-t", "5", project.claude.name)
        began = project.state()["State"]["StartedAt"]
        project.until_healthy()
        since = project.claude.must("python3", "-c", _SINCE, began)
        took.append(float(since))
        assert project.agent("curl", "-sS", "--max-time", "5", "http://example.com/").code != 0
    print(f"in force after {', '.join(f'{t:.2f}' for t in took)} s")
    assert min(took) < 1, took


_SINCE = """
import datetime, json, sys
began = datetime.datetime.fromisoformat(sys.argv[1][:23] + "+00:00").timestamp()
print(json.load(open("/run/mcpconf-fw/state.json"))["since"] - began)
"""


def test_stopping_is_quick(project: Project) -> None:
    began = clock.now()
    project.engine.must("stop", project.claude.name)
    assert clock.now() - began < 5
    project.engine.must("start", project.claude.name)
    project.until_healthy()


@pytest.mark.parametrize("broken", ["capability", "mount", "policy"])
def test_without_what_it_needs_it_ends_and_says_why(project: Project, broken: str) -> None:
    words = ["run", "--name", "broken", "--network", "ddev_default"]
    source = f"{APPROOT}/.ddev/mcpconf/container"
    if broken != "capability":
        words += ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
    if broken != "mount":
        words += ["-v", f"{source}:/etc/mcpconf:ro"]
    if broken == "policy":
        words[-1] = "/state/files/base:/etc/mcpconf:ro"
    try:
        done = project.engine.call(*words, "mcpconf-claude:of-bakery-built", timeout=60)
        assert done.code == 1, done
        assert "no firewall, no Claude" in done.err
        wanted = {"capability": "NET_ADMIN", "mount": "egress.json", "policy": "egress.json"}
        assert wanted[broken] in done.err
    finally:
        project.engine.call("rm", "-f", "broken")


def test_claude_refuses_when_the_firewall_is_gone(project: Project) -> None:
    project.claude.must("sh", "-c", "iptables -P OUTPUT ACCEPT; iptables -F OUTPUT")
    try:
        done = project.claude.root("claude", "--version")
        assert done.code == 1
        assert "the firewall is not in force" in done.err
    finally:
        project.claude.restart()
        project.until_healthy()
