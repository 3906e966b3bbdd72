"""The shipped whitelist data is complete, well formed, sorted and free of duplicates."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from publicsuffixlist import PublicSuffixList

WHITELIST = Path(__file__).resolve().parents[2] / "whitelist"
STACK_FILES = sorted((WHITELIST / "stacks").glob("*.toml"))
ALLOW_FILES = [WHITELIST / "base.toml", WHITELIST / "registries.toml", *STACK_FILES]
ALL_FILES = [*ALLOW_FILES, WHITELIST / "servers.toml"]

STACKS = {
    "django",
    "dotnet",
    "drupal",
    "go",
    "java",
    "laravel",
    "magento",
    "npm",
    "php",
    "python",
    "rails",
    "ruby",
    "rust",
    "shopware",
    "symfony",
    "typo3",
    "wordpress",
}
RUNNERS = {
    "bun",
    "bundle",
    "bunx",
    "cargo",
    "composer",
    "deno",
    "dnx",
    "docker",
    "dotnet",
    "gem",
    "go",
    "jbang",
    "mvn",
    "npm",
    "npx",
    "nuget",
    "pip",
    "pip3",
    "pipx",
    "pnpm",
    "podman",
    "uv",
    "uvx",
    "yarn",
}
KINDS = {"stdio", "http", "oauth", "localhost"}
AUTHS = {"none", "api-key", "oauth", "token", "optional"}
SERVER_KEYS = {"id", "title", "match", "kind", "hosts", "auth", "secrets", "source"}
SERVER_OPTIONAL_KEYS = {"host_only", "any_host", "needs_env_host"}

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
PACKAGE = {
    "npm": re.compile(r"(?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*"),
    "pypi": re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?"),
    "docker": re.compile(r"[a-z0-9][a-z0-9.-]*(?:/[a-z0-9][a-z0-9._-]*)*"),
    "command": re.compile(r"[a-z0-9][a-z0-9._-]*"),
}
PSL = PublicSuffixList()


def load(path: Path) -> dict[str, Any]:
    """Return the parsed content of one data file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def servers() -> list[dict[str, Any]]:
    """Return the rows of the server catalogue."""
    rows: list[dict[str, Any]] = load(WHITELIST / "servers.toml")["server"]
    return rows


def host_problem(host: str, *, single_label: bool = False) -> str | None:
    """Say what is wrong with a host name, or return None."""
    name = host.removeprefix("*.")
    labels = name.split(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        return "not a lower-case ASCII host name"
    if single_label and host == "localhost":
        return None
    if len(labels) < 2:
        return "a single label"
    if labels[-1].isdigit():
        return "an address, not a name"
    if PSL.publicsuffix(name) == name:
        return "a public suffix"
    return None


def split_port(target: str) -> tuple[str, int]:
    """Split "host" or "host:port" (443 when no port is given)."""
    host, _, port = target.partition(":")
    return host, int(port) if port else 443


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.stem)
def test_file_is_utf8_with_a_comment_header(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert "\t" not in text
    assert "\r" not in text


@pytest.mark.parametrize("path", ALLOW_FILES, ids=lambda path: path.stem)
def test_allow_rows_are_well_formed(path: Path) -> None:
    required = {"host", "ports", "why", "source"}
    extra = {"base": {"optional"}, "registries": {"runners"}}.get(path.stem, set())
    for row in load(path).get("allow", []):
        assert set(row) == required | extra, row
        assert host_problem(row["host"]) is None, (row["host"], host_problem(row["host"]))
        assert row["ports"]
        assert row["ports"] == sorted(set(row["ports"]))
        assert all(type(port) is int and 0 < port < 65536 for port in row["ports"])
        assert isinstance(row["why"], str)
        assert row["why"].strip()
        assert row["source"].startswith("https://")


@pytest.mark.parametrize("path", ALLOW_FILES, ids=lambda path: path.stem)
def test_allow_rows_are_sorted_without_duplicates(path: Path) -> None:
    rows = load(path).get("allow", [])
    order = [(row.get("optional", False), row["host"]) for row in rows]
    assert order == sorted(order)
    pairs = [(row["host"], port) for row in rows for port in row["ports"]]
    assert len(pairs) == len(set(pairs))


def test_base_marks_what_claude_code_needs() -> None:
    rows = load(WHITELIST / "base.toml")["allow"]
    assert all(isinstance(row["optional"], bool) for row in rows)
    needed = {row["host"] for row in rows if not row["optional"]}
    assert needed == {"api.anthropic.com", "claude.ai", "platform.claude.com"}


def test_registries_cover_every_runner() -> None:
    rows = load(WHITELIST / "registries.toml")["allow"]
    for row in rows:
        assert row["runners"], row["host"]
        assert len(row["runners"]) == len(set(row["runners"])), row["host"]
    assert {runner for row in rows for runner in row["runners"]} == RUNNERS


def test_every_stack_is_there() -> None:
    assert {path.stem for path in STACK_FILES} == STACKS


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.stem)
def test_stack_is_well_formed(path: Path) -> None:
    stack = load(path)
    assert set(stack) <= {"name", "title", "includes", "detect", "allow"}
    assert stack["name"] == path.stem
    assert stack["title"].strip()
    includes = stack.get("includes", [])
    assert set(includes) <= STACKS - {path.stem}
    assert stack.get("allow") or includes
    assert stack["detect"]
    seen = set()
    for row in stack["detect"]:
        assert set(row) in ({"file"}, {"file", "contains"}), row
        file = row["file"]
        assert file
        assert not file.startswith("/")
        assert not {"..", "**"} & set(file.split("/"))
        assert "**" not in file
        assert not set(file) & set("[]{}\\")
        assert row.get("contains", "x")
        seen.add((file, row.get("contains")))
    assert len(seen) == len(stack["detect"])


