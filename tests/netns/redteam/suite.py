"""The laboratory of the group that runs, its attempts, and their verdicts.

A verdict comes from what the far end received and from the wire, not from what a client believes.
"""

from __future__ import annotations

import contextlib
import random
import string
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.netns.lab.addresses import EVIL4, EVIL6
from tests.netns.lab.lab import Kind, Lab
from tests.netns.lab.logs import Entry
from tests.netns.redteam.candidate import NAMES, Candidate, Done, Policy
from tests.netns.redteam.hands import Hands, Pending, answer

_ALIVE = 1.0  # seconds; a stream ticks every 0.1 s
_SETTLED = 0.25  # until the logs have everything
_KIND = Kind()


class Check(NamedTuple):
    """A verdict: ``got`` should be ``expect``."""

    id: str
    tier: str
    expect: str
    got: str
    detail: dict[str, Any]

    @property
    def passed(self) -> bool:
        return self.got == self.expect

    def __str__(self) -> str:
        told = " ".join(f"{key}={str(value)[:90]}" for key, value in self.detail.items())
        state = "PASS" if self.passed else "FAIL"
        return f"{state} {self.id:34} expect={self.expect} got={self.got} {told}"


class Attempt(NamedTuple):
    """One order for the probe that must succeed (``allow``) or must not (``deny``).

    ``need``: what the far server must have seen for a leak, where a contact alone is none.
    """

    id: str
    tier: str
    expect: str
    op: str
    order: dict[str, Any]
    need: dict[str, Any] | None = None


def deny(check: str, tier: str, op: str = "tcp", /, **order: Any) -> Attempt:
    need = order.pop("need", None)
    return Attempt(check, tier, "deny", op, order, need)


def allow(check: str, tier: str = "allow", op: str = "tcp", /, **order: Any) -> Attempt:
    return Attempt(check, tier, "allow", op, order)


def token() -> str:
    letters = string.ascii_lowercase + string.digits
    return "tk" + "".join(random.choices(letters, k=12))


