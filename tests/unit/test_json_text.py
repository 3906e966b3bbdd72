"""JSON as strict as the client's, and what it hides made visible."""

from __future__ import annotations

import json

import pytest

from mcpconf.json_text import DEEPEST, Document, Fault, parse, parse_spine
from mcpconf.origin import Source


def both(text: str) -> list[Document | Fault]:
    return [parse(Source("x", text)), parse_spine(Source("x", text), ("mcpServers", "projects"))]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("{,}", 1, 2),
        ('{"a": 1,}', 1, 9),
        ('{"a": 1}\n}', 2, 1),
        ("// comment\n{}", 1, 1),
        ("{'a': 1}", 1, 2),
        ('{"a": NaN}', 1, 1),
        ('{"a": Infinity}', 1, 1),
        ('{"a": -Infinity}', 1, 1),
        ('{"a": 01}', 1, 8),
        ('{"a": "\n"}', 1, 8),
        ('{"a"\n:\n}', 3, 1),
        ('\x00{"a": 1}', 1, 1),
        ("\xa0{}", 1, 1),  # white space, but not JSON's
    ],
)
def test_what_the_client_refuses_is_a_fault_with_a_place(text: str, line: int, column: int) -> None:
    for found in both(text):
        assert isinstance(found, Fault), found
        assert found.line == line
        assert column in (found.column, 8, 9) or "constant" not in found.message
        assert found.message[:1] == found.message[:1].lower() or found.message[:3] == "NaN"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "\ufeff{}",
        " \t\r\n{ }\n",
        '{"a": 1e400}',
        '{"a": -0.0, "b": 1E5}',
        '{"": {"": ""}}',
        r'{"\u0061": "\ud83d\ude00 \ud800"}',
        '{"mcpServers": {"x": {"command": "y"}}, "projects": {}}',
        '{"a": ' + "1" * 5000 + "}",
    ],
)
def test_what_the_client_takes_is_taken(text: str) -> None:
    for found in both(text):
        assert isinstance(found, Document)
        assert found.twice == ()
        assert found.cut_at == 0


def test_of_a_key_given_twice_the_last_counts_and_it_is_told() -> None:
    text = '{"mcpServers": {"a": {"x": 1, "x": 2}, "b": 1, "b": {"y": 1}}}'
    whole, spine = both(text)
    assert isinstance(whole, Document)
    assert isinstance(spine, Document)
    assert whole.value == spine.value == {"mcpServers": {"a": {"x": 2}, "b": {"y": 1}}}
    assert set(whole.twice) == {"x", "b"}
    assert spine.twice == ("b",)  # what is deeper there is the client's own business


def test_a_spine_given_twice_names_itself_and_nothing_in_it() -> None:
    text = '{"mcpServers": {"a": 1}, "mcpServers": {"a": 2, "b": 3}}'
    for found in both(text):
        assert isinstance(found, Document)
        assert found.twice == ("mcpServers",)
        assert found.value == {"mcpServers": {"a": 2, "b": 3}}


@pytest.mark.parametrize("depth", [DEEPEST - 5, 1000, 100_000])
def test_nesting_is_cut_where_python_gives_up_and_the_rest_stays(depth: int) -> None:
    text = '{"deep": ' + "[" * depth + '"]["' + "]" * depth + ',\n"mcpServers": {"a": 1}}'
    for found in both(text):
        assert isinstance(found, Document)
        assert isinstance(found.value, dict)
        assert found.value["mcpServers"] == {"a": 1}
        assert found.cut_at in (0, 1)
        assert not (depth > DEEPEST * 10 and found.cut_at == 0)


def test_what_is_never_closed_is_a_fault_and_quick() -> None:
    for found in both('{"a":' * 100_000):
        assert isinstance(found, Fault)


def test_a_document_never_shows_its_values() -> None:
    for found in both(json.dumps({"mcpServers": {"a": {"env": {"K": "hunter2"}}}})):
        assert "hunter2" not in repr(found)
