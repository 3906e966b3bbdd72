"""Texts that a clone could hold to keep the machine busy: each costs about what its length costs.

The sizes are those at which the work used to grow with the square: it took more than 20 seconds,
often minutes.  Now each takes at most a few seconds.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcpconf.allow_deny import judge
from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.expand import LONGEST, Variables, expand
from mcpconf.json_text import Document, Fault, parse, parse_spine
from mcpconf.model import Server
from mcpconf.origin import Position, Source, locate
from mcpconf.readers.declared import declare
from mcpconf.readers.inputs import Request
from mcpconf.readers.world import read_configuration

PATIENCE = 20  # seconds
SIZE = 2 * 1024 * 1024
DEEP = "[" * 100_000


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("it takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        '"' + '\\"' * SIZE,
        '"' + '\\"' * SIZE + "\\",
        '"' + "\\\\" * SIZE + "\\",
        '"\\' * SIZE,
        '"' + "a" * SIZE,
        '"a\\' + '"[' * SIZE,
        '""' * SIZE + '"',
        "[" * SIZE,
        "[]," * SIZE,
        "]" * SIZE,
        '"' + "\n" * SIZE,
        "{" * SIZE,
    ],
    ids=range(12),
)
def test_what_is_too_deep_is_cut_in_one_pass(end: str) -> None:
    assert isinstance(parse(Source("x", DEEP + end)), Fault)


def test_strings_are_no_brackets_when_what_is_too_deep_is_cut() -> None:
    deep = DEEP + "]" * len(DEEP)
    text = json.dumps({"a": 'x[{\\"', "b": "\\\\"})[:-1] + f', "c": {deep}, "d": "]" }}'
    found = parse(Source("x", text))
    assert isinstance(found, Document)
    assert found.cut_at == 1
    assert isinstance(found.value, dict)
    assert found.value["a"] == 'x[{\\"'
    assert found.value["b"] == "\\\\"
    assert found.value["d"] == "]"


def test_a_key_that_is_given_again_and_again() -> None:
    many = ",".join(f'"s{n}":1' for n in range(60_000))
    again = ',"mcpServers":{"a":1}' * 30_000
    text = '{"projects":{' + many + "}" + again + "}"
    source = Source("x", text)
    found = parse_spine(source, ("mcpServers", "projects"))
    assert isinstance(found, Document)
    assert found.twice == ("mcpServers",)
    last = locate(source, ("mcpServers", "a"))
    assert last == Position(1, text.rindex('"a"') + 1)


# --- places -------------------------------------------------------------------------------------


@pytest.mark.sample(2)
@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("blank", ["", "\n", " " * 40 + "\n\n"])
def test_many_places_in_one_text(step: int, blank: str) -> None:
    keys = [f"server-number-{n}" for n in range(60_000)]
    text = "{" + ",".join(f'{blank}"{key}":1' for key in keys) + "}"
    source = Source("x", text)
    for key in keys[::step]:
        found = locate(source, (key,))
        assert found
    n = len(keys) // 3
    at = text.index(f'"{keys[n]}"')
    line = text[:at].count("\n") + 1
    assert locate(source, (keys[n],)) == Position(line, at - text.rfind("\n", 0, at))


def test_many_places_in_toml() -> None:
    text = "".join(f'[[allow]]\nhost = "a{n}.com"\n[servers.s{n}]\nx=1\n' for n in range(20_000))
    source = Source("mcpconf.toml", text, syntax="toml")
    for n in range(20_000):
        assert locate(source, ("allow", n, "host")) == Position(4 * n + 1, 1)
        assert locate(source, ("servers", f"s{n}")) == Position(4 * n + 3, 1)
    assert locate(source, ("allow", 20_000)) is None


def test_a_place_in_toml_is_not_that_of_a_longer_name() -> None:
    text = (
        '\u2028#\n[servers.abc]\n["servers" . "a.b"]\n[ servers.a ]\n[servers."my box"]\nhttp=1\n'
    )
    source = Source("mcpconf.toml", text, syntax="toml")
    names = ("abc", "a.b", "a", "my box")
    assert [locate(source, ("servers", name)) for name in names] == [
        Position(line, 1) for line in (2, 3, 4, 5)
    ]
    assert locate(source, ("http",)) == Position(6, 1)
    assert locate(source, ("servers", "ab")) is None


# --- variables ----------------------------------------------------------------------------------


@pytest.mark.sample(2)
@pytest.mark.parametrize("passes", [1, 2])
def test_a_text_that_grows_too_long_stays_as_it_is_written(passes: int) -> None:
    variables = Variables(({"BIG": "x=y:" * 5000, "SMALL": ""}, None))
    written = "${SMALL}${NO}${KEY:-s3cr3t}" + "${BIG}" * 300_000
    text = expand(written, variables, passes=passes)
    assert text.reveal() == written
    assert text.missing == ("NO", "BIG")
    assert text.variables == ("SMALL", "NO", "KEY", "BIG")
    assert "s3cr3t" not in text.safe()


def test_what_grows_in_the_second_pass_only() -> None:
    variables = Variables(({"A": "${B}" * 1000, "B": "${C}" * 1000, "C": "c"}, None))
    text = expand("${A}", variables, passes=2)
    assert text.reveal() == "${A}"
    assert text.missing == ("B",)


def test_the_longest_text() -> None:
    variables = Variables(({"A": "x" * (LONGEST - 1), "GONE": ""}, None))
    assert len(expand("${A}x", variables).reveal()) == LONGEST
    assert expand("${A}xx", variables).missing == ("A",)
    long = "x" * LONGEST + "${GONE}"
    assert expand(long, variables).reveal() == "x" * LONGEST  # it does not grow


# --- policy -------------------------------------------------------------------------------------


def denied(tmp_path: Path, urls: list[str], entries: list[dict[str, Any]]) -> list[str]:
    """Return the names of a project's servers that its own settings deny."""
    project, home = tmp_path / "p", tmp_path / "h"
    (project / ".claude").mkdir(parents=True)
    home.mkdir()
    servers = {f"s{n}": {"type": "http", "url": url} for n, url in enumerate(urls)}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    (project / ".claude/settings.json").write_text(json.dumps({"deniedMcpServers": entries}))
    request = Request(home, project, {"V": "v"}, CLIENTS[NEWEST])
    declared = declare(read_configuration(request))
    found = [server for file in declared.projects for server in file]
    assert len(found) == len(urls)
    return [s.name for s in found if isinstance(s, Server) and not judge(s, declared).allowed]


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "pattern",
    [
        "https://${V}.x{n}.example.com/",
        "https://${V}.example.com/x{n}/*",
        "https://*.${V}.x{n}.com/*",
        "https://a.b/",
    ],
)
def test_many_servers_and_many_that_are_denied(tmp_path: Path, pattern: str) -> None:
    count = 1500
    entries: list[dict[str, Any]] = [
        {"serverUrl": pattern.replace("{n}", str(n))} for n in range(count)
    ]
    entries += [{"serverName": f"n{n}"} for n in range(count)]
    entries += [{"serverCommand": ["${V}", str(n)]} for n in range(count)]
    entries += [{"serverUrl": "https://${V}.example.com/mcp77*"}, {"serverName": "s5"}]
    urls = [f"https://v.example.com/mcp{n}" for n in range(count)]
    assert denied(tmp_path, urls, entries) == ["s5", "s77", *(f"s{n}" for n in range(770, 780))]


def test_a_name_beyond_ascii_is_compared_as_it_is_asked_for(tmp_path: Path) -> None:
    urls = ["https://b\u00fccher.example/a", "https://\u00fc\u2024\u2024.example/b"]
    entries = [{"serverUrl": "https://xn--bcher-kva.example"}]
    assert denied(tmp_path, urls, entries) == ["s0"]
