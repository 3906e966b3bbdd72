"""Each odd or hostile entry between two good ones."""

from __future__ import annotations

import time

from tests.netns.lab.addresses import METADATA4, NEIGHBOUR4, OTHER_RESOLVER4, host4
from tests.netns.redteam.candidate import Done
from tests.netns.redteam.entries import ENTRIES, Entry
from tests.netns.redteam.suite import Suite

SECRETS = "printf 'DB_PASSWORD=s3cr3tENV\\n' | tee /workspace/.env > /root/.env"
_SAMPLE = (1, 30, 60, 99, 100)


def entries(suite: Suite) -> None:
    suite.fresh()
    suite.lab.force(SECRETS)
    for number, entry in enumerate(ENTRIES):
        if number:
            suite.cleared()
        _try(suite, entry)


def _try(suite: Suite, entry: Entry) -> None:
    since = time.time()
    suite.candidate.write(suite.lab, ["allowed.test", entry.text, "good.cdn.test"])
    done = suite.candidate.apply(suite.lab, timeout=60)
    wrong = [*escaped(suite, since), *opened(suite, entry)]
    if not suite.can(name="allowed.test", v=4):
        wrong.append("LISTED-NAME-DEAD")
    if entry.effect in ("bad", "rebind"):
        said = entry.text.strip()[:12] in done.said or done.code != 0
        _say(suite, entry, "input", wrong, done, said=said)
    elif entry.effect == "info":
        hard = [each for each in wrong if each != "LISTED-NAME-DEAD"]
        _say(suite, entry, "info", hard, done, opens=_reach_of_info(suite, entry))
    else:
        if not reachable(suite, entry):
            wrong.append("not reachable")
        _say(suite, entry, "input-allow", wrong, done)


def _say(
    suite: Suite, entry: Entry, tier: str, wrong: list[str], done: Done, **told: object
) -> None:
    out = done.said[-100:] if wrong else ""
    told |= {"rc": done.code, "out": out}
    suite.right(f"entry.{entry.id}", tier, not wrong, "+".join(wrong), **told)


def escaped(suite: Suite, since: float) -> list[str]:
    """What the entry made the program do, as root."""
    time.sleep(0.15)
    queries, wire = suite.lab.queries(since), suite.lab.wire(since)
    leaked = any("root:x" in each["name"] or "s3cr3tenv" in each["name"] for each in queries)
    other = any(each["dst"] == OTHER_RESOLVER4 for each in (*queries, *wire))
    ran = "PWNED" in suite.lab.force("ls /tmp; rm -f /tmp/PWNED")
    found = {"EXEC": ran, "FILE-LEAK-VIA-DNS": leaked, "ALT-RESOLVER": other}
    return [name for name, true in found.items() if true]


def opened(suite: Suite, entry: Entry) -> list[str]:
    """What the entry opened that is not its own."""
    lies = entry.effect in ("bad", "rebind")
    found = {
        "OPEN": suite.is_open(),
        "OPEN6": suite.is_open6() and "6" in entry.id,
        "METADATA": lies and suite.can(dst=METADATA4, port=80, kind="http"),
        "LAN": lies and suite.can(dst=NEIGHBOUR4, port=80, kind="http"),
    }
    return [name for name, true in found.items() if true]


def reachable(suite: Suite, entry: Entry) -> bool:
    if entry.effect == "big":
        suite.hands.ask("resolve", name=entry.text)
        tried = [{"dst": f"45.70.100.{number}", "sni": entry.text} for number in _SAMPLE]
        return all(suite.can(**each, timeout=0.5) for each in tried)
    family = 6 if entry.effect == "name6" else 4
    return suite.can(name=entry.reach, port=entry.port, v=family)


def _reach_of_info(suite: Suite, entry: Entry) -> bool:
    if entry.id == "ip-literal":
        return suite.can(dst=host4(18))
    return suite.can(name="allowed2.test", v=4)
