"""What a reload must change in a running container, and what it must leave alone."""

from __future__ import annotations

from typing import Any

from tests.netns.lab.addresses import CDN4, WEB4, host4
from tests.netns.redteam.adapter import Ours
from tests.netns.redteam.candidate import NAMES, POLICY
from tests.netns.redteam.suite import Suite, allow, deny

_PORTS = 40
_ROWS = 60_000
_LONG = 20  # seconds
_NO_HOSTS = {"hosts": [], "grace_s": 5}


def change(suite: Suite) -> None:
    """Rows go, in streams and for new connections; what is left goes on."""
    names = [*NAMES, "shared1.test", "shared2.test", "allowed3.test:8080", "allowed3.test"]
    static = f"{host4(18)}:8080"
    suite.applied([*names, static])
    _hold(suite, "shared", name="shared2.test", port=80)
    _hold(suite, "port", name="allowed3.test", port=8080)
    _hold(suite, "other-port", name="allowed3.test", port=80)
    _hold(suite, "static", dst=host4(18), port=8080)
    _hold(suite, "peer", dst=WEB4, port=80)
    gone = ("shared1.test", "allowed3.test:8080")
    _reload(suite, "less", [name for name in names if name not in gone], _NO_HOSTS)
    for stream in ("port", "static", "peer"):
        suite.cut(f"change.{stream}", stream, 4)
    for stream in ("shared", "other-port"):
        suite.keep(f"change.{stream}", stream)
    suite.attempts(
        deny("change.less.port", "core", name="allowed3.test", port=8080),
        deny("change.less.static", "core", dst=host4(18), port=8080),
        deny("change.less.peer", "core", dst=WEB4, port=80),
        allow("change.less.others", name="allowed3.test", port=443, kind="tls"),
    )
    _modes(suite)
    _nothing(suite)


def _hold(suite: Suite, stream: str, **order: Any) -> None:
    found = suite.hands.ask("hold", id=stream, **order)
    suite.right(f"change.{stream}.open", "allow", found["ok"], "no stream", err=found["closed"])


def _reload(suite: Suite, check: str, names: list[str], policy: dict[str, Any]) -> None:
    suite.candidate.write(suite.lab, names, policy)
    done = suite.candidate.reload(suite.lab)
    suite.right(f"change.{check}.exit0", "ops", done.code == 0, f"rc={done.code}", out=done.tail)


def _modes(suite: Suite) -> None:
    """To the other mode and back."""
    ours = suite.candidate
    assert isinstance(ours, Ours)
    mode = ours.mode
    raw = {"dst": CDN4, "port": 443, "host": "good.cdn.test"}
    for ours.mode in ("strict", "default", mode):
        _reload(suite, f"to-{ours.mode}", list(NAMES), POLICY)
        suite.hands.ask("resolve", name="good.cdn.test")
        works = {"name": "good.cdn.test", "port": 443, "kind": "tls", "v": 4}
        suite.attempts(allow(f"change.to-{ours.mode}.works", **works))
        if ours.mode == "strict":
            suite.attempts(deny("change.to-strict.gate", "l7", **raw))
        suite.reached(f"change.to-{ours.mode}.forbidden", "core", suite.is_open(), "deny")


def _nothing(suite: Suite) -> None:
    """A policy without any row closes everything, and is no mistake."""
    _reload(suite, "nothing", [], _NO_HOSTS)
    suite.right("change.nothing.closed", "failclosed", not suite.is_open(), "OPEN")
    reached = suite.can(name="allowed.test", v=4)
    suite.reached("change.nothing.listed-before", "core", reached, "deny")


def limits(suite: Suite) -> None:
    """More than anybody needs: named or taken, and closed besides."""
    ports = [f"allowed.test:{9000 + number}" for number in range(_PORTS)]
    done = suite.applied(["allowed2.test", *ports])
    suite.right("limits.ports.exit0", "ops", done.code == 0, f"rc={done.code}", out=done.tail)
    said = "port" in done.said.lower() or suite.can(name="allowed.test", port=9999, kind="raw")
    suite.right("limits.ports.said", "ops", said, "silent")
    _others_hold(suite, "ports")
    rows = [f"d{number}.bulk.test:443" for number in range(_ROWS)]
    done = suite.applied(["allowed2.test", *rows])
    soon = done.seconds < _LONG
    suite.right("limits.rows.soon", "ops", soon, f"{done.seconds} s", rc=done.code)
    if done.code == 0:
        _others_hold(suite, "rows")
    suite.right("limits.rows.closed", "failclosed", not suite.is_open(), "OPEN")


def _others_hold(suite: Suite, check: str) -> None:
    suite.reached(f"limits.{check}.others", "allow", suite.can(name="allowed2.test"), "allow")
