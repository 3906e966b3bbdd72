"""The words of the bridge and of the gateway, taken from where they are written, are understood."""

from __future__ import annotations

import errno
import json

import pytest

from mcpconf.bridge import trouble as bridge
from mcpconf.bridge.endpoint import Endpoint
from mcpconf.diagnosis.words.said import causes, phrase_of
from mcpconf.gateway import trouble as gateway

BY_CODE = {
    "unreachable": "MC245",
    "timeout": "MC278",
    "tls": "MC250",
    "dns": "MC240",
    "refused-login": "MC262",
    "login-needed": "MC223",
    "login-expired": "MC224",
    "step-up": "MC225",
    "not-mcp": "MC277",
    "redirected": "MC274",
    "server-exited": "MC209",
    "server-silent": "MC278",
    "server-garbage": "MC211",
    "spawn-failed": "MC207",
    "stale-route": "MC220",
    "secret-missing": "MC221",
    "helper-failed": "MC222",
    "unknown-server": "MC219",
    "shutting-down": "MC215",
}
# No cause of a server that does not work: one message was too big, a session was renewed.
PASSING = {"compressed", "too-big", "http-status", "session-lost", "protocol"}
HERE = Endpoint("http", "host.docker.internal", 8811, "/")
BY_ERRNO = {
    errno.ECONNREFUSED: "MC245",
    errno.ETIMEDOUT: "MC246",
    errno.EHOSTUNREACH: "MC230",
    errno.EPERM: "MC230",
    errno.ENETUNREACH: "MC247",
}


def first(text: str) -> str:
    phrase = phrase_of(text)
    return causes(phrase)[0].code if phrase else ""


def test_the_gateway_has_no_other_words() -> None:
    assert BY_CODE.keys() | PASSING == gateway.CODES


@pytest.mark.parametrize("code", BY_CODE)
def test_what_the_gateway_says_is_understood(code: str) -> None:
    line = gateway.error_line("notion", "notion", b"1", gateway.trouble(code))
    message = json.loads(line)["error"]["message"]
    assert first(message) == BY_CODE[code]
    assert first(f"! Connected · tools fetch failed — {message}") == BY_CODE[code]


@pytest.mark.parametrize("error", BY_ERRNO)
def test_what_the_bridge_says_of_a_way_is_understood(error: int) -> None:
    trouble = bridge.unreachable(HERE, error)
    assert first(f"x: {trouble.text}") == BY_ERRNO[error]
    assert first(f"x: {bridge.of_gateway(trouble)}") == "MC215"


def test_what_the_bridge_says_of_credentials_is_understood() -> None:
    assert first(bridge.refusal(401).text) == "MC223"
    assert first(bridge.refusal(403).text) == "MC264"
    assert first(bridge.of_gateway(bridge.refusal(401))) == "MC226"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("/etc/mcpconf/bridge.json is not there; run `mcpconf sync` on the host", "MC201"),
        ("/etc/mcpconf/bridge.json is not what `mcpconf sync` writes; run it again", "MC205"),
        ("it answers without content", "MC276"),
        ("it answers with text/html instead of JSON-RPC", "MC277"),
        ("it redirects in a circle (HTTP 307)", "MC275"),
        ("it redirects to another server (HTTP 302)", "MC274"),
        ("there is no MCP endpoint at its path (HTTP 404)", "MC268"),
        ("it answers HTTP 503", "MC271"),
        ("it answers HTTP 429", "MC270"),
    ],
)
def test_other_words_of_the_bridge_are_understood(text: str, code: str) -> None:
    assert first(f"notion: {text}; run `mcpconf explain notion`") == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("npm error 404 Not Found - GET https://registry.npmjs.org/@a%2fb - Not found", "MC209"),
        ("Error: Cannot find module '/app/dist/index.js'", "MC209"),
        ("ModuleNotFoundError: No module named 'mcp'", "MC209"),
        ("Error: getaddrinfo ENOTFOUND mcp.example", "MC240"),
        ("HTTP 401 Unauthorized", "MC223"),
        ("HTTP 403 Forbidden", "MC264"),
        ("the request failed (403)", "MC264"),
        ("HTTP 404", "MC268"),
    ],
)
def test_what_programs_say_is_understood(text: str, code: str) -> None:
    assert first(text) == code
