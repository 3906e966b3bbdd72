"""The addresses of the machine that a container runs on, and of the routers before it.

They look like those of hosts beside the container, and are none: a database of the machine's own
would be opened as if it were a service of the project's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress

from mcpconf.containers.program import files_of
from mcpconf.containers.running import Container
from mcpconf.errors import Failure
from mcpconf.locality import NAMES

ROUTES4, ROUTES6, HOSTS = "/proc/net/route", "/proc/net/ipv6_route", "/etc/hosts"

_NOBODYS = {4: "192.0.2.1", 6: "2001:db8::1"}  # RFC 5737, RFC 3849


def gateways_of(container: Container | None) -> frozenset[str]:
    """Those that a container's own files tell, or (None) this one's; none where it does not say."""
    paths = (ROUTES4, ROUTES6, HOSTS)
    if container is None:
        return frozenset(told({path: _text(path) for path in paths}))
    with suppress(Failure):
        return frozenset(told(files_of(container, paths)))
    return frozenset()


def _text(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def told(files: Mapping[str, str]) -> Iterator[str]:
    """The next hops of routes, and what has a name of the machine's; the kernel's files say it."""
    for line in files.get(ROUTES4, "").splitlines()[1:]:
        with suppress(ValueError, IndexError):
            raw = bytes.fromhex(line.split()[2])[::-1]
            if any(raw):
                yield socket.inet_ntop(socket.AF_INET, raw)
    for line in files.get(ROUTES6, "").splitlines():
        with suppress(ValueError, IndexError):
            raw = bytes.fromhex(line.split()[4])
            if any(raw):
                yield socket.inet_ntop(socket.AF_INET6, raw)
    for line in files.get(HOSTS, "").splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if any(name.lower() in NAMES for name in names):
            yield address


def is_own(address: str) -> bool:
    """Whether this machine has an address itself."""
    version = 6 if ":" in address else 4
    return _binds(address, version) and not _binds(_NOBODYS[version], version)


def _binds(address: str, version: int) -> bool:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True
