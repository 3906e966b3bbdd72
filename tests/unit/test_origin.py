"""Where a value was written: lines and columns as an editor counts them."""

from __future__ import annotations

import json

import pytest

from mcpconf.origin import BOM, Origin, Position, Source, locate
from tests import clock

TEXT = """{
  "mcpServers": {
    "a": {"command": "x", "args": ["1", "2"]},
    "b/c": {"type": "http",
            "url": "https://example.com"}
  },
  "last": true
}
"""


@pytest.mark.parametrize(
    ("pointer", "line", "column"),
    [
        ((), 1, 1),
        (("mcpServers",), 2, 3),
        (("mcpServers", "a"), 3, 5),
        (("mcpServers", "a", "command"), 3, 11),
        (("mcpServers", "a", "args", 1), 3, 41),
        (("mcpServers", "b/c", "url"), 5, 13),
        (("last",), 7, 3),
    ],
)
def test_a_pointer_leads_to_line_and_column(pointer: tuple, line: int, column: int) -> None:
    assert locate(Source("x", TEXT), pointer) == Position(line, column)
    assert Origin(Source("x", BOM + TEXT), pointer).position in (
        Position(line, column),
        Position(line, column + 1),  # the mark is a character of the first line
    )


@pytest.mark.parametrize(
    "pointer",
    [("no",), ("mcpServers", "no"), ("mcpServers", "a", "args", 2), ("last", "deeper"), (0,)],
)
def test_a_pointer_that_leads_nowhere_has_no_place(pointer: tuple) -> None:
    assert locate(Source("x", TEXT), pointer) is None


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":', '{"a": 1', "[", "nothing", '{"a" 1}'])
def test_a_text_that_is_not_json_has_no_places(text: str) -> None:
    assert locate(Source("x", text), ("a",)) in (None, Position(1, 2))
    assert locate(Source("x", text), ("a", "b")) is None


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert locate(Source("x", '{"a": 1,\n"a": 2}'), ("a",)) == Position(2, 1)


def test_a_place_in_toml_is_a_line() -> None:
    text = (
        'http = "plain"\n\n[[allow]]\nhost = "a"\n[[allow]]\nhost = "b"\n[servers.x]\nroute = ""\n'
    )
    source = Source("mcpconf.toml", text, syntax="toml")
    places = {
        ("http",): 1,
        ("allow", 0): 3,
        ("allow", 1): 5,
        ("servers", "x"): 7,
        ("allow", 2): None,
        ("no",): None,
    }
    for pointer, line in places.items():
        assert locate(source, pointer) == (None if line is None else Position(line, 1))


def test_a_text_without_pointers_may_know_its_line() -> None:
    assert Origin(Source("x", "not json"), line=7).position == Position(7, 1)
    assert Origin(Source("x")).position is None


@pytest.mark.parametrize(
    ("pointer", "written"),
    [((), ""), (("a",), "/a"), (("a/b", "m~n", 0), "/a~1b/m~0n/0"), (("",), "/")],
)
def test_a_pointer_is_written_as_rfc_6901_says(pointer: tuple, written: str) -> None:
    assert Origin(Source("x"), pointer).json_pointer == written


def test_a_source_never_shows_its_text() -> None:
    assert "hunter2" not in repr(Origin(Source("x", '{"password": "hunter2"}'), ("password",)))


def test_many_lines_in_a_large_text_are_found_quickly() -> None:
    servers = {f"server-{i}": {"command": "x" * 100} for i in range(20_000)}
    source = Source("x", json.dumps({"mcpServers": servers}, indent=2))
    started = clock.now()
    assert locate(source, ("mcpServers", "server-19999")) == Position(59_999 + 1, 5)
    assert clock.now() - started < 1