def test_stack_includes_have_no_cycle_and_no_repeated_host() -> None:
    stacks = {path.stem: load(path) for path in STACK_FILES}

    def hosts(name: str, above: tuple[str, ...]) -> list[str]:
        assert name not in above, f"cycle: {above}"
        found = [row["host"] for row in stacks[name].get("allow", [])]
        for other in stacks[name].get("includes", []):
            found += hosts(other, (*above, name))
        return found

    for name in stacks:
        found = hosts(name, ())
        assert found, name
        assert len(found) == len(set(found)), name


def test_catalogue_is_large_sorted_and_unique() -> None:
    rows = servers()
    assert len(rows) >= 60
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids)
    assert len(ids) == len(set(ids))
    matches = [match for row in rows for match in row["match"]]
    assert len(matches) == len(set(matches))


@pytest.mark.parametrize("row", servers(), ids=lambda row: row["id"])
def test_server_row(row: dict[str, Any]) -> None:
    assert SERVER_KEYS <= set(row) <= SERVER_KEYS | SERVER_OPTIONAL_KEYS
    assert SLUG.fullmatch(row["id"])
    assert row["title"].strip()
    assert row["kind"] in KINDS
    assert row["auth"] in AUTHS
    assert row["source"].startswith("https://")
    for key in ("match", "hosts", "secrets", "needs_env_host"):
        names = row.get(key, [])
        assert names == sorted(names), key
        assert len(names) == len(set(names)), key
    assert row["match"]
    assert all(SECRET_NAME.fullmatch(name) for name in row["secrets"])
    assert all(ENV_NAME.fullmatch(name) for name in row.get("needs_env_host", []))
    for key in ("host_only", "any_host"):
        assert row.get(key, "reason").strip()


@pytest.mark.parametrize("row", servers(), ids=lambda row: row["id"])
def test_server_matches(row: dict[str, Any]) -> None:
    for match in row["match"]:
        scheme, _, name = match.partition(":")
        if scheme == "host":
            host, port = split_port(name)
            assert 0 < port < 65536
            if row["kind"] == "localhost":
                assert host in {"localhost", "127.0.0.1"}
                assert ":" in name
            else:
                assert row["kind"] in {"http", "oauth"}
                assert not host.startswith("*")
                assert host_problem(host) is None, host
                assert host in row["hosts"]
        else:
            assert row["kind"] == "stdio"
            assert PACKAGE[scheme].fullmatch(name), match
        if scheme == "docker":
            assert row.get("host_only"), "a Docker image runs on the host"


@pytest.mark.parametrize("row", servers(), ids=lambda row: row["id"])
def test_server_hosts(row: dict[str, Any]) -> None:
    for target in row["hosts"]:
        host, port = split_port(target)
        assert 0 < port < 65536
        assert not IPV4.fullmatch(host)
        problem = host_problem(host, single_label=row["kind"] == "localhost")
        assert problem is None, (host, problem)
        assert not target.endswith(":443")


@pytest.mark.parametrize("row", servers(), ids=lambda row: row["id"])
def test_server_sign_in_is_consistent(row: dict[str, Any]) -> None:
    if row["kind"] == "oauth":
        assert row["auth"] == "oauth"
    if row["auth"] == "none":
        assert row["secrets"] == []
    if row["kind"] != "stdio":
        assert row["hosts"]
        assert "host_only" not in row


def test_host_check_accepts() -> None:
    assert host_problem("api.example.com") is None
    assert host_problem("*.example.com") is None
    assert host_problem("localhost", single_label=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "*.com",
        "*.co.uk",
        "*.localhost",
        "com",
        "localhost",
        "127.0.0.1",
        "API.example.com",
        "a..example.com",
        "-a.example.com",
        "*.*.example.com",
        "a_b.example.com",
        f"{'a.' * 130}example.com",
    ],
)
def test_host_check_refuses(host: str) -> None:
    assert host_problem(host) is not None
