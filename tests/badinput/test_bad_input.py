"""Whatever stands in the place of a file: one clear finding, everything else goes on, nothing hangs.

A matrix: every file that is read, and every way in which it can be broken.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.readers import world
from mcpconf.readers.inputs import Request
from mcpconf.readers.world import read_configuration
from mcpconf.survey import survey
from tests import clock

NOBODY = 65534
PATIENCE = 20  # seconds
DEEP = 100_000
MCP_LIMIT = 2 * 1024 * 1024


def http(host: str) -> dict[str, Any]:
    return {"type": "http", "url": f"https://{host}.example.com/mcp"}


GLOBAL = "home/.claude.json"
MCP = "project/.mcp.json"
USER_SETTINGS = "home/.claude/settings.json"
PROJECT_SETTINGS = "project/.claude/settings.json"
LOCAL_SETTINGS = "project/.claude/settings.local.json"
CREDENTIALS = "home/.claude/.credentials.json"
POLICY = "home/.config/mcpconf/mcpconf.toml"
PROJECT_POLICY = "project/mcpconf.toml"
FACTS = "home/.cache/mcpconf/facts.json"

GOOD: dict[str, Any] = {
    GLOBAL: {"mcpServers": {"alpha": http("alpha")}},
    MCP: {"mcpServers": {"beta": http("beta")}},
    USER_SETTINGS: {"enableAllProjectMcpServers": True},
    PROJECT_SETTINGS: {"permissions": {}},
    LOCAL_SETTINGS: {"permissions": {}},
    CREDENTIALS: {"mcpOAuth": {}},
    POLICY: 'http = "bridge"\n',
    PROJECT_POLICY: 'http = "bridge"\n',
    FACTS: {"version": 1, "probes": {}},
}
FILES = list(GOOD)
TOML = (POLICY, PROJECT_POLICY)
SILENT = (CREDENTIALS,)  # only their presence is evidence; the client says what is wrong with them
# The code for a text that is not what it should be, and for a file that cannot be read.
NOT_TEXT = {GLOBAL: "MC010", MCP: "MC001", POLICY: "MC080", PROJECT_POLICY: "MC080", FACTS: "MC100"}
NOT_FILE = {GLOBAL: "MC010", POLICY: "MC080", PROJECT_POLICY: "MC080", FACTS: "MC100"}
LISTED_BY = {POLICY: "plan", PROJECT_POLICY: "plan", FACTS: "plan"}  # the others: `list`


def text_of(name: str) -> str:
    good = GOOD.get(name, {"mcpServers": {"gamma": http("gamma")}})
    return good if isinstance(good, str) else json.dumps(good, indent=1)


@pytest.fixture(autouse=True)
def _never_hangs() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything of the user's, with what would change if it were touched."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        stat = path.lstat()
        if parts == ("home",):  # it gets a `.local`
            found["home"] = (stat.st_ino, stat.st_mode)
        elif parts[:2] != ("home", ".local"):
            found[str(path)] = (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found


def place(house: Any, name: str) -> Path:
    path = house.root / name
    path.unlink()
    return path


def broken(house: Any, name: str) -> None:
    house.put(name, text_of(name)[:-2] + ' "')


def utf_16(house: Any, name: str) -> None:
    house.put(name, text_of(name).encode("utf-16"))


def wrong_bytes(house: Any, name: str) -> None:
    house.put(name, b"\xff\xfe\x00\x80" + text_of(name).encode())


def deep(house: Any, name: str) -> None:
    nested = "[" * DEEP + "]" * DEEP
    if name in TOML:
        house.put(name, f"stacks = {nested}\n")
    else:
        house.put(name, text_of(name)[:-1] + f', "deep": {nested}}}')


def unclosed(house: Any, name: str) -> None:
    house.put(name, '{"mcpServers":' * DEEP)


def another_shape(house: Any, name: str) -> None:
    house.put(name, "5\n" if name in TOML else "[1, 2]")


def directory(house: Any, name: str) -> None:
    place(house, name).mkdir()


def fifo(house: Any, name: str) -> None:
    os.mkfifo(place(house, name))


def listening(house: Any, name: str) -> None:
    path = place(house, name)
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket has at most 107 characters
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def loop(house: Any, name: str) -> None:
    path = place(house, name)
    path.symlink_to(path.name)


def device(house: Any, name: str) -> None:
    place(house, name).symlink_to("/dev/zero")


NOT_TEXTS = [broken, utf_16, wrong_bytes, unclosed]
NOT_FILES = [directory, fifo, listening, loop, device]


def findings_at(house: Any, said: Any, name: str) -> list[dict[str, Any]]:
    path = str(house.root / name)
    return [f for f in said.json["findings"] if f["origin"] and f["origin"]["file"] == path]


def goes_on(said: dict[str, Any], name: str) -> None:
    """Whatever one file is, the servers of the others are there."""
    names = {server["name"] for server in said["list"].json["servers"]}
    assert names >= {"alpha", "beta"} - ({"alpha"} if name == GLOBAL else set()) - (
        {"beta"} if name == MCP else set()
    )


def all_commands(house: Any) -> dict[str, Any]:
    """Run what reads, and what writes; nothing of the user's may change."""
    before = snapshot(house.root)
    said = {
        "list": house.run("list", "--format", "json"),
        "plan": house.run("plan", "--format", "json"),
        "sync": house.run("sync"),
        "explain": house.run("explain", "beta"),
    }
    assert snapshot(house.root) == before
    for answer in said.values():
        assert answer.code in (0, 1), answer
        assert "Traceback" not in answer.err
        assert "bug:" not in answer.err
    return said


