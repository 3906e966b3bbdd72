"""Whole dev containers: the real CLI, a real engine, the Feature as ``init`` writes it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpconf._resources import data
from mcpconf.devcontainer import feature
from tests.devcontainer.tool import BASE, Tool, tool

pytestmark = pytest.mark.engine

_SIMPLE = f'{{ "image": "{BASE}", "remoteUser": "vscode" }}'
_OPEN = "curl -sS -m 5 -o /dev/null -w %{http_code} http://example.com"
_PORT = 2411
_HELLO = json.dumps(
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
_CASES = Path(__file__).with_name("cases")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    with tool(tmp_path_factory.mktemp("machine")) as made:
        yield made


def _ready(cli: Tool, name: str, config: str = _SIMPLE, *words: str) -> Path:
    project = cli.project(name, config)
    cli.mcpconf("init", "devcontainer", *words, project=project)
    return project


def test_it_is_closed_before_the_users_first_command_and_after_a_restart(cli: Tool) -> None:
    commands = f'"onCreateCommand": "{_OPEN}; echo user-create=$?", "postStartCommand": "{_OPEN}; echo user-start=$?"'
    config = f'{{\n\t"image": "{BASE}", // ours\n\t"remoteUser": "vscode",\n\t{commands}\n}}\n'
    project = _ready(cli, "a b ü", config)
    first = cli.up(project)
    assert first.code == 0, first.log
    assert "mcpconf: 0 servers" in first.log
    assert "user-create=7" in first.log  # refused, at once
    assert "user-start=7" in first.log
    assert "vscode has sudo" in first.log
    cli.engine.must("stop", "-t", "5", cli.id(project))
    second = cli.up(project)
    assert "user-start=7" in second.log
    assert "in force" in cli.inside(project, "sudo -n mcpconf-fw status").out
    cli.mcpconf("remove", project=project)
    assert (project / ".devcontainer/devcontainer.json").read_text() == config
    left = {p.name for p in (project / ".devcontainer").iterdir()} - {"devcontainer-lock.json"}
    assert left == {"devcontainer.json"}


def test_nothing_inside_can_write_the_list(cli: Tool) -> None:
    project = _ready(cli, "list")
    assert cli.up(project).code == 0
    for path in ("/etc/mcpconf/x", ".devcontainer/x", ".devcontainer/mcpconf/egress.json"):
        assert "Read-only file system" in cli.inside(project, f"echo x > {path}").err
    assert cli.inside(project, "touch elsewhere").code == 0
    managed = cli.inside(project, "cat /etc/claude-code/managed-mcp.json").out
    assert '"mcpServers"' in managed


def test_without_sudo_only_the_exact_words_are_left(cli: Tool) -> None:
    project = _ready(cli, "sudo")
    config = project / ".devcontainer/devcontainer.json"
    config.write_text(config.read_text().replace('feature": {}', 'feature": {"sudo": "remove"}'))
    up = cli.up(project)
    assert up.code == 0
    assert "can take the firewall away" not in up.log
    for words in (
        "id",
        "mcpconf-fw apply --policy /tmp/x",
        "mcpconf-fw stop --open",
        "iptables -F",
    ):
        assert cli.inside(project, f"sudo -n {words}").code != 0, words
    for words in ("mcpconf-fw apply", "mcpconf-fw status --format json"):
        assert cli.inside(project, f"sudo -n {words}").code == 0, words
    assert cli.inside(project, "sudo -n /usr/local/sbin/mcpconf-container check").code == 0


def test_who_has_no_mcpconf_has_the_container_as_it_was(cli: Tool) -> None:
    project = _ready(cli, "mate")
    up = cli.up(project, host=False)
    assert up.code == 0, up.log
    assert "mcpconf has not run on the host" in up.log
    assert cli.inside(project, _OPEN).out == "200"
    cli.engine.must("stop", "-t", "5", cli.id(project))  # then mcpconf comes
    assert cli.up(project).code == 0
    assert cli.inside(project, _OPEN).code == 7


def test_where_a_list_is_expected_and_missing_all_stays_closed(cli: Tool) -> None:
    project = _ready(cli, "expected")
    (project / ".devcontainer/mcpconf/expected").write_text("")
    up = cli.up(project, host=False)
    assert up.code == 1
    assert "egress.json cannot be read" in up.log
    assert cli.inside(project, _OPEN).code == 7


def test_without_the_capability_the_container_ends(cli: Tool) -> None:
    project = _ready(
        cli,
        "cap",
        f'{{ "image": "{BASE}", "remoteUser": "vscode", "runArgs": ["--cap-drop=ALL"] }}',
    )
    up = cli.up(project)
    assert up.code == 1, up.log
    end = time.monotonic() + 60
    while (
        state := cli.engine.must("inspect", "-f", "{{.State.Status}}", cli.id(project)).strip()
    ) != "exited":
        assert time.monotonic() < end, state
        time.sleep(0.2)
    assert "so it ends" in cli.engine.call("logs", cli.id(project)).err


def test_a_foreign_firewall_that_flushes_does_not_have_the_last_word(cli: Tool) -> None:
    case = _CASES / "04-firewall-in-poststart"
    project = cli.project("foreign", (case / "before.json").read_text())
    shutil.copy(case / "Dockerfile", project / ".devcontainer")
    cli.mcpconf("init", "devcontainer", project=project)
    assert cli.up(project).code == 0
    rules = cli.inside(project, "sudo -n iptables -S OUTPUT").out
    assert "-j MCP-OUT" in rules


def test_an_image_whose_user_is_not_root(cli: Tool) -> None:
    project = cli.project("user", '{ "build": { "dockerfile": "Dockerfile" } }')
    (project / ".devcontainer/Dockerfile").write_text(f"FROM {BASE}\nUSER vscode\n")
    cli.mcpconf("init", "devcontainer", project=project)
    assert cli.up(project).code == 0
    assert cli.inside(project, "id -un").out.strip() == "vscode"
    assert cli.inside(project, _OPEN).code == 7


def test_where_nothing_is_mounted_the_workspaces_list_is_taken_once(cli: Tool) -> None:
    """As in Codespaces.  A link in the clone does not make root read what the user cannot."""
    project = _ready(cli, "cs")
    assert cli.up(project).code == 0  # for the image, and for a list
    image = cli.engine.must("inspect", "-f", "{{.Config.Image}}", cli.id(project)).strip()
    list_ = project / ".devcontainer/mcpconf"
    clone = cli.work / "clone/.devcontainer/mcpconf"
    clone.mkdir(parents=True)
    for name in ("egress.json", "mcp.json"):
        shutil.copy(list_ / name, clone / name)
    (clone / "bridge.json").symlink_to("/etc/shadow")
    first = "trap 'exit 0' TERM; /usr/local/share/mcpconf/entrypoint.sh; while sleep 1 & wait $!; do :; done"
    words = [
        "run",
        "-d",
        "--cap-add=NET_ADMIN",
        "-v",
        f"{cli.work}/clone:/w",
        "--entrypoint",
        "/bin/sh",
    ]
    container = cli.engine.must(*words, image, "-c", first).strip()
    agent = ["exec", "-u", "vscode", "-w", "/w", container]
    assert cli.engine.call(*agent, "/usr/local/sbin/mcpconf-container", "create").code == 0
    assert cli.engine.must(*agent, "ls", "/etc/mcpconf").split() == ["egress.json", "mcp.json"]
    assert cli.engine.call(*agent, "sh", "-c", _OPEN).code == 7
    evil = "mkdir -p /tmp/e/.devcontainer/mcpconf && cd /tmp/e && echo '{}' > .devcontainer/mcpconf/egress.json"
    cli.engine.must(*agent, "sh", "-c", f"{evil} && /usr/local/sbin/mcpconf-container create")
    assert "api.anthropic.com" in cli.engine.must(*agent, "cat", "/etc/mcpconf/egress.json")
    cli.engine.call("rm", "-f", container)


def test_a_server_behind_the_hosts_gateway_answers_inside(cli: Tool) -> None:
    """Its token stays on the host; `initializeCommand` has started the gateway."""
    token = "s3cr3t-of-the-host"
    server = {"type": "http", "url": f"http://localhost:{_PORT}/mcp"}
    entry = {**server, "headers": {"Authorization": f"Bearer {token}"}}
    policy = cli.home / ".config/mcpconf/mcpconf.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text('gateway = "host.docker.internal:8822"\n')  # the usual port is taken there
    (cli.home / ".claude.json").write_text(json.dumps({"mcpServers": {"ray": entry}}))
    try:
        project = _ready(cli, "gate way")
        with cli.serving(_PORT, token):
            up = cli.up(project)
            assert up.code == 0, up.log
            assert "mcpconf: 1 server" in up.log
            said = cli.inside(project, f"(printf '%s\\n' '{_HELLO}'; sleep 4) | mcpconf-bridge ray")
            answer = json.loads(said.out.splitlines()[0])
            assert answer["result"]["serverInfo"]["name"] == "bench-backend", said
            assert cli.inside(project, f"curl -sS -m 5 host.docker.internal:{_PORT}").code == 7
            pattern = token.replace("-", "[-]")
            found = cli.inside(
                project, f"sudo grep -rlI --exclude-dir=proc --exclude-dir=sys '{pattern}' /"
            )
            assert found.out == ""
    finally:
        policy.unlink()
        (cli.home / ".claude.json").unlink()


def test_the_features_own_tests_pass(cli: Tool) -> None:
    collection = cli.state / "tmp/collection"
    feature.write(collection / "src/mcpconf")
    shutil.copytree(data("addon", "devcontainer", "test"), collection / "test")
    words = ["--skip-scenarios", "--base-image", BASE, "--remote-user", "vscode", str(collection)]
    done = cli.call("features", "test", *words)
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
