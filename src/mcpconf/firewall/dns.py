"""The resolver as a process: started, given a new list without a gap, exchanged without a gap.

A new list is a signal (SIGHUP); what the list was is what dnsmasq answers until it has read the
new one, and its log says when.  A child that answers over TCP never reads it, so those end.  A
configuration that differs takes a second process on another port, one that nobody can foresee; the
rules then send questions there.  The first one, with the new list as well, still answers whoever
keeps a socket to it, until the keeper ends it; where something is taken back it ends at once, since
it would fill the sets as before, and flows to it are forgotten (``flows.py``).
"""

from __future__ import annotations

import os
import re
import signal
import socket

from mcpconf.firewall.compile import Compiled
from mcpconf.firewall.flows import forget_flows
from mcpconf.firewall.look import RESOLV
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import children_of, end, pid_of, tell, wait_for
from mcpconf.firewall.resolver import marker
from mcpconf.firewall.run import run
from mcpconf.firewall.site import User, rewritten_resolv
from mcpconf.firewall.state import read_file, write_file

_TRIES = 20
DRAIN = 180  # seconds; a tracked UDP flow is forgotten after 120
_CONFIRMED_WITHIN = 3.0


class ResolverError(Exception):
    """The resolver does not run, or does not say that it has read its list."""


def free_port() -> int:
    """A port of loopback that is free, for datagrams and for connections.  Raises OSError."""
    for _ in range(_TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as one:
            datagrams.bind(("127.0.0.1", 0))
            port = int(datagrams.getsockname()[1])
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port of loopback is free")


def resolver_ports(paths: Paths) -> list[int]:
    """The ports of all resolvers that were started, as their pid files tell."""
    try:
        names = os.listdir(paths.run)
    except OSError:
        return []
    found = (re.fullmatch(r"dns-([0-9]{1,5})\.pid", name) for name in names)
    return sorted(int(name[1]) for name in found if name)


def runs_as(paths: Paths, port: int, config: str) -> bool:
    """Whether the resolver of a port runs with exactly this configuration."""
    return bool(resolver_pid(paths, port)) and read_file(conf_of(paths, port)) == config


def conf_of(paths: Paths, port: int) -> str:
    return f"{paths.dns_conf}.{port}"


def resolver_pid(paths: Paths, port: int) -> int:
    """The pid of the resolver on a port, or 0."""
    return pid_of(paths.dns_pid(port), f"--conf-file={conf_of(paths, port)}")


def end_resolver(paths: Paths, port: int) -> bool:
    """End the resolver on a port, and the children that answer over TCP."""
    children = children_of(resolver_pid(paths, port))
    ended = end(paths.dns_pid(port), f"--conf-file={conf_of(paths, port)}")
    for child in children:
        tell(child, signal.SIGKILL)
    if os.path.exists(conf_of(paths, port)):
        os.unlink(conf_of(paths, port))
    return ended


def end_other_resolvers(paths: Paths, port: int) -> None:
    """End all resolvers but the one of a port, to which the rules send new questions."""
    others = [other for other in resolver_ports(paths) if other != port]
    forget_flows(others)
    for other in others:
        end_resolver(paths, other)


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
    """Give every resolver that runs its new list, and wait.

    One that does not say that it has it is ended: it would answer by the old one.
    """
    for port in resolver_ports(paths):
        pid = resolver_pid(paths, port)
        before = _size(paths.dns_log)
        if not pid or not tell(pid, signal.SIGHUP):
            continue
        try:
            _confirmed(paths, compiled, before)
        except ResolverError:
            end_resolver(paths, port)
        for child in children_of(pid):
            tell(child, signal.SIGKILL)


def _confirmed(paths: Paths, compiled: Compiled, before: int) -> None:
    sign = marker(compiled.generation).encode()

    def read() -> bool:
        with open(paths.dns_log, "rb") as file:
            file.seek(before if before <= os.fstat(file.fileno()).st_size else 0)
            return sign in file.read()

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


def point_to_us() -> str:
    """Let resolv.conf point to our resolver; in place, for engines mount this very file."""
    text = read_file(RESOLV)
    new = rewritten_resolv(text)
    if text == new:
        return ""
    try:
        with open(RESOLV, "r+b") as file:  # the new text holds the old one, so it is longer
            file.write(new.encode())
            file.truncate()
    except OSError as error:
        return f"{RESOLV} cannot be written ({error.strerror}), so questions are redirected only"
    return ""