def one_finding(house: Any, said: dict[str, Any], name: str, code: str) -> None:
    """Exactly one finding, with a place and a way out; its severity decides the exit code."""
    answer = said[LISTED_BY.get(name, "list")]
    found = findings_at(house, answer, name)
    assert [f["code"] for f in found] == [code]
    assert found[0]["help"], found
    assert answer.code == (1 if found[0]["severity"] == "error" else 0)


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("breaks", NOT_TEXTS, ids=lambda f: f.__name__)
def test_a_text_that_is_not_one(house: Any, name: str, breaks: Callable[..., None]) -> None:
    built = house(GOOD)
    breaks(built, name)
    said = all_commands(built)
    goes_on(said, name)
    if name not in SILENT:
        one_finding(built, said, name, NOT_TEXT.get(name, "MC035"))
        (found,) = findings_at(built, said[LISTED_BY.get(name, "list")], name)
        if breaks is broken and name not in (FACTS, *TOML):
            assert found["origin"]["line"] >= 1


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("breaks", NOT_FILES, ids=lambda f: f.__name__)
def test_something_else_than_a_file(house: Any, name: str, breaks: Callable[..., None]) -> None:
    built = house(GOOD)
    breaks(built, name)
    said = all_commands(built)
    goes_on(said, name)
    if name not in SILENT:
        one_finding(built, said, name, NOT_FILE.get(name, "MC007"))


@pytest.mark.parametrize("name", FILES)
def test_another_shape_than_expected(house: Any, name: str) -> None:
    built = house(GOOD)
    another_shape(built, name)
    said = all_commands(built)
    goes_on(said, name)
    if name not in SILENT:
        one_finding(built, said, name, {**NOT_TEXT, MCP: "MC006"}.get(name, "MC035"))


@pytest.mark.parametrize("name", FILES)
def test_deep_nesting_does_not_stop_anything(house: Any, name: str) -> None:
    built = house(GOOD)
    deep(built, name)
    said = all_commands(built)
    if name in TOML:
        one_finding(built, said, name, "MC080")
    else:
        names = {server["name"] for server in said["list"].json["servers"]}
        assert names == {"alpha", "beta"}
        assert {f["code"] for f in findings_at(built, said["list"], name)} <= {"MC012"}


@pytest.mark.parametrize("name", FILES)
def test_a_byte_order_mark_means_nothing(house: Any, name: str) -> None:
    built = house(GOOD)
    built.put(name, b"\xef\xbb\xbf" + text_of(name).encode())
    said = all_commands(built)
    assert {a.code for a in said.values()} == {0}
    assert said["list"].json["findings"] == said["plan"].json["findings"] == []


