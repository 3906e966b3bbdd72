"""A project of DDEV's with the add-on's service, on the user's machine of ``host``."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tests.engines.engine import _IMAGE, Container, Done, Engine
from tests.engines.story import planting
from tests.engines.story.host import ROOT, Host
from tests.engines.story.names import CORE, SERVERS, TOOL
from tests.parity.oracle import VERSIONS, client_path

NAME = "ddev-bakery-claude"
_SUBNET = "--ipv6 --subnet 10.77.3.0/24 --subnet fd88:3::/64".split()
_CLIENT = "/opt/real-client"
_NPX = "#!/bin/sh\nexec python3 /opt/backend.py stdio --name exa\n"
_DOCKERFILE = f"""\
FROM {_IMAGE}
COPY npx /usr/local/bin/npx
COPY backend.py /opt/backend.py
COPY story-ca.pem /etc/ssl/certs/ca-certificates.crt
COPY claude {_CLIENT}/claude
RUN ln -s {_CLIENT}/claude /usr/local/bin/claude
"""
# What DDEV adds to a project, and what the user has in .ddev/.env.claude.  The client is mounted
# where its layer would be: it has 370 MB.  The image lets `claude -p` wait ten seconds for its
# servers; a machine that is busy with tests may need more, unless MCPCONF_STORY is `hasty`.
_PATIENCE = """
      MCP_CONNECT_TIMEOUT_MS: "30000"
"""
_BASE = f"""
services:
  web:
    image: {_IMAGE}
    container_name: ddev-bakery-web
    command: [sh, -c, "python3 -m http.server 3306 & exec python3 -m http.server 80"]
    init: true
    labels: {{com.ddev.site-name: bakery, com.ddev.approot: "${{DDEV_APPROOT}}"}}
    volumes: ["../:/var/www/html"]
    networks: [default, ddev_default]
  claude:
    networks: [default, ddev_default]
    volumes: ["/state/files/client:{_CLIENT}:ro"]
    environment:
      ANTHROPIC_API_KEY: sk-ant-of-the-project
      NODE_EXTRA_CA_CERTS: /etc/ssl/certs/ca-certificates.crt
      SSL_CERT_FILE: /etc/ssl/certs/ca-certificates.crt
      ENABLE_TOOL_SEARCH: "false"
{"" if os.environ.get("MCPCONF_STORY") == "hasty" else _PATIENCE}
networks:
  default: {{name: ddev-bakery_default}}
  ddev_default: {{name: ddev_default, external: true}}
"""

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_ENVIRONMENT = [
    *("-e", "ANTHROPIC_API_KEY=sk-ant-of-the-project", "-e", "ENABLE_TOOL_SEARCH=false"),
    *("-e", f"NODE_EXTRA_CA_CERTS={_BUNDLE}", "-e", f"SSL_CERT_FILE={_BUNDLE}"),
]


class Session(NamedTuple):
    """A start of Claude Code: what it said of its servers, and what its calls gave."""

    word: str
    servers: dict[str, str]
    heard: dict[str, str]
    seconds: float
    done: Done

    @property
    def connected(self) -> list[str]:
        return [name for name in SERVERS if self.servers.get(name) == "connected"]

    @property
    def right(self) -> list[str]:
        return [name for name in SERVERS if self.word in self.heard.get(name, "")]

    @property
    def whole(self) -> bool:
        return [*self.connected, *self.right] == [*SERVERS, *SERVERS]


class Story:
    """The project, and everything that its user does."""

    def __init__(self, host: Host) -> None:
        self.host, self.engine = host, host.engine
        self.project = host.project
        self.claude = Container(self.engine, NAME)

    def compose(self, *words: str) -> None:
        """Compose as DDEV calls it."""
        folder = f"{self.project}/.ddev"
        values = [f"DDEV_APPROOT={self.project}", "DDEV_SITENAME=bakery", "DDEV_UID=1000"]
        files = ["-f", f"{folder}/base.yaml", "-f", f"{folder}/docker-compose.mcpconf.yaml"]
        start = ["docker", "compose", "--project-directory", folder, "-p", "ddev-bakery"]
        self.host.must("env", *values, "DDEV_GID=1000", *start, *files, *words)

    def session(self, word: str, *words: str) -> Session:
        """``ddev claude -p …``: one start, in which every server's tool is called."""
        began = time.perf_counter()
        done = self.host.addon("mcpconf-claude", *asked(word), *words)
        return read(word, time.perf_counter() - began, done)

    def until_healthy(self) -> None:
        end = time.monotonic() + 60
        while '"healthy"' not in self.inspect("{{json .State.Health.Status}}"):
            assert time.monotonic() < end, self.engine.call("logs", NAME).err
            time.sleep(0.1)

    def inspect(self, what: str) -> str:
        return self.engine.must("inspect", "-f", what, NAME).strip()

    def in_force_after(self) -> float:
        """Seconds from the container's start until the firewall held."""
        began = self.inspect("{{.State.StartedAt}}")
        return round(float(self.claude.must("python3", "-c", _SINCE, began)), 2)

    def calls(self, server: str, word: str) -> int:
        """How often a server was asked to say a word."""
        lines = (self.host.folder / "calls.jsonl").read_text().splitlines()
        return lines.count(json.dumps({"server": server, "said": word}))

    def other_project(self) -> str:
        """Sync another project of the user's, and return what the gateway calls it."""
        folder = self.host.folder / "other"
        folder.mkdir()
        out = ["--out", str(folder / "out")]
        self.host.must("mcpconf", "sync", "--project", str(folder), *out)
        return str(json.loads((folder / "out/bridge.json").read_text())["project"])

    def secrets(self) -> list[str]:
        """The files of the host that hold a secret."""
        found = (p for p in self.host.home.parent.rglob("*") if p.is_file() and not p.is_symlink())
        return [str(path) for path in found if CORE.encode() in path.read_bytes()]

    def agent(self, *command: str) -> Done:
        """As a program that Claude Code starts."""
        return self.claude.root("mcpconf-agent", *command)


