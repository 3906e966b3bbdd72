"""What a container's firewall refused, as hosts that the user may open.

The list comes out of the container, so every word of it was chosen by whoever is shut in.  A host
leaves here only through the readers that mcpconf.toml's own rows go through, and what they refuse
is told with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mcpconf.contract import EgressRow
from mcpconf.firewall.wayout import REASONS
from mcpconf.hosts import Destination, parse_destination
from mcpconf.names import Problem, looks_alike, quote
from mcpconf.peers import parse_peer
from mcpconf.plan.egress import covers

MOST = 2_000  # rows of a list that are looked at
_MOST_CANDIDATES = 4
_LATEST = 1e11  # seconds; a time beyond is none
_GUESS = 443
_QUIC = ("udp", 443)  # HTTP/3, which goes on over TCP
_MACHINE = (
    "it is the machine that the container runs on, or its router: "
    "what listens there is reached through the gateway"
)
_OPENABLE = frozenset(
    {"name", "port", "address", "subdomain", "record", "protocol", "peer", "gate-name"}
)
"""The reasons (``firewall/wayout.py``) that a row of mcpconf.toml takes away."""


class Attempt(NamedTuple):
    """One refused destination: names it may have had (several: one of them), or its address.

    ``port`` 0: the resolver refused a question (``protocol`` is ``dns``), and no port is known.
    ``address`` is where it went, "" where that is not known.
    """

    hosts: tuple[str, ...]
    port: int
    protocol: str
    reason: str
    tries: int
    last: float
    address: str = ""


class Choice(NamedTuple):
    """Something that can be opened.  ``note`` says what to look at before."""

    host: str
    port: int
    peer: bool
    tries: int
    last: float
    note: str = ""

    @property
    def place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Dropped(NamedTuple):
    """Something that is not for choosing, and why."""

    place: str
    why: str


class Picked(NamedTuple):
    """What is to be opened, and what else was blocked at the same hosts."""

    found: list[Choice]
    left: list[Choice]


class NotBlockedError(ValueError):
    """A word, the only argument, names nothing that was blocked."""


class NoPortError(ValueError):
    """A word names a host without a port, and no port goes without saying; ``places`` are them."""

    def __init__(self, word: str, places: Sequence[str]) -> None:
        super().__init__(word)
        self.places = places


class OtherListError(ValueError):
    """The text is not such a list."""


def read_attempts(text: str) -> list[Attempt]:
    """Read what ``mcpconf-fw blocked --format json`` prints.  Raises OtherListError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise OtherListError("it is not JSON") from None
    rows = document.get("blocked") if isinstance(document, dict) else None
    if not isinstance(rows, list) or document.get("version") != 1:
        raise OtherListError("it is no list of blocked attempts, version 1")
    return [found for row in rows[:MOST] if (found := _attempt(row)) is not None]


def _attempt(row: object) -> Attempt | None:
    if not isinstance(row, dict):
        return None
    name, address, port = row.get("name"), row.get("address"), row.get("port")
    listed = row.get("candidates")
    candidates = [c for c in listed if isinstance(c, str)] if isinstance(listed, list) else []
    hosts: list[object] = [name] if name else [*candidates[:_MOST_CANDIDATES]] or [address]
    texts = tuple(h for h in hosts if isinstance(h, str) and h)
    port = 0 if port is None else port
    if not texts or not isinstance(port, int) or port not in range(65536) or isinstance(port, bool):
        return None
    count, last = _number(row, "count"), _number(row, "last")
    return Attempt(
        texts,
        port,
        str(row.get("protocol")),
        str(row.get("reason")),
        int(min(count, _LATEST)),
        last,
        address if isinstance(address, str) else "",
    )


def _number(row: Mapping[str, Any], key: str) -> float:
    value = row.get(key)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value < _LATEST else 0.0  # type: ignore[arg-type,operator]


def choices(
    attempts: Iterable[Attempt],
    rows: Sequence[EgressRow],
    is_machine: Callable[[str], bool] = lambda _: False,
) -> tuple[list[Choice], list[Dropped]]:
    """What of it can be opened, the most frequent first; and what cannot, each once.

    ``rows`` are those of the plan: what they cover is open already.  ``is_machine`` says whether
    an address is that of the machine below the container, or a router's.
    """
    found: dict[tuple[str, int, bool], Choice] = {}
    dropped: dict[Dropped, None] = {}
    for attempt in attempts:
        for one in _choices(attempt, rows, is_machine):
            if isinstance(one, Dropped):
                dropped[one] = None
                continue
            key = (one.host, one.port, one.peer)
            before = found.get(key)
            found[key] = one if before is None else _together(before, one)
    ordered = sorted(found.values(), key=lambda c: (-c.tries, -c.last, c.host, c.port))
    return ordered, list(dropped)


