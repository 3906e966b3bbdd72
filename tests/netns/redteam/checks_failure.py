"""A resolver that is down, and names that do not resolve."""

from __future__ import annotations

import re

from tests.netns.redteam.candidate import NAMES
from tests.netns.redteam.suite import Suite

_COMPLAINT = re.compile(r"warn|fail|could not|error|timeout", re.IGNORECASE)
_HARD_NAMES = {
    "nxdomain": "nx.test",
    "servfail": "servfail.test",
    "timeout": "blackhole.test",
    "slow": "slow.test",
}
_REPORTED = ("nxdomain", "timeout")
_SOON = 30


def failure(suite: Suite) -> None:
    _resolver_down(suite)
    for kind, name in _HARD_NAMES.items():
        done = suite.applied([*NAMES[:3], name, *NAMES[3:]])
        good = suite.can(name="allowed.test", v=4) and suite.can(name="good.cdn.test", v=4)
        opened = suite.is_open()
        wrong = "OPEN" if opened else "others dead"
        told = {"rc": done.code, "s": done.seconds, "out": done.tail}
        suite.right(f"fail.one-{kind}", "failclosed", good and not opened, wrong, **told)
        if kind in _REPORTED:
            named = name in done.said or suite.candidate.commands.lazy
            suite.right(f"fail.one-{kind}.named", "ops", named, "silent")


def _resolver_down(suite: Suite) -> None:
    suite.fresh()
    suite.candidate.write(suite.lab, list(NAMES))
    suite.lab.names(down=True)
    done = suite.candidate.apply(suite.lab, timeout=150)
    told = {"rc": done.code, "s": done.seconds, "out": done.tail}
    suite.right("fail.dns-down.closed", "failclosed", not suite.is_open(), "OPEN", **told)
    suite.right("fail.dns-down.v6-closed", "failclosed", not suite.is_open6(), "OPEN")
    soon = done.seconds < _SOON
    suite.right("fail.dns-down.within-30s", "ops", soon, f"{done.seconds} s")
    said = done.code != 0 or _COMPLAINT.search(done.said) or suite.candidate.commands.lazy
    suite.right("fail.dns-down.said-so", "ops", bool(said), "silent")
    suite.lab.names(down=False)
    recovered = suite.wait_until_can(8, name="allowed.test", v=4)
    how = f"by itself in {recovered} s"
    good = recovered is not None
    if not good:
        suite.candidate.reload(suite.lab)
        good, how = suite.can(name="allowed.test", v=4), "after a reload"
    suite.right("fail.dns-down.recovers", "failclosed", good, "dead until rebuilt", how=how)
