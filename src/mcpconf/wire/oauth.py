"""Where the client looks for OAuth metadata after a 401 (fact 50).  It never registers a client."""

from __future__ import annotations

import threading
from contextlib import suppress
from urllib.parse import urlsplit

from mcpconf.bridge.text import parsed
from mcpconf.wire.caller import Caller, Outgoing, new_call
from mcpconf.wire.exchange import Answer
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.line import Road
from mcpconf.wire.rpc import merged, own_headers
from mcpconf.wire.target import Place, Target, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

_WELL_KNOWN = "/.well-known/"
_RESOURCE = "oauth-protected-resource"
_SERVER, _OPENID = "oauth-authorization-server", "openid-configuration"
_PATIENCE = 4.0
_OK, _MISSING = 200, 400
_MOST_SERVERS = 3


def metadata(target: Target, road: Road, place: Place, named: str, clock: Clock) -> Document:
    """The station: all documents, in the client's order.  ``named`` is the challenge's URL."""
    limit = clock.within(_PATIENCE)
    look = _Look(target, road, limit)
    own = place.path.rstrip("/")
    places = [place.at(f"{_WELL_KNOWN}{_RESOURCE}{own}"), place.at(_WELL_KNOWN + _RESOURCE)]
    with suppress(Fault):
        places[:1] = [place_of(named)] if named and not target.brief else places[:1]
    here = [("resource", p) for p in (places if own else places[-1:] + places[:1])]
    here = list({p.wanted + p.with_port: (kind, p) for kind, p in here}.values())
    documents = look.all(here + _servers_at(place.at("")))
    resources = [d.pop("resource") for d in documents if "resource" in d]
    issuers = [url for d in documents if d["which"] == "resource" for url in d.pop("issuers", [])]
    elsewhere = [p for p in map(_issuer, issuers[:1]) if p and _differs(p, place)]
    if elsewhere and not target.brief:
        documents = [d for d in documents if d["which"] == "resource"]
        documents += look.all(_servers_at(elsewhere[0]))
    registers = [d.pop("registers", None) for d in documents]
    found = [r for r in registers if r is not None]
    return {
        "station": "oauth", "ok": bool(found), "ms": limit.ms(), "host": place.host,
        "port": place.port, "fault": "" if found else "absent", "documents": documents,
        "servers": [target.mask.text(_origin(u), 120) for u in issuers[:_MOST_SERVERS]],
        "registration": found[0] if found else None,
        "resource": _foreign(resources[:1], place, target),
    }  # fmt: skip


def _servers_at(place: Place) -> list[tuple[str, Place]]:
    """The metadata of an authorization server (RFC 8414 §3.1, OpenID Connect Discovery §4)."""
    path = place.path.rstrip("/")
    found = [
        ("server", place.at(f"{_WELL_KNOWN}{_SERVER}{path}")),
        ("openid", place.at(f"{_WELL_KNOWN}{_OPENID}{path}")),
    ]
    return [*found, ("openid", place.at(f"{path}{_WELL_KNOWN}{_OPENID}"))] if path else found


def _issuer(url: str) -> Place | None:
    try:
        return place_of(url)
    except Fault:
        return None


def _differs(issuer: Place, place: Place) -> bool:
    return issuer.origin != place.origin or bool(issuer.path.strip("/"))


def _foreign(resources: list[str], place: Place, target: Target) -> str:
    """Of whom the metadata speaks, where that is another than this server."""
    other = next((r for r in resources if not _covers(r, place)), "")
    return target.mask.text(_origin(other), 120) if other else ""


def _covers(resource: str, place: Place) -> bool:
    """Whether the client takes metadata of this resource for that of a place (RFC 9728 §3.3)."""
    if not resource:
        return True
    try:
        named = place_of(resource)
    except Fault:
        return True  # of which nothing is known
    inside = f"{place.path.rstrip('/')}/".startswith(f"{named.path.rstrip('/')}/")
    return named.origin == place.origin and inside


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class _Look:
    """Gets documents, all at once."""

    def __init__(self, target: Target, road: Road, clock: Clock) -> None:
        self._target, self._road, self._clock = target, road, clock

    def all(self, wanted: list[tuple[str, Place]]) -> list[Document]:
        documents: list[Document] = []
        threads = []
        for which, place in wanted:
            mask = self._target.mask
            shown = f"{place.scheme}://{mask.text(place.authority, 120)}{mask.path(place.path)}"
            documents.append({"which": which, "url": shown, "status": None, "state": "unreached"})
            arguments = documents[-1], place
            threads.append(threading.Thread(target=self._get, args=arguments, daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(max(0.0, self._clock.end - self._clock.start) + 0.2)
        return [dict(document) for document in documents]

    def _get(self, document: Document, place: Place) -> None:
        caller = Caller(self._target, self._road.fork())
        station = new_call("metadata", "GET", configured=False)
        if caller.road.leads_inward(place, self._clock):
            return
        headers = merged(own_headers(self._target.client), {"Accept": "application/json"})
        del headers["Content-Type"]
        answer = caller.call(station, Outgoing(place, "GET", headers), self._clock)
        caller.close()
        document["status"] = answer.status
        document["state"], found = _state(answer)
        if document["state"] != "found":
            return
        if document["which"] == "resource":
            servers = found.get("authorization_servers")
            resource = found.get("resource")
            document["resource"] = resource if isinstance(resource, str) else ""
            document["issuers"] = [s for s in servers or () if isinstance(s, str)]
            return
        document["registers"] = bool(found.get("registration_endpoint"))


def _state(answer: Answer) -> tuple[str, dict[str, Any]]:
    if answer.status is None:
        return "unreached", {}
    if answer.status != _OK:
        return "absent" if _MISSING <= answer.status < 500 else "error", {}  # noqa: PLR2004
    text = answer.content().strip()
    if not text:
        return "empty", {}
    found = parsed(text)
    if found:
        known = {"authorization_servers", "issuer", "authorization_endpoint"} & found.keys()
        return "found" if known else "not-json", found
    return "html" if text.startswith(b"<") else "not-json", {}
