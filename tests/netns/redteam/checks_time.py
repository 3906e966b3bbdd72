"""What changes over time: addresses, connections, and the moments of applying."""

from __future__ import annotations

import threading
import time

from tests.netns.lab.addresses import EVIL4, host4
from tests.netns.redteam.candidate import NAMES
from tests.netns.redteam.suite import Suite

_IDLE = 8  # longer than an address lives without being asked for
_LONG = 6.5  # longer than an address stays open
_MOMENT = 0.5


def rotate(suite: Suite) -> None:
    """An address changes; the old one closes, the new one works at once."""
    suite.applied()
    rotating = {"name": "rot.test", "v": 4}
    suite.can(**rotating)
    suite.reached("rot.before", "allow", suite.can(**rotating), "allow")
    begin = time.time()
    suite.can(name="allowed.test", v=4)
    suite.lab.names(name="rot.test", behaviour={"A": [host4(41)], "ttl": 2})
    works = suite.wait_until_can(14, 0.4, **rotating, timeout=0.6)
    suite.reached("rot.new-address-works", "rotate", works is not None, "allow", after_s=works)
    gone = suite.wait_until_cannot(25, dst=host4(40), timeout=0.6)
    suite.reached("rot.old-address-closed", "rotate", gone is None, "deny", after_s=gone)
    time.sleep(max(0.0, begin + _IDLE - time.time()))
    again = suite.can(name="allowed.test", v=4)
    suite.reached("rot.listed-name-after-idle", "rotate", again, "allow")
    found = suite.hands.ask("resolve", name="allowed2.test").get("addrs", [])
    time.sleep(2)  # a client that goes on with its old answer
    kept = next((address for address in found if ":" not in address), "")
    cached = bool(kept) and suite.can(dst=kept, sni="allowed2.test")
    suite.reached("rot.client-cached-answer-2s", "rotate", cached, "allow")


def established(suite: Suite) -> None:
    """Connections that were open before, and those of a name that is taken off the list."""
    suite.fresh()
    suite.hands.ask("hold", id="before", dst=EVIL4, port=80)
    suite.candidate.write(suite.lab, list(NAMES))
    suite.candidate.apply(suite.lab)
    suite.cut("est.preexisting-forbidden-cut", "before", 4)
    opened = [
        suite.hands.ask("hold", id=name, name=f"{name}.test", port=80)
        for name in ("allowed", "allowed2")
    ]
    suite.right("est.streams-open", "allow", all(each["ok"] for each in opened), "no stream")
    suite.candidate.write(suite.lab, [name for name in NAMES if name != "allowed2.test"])
    code = suite.candidate.reload(suite.lab).code
    reloaded = time.time()
    time.sleep(2)
    suite.keep("est.kept-domain-survives-reload", "allowed", rc=code)
    removed = suite.can(name="allowed2.test", v=4) or suite.can(dst=host4(11))
    suite.reached("est.removed-domain-new-connection", "core", removed, "deny")
    suite.cut("est.removed-domain-stream", "allowed2", 6.5)
    time.sleep(max(0.0, reloaded + _LONG - time.time()))
    suite.keep("est.kept-domain-long-stream", "allowed")


def window(suite: Suite) -> None:
    """Forbidden and allowed requests without a pause, while it is applied and reloaded."""
    suite.fresh()
    bulk = [f"d{number}.bulk.test" for number in range(50)]
    suite.lab.names(latency=0.02)
    suite.candidate.write(suite.lab, [*NAMES, *bulk[:40]])
    _first_apply(suite)
    _reloads(suite, bulk)


def _first_apply(suite: Suite) -> None:
    suite.hands.ask("loop", id="bad", dst=EVIL4, port=80)
    time.sleep(_MOMENT)
    begin = time.time()
    done = suite.candidate.apply(suite.lab)
    end = time.time()
    time.sleep(0.8)
    hits = suite.hands.ask("looped", id="bad")["hits"]
    during = [when - begin for when in hits if begin <= when <= end]
    after = [when for when in hits if when > end + 0.05]
    last = round(max(during, default=0.0), 3)
    suite.measured["window"] = {"open_s": last, "leaked": len(during), "apply_s": done.seconds}
    early = last <= _MOMENT and done.code == 0
    told = {"open_s": last, "leaked": len(during), "rc": done.code}
    suite.right("win.first-apply.closes-early", "window", early, "late", **told)
    suite.right("win.first-apply.closed-after", "core", not after, f"{len(after)} leaks")


def _reloads(suite: Suite, bulk: list[str]) -> None:
    suite.hands.ask("resolve", name="allowed.test")
    suite.hands.ask("loop", id="bad", dst=EVIL4, port=80)
    allowed = {"dst": host4(10), "host": "allowed.test"}
    suite.hands.ask("loop", id="good", port=80, timeout=1.0, **allowed)
    over = threading.Event()

    def stay_alive() -> None:  # a client resolves a name now and then
        while not over.wait(_MOMENT):
            suite.hands.ask("resolve", name="allowed.test")

    client = threading.Thread(target=stay_alive, daemon=True)
    client.start()
    time.sleep(0.4)
    begin = time.time()
    codes = []
    for number in range(3):
        suite.candidate.write(suite.lab, [*NAMES, *bulk[: 40 + number]])
        codes.append(suite.candidate.reload(suite.lab).code)
        time.sleep(0.3)
    end = time.time()
    over.set()
    client.join()
    bad, good = (suite.hands.ask("looped", id=name) for name in ("bad", "good"))
    leaks = [when for when in bad["hits"] if when >= begin]
    missed = [when for when in good["miss"] if begin <= when <= end]
    suite.measured["reload"] = {"requests": good["n"], "failed": len(missed), "leaks": len(leaks)}
    wrong = f"{len(leaks)} leaks"
    suite.right("win.reload.no-leak", "window", not leaks, wrong, rcs=codes)
    outage = not missed and bool(good["hits"])
    wrong = f"{len(missed)} failed of {good['n']}"
    suite.right("win.reload.no-outage", "window", outage, wrong)
