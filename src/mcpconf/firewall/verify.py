"""``mcpconf-fw verify``: proves from inside that what is listed opens and nothing else does.

Every try is made as the user who is shut in, never as root, to whom a few more rules apply.
"""

from __future__ import annotations

import os
import re
import sys
import time
from functools import partial
from typing import NamedTuple

from mcpconf.firewall.dns import resolver_pid, resolver_ports
from mcpconf.firewall.engines import gate_pid
from mcpconf.firewall.look import has_ipv6
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.probes import NO_ROUTE, OPEN, REFUSED, Tries, apart, say, try_tcp
from mcpconf.firewall.run import complain
from mcpconf.firewall.state import State, load_state, policy_in_force, read_file
from mcpconf.firewall.tables import tables_now
from mcpconf.firewall.trials import (
    HOLE,
    NOT_APPLICABLE,
    OK,
    SHUT,
    Trial,
    addresses_of,
    also_tried,
    gate_tried,
    names_tried,
    packets_tried,
    resolvers_tried,
)
from mcpconf.firewall.words import UsageError, plain, put, put_json, read_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VERIFY_USAGE = "usage: mcpconf-fw verify [--format text|json]\n"

_ALL = 5.0  # seconds
_MOST_ROWS = 12  # listed names that are tried at once
_NOBODY_UID = 65534
_GOOD_PORTS = (443, 80)
_BASIC = 4  # the family without which nothing works
_NONE_THERE = {"no-address", NO_ROUTE}
_NOTHING = "did not come back in time"


class Proof(NamedTuple):
    """What one try proves: ``result`` is OK, HOLE, SHUT (listed, and does not open) or ``--``."""

    name: str
    result: str
    text: str


def verify_command(words: Sequence[str], paths: Paths) -> int:
    """Run the command; returns the exit code: 0 proven, 1 not."""
    try:
        asked = read_words(words, frozenset())
    except UsageError:
        sys.stderr.write(VERIFY_USAGE)
        return 2
    if os.geteuid():
        complain("only root may verify", "run it with sudo; it tries as the user who called")
        return 4
    state, policy = load_state(paths), policy_in_force(paths)
    if state is None or policy is None:
        complain("the firewall is not in force", "put it into force: mcpconf-fw apply")
        return 1
    proofs = proven(state, policy, paths)
    sound = all(proof.result in {OK, NOT_APPLICABLE} for proof in proofs)
    if asked.json:
        checks = [proof._asdict() for proof in proofs]
        put_json({"version": 1, "ok": sound, "checks": checks})
    else:
        width = max(len(proof.name) for proof in proofs)
        put("".join(f"{p.result:4}  {p.name:{width}}  {p.text}\n" for p in proofs))
    return 0 if sound else 1


def proven(state: State, policy: Policy, paths: Paths) -> list[Proof]:
    """Try everything at once."""
    ipv6 = has_ipv6()
    tries = [*names_tried(), *resolvers_tried(ipv6=ipv6), *packets_tried(state, ipv6=ipv6)]
    listed = [*_listed_tried(policy, state)]
    if state.mode == "strict":
        tries += gate_tried(policy)
    before = tables_now(state).refused
    jobs = [*(one.job for one in tries), *(row.job for row in listed)]
    began, uid = time.time(), _uid(paths)
    said = apart(jobs, uid, _ALL)
    Tries(paths.run).write(began, uid, also_tried(state))
    proofs = [Proof(t.name, *_judged(t, word)) for t, word in zip(tries, said)]  # noqa: B905
    proofs += _opened(listed, said[len(tries) :], ipv6=ipv6)
    refused = sum(1 for word in said[: len(tries)] if word == REFUSED)
    return [*proofs, _counted(before, tables_now(state).refused, refused)]


def _judged(one: Trial, word: str) -> tuple[str, str]:
    return one.judge(word) if word else (HOLE, f"the try {_NOTHING}")


def _uid(paths: Paths) -> int:
    """Who called through sudo; nobody where that is root or an engine."""
    called = os.environ.get("SUDO_UID", "")
    uid = int(called) if re.fullmatch(r"[1-9][0-9]{0,8}", called, re.ASCII) else _NOBODY_UID
    pids = [gate_pid(paths), *(resolver_pid(paths, port) for port in resolver_ports(paths))]
    engines = [
        re.search(r"^Uid:\s+(\d+)", read_file(f"/proc/{pid}/status"), re.MULTILINE)
        for pid in pids
        if pid
    ]
    return _NOBODY_UID if str(uid) in {found[1] for found in engines if found} else uid


class _Listed(NamedTuple):
    """A row that is tried; ``family`` 4 or 6."""

    host: str
    port: int
    family: int
    job: Callable[[], str]


def _listed_tried(policy: Policy, state: State) -> Iterator[_Listed]:
    """Some rows, those on usual ports first, spread over the list."""
    rows = [(row.domain.name, row.port) for row in policy.names if not row.domain.wild]
    rows.sort(key=lambda row: row[1] not in _GOOD_PORTS)
    usual = [row for row in rows if row[1] in _GOOD_PORTS] or rows
    step = max(1, len(usual) // _MOST_ROWS)
    for host, port in usual[::step][:_MOST_ROWS]:
        for family in (4, 6):
            yield _Listed(
                host, port, family, partial(_does_open, host, port, family, state.mode == "strict")
            )
    if not rows:
        for row in policy.static[:_MOST_ROWS]:
            address = str(row.network.network_address)
            if row.network.prefixlen == row.network.max_prefixlen:
                yield _Listed(
                    address, row.port, row.network.version, partial(try_tcp, address, row.port, 3.0)
                )


def _does_open(host: str, port: int, family: int, strict: bool) -> str:  # noqa: FBT001
    """Resolve and connect; in strict mode the far end has to speak: the gate takes everything."""
    addresses = addresses_of(host, "A" if family == 4 else "AAAA")  # noqa: PLR2004
    if not addresses:
        return "no-address"
    if strict and port in _GOOD_PORTS:
        word = say(addresses[0], port, host)
        spoke = word.startswith("answer:") and word != "answer:" and " 503 " not in word[:20]
        return OPEN if spoke else word.partition(":")[0]
    return try_tcp(addresses[0], port, 3.0)


def _opened(listed: list[_Listed], said: list[str], *, ipv6: bool) -> Iterator[Proof]:
    """One row that opens is enough for a family; if none does, that is said with the names."""
    for family in (4, 6) if ipv6 else (4,):
        name = f"listed-ipv{family}"
        words = [(row, word) for row, word in zip(listed, said) if row.family == family]  # noqa: B905
        good = next((row for row, word in words if word == OPEN), None)
        if good is not None:
            yield Proof(name, OK, f"{plain(good.host)}:{good.port} opens")
        elif not words or (family != _BASIC and {word for _, word in words} <= _NONE_THERE):
            text = f"no listed name that was tried is reached by IPv{family}"
            yield Proof(name, NOT_APPLICABLE, text)
        else:
            tried = ", ".join(
                f"{plain(row.host)}:{row.port} ({word or _NOTHING})" for row, word in words
            )
            yield Proof(name, SHUT, f"none of these opens: {tried}")


def _counted(before: int, after: int, refused: int) -> Proof:
    if before < 0:
        return Proof("counters", NOT_APPLICABLE, "the rules do not count")
    if after - before >= refused:
        return Proof("counters", OK, f"the rules counted {after - before} refused packets")
    text = f"the rules counted {after - before} refused packets, and {refused} tries were refused"
    return Proof("counters", HOLE, text)
