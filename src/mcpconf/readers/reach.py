"""How a container reaches the gateway on the host: a table, decided from what was seen.

Two names are at hand in DDEV.  ``host.docker.internal`` is DDEV's own and follows its settings for
debuggers, so it may lead to Windows, or to another machine.  ``mcpconf-gateway:host-gateway`` is
ours, and asks the engine for the machine that it runs on, which is the wrong one where the engine
has a virtual machine or a network namespace of its own.  A project's ``gateway`` in the user's
mcpconf.toml beats both.  A dev container has the first one alone: its devcontainer.json is the
team's, and maps it to host-gateway on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.contract import GATEWAY, GatewayAddress

ALIAS = "mcpconf-gateway"
_LINE = f"{ALIAS}:host-gateway"


class Machine(NamedTuple):
    """What was seen of the machine on which mcpconf runs.

    ``engine`` is docker, desktop, orbstack, colima, rootless, podman or podman-rootless; ``ide``
    is DDEV's ``xdebug_ide_location``, which moves ``host.docker.internal``.
    """

    system: str = "linux"  # as sys.platform
    engine: str = "docker"
    wsl: bool = False
    cloud: bool = False  # Codespaces, or a dev container
    ide: str = ""


class Reach(NamedTuple):
    """Where a container finds the gateway, the ``extra_hosts`` for that, and why.

    ``doubt`` is what may be in the way, "" if nothing is known.
    """

    gateway: GatewayAddress
    extra_hosts: tuple[str, ...]
    why: str
    doubt: str = ""


class _Case(NamedTuple):
    name: str
    why: str
    doubt: str = ""


_CASES = {
    "cloud": _Case(ALIAS, "the engine runs on the machine on which mcpconf runs, in the cloud"),
    "colima": _Case(GATEWAY.host, "Colima: its virtual machine forwards this name to macOS"),
    "rootless": _Case(
        GATEWAY.host,
        "rootless Docker: this name leads to the host's loopback",
        "RootlessKit has to let containers reach the host's loopback",
    ),
    "podman-rootless": _Case(
        ALIAS,
        "rootless Podman gives host-gateway an address that leads here",
        "pasta leads to this machine's own address: add it to gateway_listen",
    ),
    "desktop-wsl": _Case(
        GATEWAY.host,
        "Docker Desktop beside WSL2: its own name for the host",
        "it leads to Windows, which has to forward the port to this distribution",
    ),
    "desktop": _Case(GATEWAY.host, "the engine's own name for the host"),
    "desktop-moved": _Case(ALIAS, "DDEV's xdebug_ide_location moves host.docker.internal"),
    "wsl": _Case(ALIAS, "Docker in this WSL2 distribution: DDEV's own name leads to Windows"),
    "here": _Case(ALIAS, "the engine runs on this machine"),
}


def reach(machine: Machine) -> Reach:
    """Decide."""
    case = _CASES[_case(machine)]
    if case.name == ALIAS:
        return Reach(GatewayAddress(ALIAS, GATEWAY.port), (_LINE,), case.why, case.doubt)
    moved = f"DDEV's xdebug_ide_location ({machine.ide}) leads {GATEWAY.host} elsewhere"
    return Reach(GATEWAY, (), case.why, moved if machine.ide else case.doubt)


# Where host-gateway is not this machine, and by what address containers know it there.
_ADDRESSES = {
    "colima": ("192.168.5.2", "Colima: host-gateway is its virtual machine, this address is macOS"),
    "rootless": ("10.0.2.2", "rootless Docker: this address leads to the host's loopback"),
}


def reach_from_devcontainer(machine: Machine) -> Reach:
    """Decide the same for a dev container; nothing of DDEV's counts there."""
    name = _case(machine._replace(ide=""))
    case = _CASES[name]
    if name in _ADDRESSES:
        address, why = _ADDRESSES[name]
        return Reach(GatewayAddress(address, GATEWAY.port), (), why, case.doubt)
    return Reach(GATEWAY, (), "devcontainer.json maps this name to the host", case.doubt)


def _case(machine: Machine) -> str:
    """The first that fits."""
    if machine.cloud:
        return "cloud"
    if machine.engine in ("colima", "rootless", "podman-rootless"):
        return machine.engine
    if machine.engine in ("desktop", "orbstack"):
        beside = "desktop-moved" if machine.ide else "desktop"
        return "desktop-wsl" if machine.wsl else beside
    return "wsl" if machine.wsl else "here"
