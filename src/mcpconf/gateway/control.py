"""The control socket: what the command line asks a running gateway.  Only its user may open it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from typing import Any

from mcpconf.contract import Route
from mcpconf.gateway.app import Refusal
from mcpconf.gateway.front import Connection
from mcpconf.gateway.gateway import Gateway
from mcpconf.gateway.http import Head
from mcpconf.gateway.metrics import Page
from mcpconf.gateway.routing import Project
from mcpconf.gateway.service import Service

_ALL = {b"GET /status", b"GET /metrics", b"POST /reload", b"POST /stop", b"POST /logins"}
_STDERR = re.compile(rb"GET /stderr/([a-z0-9-]+)/([A-Za-z0-9_-]+)")


class Control:
    """Serves the control socket.

    Args:
        gateway: what is asked about.
        version: the program's.
        listen: where it listens, as people read it.
        reload: looks at the state directory.
        stop: begins the end.

    """

    def __init__(
        self,
        gateway: Gateway,
        version: str,
        listen: list[str],
        reload: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._version = version
        self._listen = listen
        self._reload = reload
        self._stop = stop
        self._since = int(time.time())

    @property
    def rules(self) -> object:
        return _ALL

    def admit(self, peer: str, head: Head) -> bytes:  # noqa: ARG002  front.App
        asked = head.method + b" " + head.target
        if asked not in _ALL and not _STDERR.fullmatch(asked):
            raise Refusal(404, b'{"error":"unknown"}')
        return asked

    def share(self, ticket: bytes) -> str:  # noqa: ARG002  front.App
        return ""

    def refused(self, peer: str, status: int, reason: str) -> None:
        """Nothing to log: it is the user's own socket."""

    def serve(self, connection: Connection, head: Head, ticket: Any, body: bytes) -> None:  # noqa: ANN401, ARG002
        if ticket == b"GET /status":
            connection.respond(200, json.dumps(self.status()).encode())
        elif ticket == b"GET /metrics":
            kind = "text/plain; version=0.0.4; charset=utf-8"
            connection.respond(200, metrics(self._gateway).encode(), "", kind)
        elif ticket == b"POST /reload":
            self._reload()
            connection.respond(200, b"{}")
        elif ticket == b"POST /logins":
            self._gateway.means.source.forget()
            connection.respond(200, b"{}")
        elif ticket == b"POST /stop":
            connection.respond(200, b"{}")
            self._stop()
        else:
            self._stderr(connection, ticket)

    def _stderr(self, connection: Connection, asked: bytes) -> None:
        """What a server has written to its standard error last."""
        found = _STDERR.fullmatch(asked)
        assert found is not None
        service = self._gateway.services.get((found[1].decode(), found[2].decode()))
        text = service.stderr() if service else b""
        connection.respond(200, text, "", "text/plain; charset=utf-8")

    def status(self) -> dict[str, Any]:
        """The servers that have a route, those that nobody has used yet included."""
        gateway = self._gateway
        rows = [
            _row(project, route, gateway.services.get((project.id, route.server)), self._since)
            for project in gateway.projects.values()
            for route in project.routes.values()
        ]
        about = {
            "pid": os.getpid(),
            "since": self._since,
            "version": self._version,
            "listen": self._listen,
            "projects": len(gateway.projects),
        }
        return {"version": 1, "gateway": about, "servers": rows}


def _row(project: Project, route: Route, service: Service | None, since: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "project": project.id,
        "path": project.path,
        "server": route.server,
        "name": route.name,
        "kind": route.kind,
        "transport": route.transport,
        "state": "idle",
        "since": since,
        "last_error": None,
        "sessions": 0,
        "children": 0,
        "calls": 0,
        "errors": 0,
        "latency_ms": None,
    }
    if service is not None:
        row |= _lived(service)
    return row


def _lived(service: Service) -> dict[str, Any]:
    last = service.last_error
    error = last and {"at": int(last.at), "code": last.cause.code, "message": last.cause.text}
    return {
        "state": service.state,
        "since": int(service.since),
        "last_error": error,
        "sessions": service.clients,
        "children": len(service.children),
        "calls": service.tally.calls,
        "errors": sum(service.tally.errors.values()),
        "latency_ms": service.tally.latency(),
    }


def metrics(gateway: Gateway) -> str:
    """Everything that is counted, as Prometheus reads it."""
    page = Page()
    page.family("refusals_total", "counter", "requests that were refused, by reason")
    for code, count in sorted(gateway.refusals.items()):
        page.sample("refusals_total", count, [("code", code)])
    services = sorted(gateway.services.items())
    labelled = [([("project", p), ("server", s)], service) for (p, s), service in services]
    for name, help_, value in _GAUGES:
        page.family(name, "gauge", help_)
        for labels, service in labelled:
            page.sample(name, value(service), labels)
    page.family("errors_total", "counter", "requests that failed in the gateway, by code")
    for labels, service in labelled:
        for code, count in sorted(service.tally.errors.items()):
            page.sample("errors_total", count, [*labels, ("code", code)])
    page.family("garbage_lines_total", "counter", "lines of a server that were no message")
    for labels, service in labelled:
        page.sample("garbage_lines_total", service.tally.garbage, labels)
    page.family("request_seconds", "histogram", "time from a request to its answer")
    for labels, service in labelled:
        page.histogram("request_seconds", service.tally, labels)
    return page.text()


_GAUGES: list[tuple[str, str, Callable[[Service], float]]] = [
    ("sessions", "sessions of clients", lambda service: service.clients),
    ("children", "processes", lambda service: len(service.children)),
]
