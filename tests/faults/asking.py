"""Asks `mcpconf explain NAME --live` about all faults of a module at once, and checks what it says."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults.scene import Fault, Scene

OURS = Path(__file__).with_name("ours.json")
SAID = Path(__file__).with_name("said.json")
BLESS = "BLESS" in os.environ
AT_ONCE = 3
LONGEST = 40.0  # seconds, on a machine with other tests on it; see docs/explain.md for a free one
_UNKNOWN = "MC299"
_WAIT = 400

Answer = dict[str, Any]
Job = tuple[Sequence[str], Callable[[], Sequence[Answer]]]


class Answers:
    """What is said of each fault, as it comes; a job tells of several, in the order of its names."""

    def __init__(self, jobs: Iterable[Job], at_once: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, "ask")
        self._answers: dict[str, tuple[Future[Sequence[Answer]], int]] = {}
        for names, job in jobs:
            said = self._pool.submit(job)
            self._answers |= {name: (said, index) for index, name in enumerate(names)}

    def __getitem__(self, name: str) -> Answer:
        said, index = self._answers[name]
        return said.result(_WAIT)[index]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def chosen(request: pytest.FixtureRequest, faults: Sequence[Fault]) -> list[Fault]:
    """The faults that this run of pytest has selected in this module."""
    items = [item for item in request.session.items if item.path == request.path]
    params = [item.callspec.params for item in items if hasattr(item, "callspec")]
    wanted = {p["fault"].name for p in params if "fault" in p}
    return [fault for fault in faults if fault.name in wanted]


def explained(scene: Scene, *names: str) -> list[Answer]:
    """What is said of servers, with messages as they are in every run, and how long it took."""
    began = time.monotonic()
    answers = scene.explain(*names)
    took = time.monotonic() - began
    return [{**a, "took": took, "plain": scene.plain(_message(a))} for a in answers]


def _message(answer: Answer) -> str:
    return answer["verdict"]["message"] if answer["verdict"] else ""


def check(fault: Fault, answer: Answer) -> None:
    """The cause that was injected is named, as it was the last time; nothing else is."""
    verdict = answer["verdict"]
    also = [other["code"] for other in answer["also"]]
    found = verdict["code"] if verdict else ""
    assert found == fault.code, _story(answer)
    assert _UNKNOWN not in (found, *also)
    assert answer["exit"] == 1 if fault.code else not answer["verdict"]
    assert set(fault.also) <= set(also), _story(answer)
    assert answer["took"] < LONGEST
    if verdict:
        assert verdict["help"] or verdict["remedy"], verdict
    _recorded(fault, answer["plain"])


def _story(answer: Answer) -> str:
    """All that was said, for whoever has to find out why it is wrong."""
    steps = [f"{s['rung']} {s['place']}: {s['tried']}: {s['came']}" for s in answer["steps"]]
    return json.dumps({**answer, "steps": steps}, indent=1)


def _recorded(fault: Fault, message: str) -> None:
    """Compare with what was said before, or write it down."""
    if BLESS:
        note(OURS, {fault.name: {"code": fault.code, "message": message}})
        return
    before = json.loads(OURS.read_text()).get(fault.name)
    assert before is not None, "BLESS=1 writes it"
    message = message if fault.worded else before["message"]
    assert before == {"code": fault.code, "message": message}, "BLESS=1 rewrites it"


def note(path: Path, found: dict[str, Any]) -> None:
    """Add to a file of records that several processes write."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        text = json.dumps({**known, **found}, indent=1, sort_keys=True, ensure_ascii=False)
        file.truncate(0)
        file.write(text + "\n")


def ids(fault: Fault) -> str:
    return fault.name
