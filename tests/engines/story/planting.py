"""Secrets in every place of a host that has some, and the search for them in a container."""

from __future__ import annotations

import base64
import json
from typing import Any

from mcpconf._resources import data
from tests.engines.engine import Container
from tests.engines.story.names import CORE, GATEWAY_PORT, planted

SHELL = {
    "RAY_TOKEN": planted("ray"),
    "AWS_SECRET_ACCESS_KEY": planted("shell"),
}
"""Variables of the shell in which the user works; the first is one that a header names."""

_POLICY = f"""\
gateway = "mcpconf-gateway:{GATEWAY_PORT}"
[[allow]]
host = "example.com"
ports = [80, 443]
why = "a test"
"""


def files() -> dict[str, object]:
    """The user's home and project: the bundled example, and secrets wherever some may be."""
    return {
        "home/.claude.json": _claude_json(),
        "home/.claude/settings.json": {"env": {"SETTINGS_TOKEN": planted("settings")}},
        "home/.claude/.credentials.json": {
            "claudeAiOauth": {"accessToken": planted("claude"), "refreshToken": planted("claude2")},
            "mcpOAuth": {
                "atlassian|0": {"accessToken": planted("mcp"), "clientSecret": planted("c")}
            },
        },
        "home/.config/mcpconf/mcpconf.toml": _POLICY,
        "home/.aws/credentials": f"[default]\naws_secret_access_key = {planted('aws')}\n",
        "home/.netrc": f"machine mcp.atlassian.com password {planted('netrc')}\n",
        "home/.npmrc": f"//registry.npmjs.org/:_authToken={planted('npm')}\n",
        "home/.ddev/global_config.yaml": f"web_environment: [TOKEN={planted('ddev')}]\n",
        "project/.ddev/.env": f"A={planted('ddev-env')}\n",
        "project/.ddev/.env.web": f"A={planted('ddev-web')}\n",
        "project/.ddev/.env.mcpconf": "MCPCONF_BASE_IMAGE=story-base\n",
        "project/.ddev/config.yaml": "name: bakery\ntype: php\n",
        "project/.env": f"A={planted('dotenv')}\n",
        "project/.env.local": f"A={planted('dotenv-local')}\n",
        "project/app/config/.env": f"A={planted('dotenv-below')}\n",
        "project/.devcontainer/devcontainer.json": "{}\n",
        "project/index.php": "<?php\n",
    }


def _claude_json() -> dict[str, Any]:
    example = data("templates", "example", "home") / ".claude.json"
    value: dict[str, Any] = json.loads(example.read_text())
    value["mcpServers"]["ray"]["headers"] = {"Authorization": "Bearer ${RAY_TOKEN}"}
    other = {"command": "other", "env": {"KEY": planted("other")}, "args": [planted("argument")]}
    return {
        **value,
        "hasCompletedOnboarding": True,
        "oauthAccount": {"accessToken": planted("account"), "emailAddress": "a@b.test"},
        "primaryApiKey": planted("primary"),
        "projects": {"/elsewhere": {"mcpServers": {"other": other}}},
    }


def found(container: Container) -> list[str]:
    """Where root finds the mark of the secrets in a container, as it is or in base64."""
    needles = [CORE.encode(), *_in_base64(CORE.encode())]
    # reversed, or the search would find itself
    words = [needle[::-1].decode() for needle in needles]
    done = container.root("python3", "-c", _SEARCH, *words, timeout=300)
    assert done.code == 0, done.err
    return done.out.splitlines()


def _in_base64(text: bytes) -> list[bytes]:
    """What every base64 of something with ``text`` in it has, wherever in there that begins."""
    made = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + text).rstrip(b"=")
        made.append(encoded[(before * 8 + 5) // 6 : len(encoded) - 1])
    return made


_SEARCH = r"""
import os, sys
needles = [word[::-1].encode() for word in sys.argv[1:]]
longest = max(map(len, needles))

def has(path):
    tail = b""
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                block = tail + block
                if any(needle in block for needle in needles):
                    return True
                tail = block[-longest:]
    except OSError:
        pass
    return False

def say(path):
    print(os.fsencode(path).decode("ascii", "backslashreplace"))

count = 0
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path):
            count += 1
            if has(path):
                say(path)
        elif os.path.islink(path) and any(n in os.fsencode(os.readlink(path)) for n in needles):
            say(path)
for process in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "comm", "mounts"):
        if has(f"/proc/{process}/{name}"):
            say(f"/proc/{process}/{name}")
assert count > 1000, count
"""
