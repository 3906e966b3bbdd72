"""The versioned files in which compile time and run-time meet, and nothing else they share.

``egress.json`` is read in the container: what may leave, and why.  ``routes.json`` is read by the
gateway on the host (0600).  A secret in a route *is its origin*: the file and the pointer (RFC
6901) where it is written, and where each variable in it comes from.  The gateway opens those when
it needs them, so no secret is ever copied, and a rotated one needs no sync.  ``digest`` is the
sha256 of the entry as it was when the route was made: where it differs, the route is stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from mcpconf.model import Json, ServerId

VERSION = 1


class Because(NamedTuple):
    """Why a row exists: the layer that wants it and the reason in words."""

    layer: str
    text: str


class EgressRow(NamedTuple):
    """One destination that may leave.  ``form`` is name, wildcard, address or network."""

    host: str
    port: int
    form: str
    servers: tuple[ServerId, ...] = ()
    because: tuple[Because, ...] = ()


class GatewayAddress(NamedTuple):
    """Where containers reach the gateway."""

    host: str
    port: int


class Egress(NamedTuple):
    """Everything that may leave the container; ``gateway`` is None where nothing needs it."""

    rows: tuple[EgressRow, ...] = ()
    gateway: GatewayAddress | None = None
    mode: str = "default"


class Ref(NamedTuple):
    """Where a secret is written.

    ``variables`` maps the names in its text to where they come from: None is the environment.
    ``passes`` is how often the client expands the text (headers: 2).  ``after`` is what stands
    before the value and is no part of it (``Authorization:`` in an argument of mcp-remote).
    """

    file: str
    pointer: str
    passes: int = 1
    variables: Mapping[str, tuple[str, str] | None] = {}
    after: str = ""


class Route(NamedTuple):
    """One server behind the gateway.

    Either ``url`` (or ``url_ref`` where it holds a secret) leads to it, or it is a process: then
    ``entry`` is where its command stands.  ``headers`` are added on the way out.
    """

    server: ServerId
    name: str
    kind: str
    transport: str
    digest: str
    entry: Ref
    url: str | None = None
    url_ref: Ref | None = None
    headers: Mapping[str, Ref] = {}
    headers_helper: Ref | None = None
    because: tuple[str, ...] = ()


class Routes(NamedTuple):
    """The routes of one project; ``project`` is its path.

    ``accepted`` are the digests under which servers of the project's own files got a route, by
    name.  It outlives the route: an entry that comes back changed waits for the user.
    """

    project: str
    client: str
    routes: tuple[Route, ...] = ()
    accepted: Mapping[str, str] = {}


class ContractError(ValueError):
    """A file is not what this version reads.  The message says which key, never its value."""


# --- writing ----------------------------------------------------------------------------------


def dump(value: Mapping[str, Json]) -> str:
    """Serialise: sorted keys, two spaces, ASCII, a final line feed.  Same value, same bytes."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


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
            "gateway": {"host": gateway.host, "port": gateway.port} if gateway else None,
            "rows": rows,
        }
    )


def dump_routes(routes: Routes) -> str:
    """``routes.json`` as text."""
    return dump(
        {
            "version": VERSION,
            "project": routes.project,
            "client": routes.client,
            "accepted": dict(routes.accepted),
            "routes": [_route_json(r) for r in routes.routes],
        }
    )


def _route_json(route: Route) -> dict[str, Json]:
    return {
        "server": route.server,
        "name": route.name,
        "kind": route.kind,
        "transport": route.transport,
        "digest": route.digest,
        "entry": _ref_json(route.entry),
        "url": route.url,
        "url_ref": _ref_json(route.url_ref),
        "headers": {name: _ref_json(ref) for name, ref in route.headers.items()},
        "headers_helper": _ref_json(route.headers_helper),
        "because": list(route.because),
    }


def _ref_json(ref: Ref | None) -> Json:
    if ref is None:
        return None
    return {
        "file": ref.file,
        "pointer": ref.pointer,
        "passes": ref.passes,
        "after": ref.after,
        "variables": {
            name: None if place is None else {"file": place[0], "pointer": place[1]}
            for name, place in ref.variables.items()
        },
    }


# --- reading ----------------------------------------------------------------------------------

_T = TypeVar("_T")


def load_egress(text: str) -> Egress:
    """Read ``egress.json``.

    Raises:
        ContractError: it is not JSON, of another version, or has another shape.

    """
    document = _document(text)
    try:
        gateway = document["gateway"]
        return Egress(
            rows=tuple(_row(_is(dict, row)) for row in _is(list, document["rows"])),
            gateway=None
            if gateway is None
            else GatewayAddress(_is(str, gateway["host"]), _is(int, gateway["port"])),
            mode=_is(str, document["mode"]),
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"egress.json has another shape: {error}") from None


def load_routes(text: str) -> Routes:
    """Read ``routes.json``.

    Raises:
        ContractError: it is not JSON, of another version, or has another shape.

    """
    document = _document(text)
    try:
        return Routes(
            _is(str, document["project"]),
            _is(str, document["client"]),
            tuple(_route(_is(dict, route)) for route in _is(list, document["routes"])),
            {n: _is(str, d) for n, d in _is(dict, document["accepted"]).items()},
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"routes.json has another shape: {error}") from None


def _is(kind: type[_T], value: object) -> _T:
    """Return the value if it is of that kind.  The error never shows the value."""
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise TypeError(f"not a {kind.__name__}")


def _row(raw: dict[str, Any]) -> EgressRow:
    return EgressRow(
        _is(str, raw["host"]),
        _is(int, raw["port"]),
        _is(str, raw["form"]),
        tuple(ServerId(_is(str, s)) for s in _is(list, raw["servers"])),
        tuple(
            Because(_is(str, _is(dict, b)["layer"]), _is(str, b["text"]))
            for b in _is(list, raw["because"])
        ),
    )


def _route(raw: dict[str, Any]) -> Route:
    headers = _is(dict, raw["headers"])
    return Route(
        server=ServerId(_is(str, raw["server"])),
        name=_is(str, raw["name"]),
        kind=_is(str, raw["kind"]),
        transport=_is(str, raw["transport"]),
        digest=_is(str, raw["digest"]),
        entry=_ref(_is(dict, raw["entry"])),
        url=None if raw["url"] is None else _is(str, raw["url"]),
        url_ref=_maybe_ref(raw["url_ref"]),
        headers={name: _ref(_is(dict, ref)) for name, ref in headers.items()},
        headers_helper=_maybe_ref(raw["headers_helper"]),
        because=tuple(_is(str, b) for b in _is(list, raw["because"])),
    )


def _maybe_ref(raw: object) -> Ref | None:
    return None if raw is None else _ref(_is(dict, raw))


def _ref(raw: dict[str, Any]) -> Ref:
    return Ref(
        _is(str, raw["file"]),
        _is(str, raw["pointer"]),
        _is(int, raw["passes"]),
        {
            name: None
            if place is None
            else (_is(str, _is(dict, place)["file"]), _is(str, place["pointer"]))
            for name, place in _is(dict, raw["variables"]).items()
        },
        _is(str, raw["after"]),
    )


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"it is not JSON: {error.__class__.__name__}") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ContractError(f"it is not of version {VERSION}")
    return document