class Suite:
    """Runs groups against a candidate; every group makes the laboratories that it needs."""

    def __init__(self, candidate: Candidate, kind: Kind = _KIND, *, verbose: bool = False) -> None:
        self.candidate = candidate
        self.checks: list[Check] = []
        self.measured: dict[str, Any] = {}
        self._kind = kind
        self._verbose = verbose
        self._prefix = ""
        self._preparation = ""
        self._lab: Lab | None = None
        self._hands: Hands | None = None

    # --- life ---

    @property
    def lab(self) -> Lab:
        assert self._lab, "no laboratory yet"
        return self._lab

    @property
    def hands(self) -> Hands:
        assert self._hands, "no laboratory yet"
        return self._hands

    def fresh(self, **kind: Any) -> None:
        """Make a new laboratory, without a firewall."""
        self.close()
        self._lab = Lab(self._kind._replace(**kind))
        self.candidate.install(self._lab)
        if self._preparation:
            self._lab.force(self._preparation)
        self._hands = Hands(self._lab)

    def applied(
        self, entries: list[str] | None = None, policy: Policy | None = None, **kind: Any
    ) -> Done:
        """Make a new laboratory and apply the firewall."""
        self.fresh(**kind)
        self.candidate.write(self.lab, list(NAMES) if entries is None else entries, policy)
        return self.candidate.apply(self.lab)

    def cleared(self) -> None:
        """Back to a container without a firewall, in the same laboratory."""
        self.lab.clear()
        self.candidate.clean(self.lab)

    def close(self) -> None:
        if self._hands:
            self._hands.close()
        if self._lab:
            self._lab.close()
        self._lab = self._hands = None

    @contextlib.contextmanager
    def variant(self, prefix: str, preparation: str, **kind: Any) -> Iterator[None]:
        """Groups run with containers that a command line has changed; their checks get a prefix."""
        before = self._prefix, self._preparation, self._kind
        self._prefix, self._preparation = prefix, preparation
        self._kind = self._kind._replace(**kind)
        try:
            yield
        finally:
            self._prefix, self._preparation, self._kind = before

    # --- verdicts ---

    def record(self, name: str, tier: str, expect: str, got: str, **detail: Any) -> None:
        """Add a verdict; empty details are left out."""
        told = {key: value for key, value in detail.items() if value not in (None, "")}
        check = Check(self._prefix + name, tier, expect, got, told)
        self.checks.append(check)
        if self._verbose or not check.passed:
            sys.stdout.write(f"  {check}\n")
            sys.stdout.flush()

    def right(self, name: str, tier: str, good: bool, wrong: str, **detail: Any) -> None:  # noqa: FBT001
        """Add a verdict that is ``ok``, or ``wrong`` where it is not good."""
        self.record(name, tier, "ok", "ok" if good else wrong, **detail)

    def reached(self, name: str, tier: str, reached: bool, expect: str, **detail: Any) -> None:  # noqa: FBT001
        """Add a verdict ``allow`` or ``deny``."""
        self.record(name, tier, expect, "allow" if reached else "deny", **detail)

    def attempts(self, *attempts: Attempt) -> None:
        """Make all attempts at once and judge them."""
        since = time.time() - 0.05
        sent = [self._sent(attempt) for attempt in attempts]
        found = [answer(pending) for _, pending in sent]
        time.sleep(_SETTLED)
        seen = self.lab.served(since), self.lab.wire(since)
        for attempt, (mark, _), got in zip(attempts, sent, found, strict=True):
            self._judge(attempt, got, _evidence(mark, attempt.need, *seen))

    def _sent(self, attempt: Attempt) -> tuple[str, Pending]:
        mark = token()
        order = {**attempt.order, "tok": mark}
        if attempt.op == "dns":
            order["name"] = order["name"].replace("{tok}", mark)
        return mark, self.hands.send(attempt.op, **order)

    def _judge(self, attempt: Attempt, got: dict[str, Any], evidence: str) -> None:
        good = bool(got.get("ok"))
        if attempt.expect == "allow":
            error = None if good else got.get("err") or got.get("heard")
            self.reached(attempt.id, attempt.tier, good, "allow", err=error)
            return
        # An answer that a resolver of the container made up is no leak, a query that leaves is.
        told = good and attempt.op != "dns" and attempt.need is None
        self.reached(attempt.id, attempt.tier, told or bool(evidence), "deny", ev=evidence)

    def cut(self, check: str, stream: str, seconds: float) -> None:
        """Judge a stream that must end within ``seconds``.

        What its server sends before it misses an answer still arrives.
        """
        end = time.time() + seconds
        while (found := self.hands.ask("held", id=stream))["age"] < _ALIVE and time.time() < end:
            time.sleep(0.1)
        got = "keep" if found["age"] < _ALIVE else "cut"
        self.record(check, "est", "cut", got, err=found["closed"], ticks=found["n"])

    def keep(self, check: str, stream: str, **detail: Any) -> None:
        """Judge a stream that must go on."""
        found = self.hands.ask("held", id=stream)
        got = "keep" if found["age"] < _ALIVE else "cut"
        self.record(check, "est", "keep", got, err=found["closed"], **detail)

    # --- single questions ---

    def can(self, **order: Any) -> bool:
        """Whether a server answers: on port 443 by TLS unless the order says otherwise."""
        asked = {"port": 443, "kind": "tls", "timeout": 1.2, "tok": token(), **order}
        return bool(self.hands.ask("tcp", **asked).get("ok"))

    def is_open(self) -> bool:
        """Whether a forbidden host can be reached by IPv4."""
        return self.can(dst=EVIL4) or self.can(dst=EVIL4, port=80, kind="http")

    def is_open6(self) -> bool:
        return self.can(dst=EVIL6)

    def wait_until_can(self, seconds: float, pause: float = 0.3, **order: Any) -> float | None:
        """The seconds until a server answered, None if it did not within ``seconds``."""
        begin = time.time()
        while time.time() - begin < seconds:
            if self.can(**order):
                return round(time.time() - begin, 1)
            time.sleep(pause)
        return None

    def wait_until_cannot(self, seconds: float, pause: float = 0.3, **order: Any) -> float | None:
        """The seconds until a server no longer answered, None if it did for ``seconds``."""
        begin = time.time()
        while time.time() - begin < seconds:
            if not self.can(**order):
                return round(time.time() - begin, 1)
            time.sleep(pause)
        return None


def _evidence(
    mark: str, need: dict[str, Any] | None, served: list[Entry], wire: list[Entry]
) -> str:
    """Where a token was seen outside, empty for nowhere."""
    for entry in served:
        if mark in str(entry) and all(entry.get(k) == v for k, v in (need or {}).items()):
            return f"server {entry['dst']}:{entry['dport']}"
    for entry in wire if need is None else ():
        if mark in entry["pl"]:
            return f"wire {entry['p']} {entry['dst']}:{entry.get('dp')}"
    return ""
