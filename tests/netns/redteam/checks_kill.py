"""SIGKILL at any moment of applying and of reloading."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.netns.redteam.candidate import NAMES
from tests.netns.redteam.suite import Suite

_LONGEST = 8.0
_FIRST_RULE = 0.25  # killed before, nothing can hold


def kill(suite: Suite, trials: int = 12) -> None:
    """First applies must be closed once the first rule is there; reloads always, and complete."""
    dice = random.Random(7)
    entries = [*NAMES, *(f"d{number}.bulk.test" for number in range(30))]
    suite.fresh()
    suite.lab.names(latency=0.01)
    suite.candidate.write(suite.lab, entries)
    seconds = max(suite.candidate.apply(suite.lab).seconds, 0.05)
    opened = []
    for _ in range(trials):
        suite.cleared()
        delay = dice.uniform(0.1, 0.98) * seconds
        _killed(suite, delay, reload=False)
        time.sleep(0.1)
        if suite.is_open():
            opened.append(round(delay, 3))
    late = [delay for delay in opened if delay > _FIRST_RULE]
    wrong = f"{len(late)}/{trials} left open"
    told = {"apply_s": seconds, "open_up_to_s": max(opened, default=0)}
    suite.measured["kill_first"] = {"trials": trials, "open_after_s": opened}
    suite.right("kill.first-apply", "atomic", not late, wrong, **told)
    _reloads(suite, entries, dice, trials)


def _reloads(suite: Suite, entries: list[str], dice: random.Random, trials: int) -> None:
    suite.cleared()
    suite.candidate.apply(suite.lab)
    again = suite.candidate.reload(suite.lab)
    twice = again.code == 0 and suite.can(name="allowed.test", v=4)
    suite.right("reapply.works-twice", "ops", twice, f"rc={again.code}", out=again.tail)
    seconds = min(max(again.seconds, 0.05), _LONGEST)
    states = []
    for number in range(trials):
        suite.candidate.write(suite.lab, [*entries, f"d{100 + number}.bulk.test"])
        _killed(suite, dice.uniform(0.02, 0.98) * seconds, reload=True)
        time.sleep(0.15)
        states.append(_state(suite))
        _mend(suite)
    opened, dead = states.count("open"), states.count("closed")
    suite.measured["kill_reload"] = {"trials": trials, "open": opened, "dead": dead}
    suite.right("kill.reapply-never-open", "atomic", not opened, f"{opened}/{trials} open")
    wrong = f"{dead}/{trials} dead, {opened}/{trials} open"
    suite.right("kill.reapply-old-complete", "atomic", not dead + opened, wrong)


def _killed(suite: Suite, delay: float, *, reload: bool) -> None:
    process = suite.candidate.start(suite.lab, reload=reload)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _state(suite: Suite) -> str:
    if suite.is_open():
        return "open"
    return "complete" if suite.can(name="allowed.test", v=4) else "closed"


def _mend(suite: Suite) -> None:
    """Back to a firewall in force, by a reload if that is enough."""
    mended = suite.candidate.reload(suite.lab).code == 0
    if not mended or not suite.can(name="allowed.test", v=4):
        suite.cleared()
        suite.candidate.apply(suite.lab)
