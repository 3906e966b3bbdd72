"""What is printed, and which words a command takes."""

from __future__ import annotations

import io
import sys

import pytest

from mcpconf.firewall.words import (
    UsageError,
    Words,
    duration,
    plain,
    put,
    read_words,
    readable,
    size,
    table,
)

ALL = frozenset({"--follow", "--since", "HOST"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("evil.test", "evil.test"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("münchen", "m\\xfcnchen"),
        ("\u202eevil", "\\u202eevil"),
        ("", "-"),
        ("  ", "-"),
        ("x" * 300, "x" * 250 + "..."),
    ],
)
def test_foreign_text(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(text).isprintable()
    assert plain(text).isascii()


def test_text_of_the_user() -> None:
    assert readable("Zürich\n  says\x1b “so”") == "Zürich says? “so”"
    assert readable("\u202eabc") == "?abc"
    assert readable("a" * 50, 10) == "aaaaaaa..."


def test_what_the_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    put("“x”\n")
    assert raw.getvalue() == b"\\u201cx\\u201d\n"


def test_sizes_and_spans() -> None:
    assert [size(n) for n in (0, 999, 1000, 1_250_000, 3_000_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "3.0 GB",
    ]
    assert [duration(n) for n in (-5, 59, 60, 3700, 90_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 1 min",
        "1 d 1 h",
    ]


def test_a_table() -> None:
    assert table(("A", "N"), [("x", "1"), ("long", "20")], frozenset({1})) == (
        "A      N\nx      1\nlong  20\n"
    )


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ([], Words()),
        (["--format", "json"], Words(json=True)),
        (["--format=json", "--format", "text"], Words()),
        (["Evil.TEST.", "--follow"], Words(follow=True, host="evil.test")),
        (["--since", "30"], Words(since=30.0)),
        (["--since=0.5"], Words(since=0.5)),
        (["2001:db8::1"], Words(host="2001:db8::1")),
    ],
)
def test_words(words: list[str], read: Words) -> None:
    assert read_words(words, ALL) == read


@pytest.mark.parametrize(
    "words",
    [
        ["--format"],
        ["--format", "yaml"],
        ["--since", "-3"],
        ["--since", "nan"],
        ["--since", "1e9"],
        ["--follow=yes"],
        ["--policy", "/etc/shadow"],
        ["-x"],
        ["a", "b"],
        [""],
    ],
)
def test_wrong_words(words: list[str]) -> None:
    with pytest.raises(UsageError):
        read_words(words, ALL)


@pytest.mark.parametrize("words", [["host"], ["--follow"], ["--since", "3"]])
def test_words_of_another_command(words: list[str]) -> None:
    with pytest.raises(UsageError):
        read_words(words, frozenset())
