"""``apply`` and ``refresh``: one at a time, with what there is to say, and proven at the end."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from contextlib import contextmanager
from typing import NamedTuple

from mcpconf.firewall.change import change, planned
from mcpconf.firewall.dns import ResolverError, end_other_resolvers
from mcpconf.firewall.ending import end_engines
from mcpconf.firewall.engines import EngineError
from mcpconf.firewall.keeper import place_of
from mcpconf.firewall.look import RefusedError, look_for_tools, may_rule
from mcpconf.firewall.paths import POLICY, Paths
from mcpconf.firewall.policy import MOST_BYTES, Policy, PolicyError, read_policy_text
from mcpconf.firewall.run import complain
from mcpconf.firewall.state import State, load_state, save_state, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DONE, NOT_IN_FORCE, BROKEN = 0, 1, 4
_PROBE = ("192.0.2.1", 9)  # RFC 5737: nobody's; the packet filter refuses it at once
_AT_ONCE = 0.3  # seconds
_REFUSALS = (
    errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM,
)  # fmt: skip


class Read(NamedTuple):
    """The file that was read: its text, its policy; ``fault`` says why nothing of it holds."""

    text: str
    policy: Policy
    fault: str = ""


def put_in_force(policy_file: str, paths: Paths) -> int:
    """Put ``egress.json`` into force; returns the exit code.  What is to be said goes to stderr.

    Without a file it is the one in force, which nobody else changes meanwhile.
    """
    try:
        may_rule()
        _make_folder(paths)
        with _alone(paths):
            state = load_state(paths)
            return _put(policy_file or (state.policy if state else POLICY), paths, state)
    except (RefusedError, ResolverError, EngineError, OSError) as error:
        complain(str(error), *getattr(error, "helps", ()))
        complain("what was in force stays" if load_state(paths) else "the firewall is not in force")
        return BROKEN


def _make_folder(paths: Paths) -> None:
    """Our folder, and nobody else's.  Raises RefusedError, OSError."""
    os.makedirs(paths.run, 0o755, exist_ok=True)
    status = os.lstat(paths.run)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid or status.st_mode & 0o022:
        raise RefusedError(f"{paths.run} is not a folder of root's alone", f"remove {paths.run}")


@contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    import fcntl  # noqa: PLC0415

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(paths.lock, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _put(policy_file: str, paths: Paths, old: State | None) -> int:
    tools = look_for_tools()
    if old is None:
        _forget(paths)
    seen = place_of(policy_file)
    read = _read(policy_file, paths)
    if read.fault:
        complain(f"{policy_file} cannot be read: {read.fault}", "run `mcpconf sync` on the host")
        if old is not None:
            complain("what was in force stays")
            return BROKEN
        complain("everything stays closed")
    for notice in read.policy.notices:
        complain(f"{notice.place}: {notice.message}", *([notice.help] if notice.help else ()))
    state = change(planned(read.policy, tools, paths, old), policy_file, seen)
    write_file(paths.policy, read.text, 0o600)
    save_state(paths, state)
    os.unlink(paths.changing)
    return BROKEN if read.fault else _proven(state, read.policy)


def _read(policy_file: str, paths: Paths) -> Read:
    """Read the policy, and mark it as seen, so that the keeper does not come for it again."""
    empty = Read('{"version": 1, "mode": "default", "rows": []}', Policy())
    try:
        with open(policy_file, "rb") as file:
            status = os.fstat(file.fileno())
            write_file(paths.stamp, "")
            os.utime(paths.stamp, ns=(status.st_mtime_ns, status.st_mtime_ns))
            text = file.read(MOST_BYTES + 1).decode("utf-8", "replace")
        return Read(text, read_policy_text(text))
    except OSError as error:
        return empty._replace(fault=(error.strerror or str(error)).lower())
    except PolicyError as error:
        return empty._replace(fault=str(error))


def _forget(paths: Paths) -> None:
    """What an earlier start of this container left, or an apply that was killed."""
    end_engines(paths)
    for name in os.listdir(paths.run):
        path = os.path.join(paths.run, name)
        if path != paths.lock and not os.path.isdir(path):
            os.unlink(path)


def drained(paths: Paths) -> int:
    """End the resolver that has been exchanged."""
    with _alone(paths):
        state = load_state(paths)
        if state is not None:
            end_other_resolvers(paths, state.dns_port)
        if os.path.exists(paths.draining):
            os.unlink(paths.draining)
    return DONE


def _proven(state: State, policy: Policy) -> int:
    """Try it: what nobody allowed is refused at once."""
    with socket.socket() as one:
        one.settimeout(_AT_ONCE)
        code = one.connect_ex(_PROBE)
    if code in _REFUSALS:
        rows = (policy.names, policy.static, policy.near)
        counts = "{} names, {} addresses, {} hosts beside the container".format(*map(len, rows))
        sys.stdout.write(f"in force ({state.mode}): {counts}\n")
        return DONE
    complain(f"a connection to {_PROBE[0]} was not refused; the firewall does not hold")
    return NOT_IN_FORCE
