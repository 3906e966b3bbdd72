"""``routes.json``: how the gateway reaches the servers of one project, without their secrets.

A secret in a route *is its origin*: the file and the pointer (RFC 6901) where it is written, and
where each variable in it comes from.  The gateway opens those when it needs them, so no secret is
ever copied, and a rotated one needs no sync.  ``digest`` is the sha256 of the entry as it was when
the route was made: where it differs, the route is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mcpconf.contract.shape import VERSION, ContractError, document, dump, is_a
from mcpconf.model import Json, ServerId


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


def load_routes(text: str) -> Routes:
    """Read ``routes.json``.

    Raises:
        ContractError: it is not JSON, of another version, or has another shape.

    """
    found = document(text)
    try:
        return Routes(
            is_a(str, found["project"]),
            is_a(str, found["client"]),
            tuple(_route(is_a(dict, route)) for route in is_a(list, found["routes"])),
            {n: is_a(str, d) for n, d in is_a(dict, found["accepted"]).items()},
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"routes.json has another shape: {error}") from None


def _route(raw: dict[str, Any]) -> Route:
    headers = is_a(dict, raw["headers"])
    return Route(
        server=ServerId(is_a(str, raw["server"])),
        name=is_a(str, raw["name"]),
        kind=is_a(str, raw["kind"]),
        transport=is_a(str, raw["transport"]),
        digest=is_a(str, raw["digest"]),
        entry=_ref(is_a(dict, raw["entry"])),
        url=None if raw["url"] is None else is_a(str, raw["url"]),
        url_ref=_maybe_ref(raw["url_ref"]),
        headers={name: _ref(is_a(dict, ref)) for name, ref in headers.items()},
        headers_helper=_maybe_ref(raw["headers_helper"]),
        because=tuple(is_a(str, b) for b in is_a(list, raw["because"])),
    )


def _maybe_ref(raw: object) -> Ref | None:
    return None if raw is None else _ref(is_a(dict, raw))


def _ref(raw: dict[str, Any]) -> Ref:
    return Ref(
        is_a(str, raw["file"]),
        is_a(str, raw["pointer"]),
        is_a(int, raw["passes"]),
        {
            name: None
            if place is None
            else (is_a(str, is_a(dict, place)["file"]), is_a(str, place["pointer"]))
            for name, place in is_a(dict, raw["variables"]).items()
        },
        is_a(str, raw["after"]),
    )
