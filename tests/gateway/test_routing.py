"""Who may in: host, origin, token, server, in that order."""

from __future__ import annotations

import pytest

from mcpconf.contract import Ref, Route
from mcpconf.gateway.http import parse_head
from mcpconf.gateway.routing import ALWAYS_KNOWN, HEALTH, Project, decide
from mcpconf.model import ServerId

ROUTE = Route(ServerId("db"), "db", "stdio", "stdio", "", Ref("f", "/p"))
PROJECTS = {
    "one": Project("one", "/one", b"Token-One", {"db": ROUTE}),
    "two": Project("two", "/two", b"Token-Two", {}),
    "open": Project("open", "/open", b"", {"db": ROUTE}),
}


def asked(
    target: str = "/one/db/mcp",
    host: str = "localhost:8811",
    token: str = "Bearer Token-One",
    **more: str,
) -> tuple[int, str]:
    headers = {"Host": host, "Authorization": token, **more}
    raw = f"POST {target} HTTP/1.1\r\n" + "\r\n".join(f"{k}: {v}" for k, v in headers.items())
    decision = decide(parse_head(raw.encode("latin-1")), ALWAYS_KNOWN | {"172.17.0.1"}, PROJECTS)
    return decision.status, decision.code


def test_the_right_token_reaches_its_own_server() -> None:
    assert asked() == (0, "served")
    assert asked(token="bearer Token-One") == (0, "served")  # RFC 9110 §11.1: any case


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:80", "[::1]:80", "172.17.0.1:8811",
     "host.docker.internal:8811", "mcpconf-gateway"],
)  # fmt: skip
def test_hosts_by_which_it_is_known(host: str) -> None:
    assert asked(host=host) == (0, "served")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:localhost", "", "localhost:x",
     "localhost@evil.example", "127.0.0.2", "[::1", "::1", "localhost/evil", "localhost:80:80"],
)  # fmt: skip
def test_foreign_hosts(host: str) -> None:
    assert asked(host=host) == (403, "foreign-host")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"])
def test_origins_of_this_machine(origin: str) -> None:
    assert asked(Origin=origin) == (0, "served")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "localhost", "http://localhost.evil.example", "file://",
     "http://evil.example#localhost"],
)  # fmt: skip
def test_foreign_origins(origin: str) -> None:
    assert asked(Origin=origin) == (403, "foreign-origin")


@pytest.mark.parametrize(
    ("target", "token"),
    [
        ("/one/db/mcp", "Bearer Token-Two"),
        ("/one/db/mcp", "Bearer token-one"),
        ("/one/db/mcp", "Bearer "),
        ("/one/db/mcp", "Bearer"),
        ("/one/db/mcp", "Basic Token-One"),
        ("/one/db/mcp", "Token-One"),
        ("/one/db/mcp", ""),
        ("/one/none/mcp", "Bearer Token-Two"),
        ("/none/db/mcp", "Bearer Token-One"),
        ("/none/db/mcp", "Bearer no token is empty, so this one fits nobody"),
        ("/", "Bearer Token-One"),
        ("/one/db", "Bearer Token-One"),
        ("/one/db/mcp?x=1", "Bearer Token-One"),
        ("/one/../one/db/mcp", "Bearer Token-One"),
        ("/ONE/db/mcp", "Bearer Token-One"),
    ],
)
def test_without_the_token_nothing_is_told(target: str, token: str) -> None:
    assert asked(target, token=token) == (401, "no-token")


def test_a_project_has_only_its_own_servers() -> None:
    assert asked("/two/db/mcp", token="Bearer Token-Two") == (404, "unknown-server")


def test_the_host_is_looked_at_before_the_token() -> None:
    assert asked(host="evil.example", token="")[0] == 403


def test_anybody_near_may_ask_for_the_health() -> None:
    raw = b"GET /healthz HTTP/1.1\r\nHost: localhost"
    assert decide(parse_head(raw), ALWAYS_KNOWN, PROJECTS) is HEALTH
    foreign = b"GET /healthz HTTP/1.1\r\nHost: evil.example"
    assert decide(parse_head(foreign), ALWAYS_KNOWN, PROJECTS).status == 403


def test_a_project_shows_no_token() -> None:
    assert "Token" not in repr(PROJECTS["one"])
