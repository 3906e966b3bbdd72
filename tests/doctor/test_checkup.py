"""Everything at once: what hangs, breaks or refuses becomes a line; and how it all is printed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import pytest

from mcpconf.diagnosis import doctor
from mcpconf.diagnosis.checks.check import Check, Checkup, Given, State
from mcpconf.diagnosis.doctor import at_once
from mcpconf.diagnosis.model import Diagnosis, Remedy
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.report import doctor as shown
from tests import clock
from tests.doctor import samples


def fine(name: str) -> Sequence[Check]:
    return [Check(name, State.OK, "well")]


def test_what_hangs_is_a_line_and_costs_no_more_than_the_limit() -> None:
    began = clock.now()
    found = at_once(
        {"a": lambda: fine("a"), "b": lambda: time.sleep(30) or [], "c": lambda: fine("c")}, 0.3
    )
    assert clock.now() - began < 2
    assert [(c.name, c.state) for c in found] == [
        ("a", State.OK), ("b", State.UNKNOWN), ("c", State.OK),
    ]  # fmt: skip
    assert found[1].text == "no answer within 0.3 s"


def test_what_breaks_is_a_line_without_a_value() -> None:
    def breaks() -> Sequence[Check]:
        raise ValueError("sk-live-0123456789")

    def refuses() -> Sequence[Check]:
        raise Failure("the disk is gone")

    broken, refused = at_once({"a": breaks, "b": refuses}, 2.0)
    assert broken.state is refused.state is State.UNKNOWN
    assert "ValueError" in broken.text
    assert "doctor.py" in broken.text
    assert "sk-live" not in broken.text
    assert refused.text == "the disk is gone"


def test_they_run_at_the_same_time_and_tell_of_it() -> None:
    told: list[str] = []
    began = clock.now()
    tasks = {str(n): lambda n=n: (time.sleep(0.2), fine(str(n)))[1] for n in range(12)}
    assert len(at_once(tasks, 5.0, told.append)) == 12
    assert clock.now() - began < 1.5
    assert sorted(told) == sorted(tasks)


def test_where_servers_cannot_be_asked_nothing_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("checks_host", "checks_files", "checks_network"):
        monkeypatch.setattr(doctor, name, None)

    def breaks() -> Sequence[Diagnosis]:
        raise RuntimeError

    found = doctor.examine(cast("Given", None), breaks, limit=2.0)
    assert found.checks[-1].name == "servers"
    assert not found.sound
    assert all(c.state is State.UNKNOWN for c in found.checks[:-1])
    assert len(found.checks) > 10


CHECKUP = Checkup(samples.CHECKS, samples.MIXED, 1.25)


def test_one_line_a_check_and_one_for_all_servers_that_work() -> None:
    rows = shown.lines(CHECKUP)
    assert [name for _, name, _ in rows[:4]] == [c.name for c in samples.CHECKS]
    broken = [name for state, name, _ in rows[4:] if state is State.FAIL]
    assert broken == [
        "linear",
        "sentry",
        "github",
        "wiki",
        "db",
        "bridge",
        "pending",
        "nocontainer",
    ]
    assert rows[-1] == (State.OK, "servers", "3 of 13 work; slowest: context7, 0.4 s")
    few = shown.lines(CHECKUP._replace(servers=samples.MIXED[:4]))
    assert [name for _, name, _ in few[4:]] == ["context7", "playwright", "docs", "linear"]


def test_long_and_hostile_names_do_not_break_the_table() -> None:
    for state, name, text in shown.lines(Checkup((), samples.hostile())):
        assert state is State.FAIL
        assert len(name) <= 30
        assert len(text) <= 200
        assert (name + text).isprintable()


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    shown.checkup(CHECKUP)
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "ok    installation  mcpconf 0.1.0, editable, Python 3.11.7"
    assert said.err.count("error[MC215]") == 1, "a cause is told once, by the server that has it"
    assert said.err.index("error[") < said.err.index("warning[")
    assert "note: Claude Code shows: ✘ Failed to connect" in said.err
    assert said.err.splitlines()[-1].endswith("not to be seen from here (1.2 s)")


def test_a_cause_of_several_servers_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    broken = [samples.breaks(str(n), samples.Rung.GATEWAY, "MC215", "it is down") for n in range(7)]
    shown.checkup(Checkup((), tuple(broken)))
    said = capsys.readouterr().err
    assert said.count("error[MC215]") == 1
    assert "note: it concerns `0`, `1`, `2`, `3`, `4` and 2 more" in said
    assert "1 error" in said


def test_what_concerns_all_is_told_once_whoever_is_named_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing was synced yet: each server has a message of its own for the same thing."""
    rung = samples.Rung
    broken = [
        samples.breaks(n, rung.CONTAINER, "MC201", f"nothing was written, so it has no `{n}`")
        for n in ("a", "b")
    ] + [samples.breaks(n, rung.HTTP, "MC264", f"`{n}` forbids access") for n in ("c", "d")]
    shown.checkup(Checkup((), tuple(broken)))
    said = capsys.readouterr().err
    assert said.count("error[MC201]") == 1
    assert "note: it concerns `a`, `b`" in said
    assert said.count("error[MC264]") == 2


def test_what_a_server_says_the_configuration_does_not_repeat(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unset = "`a` needs the variable `KEY`, which is not set"
    check = Check("configuration", State.FAIL, "", (Finding("MC021", unset),))
    shown.checkup(Checkup((check,), (samples.breaks("a", samples.Rung.SECRET, "MC021", unset),)))
    assert capsys.readouterr().err.count(unset) == 1


def test_what_is_well_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    well = Checkup(samples.CHECKS[:1], samples.MIXED[:3], 0.5)
    assert well.sound
    shown.checkup(well)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 4
    assert said.err.strip() == "3 of 3 servers work; nothing is wrong (0.5 s)"


def test_only_what_is_safe_is_run_and_each_once() -> None:
    sync = Remedy("mcpconf sync", ("sync",), safe=True)
    check = Check("a", State.FAIL, "b", (), (sync, Remedy("rm -rf x", ("rm",)), sync))
    assert shown.remedies(Checkup((check, check), ())) == [sync]


@pytest.mark.parametrize(
    ("state", "sound"),
    [(State.OK, True), (State.WARN, True), (State.UNKNOWN, True), (State.FAIL, False)],
)
def test_only_what_is_broken_is_an_error(state: State, *, sound: bool) -> None:
    assert Checkup((Check("a", state, "b"),), ()).sound is sound
