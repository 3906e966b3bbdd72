"""Why an attempt was refused, in words, and what opens it, if anything may.

What is to be typed is typed on the host, outside of the container; it is offered only for what
``mcpconf allow`` there takes.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.firewall.attempts import Attempt
from mcpconf.firewall.listed import Listed
from mcpconf.firewall.tokens import (
    Domain,
    Entry,
    Refusal,
    fault_of_network,
    read_entry,
    read_network,
    read_peer,
)
from mcpconf.locality import METADATA, NAMES, local_reason, reserved_reason, special_range

REASONS = {
    "name": "the name is not listed",
    "port": "it is not listed for this port",
    "protocol": "it is listed, and only TCP is opened",
    "address": "the address is not listed",
    "expired": "it is listed, and its address has left the set since its name was asked for",
    "resolver": "names are asked of the container's own resolver only",
    "subdomain": "a name above it is listed, which does not open the names below",
    "record": "such records of a name that is not listed are not answered",
    "rebind": "the name is listed, and a private address was answered for it",
    "peer": "it is an address of the container's own networks, and is not listed",
    "metadata": f"it is {METADATA}",
    "reserved": "nobody on the internet has this address",
    "sinkhole": "it went to the address of unlisted names, and no name was asked for",
    "elsewhere": "a listed name was asked for at an address that it does not have",
    "cut": "it was open before, and what is listed now does not open it",
    "gate-name": "the name inside TLS or HTTP is not listed",
    "gate-none": "it says no name (SNI, Host), or several",
    "gate-form": "it is neither TLS on 443 nor a plain HTTP request on 80",
    "gate-again": "the server wants another first message of TLS, which could say another name",
    "gate-loop": "it leads back into this container",
    "gate-lost": "the name is listed and does not resolve",
}

_BY_NAME = frozenset({"name", "port", "subdomain", "record", "gate-name"})
_HELPS = {
    "protocol": "HTTP/3 clients go on over TCP by themselves",
    "resolver": "use the resolver of /etc/resolv.conf",
    "expired": "ask for the name again; `grace` in mcpconf.toml says how long addresses stay open",
    "rebind": "a host beside the container is a peer: mcpconf allow --peer NAME --port PORT",
    "gate-none": "strict mode opens only what names its host",
    "gate-form": "strict mode opens only TLS on 443 and HTTP on 80",
    "gate-again": "let the client begin with a key that the server takes (HelloRetryRequest)",
    "gate-lost": "ask the resolver: getent ahosts NAME",
}
_NOW = "it is listed by now: try again"
_ONLY_TCP = "only TCP can be opened"
_PEERS = ("a private address", "a shared address")
_GATEWAYS = "what listens on that machine is reached through the gateway"
_TOO_MANY = 3  # candidates; more are no help
_QUIC = 443


class WayOut(NamedTuple):
    """What is to be typed on the host, each of it, and what is to be said; both may be empty."""

    commands: tuple[str, ...] = ()
    help: str = ""


def way_out(attempt: Attempt, listed: Listed) -> WayOut:
    """What opens an attempt."""
    if attempt.reason == "peer":
        return _way_to_peer(attempt)
    if attempt.reason in {"address", "port"} and not attempt.names:
        return _way_to_address(attempt)
    if attempt.reason not in _BY_NAME or len(attempt.names) > _TOO_MANY:
        return WayOut(help=_HELPS.get(attempt.reason, ""))
    if attempt.names and all(_is_open(name, attempt, listed) for name in attempt.names):
        return WayOut(help=_NOW)
    if not _is_tcp(attempt):
        return WayOut(help=_ONLY_TCP)
    tcp = attempt.protocol != "udp"
    ways = [_way_to_name(name, attempt.port, tcp=tcp) for name in attempt.names]
    commands = tuple(command for way in ways for command in way.commands)
    return WayOut(commands, "" if commands else next((way.help for way in ways if way.help), ""))


def _is_tcp(attempt: Attempt) -> bool:
    """Whether TCP would do: HTTP/3 is tried over UDP first."""
    quic = attempt.protocol == "udp" and attempt.port == _QUIC
    return quic or attempt.protocol in {"tcp", "dns"}


def _is_open(name: str, attempt: Attempt, listed: Listed) -> bool:
    ports = listed.ports_of(name)
    return attempt.port in ports if attempt.port else bool(ports)


def _way_to_name(name: str, port: int, *, tcp: bool = True) -> WayOut:
    """A name out in the world; else a service beside the container.

    The name was chosen by whoever is shut in, and the command is for a shell: what is not spelled
    as a name is in none.
    """
    if not local_reason(name):
        try:
            entry = read_entry(name)
        except Refusal:
            return WayOut()
        if entry != Entry(Domain(name)) or reserved_reason(name):
            return WayOut()
        return WayOut((_allow(name, port),))
    return _way_to_near_name(name, port) if tcp else WayOut(help=_ONLY_TCP)


def _way_to_near_name(name: str, port: int) -> WayOut:
    """A service beside the container; or the machine, or nothing at all."""
    labels = name.split(".")
    above = [".".join(labels[index:]) for index in range(len(labels))]
    why = next((NAMES[one] for one in above if one in NAMES), "")
    if why:
        return WayOut(help="" if why == METADATA else _GATEWAYS)
    try:
        named = read_peer(name) == Domain(name) and "localhost" not in above
    except Refusal:
        return WayOut()
    return _peer(name, port) if named else WayOut()


def _way_to_address(attempt: Attempt) -> WayOut:
    network = read_network(attempt.address)
    if network is None or fault_of_network(network):
        return WayOut()
    if not attempt.port or not _is_tcp(attempt):
        return WayOut(help=_ONLY_TCP)
    return WayOut((_allow(attempt.address, attempt.port),))


def _way_to_peer(attempt: Attempt) -> WayOut:
    if any(name in NAMES for name in attempt.names):
        return WayOut(help=_GATEWAYS)
    network = read_network(attempt.address)
    special = special_range(network) if network is not None else None
    if special is None or not special.because.startswith(_PEERS):
        return WayOut()
    if attempt.protocol != "tcp":
        return WayOut(help=_ONLY_TCP)
    name = attempt.names[-1] if attempt.names else ""
    return _way_to_near_name(name, attempt.port) if name else _peer(attempt.address, attempt.port)


def _peer(host: str, port: int) -> WayOut:
    if not port:
        return WayOut(help=f"mcpconf allow --peer {host} --port PORT")
    return WayOut((f"mcpconf allow --peer {host} --port {port}",))


def _allow(host: str, port: int) -> str:
    return f"mcpconf allow {host} --port {port or _QUIC}"
