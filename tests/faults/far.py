"""Servers that misbehave as a script says: HTTP, HTTPS and bare sockets, for any listening socket."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.parity.loopback import Quiet, metadata, rpc

Listen = Callable[[str, int], socket.socket]
PAGE = b"<!doctype html><html><title>Sign in</title><body>Please sign in</body></html>"


@dataclass
class Script:
    """What a server does wrong; empty, it works.  ``on``: the one method that it is about."""

    on: str = ""
    status: int = 0
    body: bytes = b'{"error":"no"}'
    type: str = "application/json"
    delay: float = 0.0
    hang: bool = False
    cut: bool = False
    wants: tuple[str, str] = ("", "")  # a header and its value
    refusal: int = 401
    scope: str = ""  # what is not enough: 403 insufficient_scope
    oauth: str = ""  # full, unregistered, refusing, page, empty, broken
    version: str = ""
    error: str = ""  # a JSON-RPC error
    moved: tuple[int, str] = (0, "")  # status and where to, from any other path
    old: bool = False  # speaks the transport of 2024 only
    no_discover: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)


class Far(Quiet):
    """One server behind one script."""

    script: ClassVar[Script]
    streams: ClassVar[dict[str, Any]]

    def do_POST(self) -> None:  # noqa: N802  a name of the base class
        message = self.body()
        method = message.get("method", "") if isinstance(message, dict) else ""
        self.script.asked.append((self.command, self.path, method))
        with contextlib.suppress(OSError):
            self._answer(urlsplit(self.path).path, message, method)

    do_GET = do_DELETE = do_CONNECT = do_POST  # noqa: N815  names of the base class

    def _answer(self, path: str, message: Any, method: str) -> None:
        script = self.script
        if self.command == "CONNECT":
            self._send(script.status, script.body, script.type)
        elif path.startswith("/.well-known/") or path == "/register":
            self._oauth(path, message)
        elif script.moved[0] and path != _stays(script.moved[1]):
            self.reply(script.moved[0], Location=script.moved[1])
        elif not self._admitted(method):
            self._refuse()
        elif script.old:
            self._old(message)
        elif self.command != "POST" and not (script.status and not script.on):
            self.reply(405, {"error": "Method Not Allowed"}, Allow="POST")
        elif script.on in ("", method):
            self._misbehave(message)
        else:
            self._work(message)

    def _admitted(self, method: str) -> bool:
        name, value = self.script.wants
        return self.script.on not in ("", method) or not name or self.headers.get(name) == value

    def _refuse(self) -> None:
        if self.script.scope:
            said = f'Bearer error="insufficient_scope", scope="{self.script.scope}"'
            self.reply(403, {"error": "insufficient_scope"}, WWW_Authenticate=said)
        elif self.script.refusal == 401:
            self.reply(401, {"error": "invalid_token"}, WWW_Authenticate='Bearer realm="far"')
        else:
            self.reply(self.script.refusal, {"error": "refused"})

    def _misbehave(self, message: Any) -> None:
        script = self.script
        time.sleep(script.delay)
        if script.hang:
            time.sleep(60)
        elif script.cut:
            self.close_connection = True
        elif script.status:
            self._send(script.status, script.body, script.type)
        elif script.error and isinstance(message, dict) and "id" in message:
            error = {"code": -32603, "message": script.error}
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
        else:
            self._work(message)

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def _work(self, message: Any) -> None:
        if not isinstance(message, dict) or "id" not in message:
            self.reply(202)
            return
        answer = rpc(message)
        if self.script.version and message.get("method") == "initialize":
            answer["result"]["protocolVersion"] = self.script.version
        self.reply(200, answer)

    def _old(self, message: Any) -> None:
        """The transport of 2024: a stream by GET, and a place to post to."""
        if self.command == "GET":
            ready, replies = threading.Condition(), []
            session = uuid.uuid4().hex
            self.streams[session] = ready, replies
            self.stream()
            self.event("endpoint", f"/messages/{session}")
            with ready:
                for _ in range(30):
                    ready.wait_for(lambda: replies, 1)
                    while replies:
                        self.event("message", json.dumps(replies.pop(0)))
        elif self.command == "POST" and self.path.startswith("/messages/"):
            self.reply(202)
            ready, replies = self.streams[self.path.removeprefix("/messages/")]
            if isinstance(message, dict) and "id" in message:
                with ready:
                    replies.append(rpc(message))
                    ready.notify_all()
        else:
            self.reply(405, {"error": "Method Not Allowed"}, Allow="GET")

    def _oauth(self, path: str, message: Any) -> None:
        kind = self.script.oauth
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        base = f"{scheme}://{self.headers['host']}"
        if kind in _ODD_METADATA and path != "/register":
            self._send(*_ODD_METADATA[kind])
        elif kind not in ("full", "unregistered", "refusing"):
            self.reply(404, {"error": "not_found"})
        elif path == "/register":
            self._register(message)
        elif "oauth-protected-resource" in path:
            resource = base + path.removeprefix("/.well-known/oauth-protected-resource")
            self.reply(200, {"resource": resource, "authorization_servers": [base]})
        else:
            known = metadata(base)
            if kind == "unregistered":
                del known["registration_endpoint"]
            self.reply(200, known)

    def _register(self, message: Any) -> None:
        if self.script.oauth == "full":
            self.reply(201, {**(message or {}), "client_id": "client"})
        else:
            self.reply(400, {"error": "invalid_redirect_uri"})


def _stays(target: str) -> str:
    """The path that is not redirected: the target's, if it is one of this server."""
    return target if target.startswith("/") and "?" not in target else ""


_ODD_METADATA = {
    "page": (200, PAGE, "text/html"),
    "empty": (200, b"", "application/json"),
    "broken": (500, b"oops", "text/plain"),
}


def here(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket in this network namespace."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(128)
    return made


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Whoever asked is gone, or has refused our certificate."""


@contextlib.contextmanager
def serving(
    script: Script, listening: socket.socket, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve a script; gives the port."""
    state = {"script": script, "streams": {}}
    httpd = _Http(("127.0.0.1", 0), type("Bound", (Far,), state), bind_and_activate=False)
    httpd.socket.close()
    httpd.socket = listening
    if tls is not None:
        httpd.get_request = lambda: _shaken(listening, tls)  # type: ignore[method-assign]
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        httpd.shutdown()
        httpd.server_close()


def _shaken(listening: socket.socket, tls: ssl.SSLContext) -> tuple[socket.socket, Any]:
    """The handshake is done by the first read, in the thread of the connection."""
    made, address = listening.accept()
    made.settimeout(30)
    return tls.wrap_socket(made, server_side=True, do_handshake_on_connect=False), address


def _silence(_: socket.socket) -> None:
    time.sleep(60)


def _reset(made: socket.socket) -> None:
    made.recv(10)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close(made: socket.socket) -> None:
    made.recv(65536)


def _greet(made: socket.socket) -> None:
    made.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    made.recv(65536)


BARE = {"silent": _silence, "reset": _reset, "close": _close, "ssh": _greet}


@contextlib.contextmanager
def bare(kind: str, listening: socket.socket) -> Iterator[int]:
    """A socket that accepts and then does one thing."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                made, _ = listening.accept()
                threading.Thread(target=handle, args=(made,), daemon=True).start()

    def handle(made: socket.socket) -> None:
        with contextlib.suppress(OSError), made:
            BARE[kind](made)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
