"""Faults that need a home of their own: what is written, approved, stored, started, remembered."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import urllib.request
from dataclasses import replace
from functools import partial
from typing import Any

from tests.credentials.oauth_server import running as oauth_running
from tests.faults.over_http import Entry, server
from tests.faults.scene import Fault, Scene, http, near

works: Entry = server()


def on_the_host(scene: Scene, name: str) -> None:
    """Let it run on the host, behind the gateway."""
    said = scene.mcpconf("trust", name)
    assert said.code == 0, said.err


def command(kind: str) -> Entry:
    return lambda _: near(kind)


def behind_silent_ones(scene: Scene) -> dict[str, Any]:
    """A good server after three that hang, as many as the client starts at once."""
    scene.entries |= {f"hangs-{n}": near("silent") for n in range(3)}
    return near("")


def all_on_the_host(scene: Scene, _: str) -> None:
    for name in scene.entries:
        on_the_host(scene, name)


def program(scene: Scene, text: str, mode: int) -> str:
    path = scene.put("home/bin/server", text)
    path.chmod(mode)
    return str(path)


# --- what is written ---


def in_the_project(scene: Scene, name: str) -> None:
    """The entry stands in the project's .mcp.json instead."""
    scene.merge("project/.mcp.json", {"mcpServers": {name: works(scene)}})


def rejected(scene: Scene, name: str) -> None:
    in_the_project(scene, name)
    scene.merge("project/.claude/settings.local.json", {"disabledMcpjsonServers": [name]})


def approved_by_itself(scene: Scene, name: str) -> None:
    """The project's own settings approve it, in a folder that nobody trusts."""
    in_the_project(scene, name)
    scene.merge("project/.claude/settings.json", {"enabledMcpjsonServers": [name]})


def denied(scene: Scene, name: str) -> None:
    scene.merge("home/.claude/settings.json", {"deniedMcpServers": [{"serverName": name}]})


def half_a_file(scene: Scene, _: str) -> None:
    scene.put("project/.mcp.json", '{"mcpServers": {"half-a-file": {"type": "http", }')


def half_a_home(scene: Scene, _: str) -> None:
    scene.put("home/.claude.json", '{"mcpServers": {"half-a-home": ')


def broken_toml(scene: Scene, _: str) -> None:
    scene.toml("[servers", "route = ")


def off(scene: Scene, name: str) -> None:
    scene.toml(f"[servers.{name}]", 'route = "off"')


def lapsed(scene: Scene, name: str) -> None:
    """Trusted, then edited."""
    said = scene.mcpconf("trust", name)
    assert said.code == 0, said.err
    scene.entries[name] = {**scene.entries[name], "args": ["run", "-i", "other/image"]}
    scene.claude_json()


# --- secrets and logins ---


def with_variable(scene: Scene) -> dict[str, Any]:
    return http(f"{scene.serve()}/mcp", headers={"X-Api-Key": "${MATRIX_KEY}"})


def gateway_without(scene: Scene, _: str, variable: str) -> None:
    """The gateway was started in a shell that lacks a variable of this one."""
    scene.env = {k: v for k, v in scene.env.items() if k != variable}
    scene.start_gateway()
    scene.env[variable] = "x"


def helped(text: str) -> Entry:
    return lambda scene: http(f"{scene.serve()}/mcp", headersHelper=text)


def logged_in(scene: Scene, name: str, **later: Any) -> None:
    """Sign in with a browser that agrees to everything; then the server changes its mind."""
    said = scene.mcpconf("gateway", "login", name, BROWSER="curl -sL %s")
    assert said.code == 0, said.out + said.err
    for field, value in later.items():
        setattr(scene.oauth, field, value)
    time.sleep(1.2)


def behind_login(**fields: Any) -> Entry:
    def entry(scene: Scene) -> dict[str, Any]:
        scene.oauth = scene.ending.enter_context(oauth_running(**fields))
        return http(f"{scene.oauth.url}/mcp")

    return entry


def refused_login(scene: Scene, name: str) -> None:
    """Try to sign in, which the server does not let us."""
    assert scene.mcpconf("gateway", "login", name, "--no-browser").code == 1


# --- the gateway ---


def stopped(scene: Scene, _: str) -> None:
    pid = scene.gateway_pid
    os.kill(pid, signal.SIGSTOP)
    scene.ending.callback(os.kill, pid, signal.SIGCONT)


def killed(scene: Scene, _: str) -> None:
    os.kill(scene.gateway_pid, signal.SIGKILL)
    time.sleep(0.1)