def asked(word: str) -> list[str]:
    """The words of a session that wants all tools to hear ``word``."""
    allowed = ",".join(f"mcp__{server}__{TOOL}" for server in SERVERS)
    words = ["-p", f"let all of them hear {word}", "--output-format", "stream-json", "--verbose"]
    return [*words, "--allowedTools", allowed]


def read(word: str, seconds: float, done: Done) -> Session:
    """What the client's events say."""
    servers: dict[str, str] = {}
    names: dict[str, str] = {}
    heard: dict[str, str] = {}
    for event in _events(done.out):
        if event.get("subtype") == "init":
            servers = {s["name"]: s["status"] for s in event.get("mcp_servers", [])}
        content = (event.get("message") or {}).get("content")
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_use":
                names[block["id"]] = re.sub("^mcp__|__.*", "", block["name"])
            elif block.get("type") == "tool_result":
                heard[names.get(block["tool_use_id"], "?")] = json.dumps(block.get("content"))
    return Session(word, servers, heard, round(seconds, 2), done)


def _events(out: str) -> Iterator[dict[str, Any]]:
    for line in out.splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


_SINCE = """
import datetime, json, sys
began = datetime.datetime.fromisoformat(sys.argv[1][:23] + "+00:00").timestamp()
print(json.load(open("/run/mcpconf-fw/state.json"))["since"] - began)
"""


@contextmanager
def bare(story: Story) -> Iterator[Container]:
    """The same image without mcpconf: no firewall, no server, another home."""
    words = ["run", "-d", "--name", "bare", "--network", "ddev_default", "-w", "/tmp"]
    words += ["-v", f"/state/files/client:{_CLIENT}:ro", "-e", "HOME=/tmp", *_ENVIRONMENT]
    story.engine.must(*words, "story-base", "sleep", "infinity")
    try:
        yield Container(story.engine, "bare")
    finally:
        story.engine.call("rm", "-f", "-t", "0", "bare")


@contextmanager
def told(engine: Engine, builder: Callable[..., Any]) -> Iterator[Story]:
    """The story until the container is there: init, one sync, one login, one start."""
    house = builder(engine.machine.files / "st ory", planting.files())
    (house.project / ".ddev/base.yaml").write_text(_BASE)
    for path in (house.project, *house.project.rglob("*")):
        os.chown(path, 1000, 1000)
    host = Host(engine, house.home, house.project)
    host.serve("outside")
    host.serve("ray")
    _base_image(host)
    engine.must("network", "create", *_SUBNET, "ddev_default")
    story = Story(host)
    host.must("mcpconf", "init", "ddev")
    try:
        host.until_served()
        said = host.addon("claude-mcp", "hook", "pre-start")  # the one sync
        assert "4 of 4 servers" in said.err, said
        said = host.addon("claude-mcp-proxy", "login", "atlassian")
        assert "logged in" in said.err, said
        story.compose("build", "--build-arg", "MCPCONF_OFFLINE=1")
        story.compose("up", "-d")
        story.until_healthy()
        yield story
    finally:
        host.run("mcpconf", "gateway", "stop")
        engine.call("rm", "-f", NAME, "ddev-bakery-web")


def _base_image(host: Host) -> None:
    client = client_path(VERSIONS[0])
    assert client, "python -m tests.parity.install_clients"
    files = host.machine.files
    (files / "client").mkdir()
    try:
        os.link(os.path.realpath(client), files / "client/claude")
    except OSError:
        shutil.copy(os.path.realpath(client), files / "client/claude")
    build = files / "base"
    build.mkdir()
    shutil.copy(ROOT / "bench/proxy/backend.py", build)
    shutil.copy(host.ca, build)
    for name, text in (("npx", _NPX), ("claude", "#!/bin/sh\n")):
        (build / name).write_text(text)
        (build / name).chmod(0o755)
    (build / "Dockerfile").write_text(_DOCKERFILE)
    done = host.engine.call("build", "-q", "-t", "story-base", "/state/files/base", timeout=300)
    assert done.code == 0, done.err
