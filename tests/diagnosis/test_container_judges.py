"""Judges of a container by values, and what is made of an engine that does not answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcpconf.containers.running import Container, Place
from mcpconf.contract import EgressRow
from mcpconf.diagnosis.container_facts import (
    Aim,
    Blocked,
    Fire,
    Held,
    InContainer,
    NoContainer,
    Program,
    Row,
    Sync,
    Tried,
    Wish,
)
from mcpconf.diagnosis.container_steps import steps
from mcpconf.diagnosis.evidence import Taken
from mcpconf.diagnosis.judge.container import judge_absence, judge_container
from mcpconf.diagnosis.judge.firewall import judge_firewall
from mcpconf.diagnosis.look import container as look_container
from mcpconf.diagnosis.look.firewall import read_blocked, read_status
from mcpconf.firewall.site import SINK4
from tests.containers.fake_engine import FakeEngine, container
from tests.diagnosis.box import AT, codes, starts

HOST = "api.example.com"
GOOD = Fire("force", mode="default", generation="gen-1", rows=(Row(HOST, 443, "name"),))
PLAN = (EgressRow(HOST, 443, "name"),)


def direct(host: str = HOST, port: int = 443) -> Wish:
    entry: dict[str, Any] = {"command": "mcpconf-bridge", "args": ["--url", f"https://{host}/mcp"]}
    return Wish("far", "far", "direct", entry, ((host, port),))


def blocked(reason: str = "name", host: str = HOST, **more: Any) -> Blocked:
    given = {"names": (host,), "address": "", "port": 443, "protocol": "tcp", "times": 2}
    times = {"first": 101.0, "last": 102.0}
    return Blocked(**{**given, **times, "reason": reason, "because": "a reason", **more})


def failed(code: str = "unreachable", words: str = "") -> Tried:
    return Tried(None, code, words, began=100.0, ended=104.0)


def judged(fire: Fire, wish: Wish, rows: Any = PLAN, generation: str = "gen-1") -> Any:
    seen = InContainer("box", held=Held(), fire=fire, tried={wish.name: failed()})
    return judge_firewall(seen, Aim(wish, AT, Sync(generation), rows=rows))


# --- the firewall -----------------------------------------------------------------------------


def test_what_is_open_is_no_cause() -> None:
    assert judged(GOOD, direct()) == ((), ())


@pytest.mark.parametrize(
    ("fire", "rows", "code", "help_"),
    [
        (GOOD, (), "MC230", f"mcpconf allow {HOST} && mcpconf sync"),
        (
            GOOD,
            (EgressRow(HOST, 8443, "name"),),
            "MC234",
            f"mcpconf allow {HOST} && mcpconf sync",
        ),
        (GOOD._replace(rows=()), PLAN, "MC231", "mcpconf firewall refresh"),
        (GOOD._replace(rows=(Row(HOST, 80, "name"),)), PLAN, "MC231", "mcpconf firewall refresh"),
        (GOOD._replace(blocked=(blocked("rebind"),)), PLAN, "MC242", "mcpconf allow --peer"),
        (GOOD._replace(blocked=(blocked("expired"),)), PLAN, "MC230", "`grace`"),
        (
            GOOD._replace(state="faulty", faults={"resolver": "it does not answer"}),
            PLAN,
            "MC241",
            "mcpconf firewall refresh",
        ),
        (
            GOOD._replace(state="faulty", faults={"IPv4": "a rule is missing"}),
            PLAN,
            "MC232",
            "mcpconf firewall refresh",
        ),
        (
            GOOD._replace(state="faulty", faults={"egress.json": "it is not the one in force"}),
            PLAN,
            "MC231",
            "mcpconf firewall refresh",
        ),
        (Fire("shut", "no capability"), PLAN, "MC232", "mcpconf firewall refresh"),
    ],
)
def test_why_a_host_is_not_reached(fire: Fire, rows: Any, code: str, help_: str) -> None:
    causes = judged(fire, direct(), rows).causes
    assert codes(causes) == [code]
    assert causes[0].finding.help[0].startswith(help_)


def test_what_was_refused_before_the_try_is_no_cause() -> None:
    old = blocked("expired", first=10.0, last=11.0)
    assert judged(GOOD._replace(blocked=(old,)), direct()) == ((), ())


def test_another_generation_matters_only_where_a_row_is_lacking() -> None:
    assert judged(GOOD, direct(), generation="gen-2") == ((), ())
    causes = judged(GOOD._replace(rows=()), direct(), generation="gen-2").causes
    assert {*codes(causes)} == {"MC231"}
    assert "`gen-1`, the host wrote `gen-2`" in str(causes[0].finding.notes)


def test_a_wildcard_and_a_peer() -> None:
    wish = direct("mcp.eu.example.com")
    rows = (EgressRow("*.example.com", 443, "wildcard"),)
    fire = GOOD._replace(rows=(Row("*.example.com", 443, "wildcard"),))
    assert judged(fire, wish, rows) == ((), ())
    causes = judged(GOOD, direct("search", 8080)).causes
    assert causes[0].finding.help[0] == "mcpconf allow --peer search --port 8080 && mcpconf sync"


def test_a_resolver_that_sinks_the_name_tells_for_a_firewall_that_does_not() -> None:
    station = {"station": "dns", "host": HOST, "addresses": [SINK4]}
    seen = InContainer("box", fire=Fire("unseen"), wire={"far": {"stations": [station]}})
    assert codes(judge_firewall(seen, Aim(direct(), AT)).causes) == ["MC230"]


@pytest.mark.parametrize(
    "host", ["x;reboot", "$(reboot).example.com", "-rf.example.com", "a b.example.com", "*.x.com"]
)
def test_a_name_that_a_container_made_up_is_in_no_command(host: str) -> None:
    wish = starts("npx")
    tried = Tried(None, "server-exited", host, 1, began=100.0, ended=104.0)
    held = Held(files={"mcp.json": "readable"}, programs={"npx": Program("/usr/bin/npx")})
    fire = GOOD._replace(blocked=(blocked(host=host),))
    seen = InContainer("box", held=held, tried={"echo": tried}, fire=fire)
    causes = judge_container(seen, Aim(wish, AT)).causes
    assert codes(causes) == ["MC230"]
    assert causes[0].finding.help == ("mcpconf allow --blocked",)


def test_a_container_without_a_firewall_is_no_cause() -> None:
    seen = InContainer("box", fire=Fire("absent", "it has no mcpconf-fw"))
    assert judge_firewall(seen, Aim(direct(), AT)) == ((), ())


def test_one_that_greets_and_tells_no_tools_is_not_silent() -> None:
    held = Held(files={"mcp.json": "readable"}, programs={"npx": Program("/usr/bin/npx")})
    for greets, code in ((False, "MC210"), (True, "MC283")):
        tried = Tried(None, "timeout", began=100.0, ended=104.0, taken=Taken(greets=greets))
        seen = InContainer("box", held=held, tried={"echo": tried}, fire=GOOD)
        assert codes(judge_container(seen, Aim(starts("npx"), AT)).causes) == [code]


def test_another_port_of_a_host_that_is_open() -> None:
    wish = starts("npx")
    tried = Tried(None, "server-exited", HOST, 1, began=100.0, ended=104.0)
    held = Held(files={"mcp.json": "readable"}, programs={"npx": Program("/usr/bin/npx")})
    fire = GOOD._replace(blocked=(blocked("name", port=8080),))
    seen = InContainer("box", held=held, tried={"echo": tried}, fire=fire)
    assert codes(judge_container(seen, Aim(wish, AT, rows=PLAN)).causes) == ["MC234"]


# --- whose attempt it was ---------------------------------------------------------------------


def _two(first: Tried, second: Tried, fire: Fire) -> tuple[list[str], list[str]]:
    held = Held(
        files={"mcp.json": "readable"},
        programs={"npx": Program("/usr/bin/npx"), "uvx": Program("/usr/bin/uvx")},
    )
    seen = InContainer("box", held=held, tried={"one": first, "two": second}, fire=fire)
    one = starts("npx")._replace(name="one")
    two = starts("uvx")._replace(name="two")
    return tuple(codes(judge_container(seen, Aim(w, AT)).causes) for w in (one, two))  # type: ignore[return-value]


def test_an_attempt_counts_against_the_server_that_made_it() -> None:
    fire = GOOD._replace(blocked=(blocked(host="registry.npmjs.org"),))
    npm = Tried(
        None, "server-exited", "request to https://registry.npmjs.org/x failed", 1, 1, 100, 104
    )
    other = Tried(None, "server-exited", "KEY is missing", 2, 1, 100, 104)
    assert _two(npm, other, fire) == (["MC230"], ["MC209"])
    silent = npm._replace(words="fetch failed")
    assert _two(silent, other, fire) == (["MC209"], ["MC209"]), "nobody knows whose it was"
    works = Tried(3)
    assert _two(silent, works, fire) == (["MC230"], [])
    assert _two(npm._replace(words="KEY?"), works, fire) == (["MC209"], []), "not of the network"


# --- texts of the firewall's program ----------------------------------------------------------


@pytest.mark.parametrize("out", ["", "[]", "{}", "null", '{"in_force": true}', "[" * 100_000])
def test_a_status_that_cannot_be_read(out: str) -> None:
    assert read_status(4, out, "").state == "unseen"
    assert read_blocked(out) == ()


def test_strange_attempts_are_left_out() -> None:
    good = {
        "first": 1, "last": 2, "name": "x.org", "candidates": [], "address": None, "port": None,
        "protocol": "dns", "reason": "name", "because": "b", "count": 1,
    }  # fmt: skip
    strange = [None, {}, {**good, "port": "x"}, {**good, "count": None}, [], {**good, "first": {}}]
    text = json.dumps({"blocked": [good, *strange]})
    assert [b.names for b in read_blocked(text)] == [("x.org",)]


def test_a_firewall_that_was_never_put_in_force() -> None:
    out = '{"version": 1, "in_force": false, "findings": [], "rows": [], "notices": []}'
    err = "mcpconf-fw: the firewall is not in force\nmcpconf-fw: put it into force: x\n"
    assert read_status(1, out, err) == Fire("shut", "the firewall is not in force")


# --- engines ----------------------------------------------------------------------------------


def found(engine: FakeEngine, folder: Path) -> Container | NoContainer:
    patience = 0.5 if "seconds" in engine.faults.get("ps", {}) else 20.0
    return look_container.find(Place(folder, (str(folder),)), engine.environ, patience=patience)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"seconds": 5}, "silent"),
        ({"code": 1, "stderr": "permission denied while trying to connect"}, "denied"),
        ({"code": 1, "stderr": "Cannot connect to the Docker daemon"}, "down"),
        ({"code": 1, "stderr": "\x1b[2Jwhat?"}, "refused"),
    ],
)
def test_an_engine_that_does_not_answer(tmp_path: Path, fault: Any, kind: str) -> None:
    engine = FakeEngine(tmp_path / "engine", faults={"ps": fault})
    none = found(engine, tmp_path)
    assert isinstance(none, NoContainer)
    assert none.kind == kind
    assert codes(judge_absence(none, AT, contained=True)) == ["MC202"]
    assert "\x1b" not in str(judge_absence(none, AT, contained=True)[0].finding.message)
    assert judge_absence(none, AT, contained=False) == ()


def test_no_container_and_several(tmp_path: Path) -> None:
    engine = FakeEngine(tmp_path / "engine")
    none = found(engine, tmp_path)
    assert isinstance(none, NoContainer)
    assert none.kind == "none"
    assert judge_absence(none, AT, contained=True) == ()
    mounts = {str(tmp_path): "/etc/mcpconf"}
    engine.containers = [container("one", mounts=mounts), container("two", mounts=mounts)]
    several = found(engine, tmp_path)
    assert isinstance(several, NoContainer)
    assert (several.kind, several.names) == ("several", ("one", "two"))
    missing = look_container.find(Place(tmp_path, ()), {"PATH": str(tmp_path)})
    assert isinstance(missing, NoContainer)
    assert missing.kind == "engine"


def test_a_container_in_which_nothing_can_be_started(tmp_path: Path) -> None:
    """It is paused, say: the engine's words are no server's."""
    paused = {"code": 1, "stderr": "Error response from daemon: Container box is paused\n"}
    engine = FakeEngine(tmp_path / "engine", faults={"exec": paused})
    engine.containers = [container("box", mounts={str(tmp_path): "/etc/mcpconf"})]
    one = found(engine, tmp_path)
    assert isinstance(one, Container)
    wish = starts("npx")
    seen = look_container.look(one, look_container.Look("/x", (wish,), seconds=3.0))
    assert isinstance(seen, InContainer)
    causes = judge_container(seen, Aim(wish, AT)).causes
    assert codes(causes) == ["MC202"]
    assert "Container box is paused" in str(causes[0].finding.notes)
    assert steps(seen, Aim(wish, AT))
