"""A file that grows and is exchanged, read as it does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcpconf.firewall import tails
from mcpconf.firewall.tails import Tail, history


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_whole_lines_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(str(path))
    assert tail.text() == ""
    add(path, "one\ntw")
    assert tail.text() == "one\n"
    add(path, "o\nthree\n")
    assert tail.text() == "two\nthree\n"
    assert tail.text() == ""
    assert tail.written == path.stat().st_mtime
    tail.close()


def test_an_exchange_loses_nothing(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    add(path, "one\n")
    tail = Tail(str(path))
    assert tail.text() == "one\n"
    add(path, "two\n")
    path.rename(old)
    add(path, "four\n")
    assert tail.text() == "two\nfour\n"
    add(old, "three\n")  # its engine had not been told yet
    add(path, "five\n")
    assert tail.text() == "three\nfive\n"
    add(path, "six\n")
    assert tail.text() == "six\n"
    tail.close()


def test_between_the_steps_of_an_exchange_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "one\n")
    tail = Tail(str(path))
    tail.text()
    path.rename(tmp_path / "log.1")
    assert tail.text() == ""
    add(path, "two\n")
    assert tail.text() == "two\n"
    tail.close()


def test_a_file_that_was_cut_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, "one\ntwo\n")
    tail = Tail(str(path))
    tail.text()
    os.truncate(path, 0)
    add(path, "x\n")
    assert tail.text() == "x\n"
    tail.close()


def test_only_the_end_of_a_giant_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "MOST_HISTORY", 100)
    path = tmp_path / "log"
    add(path, "first\n" + "x" * 200 + "\nlast\n")
    text, written = history(str(path))
    assert text.split("\n")[-2] == "last"
    assert len(text) < 120
    assert "first" not in text
    assert written


def test_a_line_without_end_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(str(path))
    add(path, "x" * 100_000)
    assert tail.text() == ""
    add(path, "y\nnext\n")
    assert tail.text().split("\n")[-2:] == ["next", ""]
    assert len(tail.text()) == 0
    tail.close()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    assert history(str(tmp_path / "link")) == ("", 0.0)
    assert history(str(tmp_path / "nothing")) == ("", 0.0)


def test_bytes_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\x00\x1b[31m\n")
    assert history(str(path))[0] == "\\xff\x00\x1b[31m\n"
