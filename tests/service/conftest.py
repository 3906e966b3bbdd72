"""A house in a directory with a short path (sockets have short names), its gateway, and servers."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mcpconf.service import only, process


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def home(builder: Callable[..., Any], port: int) -> Iterator[Any]:
    """A house whose gateway has a port of its own; the gateway ends with the test."""
    root = Path(tempfile.mkdtemp(prefix="mc-", dir="/tmp")) / "h"
    house = builder(root, {})
    house.put("home/.config/mcpconf/mcpconf.toml", f'gateway = "host.docker.internal:{port}"\n')
    gateway = house.home / ".local/state/mcpconf/gateway"
    yield house
    if only.running(gateway) is not None:
        process.stop(gateway)
    shutil.rmtree(root.parent)


@pytest.fixture
def gateway(home: Any) -> Path:
    """The gateway's directory."""
    return Path(home.home / ".local/state/mcpconf/gateway")


@pytest.fixture
def ask(home: Any, program: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command for the house, the home given last (`gateway start` is two words)."""
    return lambda *words, **more: program(*words, "--home", str(home.home), **more)


class _Mcp(BaseHTTPRequestHandler):
    """Enough of a server: initialize and a list of one tool."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.heard.append((self.path, dict(self.headers), asked.get("method")))
        answer = self._answer(asked)
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(202 if answer is None else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_error(405)

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        reply = {"jsonrpc": "2.0", "id": asked.get("id")}
        match asked.get("method"):
            case "initialize":
                version = asked["params"]["protocolVersion"]
                about = {"name": "test", "version": "1"}
                result = {"protocolVersion": version, "capabilities": {"tools": {}}}
                return reply | {"result": result | {"serverInfo": about}}
            case "tools/list":
                tool = {"name": "echo", "inputSchema": {"type": "object"}}
                return reply | {"result": {"tools": [tool]}}
            case _ if "id" in asked:
                return reply | {"error": {"code": -32601, "message": "no such method"}}
        return None


@pytest.fixture
def serve() -> Iterator[Callable[..., ThreadingHTTPServer]]:
    """Start MCP servers; ``serve(port).heard`` is what they were asked."""
    running: list[ThreadingHTTPServer] = []

    def start(port: int = 0) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), _Mcp)
        server.daemon_threads = True
        server.heard = []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
