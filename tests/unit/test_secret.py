"""What counts as a secret.  The table is the rule: what a reviewer would want hidden, is."""

from __future__ import annotations

import pytest

from mcpconf.model import Remote, Text
from mcpconf.origin import Source
from mcpconf.secret import (
    MASK,
    harmless,
    has_secret,
    mask_args,
    mask_url,
    only_references,
    random_looking,
    secret_name,
    url_has_secret,
)


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "apiKey", "EXA_API_KEY", "exaApiKey", "GITHUB_TOKEN", "X-Api-Key", "--api-key",
     "--token", "password", "DB_PASS", "PGPASSWORD", "client_secret", "AWS_SECRET_ACCESS_KEY",
     "SENTRY_DSN", "Authorization", "Cookie", "JWT", "SLACK_WEBHOOK", "PRIVATE_KEY", "accessToken",
     "MYSQL_PWD", "NPM_AUTH", "APIKEY", "OPENAIAPIKEY", "licenseKey", "GH_PAT", "SESSION_ID"],
)  # fmt: skip
def test_names_of_credentials(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["HOST", "PORT", "LOG_LEVEL", "NODE_ENV", "BASE_URL", "--verbose", "DEBUG", "monkey", "keyboard",
     "TIMEOUT", "PATH", "REGION", "tokyo", "compass", "author", "patch", "Content-Type"],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    "text",
    ["sk-proj-Ab12Cd34Ef56Gh78", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "xoxb-1234567890-abcdef",
     "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc123def456",
     "0f1e2d3c-1111-4222-8333-123456789abc", "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c",
     "dGhpcyBpcyBhIHNlY3JldCB2YWx1ZTEyMzQ1Njc4OQ==", "glpat-abcdefghij1234567890"],
)  # fmt: skip
def test_what_looks_like_a_key(text: str) -> None:
    assert random_looking(text)


@pytest.mark.parametrize(
    "text",
    ["mcp", "v1", "server-everything", "@modelcontextprotocol/server-filesystem", "2025-06-18",
     "https", "node_modules", "docker-compose.yaml", "/home/me/projects/thing", "exa-mcp-server@1.2.3",
     "get_code_context_exa,web_search_exa", "12345678", "my-project-2024"],
)  # fmt: skip
def test_what_does_not(text: str) -> None:
    assert not random_looking(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "debug"),
        ("DEBUG", "TRUE"),
        ("PORT", "8080"),
        ("NODE_ENV", "production"),
        ("EMPTY", ""),
        ("BASE_URL", "https://api.example.com/v1"),
        ("DB_HOST", "db.example.com"),
        ("DB_HOST", "db"),
        ("DB_HOST", "localhost"),
        ("AWS_REGION", "eu-west-1"),
        ("API_ENDPOINT", "api.example.com:8443"),
    ],
)
def test_values_that_a_server_in_the_container_may_have(name: str, value: str) -> None:
    assert harmless(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "true"),
        ("TOKEN", ""),
        ("NICKNAME", "rosebud"),
        ("FOO", "hunter2"),
        ("PORT", "1234567890"),
        ("BASE_URL", "https://api.example.com/v1?key=x"),
        ("BASE_URL", "https://me:hunter2@api.example.com/"),
        ("BASE_URL", "https://api.example.com/3f9a8b7c6d5e4f3a2b1c0d9e"),
        ("DATABASE_URL", "postgres://app:hunter2@db/app"),
        ("DB_HOST", "3f9a8b7c6d5e4f3a2b1c0d9e"),
        ("CONFIG", '{"a": 1}'),
    ],
)
def test_values_that_stay_on_the_host(name: str, value: str) -> None:
    assert not harmless(name, value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/mcp", "https://example.com/mcp"),
        (
            "https://example.com:8443/v1/sse?debug=true",
            "https://example.com:8443/v1/sse?debug=true",
        ),
        ("https://example.com/mcp?key=x", "https://example.com/mcp?key=***"),
        ("https://example.com/mcp?q=rosebud&v=1", "https://example.com/mcp?q=***&v=1"),
        ("https://example.com/?3f9a8b7c6d5e4f3a2b1c0d9e", "https://example.com/?***"),
        ("https://me:hunter2@example.com/", "https://***@example.com/"),
        ("https://hunter2@example.com/", "https://***@example.com/"),
        ("https://example.com/s/3f9a8b7c6d5e4f3a2b1c0d9e/mcp", "https://example.com/s/***/mcp"),
        ("https://example.com/#rosebud", "https://example.com/#***"),
        ("https:/example.com/mcp?key=x", "https:/example.com/mcp?key=***"),
        ("https:example.com/mcp?key=x", "https:example.com/mcp?key=***"),
        ("https:\\\\me:x@example.com\\mcp", "https:\\\\***@example.com\\mcp"),
        ("localhost:3000/mcp?key=x", "localhost:3000/mcp?key=***"),
        ("http://[::1]:3000/mcp", "http://[::1]:3000/mcp"),
    ],
)
def test_a_url_is_shown_without_what_could_be_a_key(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert url_has_secret(Text(url)) == (shown != url)
    assert has_secret(Remote("http", Text(url))) == (shown != url)


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["-y", "exa-mcp-server", "--port", "8080"], None),
        (["--api-key", "${KEY}"], None),
        (["--header", "Authorization: Bearer ${KEY}"], None),
        (["--token=${KEY}"], None),
        (["--api-key", "--verbose"], None),
        (["--log", "/var/log/x.log"], None),
        (["--tools=web_search_exa"], None),
        (["run", "-i", "--rm", "-e", "GITHUB_TOKEN", "img"], None),
        (["--api-key", "rosebud"], ["--api-key", MASK]),
        (["--api-key=rosebud"], ["--api-key=***"]),
        (["API_KEY=rosebud"], ["API_KEY=***"]),
        (["-e", "API_KEY=rosebud"], ["-e", "API_KEY=***"]),
        (["--header", "X-Team: rosebud"], ["--header", "X-Team:***"]),
        (["-H", "Authorization: Bearer x"], ["-H", "Authorization:***"]),
        (["postgres://a:b@db.example.com/x"], ["postgres://***@db.example.com/x"]),
        (["--url=https://x.example.com?key=y"], ["--url=https://x.example.com?key=***"]),
        (["sk-proj-Ab12Cd34Ef56Gh78"], [MASK]),
        (["--token=${KEY:-rosebud}"], ["--token=***"]),
    ],
)
def test_arguments_are_shown_without_secrets(args: list[str], shown: list[str] | None) -> None:
    assert [text for text, _ in mask_args(args)] == (args if shown is None else shown)
    assert any(hidden for _, hidden in mask_args(args)) == (shown is not None)


@pytest.mark.parametrize("text", ["rosebud", "${A} rosebud", "Bearer x", "${A:-rosebud}", "$A", ""])
def test_what_is_more_than_a_reference(text: str) -> None:
    assert not only_references(text)


def test_a_source_and_a_text_are_no_data_that_could_be_dumped() -> None:
    import json  # noqa: PLC0415  only to show that it refuses

    for value in (Text("rosebud"), Source("x", "rosebud")):
        with pytest.raises(TypeError):
            json.dumps(value)
        assert "rosebud" not in repr(value)
