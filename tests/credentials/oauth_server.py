"""A resource server and its authorization server, on this machine, strict and countable.

What it may do wrong, or differently, is a field; what was asked of it is in ``asked``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

PLANTED = "planted-secret-"


@dataclass
class Asked:
    """One request: method, path, headers in lower case, form or JSON."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class OAuthServer:
    url: str = ""
    expires_in: int | None = 3600
    rotate: bool = True
    registers: bool = True
    offers_login: bool = True
    revokes: bool = True
    needs_login: bool = True
    refuse_refresh: str = ""
    refuse_registration: bool = False
    deny: str = ""
    token_status: int = 0
    token_redirect: str = ""
    server_redirect: str = ""
    resource: str = ""
    issuer: str = ""
    raw: dict[str, bytes] = field(
        default_factory=dict
    )  # path → what is sent instead, and then nothing
    wants_scope: str = "read"
    known_clients: dict[str, str | None] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    valid: dict[str, str] = field(default_factory=dict)  # access token → scope
    refresh: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    on_token: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str, **form: str) -> int:
        return len(self.all(path, **form))

    def all(self, path: str, **form: str) -> list[Asked]:
        return [
            a
            for a in self.asked
            if a.path == path and all(a.form.get(k) == v for k, v in form.items())
        ]

    def planted(self) -> set[str]:
        """Every secret that was ever given out or taken."""
        found = {*self.valid, *self.refresh, *self.codes}
        for asked in self.asked:
            found |= {v for v in asked.form.values() if v.startswith(PLANTED)}
            if verifier := asked.form.get("code_verifier"):
                found.add(verifier)
        return found

    def new(self) -> str:
        return PLANTED + secrets.token_hex(12)

    # --- the resource --------------------------------------------------------------------------

    def mcp(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        if self.server_redirect:
            return 307, {"Location": self.server_redirect}, None
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        about = f'resource_metadata="{self.url}/.well-known/oauth-protected-resource/mcp"'
        if token not in self.valid:
            if not self.needs_login:
                return self.speak(asked)
            scope = f'scope="{self.wants_scope}", ' if self.wants_scope else ""
            return 401, {"WWW-Authenticate": f"Bearer {scope}{about}"}, {"error": "invalid_token"}
        return self.speak(asked)

    def speak(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        """Be an MCP server of one tool, for those who may."""
        if asked.method != "POST":
            return 405 if asked.method == "GET" else 204, {}, None
        message = json.loads(asked.form["body"])
        if "id" not in message:
            return 202, {}, None
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "jira", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "search", "inputSchema": {"type": "object"}}]},
        }
        result = results.get(message["method"])
        answer = (
            {"error": {"code": -32601, "message": "no"}} if result is None else {"result": result}
        )
        return 200, {"Mcp-Session-Id": "s1"}, {"jsonrpc": "2.0", "id": message["id"], **answer}

    def resource_metadata(self) -> tuple[int, dict[str, str], Any]:
        if not self.offers_login:
            return 404, {}, None
        value = {
            "resource": self.resource or f"{self.url}/mcp",
            "authorization_servers": [self.issuer or self.url],
        }
        return 200, {}, value

    # --- the authorization server --------------------------------------------------------------

    def metadata(self) -> tuple[int, dict[str, str], Any]:
        if not self.offers_login:
            return 404, {}, None
        value: dict[str, Any] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "code_challenge_methods_supported": ["S256"],
            "response_types_supported": ["code"],
        }
        if self.registers:
            value["registration_endpoint"] = f"{self.url}/register"
        if self.revokes:
            value["revocation_endpoint"] = f"{self.url}/revoke"
        return 200, {}, value

    def register(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        if self.refuse_registration or not self.registers:
            return 400, {}, {"error": "invalid_redirect_uri"}
        client = "client-" + secrets.token_hex(4)
        self.known_clients[client] = None
        return 201, {}, {**json.loads(asked.form["body"]), "client_id": client}

    def authorize(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        form = asked.form
        if form.get("client_id") not in self.known_clients:
            return 400, {}, "unknown client"
        back = {"state": form["state"]}
        if self.deny:
            back["error"] = self.deny
        else:
            code = self.new()
            self.codes[code] = form
            back["code"] = code
        return 302, {"Location": f"{form['redirect_uri']}?{urlencode(back)}"}, None

    def token(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        self.on_token()
        if self.token_redirect:
            return 307, {"Location": self.token_redirect}, None
        if self.token_status:
            return self.token_status, {}, None
        form = asked.form
        if form.get("client_id") not in self.known_clients:
            return 401, {}, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            return self._renew(form)
        granted = self.codes.get(form.get("code", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if granted is None or granted["code_challenge"] != proof:
            return 400, {}, {"error": "invalid_grant"}
        return self._issue(granted.get("scope", ""))

    def _renew(self, form: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        if self.refuse_refresh:
            return (
                400,
                {},
                {"error": self.refuse_refresh, "error_description": form["refresh_token"]},
            )
        with self.lock:
            scope = self.refresh.get(form["refresh_token"])
            if scope is None:
                return 400, {}, {"error": "invalid_grant"}
            if self.rotate:
                del self.refresh[form["refresh_token"]]
        return self._issue(scope)

    def _issue(self, scope: str) -> tuple[int, dict[str, str], Any]:
        access, refresh = self.new(), self.new()
        self.valid[access] = scope
        answer: dict[str, Any] = {"access_token": access, "token_type": "bearer", "scope": scope}
        if self.rotate or not self.refresh:
            self.refresh[refresh] = scope
            answer["refresh_token"] = refresh
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return 200, {}, answer

    def revoke(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        self.refresh.pop(asked.form.get("token", ""), None)
        return 200, {}, None

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], Any]:
        self.asked.append(asked)
        path = asked.path
        if path.startswith("/.well-known/oauth-protected-resource"):
            return self.resource_metadata()
        if path.startswith("/.well-known/") or path == "/pinned":
            return self.metadata()
        table = {
            "/mcp": self.mcp,
            "/register": self.register,
            "/authorize": self.authorize,
            "/token": self.token,
            "/revoke": self.revoke,
        }
        return table[path](asked) if path in table else (404, {}, None)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    oauth: OAuthServer

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        texts = parse_qs(parts.query or body, keep_blank_values=True)
        form = {k: v[0] for k, v in texts.items()} | {"body": body}
        headers = {k.lower(): v for k, v in self.headers.items()}
        raw = self.oauth.raw.get(parts.path)
        if raw is not None:
            self.wfile.write(raw)
            self.close_connection = True
            return
        status, extra, value = self.oauth.answer(Asked(self.command, parts.path, headers, form))
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **extra}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def running(**fields: Any) -> Iterator[OAuthServer]:
    """Run one on a port of its own."""
    oauth = OAuthServer(**fields)
    requests = type("Requests", (_Requests,), {"oauth": oauth})
    server = ThreadingHTTPServer(("127.0.0.1", 0), requests)
    server.daemon_threads = True
    oauth.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield oauth
    finally:
        server.shutdown()
        server.server_close()
