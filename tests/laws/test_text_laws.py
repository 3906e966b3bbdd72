"""Laws of reading text: places in JSON, and the expansion of variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mcpconf.expand import Variables, expand, references
from mcpconf.json_text import Document, Fault, parse, parse_spine
from mcpconf.model import Text
from mcpconf.origin import BOM, Origin, Source, locate

# --- places -------------------------------------------------------------------------------------

BLANK = st.text(" \t\n\r", max_size=3)
KEY = st.one_of(
    st.sampled_from(["mcpServers", "projects", "a", "", "é", '"', "\\", "/", "~", "\n", "😀"]),
    st.text(max_size=4),
)
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)


class Pairs(list[tuple[str, Any]]):
    """An object as it is written: a key may stand in it twice."""


VALUES = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.tuples(KEY, inner), max_size=4).map(Pairs),
    ),
    max_leaves=15,
)
OBJECTS = st.lists(st.tuples(KEY, VALUES), max_size=4).map(Pairs)


@st.composite
def documents(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> str:
    """A JSON text with odd white space, escapes, and perhaps a byte order mark."""
    escape = draw(st.booleans())

    def blank() -> str:
        return draw(BLANK)

    def written(value: Any) -> str:
        if isinstance(value, Pairs):
            inside = ",".join(
                f"{blank()}{text(k)}{blank()}:{blank()}{written(v)}{blank()}" for k, v in value
            )
            return "{" + (inside or blank()) + "}"
        if isinstance(value, list):
            inside = ",".join(f"{blank()}{written(v)}{blank()}" for v in value)
            return "[" + (inside or blank()) + "]"
        return text(value)

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=escape)

    mark = draw(st.sampled_from(["", BOM]))
    return f"{mark}{blank()}{written(draw(values))}{blank()}"


def places(value: Any, pointer: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Every pointer into a parsed value, with what stands there."""
    if pointer:
        yield pointer, value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*pointer, key))


def offset(text: str, line: int, column: int) -> int:
    """Count lines as an editor does, from the start."""
    return sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1


def check(source: Source, value: Any) -> None:
    decoder = json.JSONDecoder()
    for pointer, there in places(value):
        position = locate(source, pointer)
        assert position is not None, pointer
        at = offset(source.text, *position)
        found, end = decoder.raw_decode(source.text, at)
        if isinstance(pointer[-1], str):
            assert found == pointer[-1]
            colon = source.text.index(":", end)
            assert not source.text[end:colon].strip()
            at = re.compile(r"[ \t\n\r]*").match(source.text, colon + 1).end()
            found, _ = decoder.raw_decode(source.text, at)
        assert json.dumps(found) == json.dumps(there)


@given(documents())
def test_locate_finds_what_the_parser_finds(text):
    source = Source("x.json", text)
    document = parse(source)
    assert isinstance(document, Document)
    assert json.dumps(document.value) == json.dumps(json.loads(text.removeprefix(BOM)))
    check(source, document.value)


@given(documents(OBJECTS))
def test_anchors_change_neither_values_nor_places(text):
    source = Source("x.json", text)
    document = parse_spine(source, ("mcpServers", "projects"))
    assert isinstance(document, Document)
    assert json.dumps(document.value) == json.dumps(json.loads(text.removeprefix(BOM)))
    check(source, document.value)


@given(documents(OBJECTS), st.data())
def test_a_broken_text_is_a_fault_for_both_parsers(text, data):
    """Something is cut out of a good document: both parsers agree with the library's."""
    start = data.draw(st.integers(0, len(text)))
    broken = text[:start] + text[start + data.draw(st.integers(1, 4)) :]
    try:
        value = json.loads(broken.removeprefix(BOM), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        for found in (parse(Source("x", broken)), parse_spine(Source("x", broken), ("a",))):
            assert isinstance(found, Fault)
    else:
        for found in (parse(Source("x", broken)), parse_spine(Source("x", broken), ("a",))):
            assert isinstance(found, Document)
            assert json.dumps(found.value) == json.dumps(value)


@given(st.text(max_size=60), st.lists(st.one_of(KEY, st.integers(0, 3)), max_size=3))
def test_locate_never_raises(text, pointer):
    for syntax in ("json", "toml"):
        position = locate(Source("x", text, syntax), tuple(pointer))
        assert position is None or min(position) > 0


# --- expansion ----------------------------------------------------------------------------------

GRAMMAR = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
PIECES = st.lists(
    st.sampled_from(
        ["${", "}", "${A}", "${B:-", "${A:-x}", "$A", "$", "{", ":-", ":", "A", "_1", "1", "é", " ",
         "\n", "\\", "${}", "${1A}", "${A-x}", "${SET}", "${EMPTY:-x}", "${NEST}", "\x00"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
VALUES_OF = {"SET": "value", "EMPTY": "", "NEST": "${SET}", "A": "a${B}}", "_1": "one"}


def reference(text: str) -> str:
    """The grammar of the client, as one regular expression."""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        given = VALUES_OF.get(name)
        if given is None:
            given = default
        return found.group() if given is None else given

    return GRAMMAR.sub(value, text)


@given(PIECES)
@example("${A:-${B}}")
@example("${SET:-}}")
@example("${A:-\n}")
def test_expansion_is_the_clients_grammar(text):
    variables = Variables((VALUES_OF, None))
    assert expand(text, variables).reveal() == reference(text)
    assert expand(text, variables, passes=2).reveal() == reference(reference(text))
    assert [(r.start, r.end, r.name, r.default) for r in references(text)] == [
        (*m.span(), *m.groups()) for m in GRAMMAR.finditer(text)
    ]


@given(PIECES)
def test_what_is_written_is_kept_and_missing_names_are_told(text):
    expanded = expand(text, Variables((VALUES_OF, None)))
    assert isinstance(expanded, Text)
    assert expanded.reveal_written() == text
    found = [m.groups() for m in GRAMMAR.finditer(text)]
    assert expanded.variables == tuple(dict.fromkeys(name for name, _ in found))
    wanted = [name for name, default in found if default is None and name not in VALUES_OF]
    assert expanded.missing == tuple(dict.fromkeys(wanted))


@given(st.text("${}:-A", max_size=400))
def test_a_hostile_text_costs_no_more_than_its_length(text):
    hostile = text * 50
    assert expand(hostile, Variables()).reveal() == GRAMMAR.sub(
        lambda m: m.group() if m.group(2) is None else m.group(2), hostile
    )


@given(st.text(max_size=10), st.lists(KEY, max_size=3))
def test_a_pointer_is_written_as_rfc_6901_wants_it(path, steps):
    origin = Origin(Source(path)).at(*steps)
    parts = origin.json_pointer.split("/")[1:] if steps else []
    assert [p.replace("~1", "/").replace("~0", "~") for p in parts] == steps
