"""``egress.json``: what may leave the container, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from mcpconf.contract.shape import VERSION, ContractError, document, dump, is_a
from mcpconf.model import Json, ServerId


class Because(NamedTuple):
    """Why a row exists: the layer that wants it and the reason in words."""

    layer: str
    text: str


class EgressRow(NamedTuple):
    """One destination that may leave.

    ``form`` is name, wildcard, address, network or peer: a host on the container's own networks,
    by the name of its service or by its private address.
    """

    host: str
    port: int
    form: str
    servers: tuple[ServerId, ...] = ()
    because: tuple[Because, ...] = ()


class GatewayAddress(NamedTuple):
    """Where containers reach the gateway."""

    host: str
    port: int


GATEWAY = GatewayAddress("host.docker.internal", 8811)
"""Where it is unless the user's mcpconf.toml says otherwise."""

GRACE = 300
"""Seconds for which an address stays open after a name last answered with it."""


class Egress(NamedTuple):
    """Everything that may leave the container.

    ``gateway`` is None where nothing needs it; ``grace`` is in seconds.
    """

    rows: tuple[EgressRow, ...] = ()
    gateway: GatewayAddress | None = None
    mode: str = "default"
    grace: int = GRACE


def dump_egress(egress: Egress) -> str:
    """``egress.json`` as text."""
    gateway = egress.gateway
    rows: list[Json] = [
        {
            "host": row.host,
            "port": row.port,
            "form": row.form,
            "servers": list(row.servers),
            "because": [{"layer": b.layer, "text": b.text} for b in row.because],
        }
        for row in egress.rows
    ]
    return dump(
        {
            "version": VERSION,
            "mode": egress.mode,
            "grace": egress.grace,
            "gateway": {"host": gateway.host, "port": gateway.port} if gateway else None,
            "rows": rows,
        }
    )


def load_egress(text: str) -> Egress:
    """Read ``egress.json``.

    Raises:
        ContractError: it is not JSON, of another version, or has another shape.

    """
    found = document(text)
    try:
        gateway = found["gateway"]
        return Egress(
            rows=tuple(_row(is_a(dict, row)) for row in is_a(list, found["rows"])),
            gateway=None
            if gateway is None
            else GatewayAddress(is_a(str, gateway["host"]), is_a(int, gateway["port"])),
            mode=is_a(str, found["mode"]),
            grace=is_a(int, found.get("grace", GRACE)),  # older files have none
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"egress.json has another shape: {error}") from None


def _row(raw: dict[str, Any]) -> EgressRow:
    return EgressRow(
        is_a(str, raw["host"]),
        is_a(int, raw["port"]),
        is_a(str, raw["form"]),
        tuple(ServerId(is_a(str, s)) for s in is_a(list, raw["servers"])),
        tuple(
            Because(is_a(str, is_a(dict, b)["layer"]), is_a(str, b["text"]))
            for b in is_a(list, raw["because"])
        ),
    )
