"""``clean``: what goes, what stays to the byte, and under whose lock."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.client_state import files
from mcpconf.client_state.clean import clean
from mcpconf.client_state.excise import without
from mcpconf.client_state.stale import FRESH, Question, needs_auth, without_token
from mcpconf.errors import Failure

NOW = 1_800_000_000_000
TOKEN = {"serverName": "in", "accessToken": "at-secret", "refreshToken": "rt-secret", "n": 1e5}
HALF = {"serverName": "half", "accessToken": "", "discoveryState": {"oauthMetadataFound": True}}
RENEWABLE = {"serverName": "r", "accessToken": "", "refreshToken": "rt"}
PLANNED = {"planned": {"type": "http", "url": "http://localhost:2411/mcp"}}


def asked(*names: str, planned: tuple[str, ...] = ("planned",)) -> Question:
    return Question(NOW, planned, names)


def at(milliseconds: int) -> dict[str, int]:
    return {"timestamp": NOW - milliseconds}


@pytest.mark.parametrize(
    ("entry", "goes"),
    [(at(FRESH), True), (at(FRESH - 1), False), (at(0), False), (at(-1), True), (at(-10**15), True),
     ({"timestamp": "x"}, False), ({"timestamp": True}, False), ({}, False), (None, False),
     ([], False), ("x", False)],
)  # fmt: skip
def test_a_memory_goes_when_it_is_old_or_of_the_future(entry: object, goes: int) -> None:
    assert [s.server for s in needs_auth({"other": entry}, asked())] == ["other"] * goes


def test_a_fresh_one_goes_only_for_a_planned_or_named_server() -> None:
    document = {"planned": at(5), "other": at(5)}
    assert [s.server for s in needs_auth(document, asked())] == ["planned"]
    assert [s.server for s in needs_auth(document, asked("other"))] == ["other"]
    assert list(needs_auth(document, asked("third"))) == []


@pytest.mark.parametrize(
    ("login", "goes"),
    [(HALF, True), ({}, True), ({"accessToken": None}, True), (TOKEN, False), (RENEWABLE, False),
     ({"accessToken": "a"}, False), (None, False), ([], False), ("x", False)],
)  # fmt: skip
def test_a_login_goes_only_without_any_token(login: object, goes: int) -> None:
    document = {"mcpOAuth": {"a|b|0123456789abcdef": login}}
    assert [s.server for s in without_token(document, asked())] == ["a|b"] * goes


@pytest.mark.parametrize("document", [None, [], {}, {"mcpOAuth": None}, {"mcpOAuth": []}, 5, "x"])
def test_other_shapes_hold_nothing(document: object) -> None:
    assert list(without_token(document, asked())) == []


@pytest.mark.parametrize(
    ("text", "gone", "left"),
    [
        ('{"a":1}', [("a",)], "{}"),
        ('{"a":1,"b":2}', [("a",)], '{"b":2}'),
        ('{"a":1,"b":2}', [("b",)], '{"a":1}'),
        ('{ "a" : 1 , "b" : 2 , "c" : 3 }', [("b",)], '{ "a" : 1 , "c" : 3 }'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', [("a",), ("b",)], "{}\n"),
        ('{"a":1,"b":2,"a":3}', [("a",)], '{"b":2}'),
        ('{"x":{"a":1,"b":9007199254740993.10}}', [("x", "a")], '{"x":{"b":9007199254740993.10}}'),
        ('{"x":{"a":1},"x":{"a":1,"c":2}}', [("x", "a")], '{"x":{},"x":{"c":2}}'),
        ('\ufeff{"a":"\\ud800","b":1}', [("b",)], '\ufeff{"a":"\\ud800"}'),
        ('{"\\u0061":1,"b":2}', [("a",)], '{"b":2}'),
        ('{"a":1}', [("zz",)], '{"a":1}'),
        ('{"a":1}', [], '{"a":1}'),
    ],
)
def test_members_are_cut_out_and_nothing_else(
    text: str, gone: list[tuple[str, ...]], left: str
) -> None:
    assert without(text, gone) == left


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=3), JSON), st.sets(st.text(max_size=3)),
       st.sampled_from([None, 2]), st.sampled_from(["", "inner"]))  # fmt: skip
def test_cutting_is_deleting(
    document: dict[str, Any], names: set[str], indent: int | None, below: str
) -> None:
    whole: dict[str, Any] = {"k": [1], "inner": document, "z": {}} if below else document
    text = json.dumps(whole, indent=indent)
    left = without(text, {("inner", n) if below else (n,) for n in names})
    kept = {k: v for k, v in document.items() if k not in names}
    assert json.loads(left) == ({**whole, "inner": kept} if below else kept)
    assert names & document.keys() or left == text


@pytest.fixture
def client(house: Any) -> Any:
    built = house({"home/.claude.json": {"mcpServers": PLANNED}})
    now = int(time.time() * 1000)
    fresh, old = {"timestamp": now - 1000}, {"timestamp": now - FRESH - 1}
    built.put("home/.claude/mcp-needs-auth-cache.json",
              json.dumps({"planned": fresh, "old": old, "other": fresh}))  # fmt: skip
    credentials = {"claudeAiOauth": {"accessToken": "own"}, "mcpOAuth": {"half|1": HALF, "in|2": TOKEN},
                   "mcpDiscoveryCacheKey": "k"}  # fmt: skip
    path = built.put("home/.claude/.credentials.json", json.dumps(credentials, indent=3))
    path.chmod(0o600)
    return built


def state(house: Any, name: str) -> Path:
    return Path(house.home / ".claude" / name)


def test_it_takes_out_what_is_stale_and_keeps_every_login(client: Any) -> None:
    path = state(client, ".credentials.json")
    before = path.read_text()
    said = client.run("clean")
    assert said.code == 0
    assert [line.split()[1] for line in said.out.splitlines()] == ["`planned`", "`old`", "`half`"]
    assert set(json.loads(state(client, "mcp-needs-auth-cache.json").read_text())) == {"other"}
    document = json.loads(before)
    del document["mcpOAuth"]["half|1"]
    assert path.read_text() == json.dumps(document, indent=3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == [
        ".credentials.json", "mcp-needs-auth-cache.json"]  # fmt: skip
    again = client.run("clean")
    assert (again.code, again.out) == (0, "")
    assert "nothing to clean" in again.err


def test_it_says_what_it_would_do_and_does_not(client: Any) -> None:
    before = {p: p.read_bytes() for p in (client.home / ".claude").iterdir()}
    said = client.run("clean", "--dry-run", "--format", "json")
    assert said.code == 0
    assert (said.json["version"], said.json["dry_run"], said.json["written"]) == (1, True, False)
    assert [(r["server"], r["pointer"]) for r in said.json["removed"]] == [
        ("planned", "/planned"), ("old", "/old"), ("half", "/mcpOAuth/half|1")]  # fmt: skip
    assert {p: p.read_bytes() for p in (client.home / ".claude").iterdir()} == before
    assert "secret" not in said.out
    assert "would remove `planned`" in client.run("clean", "--dry-run").out


def test_names_choose(client: Any) -> None:
    said = client.run("clean", "other", "half")
    assert [line.split()[1] for line in said.out.splitlines()] == ["`other`", "`half`"]
    assert "nothing to clean" in client.run("clean", "nobody").err


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("mcp-needs-auth-cache.json", '{\n  "a": {"timestamp": 1},\n}', 3),
        (".credentials.json", '{"mcpOAuth": ', 1),
        (".credentials.json", "[1]", 1),
        ("mcp-needs-auth-cache.json", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}", 1),
    ],
)
def test_a_broken_file_is_said_and_nothing_is_written(
    client: Any, name: str, text: str, line: int
) -> None:
    state(client, name).write_text(text)
    before = {p: p.read_bytes() for p in (client.home / ".claude").iterdir()}
    said = client.run("clean", "--format", "json")
    assert said.code == 1
    (finding,) = said.json["findings"]
    assert (finding["code"], finding["origin"]["line"]) == ("MC110", line)
    assert finding["origin"]["file"].endswith(name)
    assert said.json["written"] is False
    assert {p: p.read_bytes() for p in (client.home / ".claude").iterdir()} == before


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_an_empty_file_is_no_trouble(client: Any, text: str) -> None:
    state(client, ".credentials.json").write_text(text)
    assert client.run("clean").code == 0
    assert state(client, ".credentials.json").read_text() == text


def test_without_any_state_there_is_nothing_to_do(house: Any) -> None:
    built = house()
    assert "nothing to clean" in built.run("clean").err
    assert list(built.home.iterdir()) == []


def test_the_clients_own_directory_is_respected(client: Any, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    (client.home / ".claude").rename(other)
    said = client.run("clean", env={"CLAUDE_CONFIG_DIR": str(other)})
    assert "`old`" in said.out
    assert set(json.loads((other / "mcp-needs-auth-cache.json").read_text())) == {
        "other",
        "planned",
    }  # fmt: skip  (there is no ~/.claude.json in that directory)


def test_links_stay_links(client: Any, tmp_path: Path) -> None:
    for name in (".credentials.json", "mcp-needs-auth-cache.json"):
        state(client, name).rename(tmp_path / name)
        state(client, name).symlink_to(tmp_path / name)
    assert client.run("clean").code == 0
    assert all(p.is_symlink() for p in (client.home / ".claude").iterdir())
    assert "half|1" not in (tmp_path / ".credentials.json").read_text()


def question(client: Any) -> tuple[Path, Question]:
    return client.home / ".claude", Question(int(time.time() * 1000), ["planned"])


def test_it_waits_for_the_clients_lock_and_reads_again_inside(client: Any) -> None:
    lock = state(client, ".storage-write.lock")
    lock.mkdir()
    path = state(client, ".credentials.json")
    done: list[Any] = []
    cleaning = threading.Thread(target=lambda: done.append(clean(*question(client))))
    cleaning.start()
    time.sleep(0.2)
    assert "half|1" in path.read_text()
    document = json.loads(path.read_text())
    document["mcpOAuth"]["half|1"] = TOKEN  # the user has signed in meanwhile
    path.write_text(json.dumps(document))
    lock.rmdir()
    cleaning.join(30)
    assert "half|1" in path.read_text()
    assert [t.stale.server for t in done[0].taken] == ["planned", "old"]
    assert not lock.exists()


def test_a_stale_lock_is_taken_over(client: Any) -> None:
    lock = state(client, ".storage-write.lock")
    lock.mkdir()
    old = time.time() - files.STALE - 1
    os.utime(lock, (old, old))
    assert clean(*question(client)).written
    assert not lock.exists()


def test_a_lock_that_stays_is_said(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    lock = state(client, ".storage-write.lock")
    lock.mkdir()
    before = state(client, ".credentials.json").read_text()
    with pytest.raises(Failure, match=r"storage-write\.lock"):
        clean(*question(client))
    assert state(client, ".credentials.json").read_text() == before
    assert lock.exists()


def test_what_somebody_wrote_meanwhile_is_not_lost(client: Any) -> None:
    """The needs-auth cache has no lock: a write between our read and our rename has to survive."""
    path = state(client, "mcp-needs-auth-cache.json")
    calls: list[int] = []

    def change(text: str) -> str:
        calls.append(1)
        if len(calls) == 1:
            path.write_text('{"fresh":{"timestamp":1},"old":{"timestamp":2}}')
        return without(text, [("old",)])

    assert files.exchange(path, None, change)
    assert json.loads(path.read_text()) == {"fresh": {"timestamp": 1}}
    assert len(calls) == 2


def test_a_directory_that_may_not_be_written_is_said(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = state(client, "mcp-needs-auth-cache.json")
    before = path.read_bytes()
    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(Failure, match="could not be cleaned"):
        files.exchange(path, None, lambda _: "{}")
    assert path.read_bytes() == before
