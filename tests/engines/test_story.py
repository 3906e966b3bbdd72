"""The whole story: from the user's own configuration to calls of tools inside the container.

The add-on's service on Docker, by real compose; real Claude Code; the bundled example's servers, of
which three are made with the official SDK and ``npx exa-mcp-server`` is a stdio server.  The
Messages API and the servers of the internet are real TLS behind listed names.  ``-s`` shows the
figures.
"""

from __future__ import annotations

import collections
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.engine import KINDS, Container, running
from tests.engines.story import planting
from tests.engines.story.attack import attacked, everything
from tests.engines.story.names import GATEWAY_PORT, SERVERS, planted
from tests.engines.story.rig import NAME, Session, Story, asked, bare, read, told

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("story")]

KNOWN = {"icmp.allowed-host.payload"}  # measured, not promised


@pytest.fixture(scope="module", params=["docker-26"])
def story(request: pytest.FixtureRequest, builder: Callable[..., Any]) -> Iterator[Story]:
    """It lies in a short path, for the gateway's socket."""
    kind = next(kind for kind in KINDS if kind.name == request.param)
    with (
        tempfile.TemporaryDirectory(prefix="mc-", ignore_cleanup_errors=True) as folder,
        running(kind, Path(folder)) as engine,
        told(engine, builder) as made,
    ):
        yield made


@pytest.mark.parametrize("starts", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_every_start_has_all_four(story: Story, starts: int) -> None:
    """After the one sync and the one login; nobody does anything after a restart either."""
    rows = []
    for number in range(starts):
        if number == starts // 3:
            story.host.must("mcpconf", "gateway", "stop")
            story.host.addon("claude-mcp", "hook", "pre-start")  # what `ddev start` does
        if number == starts * 2 // 3:
            story.engine.must("restart", "-t", "5", NAME)
            story.until_healthy()
        rows.append(story.session(f"word-{starts}x{number}"))
    print(figures(rows))
    assert [row for row in rows if not row.whole] == []
    assert all(story.calls(server, row.word) == 1 for row in rows for server in SERVERS[1:])


def figures(rows: list[Session]) -> str:
    whole = sum(row.whole for row in rows)
    seconds = [row.seconds for row in rows]
    lines = [f"\n{whole} of {len(rows)} starts whole; {statistics.median(seconds)} s each (median)"]
    for server in SERVERS:
        states = dict(collections.Counter(row.servers.get(server, "absent") for row in rows))
        right = sum(server in row.right for row in rows)
        lines.append(f"  {server:10} {states}, its call right in {right}")
    return "\n".join([*lines, f"  load {os.getloadavg()[0]:.1f}"])


def test_the_host_knows_that_all_is_well(story: Story) -> None:
    said = story.host.addon("claude-mcp", "hook", "post-start")
    assert "the firewall of Claude Code's container holds" in said.err, said
    waited = json.loads(story.host.run("mcpconf", "wait", "--format", "json").out)
    states = {server["name"]: server["state"] for server in waited["servers"]}
    ready = dict.fromkeys(SERVERS[1:], "ready")
    assert states == {"exa": "container", **ready}, waited


def test_everything_else_is_out_of_reach(story: Story) -> None:
    with attacked(story) as suite:
        checks = everything(suite, story)
    print(f"\n{len(checks)} attempts, {sum(check.passed for check in checks)} as they should")
    assert len(checks) > 40
    assert [str(c) for c in checks if not c.passed and c.id not in KNOWN] == []


def test_the_gateway_serves_this_project_and_no_other(story: Story) -> None:
    bridge = json.loads(story.agent("cat", "/etc/mcpconf/bridge.json").out)
    other = story.other_project()
    ours, token = bridge["project"], bridge["token"]
    assert other not in (ours, "")
    assert _status(story, f"/{ours}/ray/mcp", token) == "200"
    for path, bearer in (
        (f"/{ours}/ray/mcp", ""),
        (f"/{ours}/ray/mcp", token[::-1]),
        (f"/{other}/ray/mcp", token),
        (f"/{other}/ray/mcp", ""),
        ("/nobody/ray/mcp", token),
    ):
        assert _status(story, path, bearer) == "401", path
    assert _status(story, f"/{ours}/exa/mcp", token) == "404"  # it is not behind the gateway
    assert _status(story, "/status", token) in ("401", "404")


def _status(story: Story, path: str, token: str) -> str:
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "me", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    words = ["curl", "-s", "-m", "8", "-o", "/dev/null", "-w", "%{http_code}"]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(message)]
    words += ["-H", "Accept: application/json, text/event-stream"]
    words += ["-H", f"Authorization: Bearer {token}"] if token else []
    return story.agent(*words, f"http://mcpconf-gateway:{GATEWAY_PORT}{path}").out


