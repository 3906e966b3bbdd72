"""Servers on loopback that do what a script says, down to the byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SCHEMA = {"inputSchema": {"type": "object"}}
HANG, RESET, CLOSE = object(), object(), object()


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def rpc(self) -> str:
        return self.body.get("method", "") if isinstance(self.body, dict) else ""


Script = Callable[[Asked], Any]


def answer(status: int = 200, body: object = b"", **headers: str) -> bytes:
    """An HTTP answer; what is not bytes becomes JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if data and "content_type" not in headers:
        headers["content_type"] = "application/json"
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


def result(asked: Asked, value: object) -> bytes:
    return answer(200, {"jsonrpc": "2.0", "id": asked.body["id"], "result": value})


def error(asked: Asked, code: int = -32601, message: str = "no", status: int = 200) -> bytes:
    said = {"code": code, "message": message}
    return answer(status, {"jsonrpc": "2.0", "id": (asked.body or {}).get("id"), "error": said})


def healthy(asked: Asked, *, version: str = "2025-06-18", tools: int = 2) -> Any:
    """A server as it should be, of the era with sessions."""
    if asked.method != "POST":
        return answer(405, allow="POST") if asked.method == "GET" else answer(204)
    if asked.rpc == "server/discover":
        return error(asked, status=400)
    if asked.rpc == "initialize":
        info = {"name": "good", "version": "1"}
        said = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        return result(asked, said).replace(b"\r\n\r\n", b"\r\nMcp-Session-Id: s-1\r\n\r\n", 1)
    if asked.rpc == "tools/list":
        return result(asked, {"tools": [{"name": f"t{n}", **SCHEMA} for n in range(tools)]})
    return answer(202)


class Server:
    """One that listens; ``asked`` is what it has been asked."""

    def __init__(
        self, script: Script, tls: ssl.SSLContext | None = None, backlog: int = 64
    ) -> None:
        self.script, self.tls = script, tls
        self.asked: list[Asked] = []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.socket.getsockname()[1]
        self.ended = threading.Event()

    def url(self, path: str = "/mcp") -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                made, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(made,), daemon=True).start()

    def _serve(self, made: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), made:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self.tls.wrap_socket(made, server_side=True) if self.tls else made
            with sock, sock.makefile("rb") as file:
                while asked := _read(file):
                    self.asked.append(asked)
                    if not self._say(sock, self.script(asked)):
                        return

    def _say(self, sock: socket.socket, said: Any) -> bool:
        if said is HANG:
            self.ended.wait(30)
            return False
        if said is RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if said is CLOSE:
            return False
        if callable(said):
            return bool(said(sock))
        sock.sendall(said)
        return b"\r\nconnection: close" not in said.lower()


def _read(file: Any) -> Asked | None:
    first = file.readline(65536).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while line := file.readline(65536).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Asked(first[0], first[1], headers, json.loads(body) if body else None)


@contextlib.contextmanager
def serving(script: Script = healthy, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(script, tls)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        with contextlib.suppress(OSError):
            server.socket.shutdown(socket.SHUT_RDWR)
        server.socket.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
