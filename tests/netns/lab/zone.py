"""What the internet's names answer; every behaviour is per name and can be changed at run time.

A name's behaviour is a dict: ``A``, ``AAAA``, ``TXT`` (lists), ``CNAME`` (a name), ``ttl`` (s),
``delay`` (s), ``rcode``, ``drop`` (no answer at all), ``rotate`` (``net``, ``n``, ``per``: other
addresses with every query).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple

from tests.netns.lab.addresses import (
    BLOCKED4,
    BLOCKED6,
    CDN4,
    CDN6,
    EVIL4,
    EVIL6,
    METADATA4,
    NEIGHBOUR4,
    bulk4,
    bulk6,
    host4,
    host6,
)
from tests.netns.lab.dns_wire import AAAA, CNAME, NXDOMAIN, SERVFAIL, TXT, A, Record

Behaviour = dict[str, Any]
NAMES: dict[str, Behaviour] = {
    "allowed.test": {"A": [host4(10)], "AAAA": [host6(10)]},
    "allowed2.test": {"A": [host4(11)], "AAAA": [host6(11)]},
    "allowed3.test": {"A": [host4(15)]},
    "alias.test": {"CNAME": "mid.alias-vendor.test"},
    "mid.alias-vendor.test": {"CNAME": "edge7.real-cdn.test"},
    "edge7.real-cdn.test": {"A": [host4(12)], "AAAA": [host6(12)]},
    "v6only.test": {"AAAA": [host6(13)]},
    "xn--bcher-kva.test": {"A": [host4(14)]},
    "good.cdn.test": {"A": [CDN4], "AAAA": [CDN6]},
    "evil.cdn.test": {"A": [CDN4], "AAAA": [CDN6]},
    "multi.test": {"A": [host4(number) for number in range(30, 38)]},
    "dup.test": {"A": [host4(38), host4(38)]},
    "shared1.test": {"A": [host4(39)]},
    "shared2.test": {"A": [host4(39)]},
    "rot.test": {"A": [host4(40)], "ttl": 2},
    "spin.test": {"rotate": {"net": "45.70.200.0", "n": 250, "per": 1}, "ttl": 1},
    "big.test": {"A": [f"45.70.100.{number}" for number in range(1, 101)]},
    "huge.test": {"rotate": {"net": "45.70.0.0", "n": 11700, "per": 3900}},
    "*.wild.test": {"A": [host4(50)]},
    "wild.test": {"A": [host4(51)]},
    "sub.allowed.test": {"A": [host4(52)]},  # never listed
    "rebind-meta.test": {"A": [METADATA4]},
    "rebind-lan.test": {"A": [NEIGHBOUR4]},
    "rebind-lo.test": {"A": ["127.0.0.1"]},
    "rebind-zero.test": {"A": ["0.0.0.0"]},
    "mixed-rebind.test": {"A": [host4(16), METADATA4]},
    "loop1.test": {"CNAME": "loop2.test"},
    "loop2.test": {"CNAME": "loop1.test"},
    "self.test": {"CNAME": "self.test"},
    "evil.test": {"A": [EVIL4], "AAAA": [EVIL6]},
    "mcp.blocked.test": {"A": [BLOCKED4], "AAAA": [BLOCKED6]},
    "*.exfil.test": {"A": [host4(67)], "TXT": ["ack"], "ttl": 1},
    "exfil.test": {"A": [host4(67)], "TXT": ["ack"], "ttl": 1},
    "servfail.test": {"rcode": SERVFAIL},
    "slow.test": {"A": [host4(17)], "delay": 3.0},
    "blackhole.test": {"drop": True},
    "api.github.com": {"A": [host4(70)], "ttl": 60},  # what public firewall scripts ask for
    "example.com": {"A": [host4(71)], "AAAA": [host6(71)], "ttl": 60},
}
CERTIFIED = (*NAMES, "*.cdn.test", "*.bulk.test", "*.allowed.test", "late.test", "new.test")
_TTL = 5
_LONGEST_CHAIN = 8
_BULK = re.compile(r"([dm])(\d+)\.bulk\.test")
_MANY = 8


class Answer(NamedTuple):
    """An answer; ``delay`` in seconds, ``dropped`` if there is to be none."""

    code: int = 0
    records: tuple[Record, ...] = ()
    delay: float = 0.0
    dropped: bool = False


class Zone:
    """All names; ``latency`` (s) is added to every answer, ``down`` silences the resolver."""

    def __init__(self) -> None:
        self.names = dict(NAMES)
        self.latency = 0.0
        self.down = False
        self._turns: dict[str, int] = {}

    def answer(self, name: str, kind: int) -> Answer:
        """Follow aliases to what ``name`` has of ``kind``."""
        records: list[Record] = []
        delay = self.latency
        for _ in range(_LONGEST_CHAIN):
            found = self._find(name)
            if found is None:
                return Answer(NXDOMAIN, tuple(records), delay)
            delay += found.get("delay", 0.0)
            if "drop" in found or "rcode" in found:
                return Answer(found.get("rcode", 0), (), delay, "drop" in found)
            if "CNAME" not in found or kind == CNAME:
                return Answer(0, (*records, *self._records(name, kind, found)), delay)
            records.append(Record(name, CNAME, found.get("ttl", _TTL), found["CNAME"]))
            name = found["CNAME"]
        return Answer(0, tuple(records), delay)

    def _find(self, name: str) -> Behaviour | None:
        if name in self.names:
            return self.names[name]
        if bulk := _BULK.fullmatch(name):
            return _bulk(bulk[1], int(bulk[2]))
        labels = name.split(".")
        wild = ("*." + ".".join(labels[start:]) for start in range(1, len(labels)))
        return next((self.names[each] for each in wild if each in self.names), None)

    def _records(self, name: str, kind: int, found: Behaviour) -> list[Record]:
        data = found.get({A: "A", AAAA: "AAAA", TXT: "TXT"}.get(kind, ""), [])
        if kind == A and "rotate" in found:
            data = [*self._turn(name, **found["rotate"]), *data]
        return [Record(name, kind, found.get("ttl", _TTL), each) for each in data]

    def _turn(self, name: str, net: str, n: int, per: int) -> list[str]:
        start = self._turns.get(name, 0)
        self._turns[name] = start + per
        first = ipaddress.ip_address(net) + 1
        return [str(first + (start + number) % n) for number in range(per)]


def _bulk(letter: str, number: int) -> Behaviour:
    """``d7.bulk.test`` has one address (every other also one of IPv6), ``m7.bulk.test`` eight."""
    if letter == "m":
        return {"A": [bulk4(number * _MANY + each) for each in range(_MANY)], "ttl": 60}
    return {"A": [bulk4(number)], "AAAA": [bulk6(number)] if number % 2 else [], "ttl": 60}
