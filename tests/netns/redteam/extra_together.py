"""All odd and hostile entries at once: the quick form of the group ``entries``."""

from __future__ import annotations

import time

from tests.netns.redteam.checks_entries import SECRETS, escaped, opened, reachable
from tests.netns.redteam.entries import ENTRIES
from tests.netns.redteam.suite import Suite

_GOOD = ("name", "name6", "big")


def together(suite: Suite) -> None:
    suite.fresh()
    suite.lab.force(SECRETS)
    since = time.time()
    suite.candidate.write(suite.lab, ["allowed.test", *(entry.text for entry in ENTRIES)])
    done = suite.candidate.apply(suite.lab)
    wrong = f"rc={done.code}"
    suite.right("together.exit0", "ops", done.code == 0, wrong, out=done.tail)
    found = escaped(suite, since)
    suite.right("together.nothing-escaped", "input", not found, "+".join(found))
    lie = next(entry for entry in ENTRIES if entry.effect == "rebind")
    found = opened(suite, lie)
    suite.right("together.nothing-open", "input", not found, "+".join(found))
    for entry in ENTRIES:
        if entry.effect in _GOOD:
            reached = reachable(suite, entry)
            suite.right(f"together.{entry.id}", "input-allow", reached, "not reachable")
