"""Where the gateway listens: loopback, Docker's own bridge, what the user names.  Never everywhere.

Containers know the host as ``host.docker.internal``.  On Linux that is the address of Docker's
bridge (``docker0``, with ``--add-host …:host-gateway``); Docker Desktop and OrbStack lead it to the
host's loopback.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import GATEWAY, GatewayAddress
from mcpconf.errors import Failure, Usage
from mcpconf.gateway.options import Address
from mcpconf.readers.listen import ListenAddress, read_listen
from mcpconf.readers.places import Places

LOOPBACK = "127.0.0.1"
_BRIDGE = "docker0"
_SIOCGIFADDR = 0x8915  # netdevice(7)


class Wanted(NamedTuple):
    """What the user's mcpconf.toml says about the gateway: where containers reach it, and more."""

    reached: GatewayAddress = GATEWAY
    listen: tuple[ListenAddress, ...] = ()


def known_as(wanted: Wanted) -> tuple[str, ...]:
    """The names under which containers reach the gateway."""
    return tuple(dict.fromkeys((GATEWAY.host, "mcpconf-gateway", wanted.reached.host)))


def addresses(wanted: Wanted, bridge: str = _BRIDGE) -> tuple[Address, ...]:
    """Every address, each once."""
    return tuple(dict.fromkeys(_addresses(wanted, bridge)))


def not_listened_on(places: Places, listening: Sequence[str]) -> tuple[str, ...]:
    """What a gateway that started now would listen on, and the one that runs does not.

    The user's mcpconf.toml has changed since, or Docker has come.  One that is broken says nothing.
    """
    with suppress(Failure):
        return tuple(a for a in map(str, addresses(wanted(places))) if a not in listening)
    return ()


def _addresses(wanted: Wanted, bridge: str) -> Iterator[Address]:
    port = wanted.reached.port
    yield Address(LOOPBACK, port)
    docker = address_of(bridge)
    if docker:
        yield Address(docker, port)
    for named in wanted.listen:
        yield Address(named.host, named.port or port)


def address_of(interface: str) -> str:
    """The IPv4 address of an interface; "" where there is none of that name (netdevice(7))."""
    if sys.platform != "linux":
        return ""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asked = struct.pack("256s", interface.encode()[:15])
            return socket.inet_ntoa(fcntl.ioctl(asking, _SIOCGIFADDR, asked)[20:24])
    except OSError:
        return ""


def wanted(places: Places) -> Wanted:
    """What the user's own policy says; a project's has no say in where the gateway listens.

    Raises:
        Failure: it is broken; a gateway that half understood it is worse than none.

    """
    if not os.path.lexists(places.policy):
        return Wanted()
    from mcpconf.readers.policy import gateway_address, read_policy  # noqa: PLC0415  30 ms
    from mcpconf.readers.world import read  # noqa: PLC0415

    policy, findings = read_policy(read(places.policy), None, "", str(places.policy))
    wrong = next((f for f in findings if f.rule.blocks or f.code == "MC087"), None)
    if wrong is not None:
        raise Failure(
            wrong.message,
            note=f"the gateway does not start; the line is in {places.policy}",
            help="; ".join(wrong.help),
        )
    return Wanted(gateway_address(policy, GATEWAY), policy.gateway_listen)


class Asked(NamedTuple):
    """What ``--listen`` and ``--port`` ask for."""

    addresses: tuple[Address, ...] = ()
    socket: Path | None = None


def asked(listen: Sequence[str], ports: Sequence[int]) -> Asked:
    """Read the words; ``unix:PATH`` is a socket for this user alone."""
    paths = [_socket(text) for text in listen if text.startswith("unix:")]
    found = tuple(_asked(text) for text in listen if not text.startswith("unix:"))
    every = dict.fromkeys((*found, *(Address(LOOPBACK, port) for port in ports)))
    return Asked(tuple(every), paths[-1] if paths else None)


def _socket(text: str) -> Path:
    """The path, free to bind: a socket that nobody answers any more is removed."""
    path = Path(text.removeprefix("unix:"))
    if not path.is_absolute():
        raise Usage(f"--listen {text!a} is not an absolute path", help="unix:/path/to/socket")
    with suppress(OSError):  # binding will say what is in the way
        if stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
            path.unlink()
    return path


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _asked(text: str) -> Address:
    address: ListenAddress | None = read_listen(text)
    if address is None:
        raise Usage(f"--listen {text!a} is not an address", help="for example 127.0.0.1:8811")
    if address.everywhere:
        raise Usage(
            f"--listen {text!a} is every network this machine is in",
            help="name the one address that the containers reach",
        )
    return Address(address.host, GATEWAY.port if address.port is None else address.port)
