"""The resolver as a process: started, given a new list without a gap, exchanged without a gap.

A new list is a signal (SIGHUP); what the list was is what dnsmasq answers until it has read the
new one, and its log says when.  A configuration that differs takes a second process on the other
port; the rules then send questions there, and the first one, with the new list as well, still
answers whoever keeps a socket to it, until the keeper ends it.
"""

from __future__ import annotations

import os
import signal

from mcpconf.firewall.compile import Compiled
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import end, pid_of, tell, wait_for
from mcpconf.firewall.resolver import marker
from mcpconf.firewall.run import run
from mcpconf.firewall.site import DNS_PORTS, User
from mcpconf.firewall.state import read_file, write_file

DRAIN = 180  # seconds; a tracked UDP flow is forgotten after 120
_CONFIRMED_WITHIN = 3.0


class ResolverError(Exception):
    """The resolver does not run, or does not say that it has read its list."""


def other_port(port: int) -> int:
    """The port that a resolver does not have."""
    return DNS_PORTS[1 - DNS_PORTS.index(port)]


def runs_as(paths: Paths, port: int, config: str) -> bool:
    """Whether the resolver of a port runs with exactly this configuration."""
    return bool(resolver_pid(paths, port)) and read_file(conf_of(paths, port)) == config


def conf_of(paths: Paths, port: int) -> str:
    return f"{paths.dns_conf}.{port}"


def resolver_pid(paths: Paths, port: int) -> int:
    """The pid of the resolver on a port, or 0."""
    return pid_of(paths.dns_pid(port), f"--conf-file={conf_of(paths, port)}")


def end_resolver(paths: Paths, port: int) -> bool:
    """End the resolver on a port."""
    return end(paths.dns_pid(port), f"--conf-file={conf_of(paths, port)}")


def write_list(paths: Paths, compiled: Compiled) -> None:
    """Put the list of names where resolvers read it.  Raises OSError."""
    write_file(paths.dns_servers, compiled.dns_servers)


def start_resolver(paths: Paths, port: int, compiled: Compiled, user: User) -> None:
    """Start a resolver, and wait until it has its list.  Raises ResolverError."""
    end_resolver(paths, port)
    _own_log(paths, user)
    write_file(conf_of(paths, port), compiled.dns_config)
    before = _size(paths.dns_log)
    pid_file = paths.dns_pid(port)
    done = run(["dnsmasq", f"--conf-file={conf_of(paths, port)}", f"--pid-file={pid_file}"])
    if done.code:
        raise ResolverError(f"the resolver did not start: {done.words}")
    _confirmed(paths, compiled, before)


def reload_resolvers(paths: Paths, compiled: Compiled) -> None:
    """Give every resolver that runs its new list, and wait.  Raises ResolverError."""
    before = _size(paths.dns_log)
    told = [tell(pid, signal.SIGHUP) for pid in (resolver_pid(paths, p) for p in DNS_PORTS) if pid]
    if any(told):
        _confirmed(paths, compiled, before, sum(told))


def _confirmed(paths: Paths, compiled: Compiled, before: int, times: int = 1) -> None:
    sign = marker(compiled.generation).encode()

    def read() -> bool:
        with open(paths.dns_log, "rb") as file:
            file.seek(before if before <= os.fstat(file.fileno()).st_size else 0)
            return file.read().count(sign) >= times

    if not wait_for(read, _CONFIRMED_WITHIN):
        raise ResolverError("the resolver does not confirm that it has the list")


def _own_log(paths: Paths, user: User) -> None:
    """The resolver opens its log anew, as its own user, when the log is rotated."""
    import pwd  # noqa: PLC0415

    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(paths.dns_log, flags, 0o640)
    os.fchown(descriptor, user.uid, pwd.getpwuid(user.uid).pw_gid)
    os.close(descriptor)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