def _together(before: Choice, one: Choice) -> Choice:
    last, note = max(before.last, one.last), min(before.note, one.note, key=len)
    return before._replace(tries=before.tries + one.tries, last=last, note=note)


def _choices(
    attempt: Attempt, rows: Sequence[EgressRow], is_machine: Callable[[str], bool]
) -> Iterator[Choice | Dropped]:
    port = attempt.port or (_GUESS if attempt.protocol == "dns" else 0)
    for text in attempt.hosts:
        place = f"{quote(text)} on port {port}" if port else quote(text)
        if attempt.reason not in _OPENABLE:
            yield Dropped(place, REASONS.get(attempt.reason, "the firewall does not say why"))
            continue
        if (attempt.protocol, port) not in {("tcp", port), ("dns", port), _QUIC} or not port:
            yield Dropped(place, f"it is {quote(attempt.protocol, 20)}, and only TCP can be opened")
            continue
        destination = _read(text)
        if isinstance(destination, Problem):
            yield Dropped(place, f"it cannot be opened, because {destination.message}")
        elif destination.form == "peer" and _is_below(destination.host, attempt, is_machine):
            yield Dropped(place, _MACHINE)
        elif _is_open(destination, port, rows):
            yield Dropped(place, "it is open in the plan; `mcpconf sync` may be due")
        else:
            yield _choice(attempt, destination, port)


def _read(text: str) -> Destination | Problem:
    """A host of the outside world, else one beside the container; the first one's problem."""
    far = parse_destination(text)
    if isinstance(far, Destination):
        only = far.form in ("name", "address")
        return far if only else Problem(f"{quote(text)} is no single host")
    near = parse_peer(text)
    return far if isinstance(near, Problem) else near


def _is_below(host: str, attempt: Attempt, is_machine: Callable[[str], bool]) -> bool:
    near = [parse_peer(address) for address in (host, attempt.address) if address]
    return any(is_machine(one.host) for one in near if isinstance(one, Destination))


def _is_open(wanted: Destination, port: int, rows: Sequence[EgressRow]) -> bool:
    near = wanted.form == "peer"
    for row in rows:
        if row.port != port or (row.form == "peer") is not near:
            continue
        if near:
            covered = row.host == wanted.host
        else:
            opened = parse_destination(row.host)
            covered = isinstance(opened, Destination) and covers(opened, wanted.host)
        if covered:
            return True
    return False


def _choice(attempt: Attempt, wanted: Destination, port: int) -> Choice:
    notes = [] if attempt.port else ["only its name was asked for, so the port is a guess"]
    if wanted.form == "peer":
        numbered = ":" in wanted.host or wanted.host[-1].isdigit()
        better = ", better named than by its address" if numbered else ""
        notes.append(f"a host beside the container{better}")
    written = looks_alike(wanted.host)
    if written:
        notes.append(f"it is {quote(written)} in letters outside ASCII")
    if len(attempt.hosts) > 1:
        notes.append(f"or another of {len(attempt.hosts)} names")
    return Choice(
        wanted.host,
        port,
        wanted.form == "peer",
        attempt.tries,
        attempt.last,
        "; ".join(notes),
    )


def chosen(answer: str, offered: Sequence[Choice]) -> list[Choice] | None:
    """Read an answer such as ``1,3`` or ``all``; None where it is neither."""
    words = answer.replace(",", " ").split()
    if words in (["all"], ["none"]):
        return [*offered] if words == ["all"] else []
    numbers = [int(w) for w in words if w.isascii() and w.isdigit() and len(w) < 6]  # noqa: PLR2004
    if len(numbers) != len(words) or any(not 0 < n <= len(offered) for n in numbers):
        return None
    return [offered[number - 1] for number in dict.fromkeys(numbers)]


def picked(words: Sequence[str], offered: Sequence[Choice]) -> Picked:
    """Find what was named, as ``HOST:PORT`` or as ``HOST``, which is what `allow HOST` opens: 443.

    Which ports were tried was chosen inside, so no other one goes without being named.  Raises
    NotBlockedError, NoPortError.
    """
    found: dict[Choice, None] = {}
    left: dict[Choice, None] = {}
    for word in words:
        plain = word.lower().rstrip(".")
        at_host = [c for c in offered if c.host == plain]
        named = [c for c in offered if c.place == plain]
        named = named or [c for c in at_host if c.port == _GUESS and not c.peer]
        if not named and not at_host:
            raise NotBlockedError(word)
        if not named:
            raise NoPortError(word, [c.place for c in at_host])
        found |= dict.fromkeys(named)
        left |= dict.fromkeys(at_host)
    return Picked([*found], [c for c in left if c not in found])