@pytest.mark.parametrize("name", [n for n in FILES if n not in TOML])
def test_an_empty_file_stops_nothing(house: Any, name: str) -> None:
    """The client takes a blank file for an empty one (in 2.1.328)."""
    built = house(GOOD)
    built.put(name, "" if name == MCP else "\n")
    said = all_commands(built)
    goes_on(said, name)
    assert len(said["list"].json["findings"]) <= 1


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_nowhere_is_no_file(house: Any, name: str) -> None:
    built = house(GOOD)
    place(built, name).symlink_to("nowhere")
    said = all_commands(built)
    assert findings_at(built, said["plan"], name) == []


@pytest.mark.parametrize("name", FILES)
def test_a_key_given_twice_is_one_finding(house: Any, name: str) -> None:
    built = house(GOOD)
    good = text_of(name)
    if name in TOML:
        built.put(name, good * 2)
    else:
        key = json.loads(good).popitem()[0]
        built.put(name, good[:-1] + f', "{key}": {json.dumps(GOOD[name][key])}}}')
    said = all_commands(built)
    goes_on(said, "")
    if name not in (CREDENTIALS, FACTS):
        one_finding(built, said, name, "MC080" if name in TOML else "MC005")


def padded(good: str, size: int) -> str:
    return good[:-1] + ' , "more": "' + "x" * size + '"}'


def test_a_large_mcp_json_is_refused_as_the_client_refuses_it(house: Any) -> None:
    built = house(GOOD)
    built.put(MCP, padded(text_of(MCP), MCP_LIMIT))
    said = all_commands(built)
    goes_on(said, MCP)
    one_finding(built, said, MCP, "MC007")


@pytest.mark.parametrize("name", [GLOBAL, USER_SETTINGS, LOCAL_SETTINGS, CREDENTIALS, FACTS])
def test_a_large_file_is_read(house: Any, name: str) -> None:
    built = house(GOOD)
    built.put(name, padded(text_of(name), MCP_LIMIT + 1))
    said = all_commands(built)
    assert {a.code for a in said.values()} == {0}
    goes_on(said, "")


def test_a_claude_json_of_six_megabytes_is_quick(house: Any) -> None:
    projects = {f"/src/project-{i}": {"history": ["x" * 50] * 40} for i in range(2500)}
    built = house(GOOD | {GLOBAL: {"projects": projects, **GOOD[GLOBAL]}})
    assert (built.root / GLOBAL).stat().st_size > 6_000_000
    started = clock.now()
    answer = built.run("list", "--format", "json")
    assert clock.now() - started < 2
    assert {s["name"] for s in answer.json["servers"]} == {"alpha", "beta"}


@pytest.mark.parametrize("name", [GLOBAL, USER_SETTINGS, MCP])
def test_a_file_that_changes_all_the_time(house: Any, name: str, monkeypatch: Any) -> None:
    """Somebody writes between each read and the look whether anybody did."""
    built = house(GOOD)
    ticks = itertools.count(10**18)
    drain = world._drain

    def drained(descriptor: int, limit: int) -> bytes:
        content = drain(descriptor, limit)
        tick = next(ticks)
        os.utime(built.root / name, ns=(tick, tick))
        return content

    monkeypatch.setattr(world, "_drain", drained)
    answer = built.run("list", "--format", "json")
    found = findings_at(built, answer, name)
    assert [f["code"] for f in found] == [NOT_FILE.get(name, "MC007")]
    assert "changed" in found[0]["message"]
    goes_on({"list": answer}, name)


# --- managed files ------------------------------------------------------------------------------


@pytest.mark.sample(2)
@pytest.mark.parametrize("client", list(CLIENTS))
@pytest.mark.parametrize(
    "name", ["managed-mcp.json", "managed-settings.json", "managed-settings.d/10-x.json"]
)
@pytest.mark.parametrize(
    "breaks", [*NOT_TEXTS, *NOT_FILES, another_shape], ids=lambda f: f.__name__
)
def test_a_broken_managed_file(
    house: Any, breaks: Callable[..., None], name: str, client: str
) -> None:
    built = house(GOOD)
    path = f"managed/{name}"
    built.put(path, text_of(path))
    breaks(built, path)
    request = Request(
        home=built.home,
        project=built.project,
        environ={},
        client=CLIENTS[client],
        managed=built.root / "managed",
    )
    before = snapshot(built.root)
    surveyed = survey(read_configuration(request))
    at = str(built.root / path)
    found = [f for f in surveyed.findings if f.origin and f.origin.source.path == at]
    assert len(found) == 1
    assert found[0].help
    names = {r.server.name: r.state.value for r in surveyed.resolved}
    assert names.keys() >= {"alpha", "beta"}
    if name == "managed-mcp.json":
        shut = CLIENTS[client].managed_broken_is_exclusive
        assert (names["alpha"] == "shadowed") == shut
    assert snapshot(built.root) == before