def test_the_agent_is_no_more_than_the_agent(story: Story) -> None:
    status = story.agent("cat", "/proc/self/status").out
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in status
    assert "Uid:\t1000\t1000\t1000\t1000" in status
    assert "NoNewPrivs:\t1" in status
    project = story.project
    for command in (
        "sudo -n true",
        "su -c true",
        "for p in $(find / -xdev -perm -4000 -type f 2>/dev/null); do $p --version; done; test $(id -u) = 0",
        "python3 -c 'import os; os.setuid(0)'",
        "iptables -F; nft flush ruleset",
        "mcpconf-fw stop --open",
        "unshare -rm umount /etc/mcpconf",
        "echo x > /etc/mcpconf/mcp.json || echo x > /etc/mcpconf/current/mcp.json",
        "touch /etc/mcpconf/x",
        "echo x > /etc/claude-code/managed-mcp.json",
        f"touch '{project}/.ddev/x' || mv '{project}/.ddev' '{project}/away'",
        f"touch '{project}/.ddev/commands/host/x'",
        f"touch '{project}/.devcontainer/x'",
        f"rm -f '{project}/.env'",
        "cat /run/mcpconf-fw/* > /dev/full; kill -9 1",
        "ls /var/run/docker.sock /run/docker.sock",
    ):
        assert story.agent("sh", "-c", command).code != 0, command


def test_no_secret_of_the_host_is_inside(story: Story) -> None:
    """In no file, no process and no setting of the container, also not in base64."""
    story.host.must("mcpconf", "gateway", "status")
    secrets = story.secrets()
    assert len(secrets) > 10, "planted on the host"
    assert any("/logins/" in path for path in secrets), secrets
    assert planting.found(story.claude) == []
    for said in (story.inspect("{{json .}}"), story.engine.must("logs", NAME)):
        assert planted("")[:-1] not in said
    encoded = "head -c 1 /dev/zero | cat - /tmp/plain | base64 -w 0 > /tmp/encoded"
    control = f"printf %s '{planted('x')}' > /tmp/plain && {encoded}"
    story.claude.must("sh", "-c", control)
    try:
        assert sorted(planting.found(story.claude)) == ["/tmp/encoded", "/tmp/plain"]
    finally:
        story.claude.must("rm", "/tmp/plain", "/tmp/encoded")


def test_a_sync_with_nothing_to_do_is_quick(story: Story) -> None:
    took = [story.host.timed("mcpconf", "sync", "--start-gateway") for _ in range(5)]
    print(f"\na sync with nothing to do: {took}, load {os.getloadavg()[0]:.1f}")
    assert min(t.cpu for t in took) < 0.5 or _is_busy()
    assert min(t.wall for t in took) < 0.5 or _is_busy()


def _is_busy() -> bool:
    """Whether others use the machine, too: then times say nothing."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


@pytest.mark.slow
def test_what_mcpconf_adds_to_a_start(story: Story) -> None:
    """To that of the container, and to that of Claude Code in it."""
    added, sessions, without = [], [], []
    for _ in range(3):
        story.engine.must("restart", "-t", "5", NAME)
        story.until_healthy()
        added.append(story.in_force_after())
    with bare(story) as other:
        for number in range(3):
            sessions.append(story.session(f"word-with{number}").seconds)
            without.append(_without(other, f"word-without{number}"))
    print(f"\nin force after {added} s; a session with the four {sessions} s, and with no server")
    print(f"in a container without mcpconf {without} s; load {os.getloadavg()[0]:.1f}")
    assert min(added) < 1 or _is_busy()


def _without(other: Container, word: str) -> float:
    began = time.perf_counter()
    done = other._engine.call("exec", "-u", "1000", other.name, "claude", *asked(word), timeout=120)
    row = read(word, time.perf_counter() - began, done)
    assert done.code == 0, done
    assert row.servers == {}
    return row.seconds
