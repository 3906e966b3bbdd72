from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.credentials.address import address, is_safe, origin
from mcpconf.credentials.challenge import read_challenge
from mcpconf.credentials.loopback import read_answer
from mcpconf.credentials.oauth_entry import OAuthEntry, read_oauth
from mcpconf.credentials.person import read_pasted

SAME = [
    ("https://A.example", "https://a.example/"),
    ("HTTPS://a.example:443/mcp", "https://a.example/mcp"),
    ("https://a.example./mcp#x", "https://a.example/mcp"),
    ("https://user:pw@a.example/mcp", "https://a.example/mcp"),
    (" https://a.example/mcp\n", "https://a.example/mcp"),
    ("http://[::1]:80/mcp", "http://[::1]/mcp"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_server(one: str, other: str) -> None:
    assert address(one) == address(other)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/mcp",
        "https://a.example/MCP",
        "https://a.example/mcp/",
        "https://a.example/mcp?a=1",
        "https://a.example:8443/mcp",
        "https://b.example/mcp",
    ],
)
def test_other_servers(url: str) -> None:
    assert address(url) != address("https://a.example/mcp")


@pytest.mark.parametrize("url", ["", "x", "ftp://a/", "https://", "https://a:99999/", "http://[x/"])
def test_no_server(url: str) -> None:
    assert address(url) is None
    assert origin(url) == ""


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/", True),
        ("http://127.0.0.1:1/", True),
        ("http://127.3.2.1/", True),
        ("http://localhost/", True),
        ("http://x.localhost/", True),
        ("http://[::1]:8/", True),
        ("http://a.example/", False),
        ("http://127.evil.example/", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http://localhost.evil.example/", False),
        ("http://localhost@evil.example/", False),
        ("http://192.168.1.1/", False),
        ("http://10.0.0.1/", False),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_where_a_secret_may_be_sent(url: str, *, safe: bool) -> None:
    assert is_safe(url) is safe


@given(st.text(max_size=300))
def test_whatever_a_server_challenges_with_is_words(text: str) -> None:
    asked = read_challenge(text)
    again = read_challenge(asked.header())
    assert again == asked
    assert asked.header().isascii()
    assert asked.header().isprintable()


def test_a_challenge() -> None:
    text = (
        'Bearer realm="x", error="insufficient_scope", scope="a \\"b\\" c",'
        ' resource_metadata="https://a.example/.well-known/x"'
    )
    asked = read_challenge(text)
    assert asked.error == "insufficient_scope"
    assert asked.scope == "a c"
    assert asked.resource_metadata == "https://a.example/.well-known/x"
    assert read_challenge("Bearer error=invalid_token, scope=a").scope == "a"
    assert read_challenge('Bearer scope="' + '\\"' * 5000) is not None


@given(st.text(max_size=200), st.text(max_size=20))
def test_whatever_is_pasted_is_read(text: str, state: str) -> None:
    read_pasted(text, state)
    read_answer(text.encode("ascii", "ignore").decode())


@given(
    st.dictionaries(
        st.sampled_from(["clientId", "callbackPort", "authServerMetadataUrl", "scopes", "x"]),
        st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.integers())),
    )
)
def test_whatever_an_entry_says_about_its_login(value: dict) -> None:
    assert isinstance(read_oauth({"oauth": value}), OAuthEntry)


def test_an_entry_that_says_nothing() -> None:
    assert read_oauth({}) == read_oauth({"oauth": 1}) == OAuthEntry()
    assert read_oauth({"oauth": {"callbackPort": 8080.0}}).callback_port == 8080
