"""One entry of `mcpServers`: the client's schema, in the client's words."""

from __future__ import annotations

from typing import Any

import pytest

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.expand import Variables
from mcpconf.model import Opaque, Remote, Scope, Skipped, Stdio
from mcpconf.origin import Origin, Source
from mcpconf.readers.entries import build, check, white_space

NEW, OLD = CLIENTS["2.1.328"], CLIENTS["2.1.197"]
HTTP = {"type": "http", "url": "https://example.com/mcp"}


def problem(raw: Any, client: Any = NEW, name: str = "n") -> str:
    found = check(name, raw, client)
    return found.message if found else ""


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("npx x", "(root): expected object, received string"),
        ([], "(root): expected object, received array"),
        (None, "(root): expected object, received null"),
        ({}, "command: expected string, received undefined"),
        ({"command": ""}, "command: Command cannot be empty"),
        ({"command": 5}, "command: expected string, received number"),
        ({"command": None}, "command: expected string, received null"),
        ({"command": "x", "args": "y"}, "args: expected array, received string"),
        ({"command": "x", "args": ["y", 1]}, "args.1: expected string, received number"),
        ({"command": "x", "args": None}, "args: expected array, received null"),
        ({"command": "x", "env": []}, "env: expected record, received array"),
        ({"command": "x", "env": {"A": 1}}, "env.A: expected string, received number"),
        ({"command": "x", "env": {"A": None}}, "env.A: expected string, received null"),
        ({"command": "x", "timeout": 0}, "timeout: Too small: expected number to be >0"),
        ({"command": "x", "timeout": 1.5}, "timeout: expected int, received number"),
        ({"command": "x", "timeout": "1"}, "timeout: expected number, received string"),
        ({"command": "x", "timeout": True}, "timeout: expected number, received boolean"),
        ({"command": "x", "alwaysLoad": 1}, "alwaysLoad: expected boolean, received number"),
        ({"type": None, "command": "x"}, 'type: expected "stdio"'),
        ({"type": "http"}, "url: expected string, received undefined"),
        ({**HTTP, "headers": {"A": 1}}, "headers.A: expected string, received number"),
        ({**HTTP, "headersHelper": []}, "headersHelper: expected string, received array"),
        ({**HTTP, "oauth": True}, "oauth: expected object, received boolean"),
        ({**HTTP, "oauth": {"clientId": 1}}, "oauth.clientId: expected string, received number"),
        ({**HTTP, "oauth": {"scopes": []}}, "oauth.scopes: expected string, received array"),
        (
            {**HTTP, "oauth": {"authServerMetadataUrl": "http://x"}},
            "oauth.authServerMetadataUrl: authServerMetadataUrl must use https://",
        ),
    ],
)
def test_what_is_no_server_is_said_in_the_clients_words(raw: Any, says: str) -> None:
    for client in (NEW, OLD):
        assert problem(raw, client) == f'invalid MCP server config for "n": {says}'


@pytest.mark.parametrize("kind", ["streamableHttp", "HTTP", "websocket", "", "sse-ide", "ws-ide"])
def test_an_unknown_type(kind: str) -> None:
    assert problem({"type": kind, "url": "x"}) == f'unknown MCP server type "{kind}" for server "n"'


def test_several_problems_are_one_message() -> None:
    said = problem({"command": 1, "args": 2, "env": 3})
    assert said.count("; ") == 2


def test_versions_differ_where_they_were_measured_to() -> None:
    no_type = {"url": "https://example.com"}
    assert 'has a "url" but no "type"' in problem(no_type, NEW)
    assert "command: expected string, received undefined" in problem(no_type, OLD)
    assert problem({"type": "sdk", "name": "x"}, OLD) == ""
    assert "sdk" in problem({"type": "sdk", "name": "x"}, NEW)


