"""Which addresses the listed names have had: the resolver's log, folded into ``learned.json``.

A policy that takes names back has to know which addresses they had (``revoke.py``), and who reads
what was refused wants to see names.  The logs are exchanged when they have grown, so their answers
are kept here: ``{"version": 1, "file": INODE, "read": BYTES, "names": {NAME: [ADDRESS, …]}}``, what
was answered last comes last.  Only what the log has more than last time is read.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any, NamedTuple

from mcpconf.firewall.dns import resolver_pid, resolver_ports
from mcpconf.firewall.dnslog import ANSWER, DnsLog
from mcpconf.firewall.engines import recorder_pid
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import tell, wait_for
from mcpconf.firewall.state import read_file, write_file
from mcpconf.firewall.tokens import Domain, Refusal, read_peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_LEARNED = 50_000  # addresses; the ones that were answered longest ago go first
LARGEST = 4_000_000  # bytes of a log that is exchanged
_OVERLAP = 262_144  # bytes read again: answers come after their question (3,000 lines)
_MOST_READ = 16_000_000  # bytes of the newest log a call: a flood must not hold up a narrowing
_LETS_GO = 2.0  # seconds

Names = dict[str, tuple[str, ...]]


class Learned(NamedTuple):
    """What is known: names with their addresses, and how much of which log that holds."""

    names: Names
    file: int = 0
    read: int = 0


def known_names(paths: Paths) -> Names:
    """Every name with its addresses; what the logs have more is not kept: for who only reads."""
    return _folded(load_learned(paths), paths).names


def fold(paths: Paths) -> Names:
    """Read what the logs have more, keep it, and return every name with its addresses.

    Whoever calls it has the lock of the run directory.
    """
    before = load_learned(paths)
    after = _folded(before, paths)
    if after != before:
        document = {"version": 1, **after._asdict()}
        write_file(paths.learned, json.dumps(document, separators=(",", ":")) + "\n", 0o600)
    return after.names


def addresses_to_names(learned: Mapping[str, Iterable[str]]) -> Names:
    """The names that each address was given for; the one that was answered last comes last."""
    found: dict[str, list[str]] = {}
    for name, addresses in learned.items():
        for address in addresses:
            found.setdefault(address, []).append(name)
    return {address: tuple(names) for address, names in found.items()}


def load_learned(paths: Paths) -> Learned:
    """What was kept; nothing where the file is not there or is not whole."""
    try:
        found: Any = json.loads(read_file(paths.learned))
        names = {
            str(name): tuple(map(str, addresses)) for name, addresses in found["names"].items()
        }
        return Learned(names, int(found["file"]), int(found["read"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Learned({})


def _folded(before: Learned, paths: Paths) -> Learned:
    """Learn from the log that was read last time, if it is there, and from what came after."""
    names = before.names
    file = read = 0
    reached = before.file == 0
    for path in (f"{paths.dns_log}.1", paths.dns_log):
        mine = _inode(path) == before.file
        reached = reached or mine or path == paths.dns_log
        if reached:
            text, file, read = _log_text(path, before.read if mine else 0)
            names = merged(names, text) if text else names
    return Learned(names, file, read)


def merged(names: Names, text: str) -> Names:
    """Add the answers of a piece of the log.  Pure."""
    seen = {name: dict.fromkeys(addresses) for name, addresses in names.items()}
    for event in DnsLog().read(text):
        if event.kind == ANSWER and (event.name in seen or _is_name(event.name)):
            addresses = seen.pop(event.name, {})
            addresses.pop(event.what, None)
            addresses[event.what] = None
            seen[event.name] = addresses
    surplus = sum(map(len, seen.values())) - MOST_LEARNED
    while surplus > 0:
        name = next(iter(seen))
        kept = list(seen[name])[surplus:] if len(seen) == 1 else []
        surplus -= len(seen[name]) - len(kept)
        seen[name] = dict.fromkeys(kept)
        if not kept:
            del seen[name]
    return {name: tuple(addresses) for name, addresses in seen.items()}


def _is_name(text: str) -> bool:
    try:
        return isinstance(read_peer(text), Domain)
    except Refusal:
        return False


def _inode(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except OSError:
        return -1


def _log_text(path: str, start: int) -> tuple[str, int, int]:
    """A log from a place on, its inode, and how far it has been read: to the end of a line."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "", 0, 0
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        begin = max(0, min(start, status.st_size) - _OVERLAP, status.st_size - _MOST_READ)
        file.seek(begin)
        data = file.read(_MOST_READ + _OVERLAP)
    whole = data[: data.rfind(b"\n") + 1]
    if start == begin + len(whole):
        return "", status.st_ino, start  # nothing new
    return whole.decode("ascii", "backslashreplace"), status.st_ino, begin + len(whole)


def fold_and_rotate(paths: Paths, largest: int = LARGEST) -> None:
    """Fold, and exchange every log that has ``largest`` bytes or more.  Raises OSError.

    The new file is there, with its owner, before the engine is told: dnsmasq may not make one.
    What dnsmasq still writes into the old one is folded as well.
    """
    if _exchanged(paths.dns_log, largest):
        told = [pid for pid in (resolver_pid(paths, port) for port in resolver_ports(paths)) if pid]
        told = [pid for pid in told if tell(pid, signal.SIGUSR2)]
        wait_for(lambda: not any(_holds(pid, f"{paths.dns_log}.1") for pid in told), _LETS_GO)
    fold(paths)
    if _exchanged(paths.packets, largest):
        pid = recorder_pid(paths)
        if pid and tell(pid, signal.SIGHUP):
            wait_for(lambda: not _holds(pid, f"{paths.packets}.1"), _LETS_GO)
    if _size_of(paths.keeper_log) >= largest:  # the keeper appends
        os.truncate(paths.keeper_log, 0)


def _exchanged(path: str, largest: int) -> bool:
    """Put an empty file in the place of one that has grown."""
    if _size_of(path) < largest:
        return False
    status = os.stat(path, follow_symlinks=False)
    fresh = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(fresh, flags, 0o600)
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o777)
    finally:
        os.close(descriptor)
    previous = f"{path}.1"
    if os.path.lexists(previous):
        os.unlink(previous)
    os.link(path, previous)
    os.replace(fresh, path)
    return True


def _size_of(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except OSError:
        return 0


def _holds(pid: int, path: str) -> bool:
    """Tell whether a process has a file open."""
    inode = _inode(path)
    try:
        return any(
            os.stat(f"/proc/{pid}/fd/{number}").st_ino == inode
            for number in os.listdir(f"/proc/{pid}/fd")
        )
    except OSError:
        return False
