"""Asks one server, or several at once: the way in."""

from __future__ import annotations

import os
import threading
import time

from mcpconf.wire.caller import Caller
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.line import Road
from mcpconf.wire.oauth import metadata
from mcpconf.wire.proxies import chosen_proxy, proxy_variable
from mcpconf.wire.talk import Talk
from mcpconf.wire.target import Place, Target, place_of
from mcpconf.wire.tls import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Report = dict[str, Any]

_REFUSALS = (401, 403)
_UNAUTHORIZED = 401
_SLACK = 1.0


def ask(target: Mapping[str, Any]) -> Report:
    """Ask one server: the report.  Never raises for what the server or the network does."""
    wanted = Target(target)
    clock = Clock(wanted.seconds)
    if wanted.type not in ("http", "sse"):
        return _report(wanted, clock, unseen=f"type {wanted.mask.text(wanted.type, 20)}")
    try:
        place = place_of(wanted.url)
    except Fault:
        return _report(wanted, clock, stopped="url", unseen="its URL cannot be read")
    trust = Trust(wanted.ca, wanted.roots)
    if place.scheme == "https":
        trust.context()  # reading it is not the server's time
    clock = Clock(wanted.seconds)
    road = Road(_proxy(wanted, place), trust, clock, brief=wanted.brief)
    road.home, road.mask = place, wanted.mask
    caller = Caller(wanted, road)
    talk = Talk(caller, place, clock)
    try:
        talk.run()
    finally:
        caller.close()
    _look_at_login(wanted, road, place, talk, clock)
    return _report(wanted, clock, talk, stopped=_stopped(talk))


def ask_all(targets: Sequence[Mapping[str, Any]], limit: int = 0) -> list[Report]:
    """Ask several servers at once, at most ``limit`` of them: their reports, in the same order."""
    reports: list[Report] = [{} for _ in targets]
    left = iter(range(len(targets)))  # each thread takes the next

    def some() -> None:
        for index in left:
            reports[index] = ask(targets[index])

    count = min(limit or len(targets), len(targets))
    rounds = -(-len(targets) // max(count, 1))
    longest = max((Target(target).seconds for target in targets), default=0.0)
    threads = [threading.Thread(target=some, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    end = Clock(rounds * (longest + _SLACK)).end
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [
        report or _report(Target(target), Clock(0), unseen="it took too long")
        for report, target in zip(reports, targets)  # noqa: B905
    ]


def _proxy(target: Target, place: Place) -> str:
    if target.proxy == "env":
        return chosen_proxy(place.host, place.port, os.environ)
    return target.proxy


def _look_at_login(target: Target, road: Road, place: Place, talk: Talk, clock: Clock) -> None:
    """After a refusal: see whether nothing at all is better, and where a login would begin."""
    refused = [s for s in road.stations if s.get("status") in _REFUSALS and s["station"] == "call"]
    named = target.brief and talk.metadata_url  # that is enough, and may be elsewhere
    if not refused or talk.tools is not None or named:
        return
    stations: list[dict[str, Any]] = []
    bare = Caller(target, road.fork())
    threads = []
    if target.headers:
        again = Talk(bare, place, clock, configured=False)
        threads.append(threading.Thread(target=again.run, daemon=True))
    if any(s["status"] == _UNAUTHORIZED for s in refused):
        found = lambda: stations.append(  # noqa: E731
            metadata(target, road, place, talk.metadata_url, clock)
        )
        threads.append(threading.Thread(target=found, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, talk.remaining()) + _SLACK / 2)
    without = [s for s in list(bare.road.stations) if s["station"] == "call"]
    bare.close()
    road.stations += [*without, *stations]


def _stopped(talk: Talk) -> str:
    """The station or call that failed on the main path."""
    if talk.unreached:
        failed = [s for s in talk.told if s["station"] != "call" and not s["ok"]]
        return str(failed[-1]["station"]) if failed else talk.stopped
    return talk.stopped


def _report(
    target: Target, clock: Clock, talk: Talk | None = None, *, stopped: str = "", unseen: str = ""
) -> Report:
    answer = {
        "works": talk is not None and not stopped and talk.tools is not None,
        "tools": talk.tools if talk and not stopped else None,
        "more": talk.more if talk else False,
        "transport": talk.transport if talk else "",
        "era": talk.era if talk else "",
        "protocol": talk.protocol if talk else "",
        "server": talk.server if talk else "",
        "first_ms": talk.first_ms if talk else None,
        "stopped": stopped,
        "seconds": round(clock.ms() / 1000, 2),
        "unseen": [unseen] if unseen else [],
    }
    stations = talk.told if talk else []
    for station in stations:
        if station["station"] == "proxy" and target.proxy == "env":
            station["variable"] = proxy_variable(os.environ)
    return {"version": 1, "sent": target.sent(), "stations": stations, "answer": answer}
