"""May this request in, and to which server?  Pure: the head and the projects in, a decision out.

The order is: Host, Origin, token, server.  Host and Origin keep out pages of a browser that have
found a way to a port of this machine (DNS rebinding; the specification's security warning); the
token keeps out other containers and other users.  An unknown project and a wrong token look the
same from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import NamedTuple

from mcpconf.contract import Route
from mcpconf.gateway.http import Head

ALWAYS_KNOWN = frozenset(
    {"localhost", "127.0.0.1", "[::1]", "host.docker.internal", "mcpconf-gateway"}
    | {"192.168.5.2", "10.0.2.2"}  # this machine in Colima and in rootless Docker
)
_PATH = re.compile(rb"/([a-z0-9-]{1,64})/([A-Za-z0-9_-]{1,64})/mcp")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::\d{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(.+)")
_NOBODY = b"no token is empty, so this one fits nobody"


class Project(NamedTuple):
    """A project whose servers may be reached with its token."""

    id: str
    path: str
    token: bytes
    routes: Mapping[str, Route]

    def __repr__(self) -> str:
        return f"Project({self.id})"


class Decision(NamedTuple):
    """What becomes of a request, and why.  ``status`` 0: it is served."""

    status: int
    code: str
    reason: str
    project: Project | None = None
    route: Route | None = None
    server: str = ""


HEALTH = Decision(0, "health", "anybody may ask whether the gateway lives")


def decide(head: Head, known: frozenset[str], projects: Mapping[str, Project]) -> Decision:
    """Decide on a request by its head alone."""
    headers = head.headers
    host = _name(headers[b"host"].decode("latin-1"))
    if host not in known:
        return Decision(403, "foreign-host", "the Host is none under which the gateway is known")
    origin = headers.get(b"origin")
    if origin is not None and _origin(origin.decode("latin-1")) not in known:
        return Decision(403, "foreign-origin", "the request comes from a page of another origin")
    if head.target == b"/healthz":
        return HEALTH
    path = _PATH.fullmatch(head.target)
    project = projects.get(path[1].decode()) if path else None
    if not _fits(headers.get(b"authorization", b""), project):
        return Decision(401, "no-token", "the token is missing, or not the one of this project")
    assert path is not None
    assert project is not None
    return _route(project, path[2].decode())


def _route(project: Project, server: str) -> Decision:
    route = project.routes.get(server)
    if route is None:
        reason = "this project has no such server behind the gateway"
        return Decision(404, "unknown-server", reason, project, None, server)
    return Decision(0, "served", "", project, route, server)


def _fits(authorization: bytes, project: Project | None) -> bool:
    scheme, _, token = authorization.partition(b" ")
    expected = project.token if project else _NOBODY
    same = compare_digest(token.strip(), expected)
    return same and project is not None and scheme.lower() == b"bearer"


def _name(text: str) -> str:
    found = _HOST.fullmatch(text)
    return found[1].lower().removesuffix(".") if found else ""


def _origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text)
    return _name(found[1]) if found else ""
