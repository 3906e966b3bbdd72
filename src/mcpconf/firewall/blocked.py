"""``mcpconf-fw blocked``: what was refused, why, and what opens it."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from typing import Any

from mcpconf.firewall.attempts import Attempt, Join, collected
from mcpconf.firewall.dnslog import DnsEvent, DnsLog
from mcpconf.firewall.engines import gate_pid
from mcpconf.firewall.gatelog import GateLine, Ring, read_gate_line
from mcpconf.firewall.learned import fold_and_rotate, load_learned
from mcpconf.firewall.listed import Listed
from mcpconf.firewall.look import HOSTS
from mcpconf.firewall.packets import Packet, read_packet
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.probes import PROBE_NAME, Tries, is_probe
from mcpconf.firewall.run import complain
from mcpconf.firewall.site import read_hosts
from mcpconf.firewall.state import load_state, policy_in_force, read_file
from mcpconf.firewall.sunk import WINDOW
from mcpconf.firewall.tails import Tail, history
from mcpconf.firewall.tokens import read_network
from mcpconf.firewall.wayout import REASONS, way_out
from mcpconf.firewall.words import (
    UsageError,
    Words,
    clock,
    plain,
    put,
    put_json,
    read_words,
    table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKED_USAGE = (
    "usage: mcpconf-fw blocked [HOST] [--follow] [--since SECONDS] [--format text|json]\n"
)

_INTERRUPTED = 130  # as shells say it
_MOST_SHOWN_AT_ONCE = 2_000  # attempts; the newest
_POLL = 0.25  # seconds
_SETTLED = 2.0  # seconds after a question without an attempt


def blocked_command(words: Sequence[str], paths: Paths) -> int:
    """Run the command; returns the exit code."""
    try:
        asked = read_words(words, frozenset({"--follow", "--since", "HOST"}))
    except UsageError:
        sys.stderr.write(BLOCKED_USAGE)
        return 2
    if os.geteuid():
        complain("only root reads what was refused", "run it with sudo")
        return 4
    state = load_state(paths)
    if state is None:
        complain("the firewall is not in force", "put it into force: mcpconf-fw apply")
        return 1
    record = Record(paths, follow=asked.follow)
    try:
        if asked.follow:
            _follow(record, asked)
        else:
            _print(
                _wanted(record.attempts(settled=time.time() - _SETTLED), asked),
                record.listed,
                asked,
            )
    except BrokenPipeError:
        _forget_output()
    except KeyboardInterrupt:
        return 0 if asked.follow else _INTERRUPTED
    finally:
        record.close()
    return 0


def fold_command(words: Sequence[str], paths: Paths) -> int:
    """Fold and exchange the logs; the keeper calls it.  Returns the exit code."""
    import fcntl  # noqa: PLC0415

    if words:
        return 2
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(paths.lock, flags, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)  # an apply waits for what its resolver writes into the log
        fold_and_rotate(paths)
        os.close(lock)
    except OSError as error:
        complain(f"the logs cannot be exchanged: {error.strerror or error}")
        return 4
    return 0


class Record:
    """Everything that was written down about what was refused, read as it grows."""

    def __init__(self, paths: Paths, *, follow: bool = False) -> None:
        self._paths = paths
        self._packets, self._log = Tail(paths.packets), Tail(paths.dns_log)
        self._ring = Ring(paths.gate_socket, follow=follow)
        self._dns = DnsLog()
        self._stamp = _changed(paths.policy)
        policy = policy_in_force(paths) or Policy()
        self._join = Join(policy, {**_hosts_names(), **load_learned(paths).names}, _gate_uid(paths))
        self._tries = Tries(paths.run)
        self._older = True

    @property
    def listed(self) -> Listed:
        return self._join.listed

    def attempts(self, settled: float) -> list[Attempt]:
        """The attempts since the last call; names without one if asked for before ``settled``."""
        stamp = _changed(self._paths.policy)
        if stamp != self._stamp:
            self._stamp = stamp
            self._join.listed = Listed(policy_in_force(self._paths) or Policy())
        packets, gate = self._new_packets(), self._new_lines()  # before the names they belong to
        found = self._join.feed(self._new_events(), packets, gate)
        found += self._join.untried(settled)
        return [attempt for attempt in found if not self._tries.has(*_try(attempt))]

    def close(self) -> None:
        self._packets.close()
        self._log.close()
        self._ring.close()

    def _new_packets(self) -> list[Packet]:
        text = self._packets.text()
        if self._older:
            text = history(f"{self._paths.packets}.1")[0] + text
        found = [packet for packet in map(read_packet, text.split("\n")) if packet]
        return [packet for packet in found if not is_probe(packet.address, packet.port)]

    def _new_lines(self) -> list[GateLine]:
        found = map(read_gate_line, self._ring.text().split("\n"))
        return [line for line in found if line and line.name != PROBE_NAME]

    def _new_events(self) -> list[DnsEvent]:
        found: list[DnsEvent] = []
        if self._older:
            self._older = False
            found += self._dns.read(*history(f"{self._paths.dns_log}.1"))
        text = self._log.text()
        found += self._dns.read(text, self._log.written)
        return [event for event in found if event.name != PROBE_NAME]


def _try(attempt: Attempt) -> tuple[float, int, str, int]:
    return attempt.first, attempt.uid, attempt.address, attempt.port


def _changed(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def _hosts_names() -> dict[str, tuple[str, ...]]:
    """The names that /etc/hosts gives to other machines, with their addresses."""
    found: dict[str, tuple[str, ...]] = {}
    for name, network in read_hosts(read_file(HOSTS)):
        if not network.network_address.is_loopback:
            found[name] = (*found.get(name, ()), str(network.network_address))
    return found


def _gate_uid(paths: Paths) -> int:
    pid = gate_pid(paths)
    found = (
        re.search(r"^Uid:\s+(\d+)", read_file(f"/proc/{pid}/status"), re.MULTILINE) if pid else None
    )
    return int(found[1]) if found and int(found[1]) else -1


def _wanted(attempts: list[Attempt], asked: Words) -> list[Attempt]:
    since = time.time() - asked.since if asked.since is not None else 0.0
    found = [attempt for attempt in attempts if attempt.last >= since]
    found = collected(a for a in found if not asked.host or _concerns(a, asked.host))
    return found[-_MOST_SHOWN_AT_ONCE:]


def _concerns(attempt: Attempt, host: str) -> bool:
    """Tell whether an attempt is about a name, a name below it, or an address."""
    network = read_network(host.strip("[]"))
    if network is not None:
        mine = read_network(attempt.address)
        return mine is not None and mine.version == network.version and mine.overlaps(network)
    return any(name == host or name.endswith(f".{host}") for name in attempt.names)


def _print(attempts: list[Attempt], listed: Listed, asked: Words) -> None:
    if asked.json:
        put_json({"version": 1, "blocked": [as_json(attempt, listed) for attempt in attempts]})
    elif not attempts:
        put(f"nothing was refused{' of ' + plain(asked.host) if asked.host else ''}\n")
    else:
        rows = [_cells(attempt, listed) for attempt in attempts]
        put(
            table(
                ("TIME", "WHERE TO", "HOW", "TIMES", "WHY, AND WHAT OPENS IT ON THE HOST"),
                rows,
                frozenset({3}),
            )
        )


def _follow(record: Record, asked: Words) -> None:
    """Print what comes, until nobody reads it any more."""
    shown_from = time.time() - (asked.since or 0.0)
    left = select.poll()
    left.register(sys.stdout.fileno(), 0)
    while not left.poll(0):
        attempts = record.attempts(time.time() - WINDOW)
        for attempt in _wanted(
            [a for a in attempts if a.last >= shown_from - 1], asked._replace(since=None)
        ):
            if asked.json:
                put_json(as_json(attempt, record.listed), indent=None)
            else:
                put("  ".join(_cells(attempt, record.listed)) + "\n")
        time.sleep(_POLL)


def _forget_output() -> None:
    """Nobody reads: what is still buffered goes nowhere, and without a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def as_json(attempt: Attempt, listed: Listed) -> dict[str, Any]:
    """An attempt as ``--format json`` prints it (docs/firewall.md)."""
    names = [plain(name) for name in attempt.names]
    way = way_out(attempt, listed)
    return {
        "first": round(attempt.first, 3),
        "last": round(attempt.last, 3),
        "name": names[0] if len(names) == 1 else None,
        "candidates": names if len(names) > 1 else [],
        "address": attempt.address or None,
        "port": attempt.port or None,
        "protocol": attempt.protocol,
        "record": attempt.record or None,
        "count": attempt.times,
        "uid": attempt.uid if attempt.uid >= 0 else None,
        "reason": attempt.reason,
        "because": REASONS[attempt.reason],
        "commands": list(way.commands),
        "help": way.help,
    }


def _cells(attempt: Attempt, listed: Listed) -> tuple[str, ...]:
    way = way_out(attempt, listed)
    more = " or ".join(way.commands) or way.help
    why = REASONS[attempt.reason] + (f"; {more}" if more else "")
    how = f"{attempt.protocol} {plain(attempt.record)}" if attempt.record else attempt.protocol
    return clock(attempt.last), where_to(attempt), how, f"{attempt.times}x", why


def where_to(attempt: Attempt) -> str:
    """``name:port``, with the address where there is one; several names where it may be either."""
    port = f":{attempt.port}" if attempt.port else ""
    address = f"[{attempt.address}]" if ":" in attempt.address and port else attempt.address
    if not attempt.names:
        return (address or "(no name)") + port
    names = " or ".join(plain(name) + port for name in attempt.names)
    return f"{names} ({attempt.address})" if address else names