def edited(scene: Scene, name: str, **more: Any) -> None:
    scene.entries[name] = {**scene.entries[name], **more}
    scene.claude_json()


def added(scene: Scene, name: str) -> None:
    """Put the server there only after the sync."""
    scene.entries[name] = works(scene)
    scene.claude_json()


def routes_open_to_all(scene: Scene, _: str) -> None:
    """Others may write the host's files, so the gateway does not take them."""
    (scene.state / "current").resolve().joinpath("routes.json").chmod(0o666)
    scene.mcpconf("gateway", "stop")
    scene.start_gateway()


def moved_gateway(scene: Scene, _: str) -> None:
    """The settings name another port since the gateway was started."""
    scene.settings[0] = f'gateway = "host.docker.internal:{scene.port + 1}"'
    scene.toml()
    scene.sync()


def new_token(scene: Scene, _: str) -> None:
    """The host made a new token, and the container's file has the old one."""
    (scene.state / "token").unlink()
    (scene.state / "token").write_text("n" * 43)
    (scene.state / "token").chmod(0o600)
    scene.mcpconf("gateway", "stop")
    scene.start_gateway()


def called(scene: Scene, name: str) -> None:
    """Call a tool as the container would."""
    told = json.loads((scene.state / "container/bridge.json").read_text())
    url = f"http://127.0.0.1:{scene.port}/{told['project']}/{name}/mcp"
    session: dict[str, str] = {}
    about = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    for number, (method, params) in enumerate(
        [("initialize", about), ("tools/call", {"name": "echo", "arguments": {}})]
    ):
        headers = {
            "Authorization": f"Bearer {told['token']}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **session,
        }
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        request = urllib.request.Request(url, json.dumps(message).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            if known := answer.headers["Mcp-Session-Id"]:
                session = {"Mcp-Session-Id": known}


# --- what Claude Code remembers ---


def needs_auth(scene: Scene, name: str, ahead: float = 0.0) -> None:
    at = int((time.time() + ahead) * 1000)
    scene.merge("home/.claude/mcp-needs-auth-cache.json", {name: {"timestamp": at}})


def kept(scene: Scene, name: str, *, token: str, headers: dict[str, str] | None = None) -> None:
    """An entry of the client's logins, made for the entry as it is or with other headers."""
    url = scene.entries[name]["url"]
    told = {"type": "http", "url": url, "headers": headers or {}}
    key = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()[:16]
    found = {"authorizationServerUrl": url, "oauthMetadataFound": True}
    if not token:
        found["tokenlessRejectedAt"] = int(time.time() * 1000)
    login = {"serverName": name, "serverUrl": url, "accessToken": token, "discoveryState": found}
    if token:
        login["expiresAt"] = int(time.time() * 1000) + 3_600_000
    path = scene.merge("home/.claude/.credentials.json", {"mcpOAuth": {f"{name}|{key}": login}})
    path.chmod(0o600)


def patience(scene: Scene, _: str) -> None:
    scene.put("home/.claude/settings.json", {"env": {"MCP_TIMEOUT": "2000"}})


_DEAD_PROXY = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
_TEXT = "#!/bin/sh\nexec true\n"

COMMANDS = (
    Fault(
        "missing",
        "a command that is not installed",
        "no such program",
        "MC207",
        lambda _: {"command": "matrix-mcp-server", "args": []},
        on_the_host,
        row="stdio-missing",
    ),
    Fault(
        "not-executable",
        "a command without the right to be executed",
        "chmod 644",
        "MC208",
        lambda s: {"command": program(s, _TEXT, 0o644), "args": []},
        on_the_host,
        row="stdio-not-executable",
    ),
    Fault(
        "exits",
        "a command that ends at once",
        "it says which variable is missing, exit 1",
        "MC209",
        command("exits"),
        on_the_host,
        row="stdio-exits",
    ),
    Fault(
        "silent",
        "a command that says nothing",
        "it reads and never answers",
        "MC210",
        command("silent"),
        on_the_host,
        row="stdio-silent",
    ),
    Fault(
        "garbage",
        "a command that writes text, not MCP",
        "it answers with a sentence",
        "MC211",
        command("garbage"),
        on_the_host,
    ),
    Fault(
        "stdio-version",
        "a command with an unknown protocol version",
        "it says 1999-01-01",
        "MC281",
        command("old-version"),
        on_the_host,
    ),
    Fault(
        "stdio-no-tools",
        "a command whose tools/list is an error",
        "it answers with an error",
        "MC283",
        command("no-tools"),
        on_the_host,
        row="tools-fail",
    ),
    Fault(
        "stdio-odd-tool",
        "a command with a tool that Claude Code refuses",
        'one of two has `inputSchema` of `"type": "string"`',
        "MC283",
        command("odd-tool"),
        on_the_host,
        row="tools-fail",
    ),
)
WRITTEN = (
    Fault(
        "pending",
        "a server of the project, not approved",
        ".mcp.json",
        "MC031",
        None,
        in_the_project,
        row="pending",
        gateway=False,
    ),
    Fault(
        "rejected",
        "a server of the project, rejected",
        ".mcp.json, settings.local.json",
        "MC032",
        None,
        rejected,
        row="rejected",
        gateway=False,
    ),
    Fault(
        "self-approved",
        "a server of the project that the project approves",
        ".mcp.json, .claude/settings.json",
        "MC031",
        None,
        approved_by_itself,
        row="pending",
        gateway=False,
    ),
    Fault(
        "disabled",
        "a server that was disabled for the project",
        "disabledMcpServers in ~/.claude.json",
        "MC033",
        works,
        lambda s, _: s.projects(disabledMcpServers=["disabled"]),
        row="disabled",
        gateway=False,
    ),
    Fault(
        "denied",
        "a server that policy denies",
        "deniedMcpServers in settings.json",
        "MC034",
        works,
        denied,
        row="denied",
        gateway=False,
    ),
    Fault(
        "misspelt",
        "an entry with `comand`",
        "~/.claude.json",
        "MC002",
        lambda _: {"comand": "npx"},
        row="skipped",
        gateway=False,
    ),
    Fault(
        "no-url",
        "an entry of type http without a URL",
        "~/.claude.json",
        "MC002",
        lambda _: {"type": "http"},
        row="skipped",
        gateway=False,
    ),
    Fault(
        "workspace",
        "a name that Claude Code keeps for itself",
        "~/.claude.json",
        "MC003",
        works,
        gateway=False,
    ),
    Fault(
        "half-a-file",
        "half a .mcp.json",
        "a comma too many",
        "MC001",
        None,
        half_a_file,
        gateway=False,
    ),
    Fault(
        "half-a-home",
        "half a ~/.claude.json",
        "it ends in the middle",
        "MC010",
        None,
        half_a_home,
        gateway=False,
    ),
    Fault(
        "hostless",
        "a URL without a host",
        "`https:///mcp`",
        "MC061",
        lambda _: http("https:///mcp"),
        gateway=False,
    ),
    Fault(
        "off",
        "switched off in mcpconf.toml",
        'route = "off"',
        "MC067",
        works,
        off,
        gateway=False,
        heard=False,
    ),
    Fault(
        "of-the-host",
        "a command that only the host can run",
        "`docker run`, not trusted",
        "MC060",
        lambda _: {"command": "docker", "args": ["run", "-i", "some/image"]},
        gateway=False,
        heard=False,
    ),
    Fault(
        "lapsed",
        "a command that was edited after it was trusted",
        "`mcpconf trust`, then another image",
        "MC065",
        lambda _: {"command": "docker", "args": ["run", "-i", "some/image"]},
        lapsed,
        gateway=False,
        heard=False,
    ),
    Fault(
        "toml",
        "mcpconf.toml is broken",
        "half a table",
        "MC080",
        works,
        broken_toml,
        gateway=False,
        heard=False,
    ),
)
SECRETS = (
    Fault(
        "unset",
        "a variable that is not set",
        "`${MATRIX_KEY}`, set nowhere",
        "MC021",
        server(
            wants=("Authorization", "Bearer x"), headers={"Authorization": "Bearer ${MATRIX_KEY}"}
        ),
        row="token-unset",
    ),
    Fault(
        "not-in-the-gateway",
        "a variable that the gateway's shell lacks",
        "exported after `gateway start`",
        "MC221",
        with_variable,
        inject=partial(gateway_without, variable="MATRIX_KEY"),
        heard=False,
        env={"MATRIX_KEY": "x"},
        gateway=False,
    ),
    Fault(
        "helper-fails",
        "a headersHelper that fails",
        "`exit 3`",
        "MC222",
        helped("exit 3"),
        heard=False,
    ),
    Fault(
        "helper-text",
        "a headersHelper that prints no JSON",
        "`echo token`",
        "MC222",
        helped("echo token"),
        heard=False,
    ),
    Fault(
        "expired-login",
        "a login that cannot be renewed",
        "OAuth server that refuses the refresh",
        "MC224",
        behind_login(expires_in=1),
        inject=partial(logged_in, refuse_refresh="invalid_grant", valid={}),
        row="refresh-refused",
    ),
    Fault(
        "refuses-to-register",
        "the server refuses to register clients",
        "OAuth server, registration 400, `gateway login`",
        "MC267",
        server(wants=("Authorization", "Bearer x"), oauth="refusing"),
        inject=refused_login,
        row="401-registration-refused",
    ),
    Fault(
        "call-401",
        "only tools/call is 401",
        "HTTP server, a tool is called",
        "MC284",
        server(on="tools/call", wants=("Authorization", "Bearer x")),
        inject=called,
        row="call-401",
    ),
)
GATEWAY = (
    Fault(
        "gateway-down",
        "the gateway does not run",
        "never started",
        "MC215",
        works,
        gateway=False,
        heard=False,
    ),
    Fault(
        "gateway-killed",
        "the gateway was killed",
        "SIGKILL",
        "MC215",
        works,
        inject=killed,
        heard=False,
    ),
    Fault(
        "gateway-stopped",
        "the gateway hangs",
        "SIGSTOP",
        "MC218",
        works,
        inject=stopped,
        heard=False,
    ),
    Fault(
        "gateway-moved",
        "the gateway is to listen elsewhere by now",
        "another port in mcpconf.toml, synced",
        "MC216",
        works,
        inject=moved_gateway,
        heard=False,
    ),
    Fault(
        "added",
        "the server was added after the sync",
        "no sync after the edit",
        "MC200",
        None,
        inject=added,
        heard=False,
    ),
    Fault(
        "edited",
        "the entry was edited after the sync",
        "no sync after the edit",
        "MC220",
        works,
        inject=partial(edited, headers={"X-New": "1"}),
        heard=False,
    ),
    Fault(
        "left-out",
        "the gateway does not take the project's files",
        "routes.json is open to all",
        "MC219",
        works,
        inject=routes_open_to_all,
        heard=False,
    ),
    Fault(
        "new-token",
        "the container has an old token",
        "a new token on the host, no sync",
        "MC226",
        works,
        inject=new_token,
        heard=False,
    ),
)
CLIENT = (
    Fault(
        "remembered",
        "Claude Code remembers that a login was wanted",
        "mcp-needs-auth-cache.json, a minute old",
        "MC290",
        works,
        partial(needs_auth, ahead=-60.0),
        row="stale-cache",
    ),
    Fault(
        "tokenless",
        "Claude Code remembers a login without a token",
        ".credentials.json, tokenlessRejectedAt",
        "MC291",
        works,
        partial(kept, token=""),
        row="stale-cache",
    ),
    Fault(
        "orphaned",
        "a stored login is not found since a header was edited",
        ".credentials.json, another hash",
        "MC293",
        server(wants=("Authorization", "Bearer x"), oauth="full"),
        partial(kept, token="x", headers={"X-Old": "1"}),
        row="orphaned-login",
    ),
    Fault(
        "proxied",
        "a dead proxy is asked for this machine",
        "HTTP_PROXY",
        "MC295",
        works,
        env=_DEAD_PROXY,
        row="dead-proxy",
    ),
    Fault(
        "impatient",
        "the server takes longer than MCP_TIMEOUT",
        "4 s, MCP_TIMEOUT=2000 in settings.json",
        "MC286",
        server(on="initialize", delay=4.0),
        patience,
    ),
    Fault(
        "starved",
        "three commands before it hang",
        "they read and never answer",
        "MC296",
        behind_silent_ones,
        all_on_the_host,
    ),
)
_HOMES = {
    "commands": "missing not-executable exits silent garbage stdio-version stdio-no-tools"
    " stdio-odd-tool",
    "written": "pending rejected self-approved disabled denied misspelt no-url workspace hostless off of-the-host",
    "secrets": "unset helper-fails helper-text expired-login refuses-to-register call-401",
    "client": "remembered tokenless orphaned",
}


def _home(name: str) -> str:
    return next((home for home, names in _HOMES.items() if name in names.split()), "")


FAULTS = tuple(
    replace(fault, home=_home(fault.name))
    for fault in (*COMMANDS, *WRITTEN, *SECRETS, *GATEWAY, *CLIENT)
)
