"""Loopback servers: remote MCP servers that note each request, and a stub of the Messages API.

The first path segment of a URL chooses the behaviour (`json`, `sse`, `bearer`, `xkey`, `slowN`
or a status such as `404`), the rest is the tag of the definition that was used.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

TOOL = {"name": "echo", "description": "echo", "inputSchema": {"type": "object"}}
ANSWER = [
    ("message_start", {"message": {}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "done"}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}}),
    ("message_stop", {}),
]
USAGE = {"input_tokens": 1, "output_tokens": 1}


class Quiet(BaseHTTPRequestHandler):
    """A handler that says nothing and answers JSON."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def body(self) -> Any:
        """The request's JSON, or None."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            return json.loads(raw)
        except ValueError:
            return None

    def reply(self, status: int, value: Any = None, **headers: str) -> None:
        """Send `value` as JSON."""
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        if data:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def stream(self) -> None:
        """Begin an event stream that ends with the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, name: str, data: str) -> None:
        """Send one event."""
        self.wfile.write(f"event: {name}\ndata: {data}\n\n".encode())
        self.wfile.flush()


class Remote(Quiet):
    """A remote MCP server, well or badly behaved."""

    requests: ClassVar[list[dict[str, Any]]]
    streams: ClassVar[dict[str, queue.Queue[Any]]]
    oauth: ClassVar[bool]

    def do_POST(self) -> None:
        """Note the request, then behave as the path says."""
        message = self.body()
        headers = {k.lower(): v for k, v in self.headers.items()}
        self.requests.append({"method": self.command, "path": self.path, "headers": headers})
        behaviour, _, tag = self.path.split("?")[0].lstrip("/").partition("/")
        with contextlib.suppress(OSError):
            self.behave(behaviour, tag, message, headers)

    do_GET = do_DELETE = do_POST  # noqa: N815  names of the base class

    def behave(self, behaviour: str, tag: str, message: Any, headers: dict[str, str]) -> None:
        """Answer as `behaviour` demands."""
        if behaviour in (".well-known", "register"):
            self.discovery(behaviour, tag, message)
        elif behaviour == "sse-post":
            self.reply(202)
            self.streams[tag].put(rpc(message))
        elif behaviour == "sse" and self.command == "GET":
            self.serve_sse()
        elif not admitted(behaviour, headers):
            self.reply(401, {"error": "invalid_token"}, WWW_Authenticate='Bearer realm="probe"')
        elif re.fullmatch("[45][0-9][0-9]", behaviour):
            self.reply(int(behaviour), {"error": behaviour})
        elif self.command != "POST" or behaviour == "sse":
            self.reply(405, {"error": "Method Not Allowed"}, Allow="POST")
        elif not isinstance(message, dict) or "id" not in message:
            self.reply(202)
        else:
            time.sleep(float(behaviour.removeprefix("slow")) if "slow" in behaviour else 0)
            self.reply(200, rpc(message))

    def discovery(self, where: str, rest: str, message: Any) -> None:
        """OAuth metadata and registration, if this server has them."""
        base = f"http://{self.headers['host']}"
        if not self.oauth:
            self.reply(404, {"error": "not_found"})
        elif where == "register":
            self.reply(201, {**(message or {}), "client_id": "client"})
        elif rest.startswith("oauth-protected-resource"):
            resource = base + rest.removeprefix("oauth-protected-resource")
            self.reply(200, {"resource": resource, "authorization_servers": [base]})
        else:
            self.reply(200, metadata(base))

    def serve_sse(self) -> None:
        """The legacy transport: replies travel on the stream."""
        session = uuid.uuid4().hex
        replies = self.streams[session] = queue.Queue()
        self.stream()
        self.event("endpoint", f"/sse-post/{session}")
        for _ in range(120):
            with contextlib.suppress(queue.Empty):
                self.event("message", json.dumps(replies.get(timeout=1)))


class Model(Quiet):
    """A stub of the Messages API whose every answer is `done`."""

    def do_POST(self) -> None:
        """Answer, as a stream if asked to."""
        asked = self.body() or {}
        if "/v1/messages" not in self.path:
            self.reply(404, {"type": "error", "error": {"type": "not_found_error"}})
        elif self.path.split("?")[0].endswith("/count_tokens"):
            self.reply(200, {"input_tokens": 1})
        elif asked.get("stream"):
            with contextlib.suppress(OSError):
                self.speak(asked)
        else:
            text = [{"type": "text", "text": "done"}]
            self.reply(200, {**envelope(asked), "content": text, "stop_reason": "end_turn"})

    def do_GET(self) -> None:
        """Nothing can be fetched here."""
        self.reply(404, {"type": "error", "error": {"type": "not_found_error"}})

    do_HEAD = do_GET  # noqa: N815  a name of the base class

    def speak(self, asked: dict[str, Any]) -> None:
        """The events of one answer."""
        self.stream()
        for name, data in ANSWER:
            extra = {"message": envelope(asked)} if name == "message_start" else {}
            usage = {"usage": USAGE} if name == "message_delta" else {}
            self.event(name, json.dumps({"type": name, **data, **extra, **usage}))


def admitted(behaviour: str, headers: dict[str, str]) -> bool:
    """Whether the request has the header that `bearer` and `xkey` demand."""
    match behaviour:
        case "bearer":
            return headers.get("authorization") == "Bearer good"
        case "xkey":
            return headers.get("x-api-key") == "good"
    return True


def envelope(asked: dict[str, Any]) -> dict[str, Any]:
    """The head of an answer of the Messages API."""
    head = {"id": f"msg_{uuid.uuid4().hex[:20]}", "type": "message", "role": "assistant"}
    rest = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": USAGE}
    return {**head, "model": asked.get("model", "stub"), **rest}


def metadata(base: str) -> dict[str, Any]:
    """RFC 8414 metadata of an authorization server at `base`."""
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
    }


def rpc(message: dict[str, Any]) -> dict[str, Any]:
    """The JSON-RPC reply to one request."""
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id")}
    match message.get("method"):
        case "initialize":
            version = (message.get("params") or {}).get("protocolVersion", "2025-06-18")
            info = {"name": "loopback", "version": "1"}
            known = {"protocolVersion": version, "capabilities": {"tools": {}}}
            return {**reply, "result": {**known, "serverInfo": info}}
        case "tools/list":
            return {**reply, "result": {"tools": [TOOL]}}
        case "ping":
            return {**reply, "result": {}}
    return {**reply, "error": {"code": -32601, "message": "Method not found"}}


class Server:
    """One listening server in threads of its own."""

    def __init__(self, handler: type[Quiet], *, oauth: bool = False) -> None:
        """Listen on a free loopback port."""
        self.requests: list[dict[str, Any]] = []
        state = {"requests": self.requests, "streams": {}, "oauth": oauth}
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), state))
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.base = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.httpd.shutdown()
        self.httpd.server_close()


@contextlib.contextmanager
def listening(handler: type[Quiet], *, oauth: bool = False) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(handler, oauth=oauth)
    try:
        yield server
    finally:
        server.close()


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"
