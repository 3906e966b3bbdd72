"""What holds for every devcontainer.json."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mcpconf import jsonc
from mcpconf.devcontainer.edits import HOOK, Wish, edit
from mcpconf.devcontainer.undo import undo
from mcpconf.jsonc import JsoncError
from tests.devcontainer.texts import documents, texts, values

_WISHES = st.builds(
    Wish, st.sampled_from(["./mcpconf-feature", "ghcr.io/e/mcpconf:0"]), st.booleans()
)

# In `make test` each law has a second; EXAMPLES=5000 looks harder.
_few = settings(max_examples=int(os.environ.get("EXAMPLES", "40")))


@st.composite
def _files(draw: st.DrawFn) -> tuple[Any, str]:
    value = draw(documents())
    return value, draw(texts(value))


@_few
@given(values.flatmap(lambda v: st.tuples(st.just(v), texts(v))))
def test_a_text_is_read_as_what_it_says(file: tuple[Any, str]) -> None:
    value, text = file
    assert jsonc.parse(text).plain == value


@_few
@given(_files(), _WISHES)
def test_what_is_added_can_be_taken_out_to_the_byte(file: tuple[Any, str], wish: Wish) -> None:
    _, text = file
    done = edit(text, wish)
    assert undo(done.text, done.steps).text == text


@_few
@given(_files(), _WISHES)
def test_a_second_time_changes_nothing(file: tuple[Any, str], wish: Wish) -> None:
    done = edit(file[1], wish)
    again = edit(done.text, wish)
    assert (again.text, again.changes, again.steps) == (done.text, (), ())


@_few
@given(_files(), _WISHES)
def test_only_the_named_properties_change(file: tuple[Any, str], wish: Wish) -> None:
    value, text = file
    after = jsonc.parse(edit(text, wish).text).plain
    touched = {c.partition(":")[0] for c in edit(text, wish).changes}
    assert {k: v for k, v in after.items() if k not in touched} == {
        k: v for k, v in value.items() if k not in touched
    }
    assert any("mcpconf" in key for key in after["features"])
    command = after["initializeCommand"]
    assert command["mcpconf"] == HOOK or command == value["initializeCommand"]
    before = value.get("initializeCommand", {})
    if not isinstance(before, dict):
        assert command["project"] == before
    for name in ("runArgs", "mounts"):
        kept = value.get(name, [])
        assert after.get(name, [])[: len(kept)] == kept


@_few
@given(_files(), _WISHES)
def test_no_character_of_the_user_gets_lost(file: tuple[Any, str], wish: Wish) -> None:
    """The old text is a subsequence of the new one, but for the words that are raised."""
    text = file[1]
    done = edit(text, wish)
    assume(not any("raised" in c or "chained" in c for c in done.changes))
    rest = iter(done.text)
    assert all(character in rest for character in text)


@_few
@given(_files(), _WISHES, st.sampled_from(["\n", "  ", "// mine\n"]), st.data())
def test_what_the_user_does_elsewhere_stays(
    file: tuple[Any, str], wish: Wish, added: str, data: st.DataObject
) -> None:
    """Something behind the root, or before it, is there after the way back."""
    _, text = file
    assume(not text.startswith("\ufeff"))
    done = edit(text, wish)
    ending = data.draw(st.sampled_from(["", "\n"])) + added
    assert undo(added + done.text + "\n" + ending, done.steps).text == added + text + "\n" + ending


@_few
@given(_files(), _WISHES)
def test_without_a_record_nothing_breaks(file: tuple[Any, str], wish: Wish) -> None:
    done = edit(file[1], wish)
    left = jsonc.parse(undo(done.text, None).text).plain
    assert not any(key.endswith("mcpconf-feature") for key in left.get("features", ()))
    for key, value in file[0].items():
        if key not in ("features", "initializeCommand", "mounts", "dockerComposeFile"):
            assert key in left or value in ([], {})


@_few
@given(
    _files(),
    st.integers(0, 400),
    st.sampled_from(["", '"', "{", "}", ",", "/", "\\", "\x00", "/*", "é"]),
)
@example(({}, '{"a": 1}'), 4, "")
def test_a_broken_text_is_refused_in_words(file: tuple[Any, str], at: int, put: str) -> None:
    text = file[1]
    broken = text[:at] + put + text[at + 1 :]
    done = None
    with suppress(JsoncError):
        done = edit(broken, Wish("./mcpconf-feature"))
    if done is not None:
        assert undo(done.text, done.steps).text == broken
        return
    with pytest.raises(JsoncError) as refused:
        edit(broken, Wish("./mcpconf-feature"))
    assert 0 <= refused.value.offset <= len(broken)
    assert min(jsonc.place(broken, refused.value.offset)) >= 1