def test_a_managed_file_that_is_fine_is_no_finding_but_a_note(house: Any) -> None:
    built = house(GOOD)
    built.put("managed/managed-mcp.json", {"mcpServers": {"gamma": http("gamma")}})
    request = Request(
        home=built.home,
        project=built.project,
        environ={},
        client=CLIENTS[NEWEST],
        managed=built.root / "managed",
    )
    surveyed = survey(read_configuration(request))
    assert [f.code for f in surveyed.findings] == ["MC036"]
    assert [s.name for s in surveyed.active()] == ["gamma"]


# --- as somebody who may not read ---------------------------------------------------------------


def as_nobody(work: Callable[[], Any]) -> Any:
    """What a function returns in a child without root's rights, which would open every file."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(writer, json.dumps(work()).encode())
            code = 0
        os._exit(code)
    os.close(writer)
    with open(reader, "rb") as pipe:
        content = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(content)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_may_not_be_read(builder: Any, name: str) -> None:
    command = LISTED_BY.get(name, "list")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        built = builder(Path(folder, "house"), GOOD)
        assert built.run(command, "--format", "json").code == 0  # and now everything is imported
        (built.root / name).chmod(0)
        if os.getuid() == 0:
            for path in (built.root, *built.root.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        code, out, err = as_nobody(lambda: astuple(built.run(command, "--format", "json")))
        path = str(built.root / name)
    assert code in (0, 1), err
    found = [f for f in json.loads(out)["findings"] if f["origin"]["file"] == path]
    if name not in SILENT:
        assert [f["code"] for f in found] == [NOT_FILE.get(name, "MC007")]
        assert "permission denied" in found[0]["message"]
        assert found[0]["help"]


# --- surroundings that are no files -------------------------------------------------------------


@pytest.mark.parametrize("name", ["home/.claude", "project/.claude", "home/.config", "home/.cache"])
def test_a_file_where_a_directory_belongs(house: Any, name: str) -> None:
    built = house({GLOBAL: GOOD[GLOBAL], MCP: GOOD[MCP], name: "not a directory"})
    said = all_commands(built)
    goes_on(said, "")


def test_a_state_directory_that_cannot_be_made_is_the_worlds_fault(house: Any) -> None:
    built = house(GOOD | {"home/.local": "not a directory"})
    answer = built.run("sync")
    assert answer.code == 4
    assert answer.err.count("error: ") == 1
    assert "help: " in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("at", [1e400, 1e18, -1e18, True, "x", None, 10**400])
def test_facts_with_an_impossible_time(house: Any, at: Any) -> None:
    from hashlib import sha256  # noqa: PLC0415  the key of a probe

    key = sha256(b"http https://alpha.example.com/mcp").hexdigest()[:32]
    probe = {"answer": "oauth", "detail": "401", "at": at}
    built = house(GOOD | {FACTS: {"version": 1, "probes": {key: probe}}})
    with suppress(ValueError):  # json.dumps writes Infinity, which is not JSON
        all_commands(built)


def test_hostile_names_of_files_and_servers_are_shown_escaped(tmp_path: Path, builder: Any) -> None:
    odd = tmp_path / "a\x1b[31mb\n\u202ec"
    built = builder(odd, GOOD | {MCP: {"mcpServers": {"\x1b[2J": http("x"), "a\nb": {}}}})
    for words in (["list"], ["plan"], ["explain", "\x1b[2J"], ["explain", "nothing\x1b"]):
        answer = built.run(*words)
        assert answer.code in (0, 1)
        for character in "\x1b\u202e\r":
            assert character not in answer.out + answer.err
