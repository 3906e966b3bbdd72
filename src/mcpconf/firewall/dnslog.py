"""What the resolver's log says: which addresses names were given, and which questions it refused.

dnsmasq writes (``log-queries=extra``; src/log.c, src/cache.c ``_log_query``; 2.86 to 2.93)::

    Nov 25 19:01:59 dnsmasq[7]: 3 127.0.0.1/43526 query[A] www.example.com from 127.0.0.1
    Nov 25 19:01:59 dnsmasq[7]: 3 127.0.0.1/43526 reply www.example.com is <CNAME>
    Nov 25 19:01:59 dnsmasq[7]: 3 127.0.0.1/43526 reply edge.example.net is 45.66.77.20
    Nov 25 19:01:59 dnsmasq[7]: 4 127.0.0.1/50956 config sub.api.example.com is NXDOMAIN
    Nov 25 19:02:00 dnsmasq[7]: 5 127.0.0.1/39341 config error is REFUSED (EDE: not ready)
    Nov 25 19:02:00 dnsmasq[7]: possible DNS-rebind attack detected: inner.example.net

The number behind the process ties answers to their question; whoever asks over TCP has a process
of his own.  Names and the texts of TXT records are foreign, and a name may hold `` is `` and
`` from ``: an address counts only where the question was for one, and only for the name of the
question.  dnsmasq writes ``<name unprintable>`` for what could end a line or steer a terminal.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from mcpconf.firewall.site import SINK4, SINK6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER, SUNK, DENIED, REBIND = "answer", "sunk", "denied", "rebind"

_SINKS = frozenset({SINK4, SINK6})
_ADDRESSES = frozenset({"A", "AAAA"})
_MOST_OPEN = 4096  # questions whose answers may come; dnsmasq forwards 1,000 at once
_STAMP = r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}"
_LINE = re.compile(
    r"^(" + _STAMP + r") dnsmasq\[([0-9]{1,9})\]: (?:"
    r"(?:UDP |TCP )?([0-9]{1,10}) [0-9a-f.:]+/[0-9]+ (query\[|reply |cached |config )(.*)"
    r"|possible DNS-rebind attack detected: (.*))$",
    re.MULTILINE | re.ASCII,
)
_QUESTION = re.compile(r"([A-Za-z0-9=]{1,20})\] (.*) from [0-9a-f.:]+")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_QUARTER, _HALF_A_DAY, _YEAR = 900, 43_200, 31_557_600  # seconds


_Key = tuple[str, str]  # a process and its number for a question


class DnsEvent(NamedTuple):
    """Something about a question.

    ``kind``: ANSWER (``what`` is an address that the name has), SUNK (the name is not listed and
    got the sinkhole), DENIED (refused outright), REBIND (a private address was kept back); for
    SUNK and DENIED ``what`` is the type of the question.  ``time`` is Unix seconds, rounded down,
    or 0 where the log's clock is not known.  ``name`` is in lower case and may be any text.
    """

    kind: str
    time: float
    name: str
    what: str


class _Question(NamedTuple):
    name: str
    record: str


class DnsLog:
    """Reads a log piece by piece; questions wait for their answers in between."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Question] = {}
        self._chain: _Key | None = None  # whose chain of names the last line was about

    def read(self, text: str, written: float = 0.0) -> Iterator[DnsEvent]:
        """The events of the next whole lines; ``written``: when the last was (Unix seconds)."""
        last = _last_stamp(text) if written else ""
        stamps = _Stamps(last, written) if last else None
        for stamp, process, number, verb, said, attacked in _LINE.findall(text):
            when = stamps.read(stamp) if stamps else 0.0
            if number:
                yield from self._tied(when, (process, number), verb, said)
            else:
                yield self._attack(when, process, attacked)

    def _tied(self, when: float, key: _Key, verb: str, text: str) -> Iterator[DnsEvent]:
        if verb == "query[":
            asked = _QUESTION.fullmatch(text)
            if asked:
                self._open[key] = _Question(asked[2].lower(), asked[1])
                if len(self._open) > _MOST_OPEN:
                    del self._open[next(iter(self._open))]
            return
        said = text.rpartition(" is ")[2]
        self._chain = key if said == "<CNAME>" else None
        question = self._open.get(key)
        if question is not None:
            event = _event(verb == "config ", question, said)
            if event:
                yield DnsEvent(event[0], when, question.name, event[1])

    def _attack(self, when: float, process: str, name: str) -> DnsEvent:
        """The line has no number, and names the end of a chain, whose lines stand before it."""
        name = name.lower()
        asked = any(question.name == name for question in self._open.values())
        if not asked and self._chain and self._chain[0] == process and self._chain in self._open:
            name = self._open[self._chain].name
        return DnsEvent(REBIND, when, name, "")


def _event(ours: bool, question: _Question, said: str) -> tuple[str, str] | None:  # noqa: FBT001
    """What an answer means: kind and ``what``.  ``ours``: the resolver's own, not upstream's."""
    if said in _SINKS:
        return (SUNK, question.record) if ours else None
    if question.record in _ADDRESSES and not ours:
        return (ANSWER, said) if is_address(said) else None
    if ours and said.startswith(("NXDOMAIN", "NODATA", "REFUSED")):
        return DENIED, question.record
    return None


def _last_stamp(text: str) -> str:
    found = re.match(_STAMP, text[text.rstrip("\n").rfind("\n") + 1 :])
    return found[0] if found else ""


def is_address(text: str) -> bool:
    """Tell whether a text is an address; ``ipaddress`` would take ten times as long."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


class _Stamps:
    """Unix times of stamps without year and zone.

    The zone is the one that makes the last stamp the time at which the file was written; so it
    does not matter with which time zone the resolver was started.  Stamps before a change to or
    from summer time are off by an hour.
    """

    def __init__(self, last: str, written: float) -> None:
        self._known: dict[str, float] = {}
        self._year = 1970 + int(written / _YEAR)
        self._offset = 0.0
        near = min(
            (self._plain(last, self._year + d) for d in (-1, 0, 1)), key=lambda t: abs(t - written)
        )
        self._offset = round((written - near) / _QUARTER) * _QUARTER
        self._latest = near + self._offset + _HALF_A_DAY

    def read(self, stamp: str) -> float:
        found = self._known.get(stamp)
        if found is None:
            found = max(
                (
                    t
                    for t in (self._plain(stamp, self._year + d) + self._offset for d in (-1, 0, 1))
                    if t <= self._latest
                ),
                default=0.0,
            )
            self._known[stamp] = found
        return found

    @staticmethod
    def _plain(stamp: str, year: int) -> float:
        from calendar import timegm  # noqa: PLC0415  not needed by who applies

        try:
            month = _MONTHS.index(stamp[:3]) + 1
            day, clock = int(stamp[4:6]), [int(part) for part in stamp[7:].split(":")]
            return float(timegm((year, month, day, *clock[:3])))
        except (ValueError, IndexError, TypeError, OverflowError):
            return 0.0
