"""Loopback servers that are broken in one way each; the path says in which.

Behaviour is the first part of a path, the name of the entry the second.  What OAuth metadata a
server has cannot stand in a path (clients look for it at the root too): it is the server's `mode`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme

from tests.parity.loopback import Remote, Server, metadata, rpc

PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"
KINDS = {
    "html": ("text/html", PAGE),
    "text": ("text/plain", "ok"),
    "list": ("application/json", "[]"),
}
METADATA = {"mode-empty": (200, "application/json", ""), "mode-html": (200, "text/html", PAGE)}


class Faulty(Remote):
    """An MCP server with one fault.  `mode`: what its OAuth metadata is like."""

    mode = "none"
    elsewhere = ""

    def behave(self, behaviour: str, tag: str, message: Any, headers: dict[str, str]) -> None:
        """Answer as `behaviour` demands."""
        method = message.get("method") if isinstance(message, dict) else None
        signed = headers.get("authorization") == "Bearer good" or headers.get("x-api-key") == "good"
        if behaviour in (".well-known", "register", "token"):
            self.discovery(behaviour, tag, message)
        elif behaviour == "login" or (behaviour == "tools401" and method == "tools/list"):
            if signed:
                self.reply(200, rpc(message))
            else:
                self.reply(401, {"error": "invalid_token"}, WWW_Authenticate='Bearer realm="probe"')
        elif code := re.fullmatch("go(30[1-8])(loop|page|away)?", behaviour):
            self.redirect(int(code[1]), code[2] or "here", tag)
        elif behaviour in KINDS:
            self.plain(200, *KINDS[behaviour])
        elif behaviour in ("empty", "204"):
            self.reply(204 if behaviour == "204" else 200)
        elif behaviour in ("cut", "hang"):
            time.sleep(0 if behaviour == "cut" else 40)
            self.close_connection = True
        else:
            self.speak(behaviour, tag, message, headers)

    def speak(self, behaviour: str, tag: str, message: Any, headers: dict[str, str]) -> None:
        """MCP with one answer that is wrong."""
        method = message.get("method") if isinstance(message, dict) else None
        wrong = {"jsonrpc": "2.0", "id": message.get("id") if method else None}
        if behaviour == "rpc-error" and method == "initialize":
            self.reply(200, {**wrong, "error": {"code": -32603, "message": "no licence"}})
        elif behaviour == "tools-error" and method == "tools/list":
            self.reply(200, {**wrong, "error": {"code": -32603, "message": "no database"}})
        elif behaviour == "scope":
            more = 'Bearer error="insufficient_scope", scope="write"'
            self.reply(403, {"error": "insufficient_scope"}, WWW_Authenticate=more)
        elif behaviour == "not-rpc":
            self.reply(200, {"status": "ok"})
        elif behaviour == "future" and method == "initialize":
            answer = rpc(message)
            answer["result"]["protocolVersion"] = "2031-01-01"
            self.reply(200, answer)
        else:
            known = behaviour if behaviour in ("sse", "sse-post") else "json"
            fits = re.fullmatch("[45][0-9][0-9]|slow[0-9.]+", behaviour)
            super().behave(behaviour if fits else known, tag, message, headers)

    def plain(self, status: int, kind: str, text: str) -> None:
        """An answer that is no JSON-RPC."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def redirect(self, status: int, where: str, tag: str) -> None:
        """Send the client on: to the good endpoint, around, to a page, to another origin."""
        to = {"here": f"/json/{tag}", "loop": self.path, "page": f"/html/{tag}"}
        self.reply(status, Location=to.get(where, f"{self.elsewhere}/login/{tag}"))

    def discovery(self, where: str, rest: str, message: Any) -> None:
        """OAuth metadata as `mode` says."""
        if self.mode in METADATA:
            self.plain(*METADATA[self.mode])
        elif self.mode in ("none", "mode-500"):
            self.reply(404 if self.mode == "none" else 500, {"error": "not_found"})
        elif where == "token":
            self.reply(400, {"error": "invalid_grant", "error_description": "expired"})
        elif where == "register" and self.mode == "refuses":
            self.reply(403, {"error": "access_denied", "error_description": "not you"})
        elif where == "register" or rest.startswith("oauth-protected-resource"):
            super().discovery(where, rest, message)
        else:
            known = metadata(f"http://{self.headers['host']}")
            if self.mode == "unregistered":
                del known["registration_endpoint"]
            self.reply(200, known)


@contextlib.contextmanager
def faulty(mode: str = "none", elsewhere: str = "") -> Iterator[Server]:
    """A faulty server; any mode but `none` and the broken ones has OAuth metadata."""
    handler = type("Mode", (Faulty,), {"mode": mode, "elsewhere": elsewhere})
    server = Server(handler, oauth=mode != "none" and not mode.startswith("mode-"))
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def over_tls(folder: Path, fault: str) -> Iterator[str]:
    """A TLS server whose certificate is of nobody, for a `wrong-name`, `expired…` or `not-yet`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / f"{fault}.pem")
    name = "other.example" if fault == "wrong-name" else "127.0.0.1"
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    dates = {
        "expired-certificate": {"not_before": now - 9 * day, "not_after": now - day},
        "not-yet": {"not_before": now + day, "not_after": now + 9 * day},
    }
    issued = authority.issue_cert(name, **dates.get(fault, {}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with faulty() as server:
        server.httpd.socket = context.wrap_socket(
            server.httpd.socket, server_side=True, do_handshake_on_connect=False
        )
        yield server.base.replace("http:", "https:")


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """An address whose packets get no answer: its queue is full."""
    with socket.socket() as listening, contextlib.ExitStack() as held:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def other_protocol() -> Iterator[str]:
    """A port that greets as an SSH server does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    connection.recv(4096)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
