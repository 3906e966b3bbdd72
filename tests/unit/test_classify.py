"""Which of four kinds a server is: what is configured beats what was seen, which beats what is known."""

from __future__ import annotations

from typing import Any

import pytest

from mcpconf.classify import classify
from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.expand import Variables
from mcpconf.model import Classified, Kind, Scope, Skipped, Stdio
from mcpconf.origin import Origin, Source
from mcpconf.readers.catalogue import Catalogue
from mcpconf.readers.entries import build, check
from mcpconf.readers.facts import Facts, Probe, login_key, probe_key
from mcpconf.reasons import REASONS

URL = "https://known.example.com/mcp"
CATALOGUE = Catalogue(
    Source(
        "servers.toml",
        """
[[server]]
id = "known"
title = "Known"
kind = "oauth"
match = ["host:known.example.com"]
hosts = ["known.example.com"]
auth = "oauth"
secrets = []
source = "https://example.com"

[[server]]
id = "free"
title = "Free"
kind = "http"
match = ["host:free.example.com"]
hosts = ["free.example.com"]
auth = "none"
secrets = []
source = "https://example.com"
""",
    )
)


def classified(raw: dict[str, Any], seen: str = "", *, login: bool = False) -> Classified:
    assert check("n", raw, CLIENTS[NEWEST]) is None
    like = Skipped("n", Scope.USER, Origin(Source("x"), ("mcpServers", "n")), "")
    server = build(("n", raw), like, Variables(({"H": "localhost:1"}, None)))
    probes, logins = {}, set()
    if not isinstance(server.transport, Stdio):
        if seen:
            probes[probe_key(server.transport)] = Probe(seen, "401", 1e9)
        if login:
            logins.add(login_key("n", server.transport))
    return classify(server, Facts(CATALOGUE, frozenset(logins), probes))


def remote(url: str = URL, **more: Any) -> dict[str, Any]:
    return {"type": "http", "url": url, **more}


BEARER = {"headers": {"Authorization": "Bearer x"}}


@pytest.mark.parametrize(
    ("raw", "seen", "login", "kind", "rule"),
    [
        ({"command": "npx", "args": ["x"]}, "", False, Kind.STDIO, "kind.stdio.command"),
        (remote("http://localhost:1/mcp"), "oauth", True, Kind.LOCALHOST, "kind.localhost.url"),
        (remote("http://${H}/mcp"), "", False, Kind.LOCALHOST, "kind.localhost.url"),
        (remote("http://10.1.2.3/mcp", oauth={}), "", False, Kind.LOCALHOST, "kind.localhost.url"),
        (remote(**BEARER), "oauth", True, Kind.HTTP, "kind.http.authorization"),
        (remote(oauth={}, **BEARER), "", False, Kind.HTTP, "kind.http.authorization"),
        (
            remote("https://x.example.com", oauth={}),
            "open",
            False,
            Kind.OAUTH,
            "kind.oauth.declared",
        ),
        (remote("https://x.example.com"), "oauth", False, Kind.OAUTH, "kind.oauth.probe"),
        (remote("https://x.example.com"), "", True, Kind.OAUTH, "kind.oauth.login"),
        (remote("https://x.example.com"), "open", True, Kind.OAUTH, "kind.oauth.login"),
        (remote(), "open", False, Kind.HTTP, "kind.http.probe"),
        (remote(), "none", False, Kind.OAUTH, "kind.oauth.catalogue"),
        (remote(), "", False, Kind.OAUTH, "kind.oauth.catalogue"),
        (remote("https://free.example.com/x"), "", False, Kind.HTTP, "kind.http.catalogue"),
        (remote("https://x.example.com"), "", False, Kind.HTTP, "kind.http.default"),
        (remote("https://x.example.com"), "refused", False, Kind.HTTP, "kind.http.default"),
        (remote("not a url"), "", False, Kind.HTTP, "kind.http.default"),
        (
            {"command": "npx", "args": ["-y", "mcp-remote@1", URL]},
            "",
            False,
            Kind.OAUTH,
            "kind.wrapped",
        ),
    ],
)
def test_the_kind_and_the_evidence(
    raw: dict[str, Any],
    seen: str,
    login: bool,  # noqa: FBT001
    kind: Kind,
    rule: str,
) -> None:
    found = classified(raw, seen, login=login)
    assert (found.kind, found.because.rule) == (kind, rule)
    assert rule in REASONS
    assert found.because.text


@pytest.mark.parametrize(
    ("words", "transport"),
    [
        (["mcp-remote", URL], "http"),
        (["-y", "mcp-remote", "https://x.example.com/sse"], "sse"),
        (["mcp-remote", URL, "--transport", "sse-only"], "sse"),
        (["mcp-remote@latest", URL, "--header", "X-Key: secret"], "http"),
    ],
)
def test_a_wrapper_is_seen_through(words: list[str], transport: str) -> None:
    found = classified({"command": "npx", "args": words})
    assert found.remote
    assert found.remote.type == transport
    assert found.remote.url.reveal().startswith("https://")
    assert set(found.remote.headers) == ({"X-Key"} if "--header" in words else set())


@pytest.mark.parametrize(
    "words", [["mcp-remote"], ["mcp-remote", "not a url"], ["mcp-remotes", URL]]
)
def test_what_wraps_nothing_is_a_process(words: list[str]) -> None:
    found = classified({"command": "npx", "args": words})
    assert found.kind is Kind.STDIO
    assert found.remote is None
