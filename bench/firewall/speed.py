"""How fast it is closed, applied and reloaded, what its programs weigh, and what kills leave."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.netns.lab.addresses import EVIL4, host4
from tests.netns.lab.lab import Kind
from tests.netns.redteam.candidate import NAMES, Candidate, Done
from tests.netns.redteam.checks_kill import kill
from tests.netns.redteam.suite import Suite

Figures = dict[str, Any]
LATENCY = 0.02  # seconds until DNS answers
_RELOADED = 2000
_DAEMONS = r"ps -eo rss=,comm=,pid=,uid= | awk '$3 > 1 && $4 != 1000 && $2 !~ /^(ps|awk|bash)$/'"
_MOST_RELOADS = 40


@contextmanager
def suite_for(candidate: Candidate) -> Iterator[Suite]:
    """A container whose resolver answers late and is asked directly."""
    ipv6 = candidate.name.startswith("mcpconf")  # others do not work beside it
    suite = Suite(candidate, Kind(docker_dns=False, ipv6=ipv6, latency=LATENCY))
    try:
        suite.fresh()
        yield suite
    finally:
        suite.close()


def entries(count: int) -> list[str]:
    """``count`` names, of which the first two are known to the measurements."""
    return ["allowed.test", "allowed2.test", *(f"d{n}.bulk.test" for n in range(count - 2))]


def apply(candidate: Candidate, count: int, runs: int) -> Figures:
    """Seconds to apply ``count`` names in a new container, each time; it must work afterwards."""
    seconds = []
    for _ in range(runs):
        with suite_for(candidate) as suite:
            candidate.write(suite.lab, entries(count))
            done = candidate.apply(suite.lab, timeout=600)
            works = suite.can(name="allowed.test", v=4) and not suite.is_open()
            if done.code or not works:
                return {"failed": done.said[-200:] or f"rc={done.code}, works: {works}"}
            seconds.append(done.seconds)
    return {"median_s": _median(seconds), "min_s": min(seconds)}


def reload(candidate: Candidate, least: int) -> Figures:
    """One name more at 2,000: alone, then again and again while ``least`` requests are made."""
    with suite_for(candidate) as suite:
        wanted = entries(_RELOADED)
        candidate.write(suite.lab, wanted)
        candidate.apply(suite.lab, timeout=600)
        alone = [_one_more(suite, wanted).seconds for _ in range(5)]
        suite.hands.ask("resolve", name="allowed.test")
        suite.hands.ask("loop", id="bad", dst=EVIL4, port=80)
        order = {"dst": host4(10), "host": "allowed.test", "port": 80}
        suite.hands.ask("loop", id="good", **order, timeout=1.0)
        seconds, codes, made = [], [], 0
        begin = time.time()
        while len(seconds) < 3 or (made < least and len(seconds) < _MOST_RELOADS):
            done = _one_more(suite, wanted)
            suite.hands.ask("resolve", name="allowed.test")
            seconds.append(done.seconds)
            codes.append(done.code)
            made = len(suite.lab.served(begin, "internet"))
        good, bad = (suite.hands.ask("looped", id=name) for name in ("good", "bad"))
        return {
            "alone_s": _median(alone),
            "median_s": _median(seconds),
            "max_s": max(seconds),
            "reloads": len(seconds),
            "refused": sum(code != 0 for code in codes),
            "requests": good["n"],
            "failed": len(good["miss"]),
            "leaked": len(bad["hits"]),
        }


def _one_more(suite: Suite, wanted: list[str]) -> Done:
    wanted.append(f"d{len(wanted) + 3000}.bulk.test")
    suite.candidate.write(suite.lab, wanted)
    return suite.candidate.reload(suite.lab, timeout=200)


def window(candidate: Candidate, runs: int) -> Figures:
    """Milliseconds from the program's start to the last forbidden request that was served."""
    last, after = [], 0
    for _ in range(runs):
        with suite_for(candidate) as suite:
            names = [*NAMES, *(f"d{n}.bulk.test" for n in range(40))]
            candidate.write(suite.lab, names)
            suite.hands.ask("loop", id="bad", dst=EVIL4, port=80, threads=4)
            time.sleep(0.5)
            begin = time.time()
            candidate.apply(suite.lab, timeout=600)
            end = time.time()
            time.sleep(0.5)
            suite.hands.ask("looped", id="bad")
            times = [entry["t"] for entry in suite.lab.served(begin, "internet")]
            last.append((max(times, default=begin) - begin) * 1000)
            after += sum(when > end + 0.05 for when in times)
    return {"median_ms": _median(last), "max_ms": round(max(last), 1), "after": after}


def kills(candidate: Candidate, trials: int) -> Figures:
    """SIGKILL in ``trials`` first applies and as many reloads."""
    suite = Suite(candidate)
    try:
        kill(suite, trials)
    finally:
        suite.close()
    first, again = suite.measured["kill_first"], suite.measured["kill_reload"]
    late = [when for when in first["open_after_s"] if when > 0.05]
    opened = len(late) + again["open"]
    return {"kills": 2 * trials, "open": opened, "dead": again["dead"], "first": first}


def weight(candidate: Candidate) -> Figures:
    """Resident memory of every program that stays, in MB."""
    with suite_for(candidate) as suite:
        candidate.write(suite.lab, entries(200))
        candidate.apply(suite.lab)
        for name in ("allowed.test", "allowed2.test"):
            suite.can(name=name, v=4)
        rows = [line.split()[:2] for line in suite.lab.force(_DAEMONS).splitlines()]
    programs = {name: round(int(kilobytes) / 1024, 1) for kilobytes, name in rows}
    total = sum(int(kilobytes) for kilobytes, _ in rows)
    return {"total_mb": round(total / 1024, 1), "programs": programs}


def _median(numbers: list[float]) -> float:
    return round(statistics.median(numbers), 3)
