"""Where the gateway listens: a Unix socket for its user, and exactly the addresses it is told."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import resource
import socket
import sys
from pathlib import Path

from mcpconf.errors import Failure, Usage
from mcpconf.gateway.door import Door
from mcpconf.gateway.options import Address

_BACKLOG = 512
_MOST_FILES = 65536
_RESERVED = 1024  # descriptors for children and upstreams
_ANOTHER_PORT = (
    'end that program, or put `gateway = ":PORT"` with another port into '
    "~/.config/mcpconf/mcpconf.toml and run `mcpconf sync` (for `gateway run` alone: `--port N`)"
)


def raise_file_limit() -> tuple[int, int]:
    """Raise the limit of open files; returns the old soft limit and the new one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_connections(limit: int) -> int:
    """How many connections of clients fit below that limit of open files."""
    return max(64, limit - min(_RESERVED, limit // 2))


async def listen_tcp(door: Door, address: Address) -> asyncio.Server:
    """Listen on one address.

    Raises:
        Usage: it is no single address.
        Failure: it is in use, or not this machine's.

    """
    family = _family(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        return await asyncio.get_running_loop().create_server(
            door.protocol, sock=sock, backlog=_BACKLOG
        )
    except OSError as error:
        sock.close()
        raise _failure(address, error) from None


def _family(address: Address) -> socket.AddressFamily:
    try:
        ip = ipaddress.ip_address(address.host)
    except ValueError:
        raise Usage(
            f"`{address}` is not an IP address and a port", help="for example 127.0.0.1:8811"
        ) from None
    if ip.is_unspecified:
        raise Usage(
            f"the gateway does not listen on `{address}`: that is every network, and everybody on "
            "them could try tokens",
            help="name the address that containers reach, for example --listen 172.17.0.1:8811",
        )
    return socket.AF_INET6 if ip.version == 6 else socket.AF_INET  # noqa: PLR2004


def _failure(address: Address, error: OSError) -> Failure:
    if error.errno == errno.EADDRINUSE:
        holder = _holder(address.port)
        return Failure(
            f"{address} is in use by {holder or 'another program'}",
            note="the gateway was not started",
            help=_ANOTHER_PORT,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Failure(
            f"{address.host} is not an address of this machine",
            help="see `ip address` (Linux) or `ifconfig` (macOS), then `--listen ADDRESS:PORT`",
        )
    return Failure(f"{address} cannot be listened on: {error.strerror}")


def _holder(port: int) -> str:
    """The program that listens on a port, where this user may see that (Linux)."""
    if sys.platform != "linux":
        return ""
    inodes = {inode for name in ("tcp", "tcp6") for inode in _listening(name, port)}
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in wanted:
                    name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
                    return f"`{ascii(name)[1:-1]}` (process {pid})"
    return ""


def _listening(name: str, port: int) -> list[str]:
    with contextlib.suppress(OSError):
        rows = [row.split() for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
        return [r[9] for r in rows if r[3] == "0A" and r[1].endswith(f":{port:04X}")]
    return []


async def listen_unix(door: Door, path: Path) -> asyncio.Server:
    """Listen on a Unix socket that only this user may open.

    Raises:
        Failure: its directory cannot be used.

    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise Failure(f"{path} cannot be listened on: {error.strerror}") from None
    finally:
        os.umask(old)
    return await asyncio.get_running_loop().create_unix_server(
        door.protocol, sock=sock, backlog=_BACKLOG
    )
