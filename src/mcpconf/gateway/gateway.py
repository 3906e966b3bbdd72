"""The gateway: who may in, and which session of which server a message belongs to."""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mcpconf.contract import Route
from mcpconf.gateway import headers, messages
from mcpconf.gateway.app import Refusal
from mcpconf.gateway.front import Connection
from mcpconf.gateway.http import Head
from mcpconf.gateway.messages import NotJsonRpc
from mcpconf.gateway.routing import HEALTH, Decision, Project, decide
from mcpconf.gateway.service import Means, Service
from mcpconf.gateway.session import Session
from mcpconf.gateway.trouble import error_line, plain_error, trouble

MOST_SESSIONS = 256  # per project
MOST_WEIGHT = 256 * 1024 * 1024  # bytes of requests that wait for an answer, per project
_LIGHT = 16 * 1024
_ALLOW = "Allow: GET, POST, DELETE\r\n"
_HEALTHY = b'{"status":"ok"}'


class Gateway:
    """Serves the MCP endpoint of every server of every project."""

    def __init__(self, means: Means, known: frozenset[str]) -> None:
        self.means = means
        self.log = means.log
        self.known = known
        self.projects: Mapping[str, Project] = {}
        self.services: dict[tuple[str, str], Service] = {}
        self.refusals: Counter[str] = Counter()
        self.stopping = False

    # --- front.App ------------------------------------------------------------------------

    @property
    def rules(self) -> object:
        return self.projects

    def admit(self, peer: str, head: Head) -> Decision:
        """Let a request in, or refuse it before its body is read."""
        decision = decide(head, self.known, self.projects)
        if decision.status:
            self._log_refusal(peer, head, decision)
            raise Refusal(decision.status, *_refusal(decision))
        return decision

    def share(self, ticket: Decision) -> str:
        return ticket.project.id if ticket.project else ""

    def refused(self, peer: str, status: int, reason: str) -> None:
        self.refusals["malformed"] += 1
        self.log.write("refused", peer=peer, status=status, code="malformed", reason=reason)

    def _log_refusal(self, peer: str, head: Head, decision: Decision) -> None:
        self.refusals[decision.code] += 1
        self.log.write(
            "refused",
            peer=peer,
            status=decision.status,
            code=decision.code,
            reason=decision.reason,
            host=head.headers[b"host"].decode("latin-1"),
            project=decision.project.id if decision.project else "",
            server=decision.server,
        )

    def serve(self, connection: Connection, head: Head, ticket: Any, body: bytes) -> None:  # noqa: ANN401
        try:
            self._serve(connection, head, self._still(connection, head, ticket), body)
        except Refusal:
            raise
        except NotJsonRpc as wrong:
            connection.respond(400, plain_error(wrong.code, str(wrong)))
        except Exception:  # noqa: BLE001  one request must not take the others with it
            sys.stderr.write("mcpconf gateway: a bug; please report it\n" + _trace())
            connection.respond(500, plain_error(-32603, "a bug in the gateway; see its log"))

    def _still(self, connection: Connection, head: Head, decision: Decision) -> Decision:
        """Decide anew if there was a sync while the body came: it may shut this client out."""
        project = decision.project
        if project is None or self.projects.get(project.id) is project:
            return decision
        return self.admit(connection.peer, head)

    def _serve(self, connection: Connection, head: Head, decision: Decision, body: bytes) -> None:
        if decision is HEALTH and head.method == b"GET":
            connection.respond(200, _HEALTHY)
            return
        if decision is HEALTH or head.method == b"HEAD":  # an answer to HEAD has no body
            connection.respond(405, b"", "Allow: GET\r\n" if decision is HEALTH else _ALLOW)
            return
        assert decision.project is not None
        assert decision.route is not None
        service = self.service(decision.project, decision.route)
        if head.method == b"POST":
            self._post(connection, head, service, body)
        elif head.method == b"GET":
            self._get(connection, head, service)
        elif head.method == b"DELETE":
            self._delete(connection, head, service)
        else:
            connection.respond(405, plain_error(-32600, "only POST, GET and DELETE"), _ALLOW)

    # --- methods --------------------------------------------------------------------------

    def _post(self, connection: Connection, head: Head, service: Service, body: bytes) -> None:
        kind = head.headers.get(b"content-type", b"application/json").partition(b";")[0]
        if kind.strip().lower() != b"application/json":
            connection.respond(415, plain_error(-32600, "the body has to be application/json"))
            return
        if not _accepts(head, b"application/json", b"text/event-stream"):
            connection.respond(406, plain_error(-32600, "accept application/json"))
            return
        messages.weigh(body)
        self._bear(service.project, body)
        message = messages.read(body)
        if self.stopping and "id" in message and "method" in message:
            key = messages.key_of(message["id"])
            cause = trouble("shutting-down", delivered=False)
            name, server = service.route.name, service.route.server
            connection.respond(200, error_line(name, server, key, cause))
        elif headers.is_modern(head, message):
            service.shared.post(connection, head, body, message)
        elif message.get("method") == "initialize" and "id" in message:
            self._initialize(connection, head, service, body)
        else:
            session = self._session(connection, head, service)
            if session is not None:
                session.post(connection, head, body, message)

    def _bear(self, project: str, body: bytes) -> None:
        """Refuse a large message of a project that has too much under way."""
        if len(body) <= _LIGHT:
            return
        weight = sum(s.weight for (p, _), s in self.services.items() if p == project)
        if weight + len(body) > MOST_WEIGHT:
            raise NotJsonRpc(-32000, "too many large requests of this project wait for an answer")

    def _initialize(
        self, connection: Connection, head: Head, service: Service, body: bytes
    ) -> None:
        of_project = [s for (p, _), s in self.services.items() if p == service.project]
        message = messages.read(body)
        if sum(max(s.clients, len(s.children)) for s in of_project) >= MOST_SESSIONS:
            key = messages.key_of(message["id"])
            text = f"the project has {MOST_SESSIONS} sessions already"
            connection.respond(200, plain_error(-32000, text, key))
            return
        service.open_session().post(connection, head, body, message)

    def _get(self, connection: Connection, head: Head, service: Service) -> None:
        if not _accepts(head, b"text/event-stream"):
            connection.respond(406, plain_error(-32600, "accept text/event-stream"))
            return
        version = head.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        if b"mcp-session-id" not in head.headers and version not in messages.LEGACY:
            connection.respond(405, b"", "Allow: POST\r\n")
            return
        session = self._session(connection, head, service)
        if session is not None:
            session.listen(connection, head)

    def _delete(self, connection: Connection, head: Head, service: Service) -> None:
        session = self._session(connection, head, service)
        if session is not None:
            session.close()
            connection.respond(200)

    def _session(self, connection: Connection, head: Head, service: Service) -> Session | None:
        """The session that the client names; else the client is told to begin anew."""
        name = head.headers.get(b"mcp-session-id")
        if name is None:
            connection.respond(400, plain_error(-32600, "Bad Request: Missing session ID"))
            return None
        session = service.sessions.get(name)
        if session is None:
            connection.respond(404, plain_error(-32600, "Session not found"))
        return session

    # --- routes ---------------------------------------------------------------------------

    def service(self, project: Project, route: Route) -> Service:
        key = project.id, route.server
        found = self.services.get(key)
        if found is None:
            found = self.services[key] = Service(self.means, project, route)
        return found

    def use(self, projects: Mapping[str, Project]) -> None:
        """Go over to these projects.  Servers whose route is the same notice nothing.

        With another token a project begins anew: whoever knows the old one may hold streams open.
        """
        before, self.projects = self.projects, projects
        for (project, server), service in tuple(self.services.items()):
            now, then = projects.get(project), before.get(project)
            route = now.routes.get(server) if now else None
            renewed = now is not None and then is not None and now.token != then.token
            if route == service.route and not renewed:
                continue
            del self.services[project, server]
            text = "its configuration has changed" if route else "its route is gone"
            text = "the project has another token" if renewed else text
            self.log.write("route-changed", project=project, server=server, reason=text)
            service.close("session-lost", text)

    def close(self) -> None:
        for service in self.services.values():
            service.close("shutting-down", "the gateway is shutting down")


def _refusal(decision: Decision) -> tuple[bytes, str]:
    if decision.status == 401:  # noqa: PLR2004
        return b'{"error":"invalid_token"}', "WWW-Authenticate: Bearer\r\n"
    if decision.code == "unknown-server":
        cause = trouble("unknown-server")
        return error_line(decision.server, decision.server, b"null", cause), ""
    return json.dumps({"error": decision.code, "reason": decision.reason}).encode(), ""


def _accepts(head: Head, *kinds: bytes) -> bool:
    return _fits(head.headers.get(b"accept", b"*/*") or b"*/*", kinds)


@lru_cache(maxsize=64)
def _fits(accept: bytes, kinds: tuple[bytes, ...]) -> bool:
    ranges = {part.partition(b";")[0].strip().lower() for part in accept.split(b",")}
    wide = {b"*/*"} | {kind.partition(b"/")[0] + b"/*" for kind in kinds}
    return not ranges.isdisjoint(wide.union(kinds))


def _trace() -> str:
    """Where it broke, without values: a message may hold secrets."""
    kind, _, trace = sys.exc_info()
    frames = "".join(traceback.format_tb(trace))
    return f"{frames}{kind.__name__ if kind else ''}\n"
