"""`${NAME}` and `${NAME:-default}`, as the client expands them: the refusals first."""

from __future__ import annotations

import pytest

from mcpconf.expand import Variables, expand
from mcpconf.origin import Origin, Source

VALUES = {"SET": "value", "EMPTY": "", "INNER": "${SET}", "_under1": "u"}


def variables() -> Variables:
    return Variables((VALUES, None))


@pytest.mark.parametrize(
    "text",
    [
        "$SET", "${}", "${1SET}", "${SE T}", "${ SET}", "${SET }", "${SET-x}", "${SET:=x}",
        "${SET:+x}", "${SET:?x}", "${SET:x}", "${SET%x}", "${!SET}", "${SÉT}", "${SET", "$ {SET}",
        "%SET%", "$(SET)", "{SET}", "${SET:", "${SET:-", "${UNSET}",
    ],
)  # fmt: skip
def test_what_the_client_leaves_as_it_stands(text: str) -> None:
    assert expand(text, variables()).reveal() == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${SET}", "value"),
        ("a${SET}b${SET}c", "avaluebvaluec"),
        ("$${SET}", "$value"),
        (r"\${SET}", r"\value"),
        ("${${SET}}", "${value}"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", ""),  # set but empty counts as set
        ("${SET:-x}", "value"),
        ("${UNSET:-x}", "x"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b}", "a:-b"),
        ("${UNSET:-a b\n$c{}", "a b\n$c{"),
        ("${UNSET:-${SET}}", "${SET}"),  # the default ends at the first brace; one pass
        ("${INNER}", "${SET}"),
        ("${_under1}", "u"),
        ("${UNSET}${SET}", "${UNSET}value"),
    ],
)
def test_what_it_expands(text: str, value: str) -> None:
    assert expand(text, variables()).reveal() == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("${INNER}", "value"), ("${UNSET:-${SET}}", "value"), ("${UNSET:-${UNSET}}", "${UNSET}")],
)
def test_headers_are_expanded_twice(text: str, value: str) -> None:
    assert expand(text, variables(), passes=2).reveal() == value


def test_the_last_layer_wins_and_a_variable_knows_where_it_stands() -> None:
    origin = Origin(Source("settings.json"), ("env",))
    layered = Variables(({"A": "shell", "B": "shell"}, None), ({"B": "settings"}, origin))
    assert expand("${A} ${B}", layered).reveal() == "shell settings"
    assert layered.origin("A") is None
    assert layered.origin("B") == origin.at("B")


def test_missing_are_those_without_value_and_default() -> None:
    text = expand("${UNSET} ${UNSET} ${SET} ${OTHER:-x} ${EMPTY} ${MORE}", variables())
    assert text.missing == ("UNSET", "MORE")
    assert text.variables == ("UNSET", "SET", "OTHER", "EMPTY", "MORE")


@pytest.mark.parametrize("name", ["API_KEY", "GITHUB_TOKEN", "dbPassword", "X_SECRET"])
def test_a_secret_variable_stays_a_reference_in_the_safe_form(name: str) -> None:
    known = Variables(({name: "hunter2"}, None))
    for written in (f"x ${{{name}}}", f"x ${{{name}:-hunter2}}"):
        text = expand(written, known)
        assert text.reveal() == "x hunter2"
        assert text.safe() == f"x ${{{name}}}"


def test_a_text_never_shows_itself() -> None:
    text = expand("${API_KEY:-hunter2} hunter2", Variables())
    assert "hunter2" not in f"{text!r} {text!s} {[text]}"
    assert "hunter2" not in repr(Variables(({"K": "hunter2"}, None)))