@pytest.mark.parametrize(
    "raw",
    [
        {"command": "x"},
        {"type": "stdio", "command": "x", "args": [], "env": {}, "unknown": [1], "cwd": 5},
        {"command": "x", "url": "https://example.com"},
        {"command": "x", "disabled": True, "enabled": False},
        HTTP,
        {"type": "http", "url": "not a url"},
        {"type": "http", "url": ""},
        {"type": "streamable-http", "url": "x"},
        {"type": "sse", "url": "x", "headers": {}},
        {"type": "ws", "url": "x", "oauth": "whatever"},
        {**HTTP, "oauth": {"other": 1, "callbackPort": 0.5}},
        {**HTTP, "timeout": 1, "alwaysLoad": False},
    ],
)
def test_what_the_client_takes(raw: Any) -> None:
    assert problem(raw) == ""


@pytest.mark.parametrize(
    "name", ["workspace", "claude-in-chrome", "computer-use", "Claude Preview"]
)
def test_reserved_names(name: str) -> None:
    for client in (NEW, OLD):
        found = check(name, {"command": "x"}, client)
        assert found
        assert found.reserved
    # An entry that is invalid and reserved is reported as invalid.
    assert not check(name, {}, NEW).reserved  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["Workspace", "workspaces", "", " ", "x/y", "é"])
def test_names_that_are_not_reserved(name: str) -> None:
    assert problem({"command": "x"}, NEW, name) == ""


def built(raw: Any) -> Any:
    like = Skipped("n", Scope.USER, Origin(Source("x"), ("mcpServers", "n")), "")
    variables = Variables(({"K": "hunter2", "HOST": "example.com"}, None))
    return build(("n", raw), like, variables)


def test_a_process_is_built_and_expanded() -> None:
    raw = {"command": "${X:-npx}", "args": ["-y", "${HOST}"], "env": {"A": "${K}"}, "timeout": 5}
    server = built(raw)
    assert isinstance(server.transport, Stdio)
    assert server.transport.command.reveal() == "npx"
    assert [a.reveal() for a in server.transport.args] == ["-y", "example.com"]
    assert server.transport.env["A"].reveal() == "hunter2"
    assert server.options == {"timeout": 5}
    assert server.digest == Opaque(raw).digest()


def test_a_remote_is_built_and_expanded() -> None:
    server = built({"type": "streamable-http", "url": "https://${HOST}/", "headers": {"A": "${K}"},
                    "headersHelper": "echo ${K}", "oauth": {}})  # fmt: skip
    assert isinstance(server.transport, Remote)
    assert server.transport.type == "http"
    assert server.transport.url.reveal() == "https://example.com/"
    assert server.transport.headers["A"].reveal() == "hunter2"
    assert server.transport.headers_helper.reveal() == "echo ${K}"  # its shell expands it
    assert server.transport.oauth
    assert not server.transport.authorization


def test_an_authorization_header_is_one_in_any_case() -> None:
    assert built({**HTTP, "headers": {"AUTHORIZATION": "x"}}).transport.authorization


def test_a_digest_is_of_the_meaning_not_of_the_text() -> None:
    digests = [Opaque(raw).digest() for raw in ({"a": 1, "b": [2]}, {"b": [2], "a": 1})]
    assert len(set(digests)) == 1
    assert Opaque({"a": 1}).digest() != Opaque({"a": "1"}).digest()
    assert Opaque({"a": "\ud800"}).digest()
    assert "rosebud" not in repr(Opaque({"a": "rosebud"}))


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"command": " x"}, ("command",)),
        ({"command": "x", "args": ["a", "b\n"]}, ("args[1]",)),
        ({"command": "x", "env": {"A ": "v\u00a0"}}, ("env.A ", 'env name "A "')),
        ({"type": "http", "url": "\ufeffx", "headers": {"H": " "}}, ("url", "headers.H")),
        ({"command": "x", "args": ["a b"]}, ()),
        ({"command": "x\u0085"}, ()),  # Python strips it, JavaScript does not
    ],
)
def test_white_space_is_told_by_place(raw: Any, where: tuple[str, ...]) -> None:
    assert white_space(raw) == where


def test_nothing_of_a_server_shows_a_secret() -> None:
    server = built({**HTTP, "url": "https://u:hunter2@x", "headers": {"A": "${K}", "B": "hunter2"}})
    assert "hunter2" not in repr(server)
    assert NEWEST in CLIENTS
