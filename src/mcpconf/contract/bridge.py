"""``bridge.json``: where the bridge in the container finds the gateway, and what it says there.

``token`` is the project's own credential.  It opens the routes of this one project on this one
gateway and nothing else, and is the one secret that is meant to be in the container.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.contract.egress import GatewayAddress
from mcpconf.contract.shape import VERSION, ContractError, document, dump, is_a
from mcpconf.model import Text

_ID = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_LONGEST_ID = 40
_PORTS = range(1, 65536)


class Bridge(NamedTuple):
    """The way from a container to the gateway.

    ``project`` is the first part of the path there, ``/PROJECT/SERVER/mcp``.  ``socket`` is the
    path of a Unix socket inside the container, which then is used instead of ``gateway``.
    """

    project: str
    token: Text
    gateway: GatewayAddress
    socket: str | None = None


def dump_bridge(bridge: Bridge) -> str:
    """``bridge.json`` as text."""
    return dump(
        {
            "version": VERSION,
            "project": bridge.project,
            "token": bridge.token.reveal(),
            "gateway": {"host": bridge.gateway.host, "port": bridge.gateway.port},
            "socket": bridge.socket,
        }
    )


def load_bridge(text: str) -> Bridge:
    """Read ``bridge.json``.

    Raises:
        ContractError: it is not JSON, of another version, or has another shape.

    """
    found = document(text)
    try:
        gateway = is_a(dict, found["gateway"])
        socket = found["socket"]
        bridge = Bridge(
            is_a(str, found["project"]),
            Text(is_a(str, found["token"])),
            GatewayAddress(is_a(str, gateway["host"]), is_a(int, gateway["port"])),
            None if socket is None else is_a(str, socket),
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"bridge.json has another shape: {error}") from None
    fault = _fault(bridge)
    if fault:
        raise ContractError(f"bridge.json has another shape: {fault}")
    return bridge


def _fault(bridge: Bridge) -> str:
    """What keeps the values from standing in a path, a header and an address; "" if nothing."""
    if not 0 < len(bridge.project) <= _LONGEST_ID or not _ID.issuperset(bridge.project):
        return "`project` is not an id"
    if not is_token(bridge.token.reveal()):
        return "`token` is not a token"
    host = bridge.gateway.host
    if not host or not all(c.isascii() and (c.isalnum() or c in ".-_:[]") for c in host):
        return "`gateway` has no host"
    if bridge.gateway.port not in _PORTS:
        return "`gateway` has no port"
    return "" if bridge.socket is None or bridge.socket.startswith("/") else "`socket` is no path"


def is_token(text: str) -> bool:
    """Whether a text is what the gateway takes for a token: url-safe, and too long to guess."""
    plain = all(c.isascii() and (c.isalnum() or c in "-_") for c in text)
    return 32 <= len(text) <= 128 and plain  # noqa: PLR2004
