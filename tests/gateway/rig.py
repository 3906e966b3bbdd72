"""A real gateway in a process of its own, and a client that knows only HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BACKEND = str(ROOT / "bench/proxy/backend.py")
TOKEN = "test-Token-0123456789abcdefghijklmnopqrstuvw"
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
CAPABILITIES = {"sampling": {}, "elicitation": {}, "roots": {}}


def stdio(name: str = "s0", *words: str, **faults: object) -> dict[str, Any]:
    """The reference server as an entry of ``.mcp.json``."""
    args = ["-S", "-E", BACKEND, "stdio", "--name", name, *words]
    if faults:
        args += ["--set", json.dumps(faults)]
    return {"command": sys.executable, "args": args}


def script(text: str) -> dict[str, Any]:
    """A server that is a few lines of Python."""
    return {"command": sys.executable, "args": ["-S", "-E", "-c", text]}


def until(what: Callable[[], Any], patience: float = 30.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + patience
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"it did not become true: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    home: Path
    clients: list[Client] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def client(self, server: str = "s0", project: str = "default", token: str = TOKEN) -> Client:
        client = Client(self.port, f"/{project}/{server}/mcp", token)
        self.clients.append(client)
        return client

    def session(self, server: str = "s0", **more: Any) -> Client:
        """A client that is initialized."""
        client = self.client(server, **more)
        client.initialize()
        return client

    def stderr(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def start(
    folder: Path,
    servers: Mapping[str, Any] | None,
    *words: str,
    env: Mapping[str, str] | None = None,
) -> Gateway:
    """Start a gateway: stand-alone with these servers, or with the state below ``folder``."""
    port = free_port()
    log = folder / "gateway.log"
    command = [sys.executable, "-m", "mcpconf", "gateway", "run", "--home", str(folder)]
    command += ["--listen", f"127.0.0.1:{port}", *words]
    if servers is not None:
        config = folder / "servers.json"
        config.write_text(json.dumps({"mcpServers": servers}))
        command += ["--config", str(config)]
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            env={**os.environ, "MCPCONF_GATEWAY_TOKEN": TOKEN, **(env or {})},
            start_new_session=True,
        )
    gateway = Gateway(process, port, log, folder)
    until(lambda: _answers(gateway), 10)
    return gateway


def _answers(gateway: Gateway) -> bool:
    assert gateway.process.poll() is None, gateway.stderr()
    try:
        return Client(gateway.port, "/healthz", "").call_http("GET").status == 200
    except OSError:
        return False


class Answer:
    """What came back: the status, the headers, and every message of the body."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()
        self.messages = list(_messages(self.headers.get("content-type", ""), self.body))

    @property
    def message(self) -> Any:
        return self.messages[-1]

    @property
    def result(self) -> Any:
        assert "result" in self.message, self.message
        return self.message["result"]

    @property
    def text(self) -> str:
        return self.result["content"][0]["text"]

    @property
    def trouble(self) -> dict[str, Any]:
        return self.message["error"]["data"]["mcpconf"]


def _messages(kind: str, body: bytes) -> Iterator[Any]:
    if kind.startswith("text/event-stream"):
        yield from (json.loads(e.data) for e in events(iter(body.splitlines(True))) if e.data)
    elif kind.startswith("application/json"):
        yield json.loads(body)


@dataclass
class Event:
    id: str
    data: str


def events(lines: Iterator[bytes]) -> Iterator[Event]:
    """The events of a stream, as they come."""
    data: list[str] = []
    number = ""
    for raw in lines:
        line = raw.decode().rstrip("\n")
        if line.startswith("data:"):
            data.append(line[5:].lstrip())
        elif line.startswith("id:"):
            number = line[3:].strip()
        elif not line and (data or number):
            yield Event(number, "\n".join(data))
            data, number = [], ""


class Client:
    """One client; every request has a connection of its own."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self.port, self.path, self.token = port, path, token
        self.session = ""
        self.number = 0
        self.open: list[HTTPConnection] = []

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.token}",
        }
        if self.session:
            headers |= {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": LEGACY}
        return headers | dict(more or {})

    def begin(
        self, method: str, body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        """Send a request and wait for the head of its answer."""
        connection = self._connect()
        self.open.append(connection)
        connection.request(method, self.path, body or None, self.headers(more))
        return connection.getresponse()

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=30)

    def call_http(
        self, method: str, body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and read its answer; another thread may do the same meanwhile."""
        with closing(self._connect()) as connection:
            connection.request(method, self.path, body or None, self.headers(more))
            return Answer(connection.getresponse())

    def send(self, message: Any, more: Mapping[str, str] | None = None) -> Answer:
        return self.call_http("POST", json.dumps(message).encode(), more)

    def message(self, method: str, params: Any = None, id_: Any = None) -> dict[str, Any]:
        self.number += 1
        identity = self.number if id_ is None else id_
        message = {"jsonrpc": "2.0", "id": identity, "method": method}
        return message if params is None else message | {"params": params}

    def ask(self, method: str, params: Any = None, id_: Any = None) -> Answer:
        return self.send(self.message(method, params, id_))

    def notify(self, method: str, params: Any = None) -> Answer:
        return self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def tool(self, name: str, **arguments: Any) -> Answer:
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    def initialize(self) -> Answer:
        answer = self.greet()
        assert answer.status == 200, answer.body
        assert "result" in answer.message, answer.message
        self.session = answer.headers["mcp-session-id"]
        assert self.notify("notifications/initialized").status == 202
        return answer

    def greet(self) -> Answer:
        params = {
            "protocolVersion": LEGACY,
            "capabilities": CAPABILITIES,
            "clientInfo": {"name": "test", "version": "1"},
        }
        return self.ask("initialize", params)

    def listen(self, last: str = "") -> Iterator[Event]:
        """The GET stream; open when this returns."""
        more = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        response = self.begin("GET", more=more)
        assert response.status == 200, response.read()
        return events(iter(response.readline, b""))

    def start_tool(self, name: str, **arguments: Any) -> Iterator[Event]:
        """Call a tool whose answer is a stream; the stream is open when this returns."""
        message = self.message("tools/call", {"name": name, "arguments": arguments})
        response = self.begin("POST", json.dumps(message).encode())
        assert response.headers["content-type"] == "text/event-stream"
        return events(iter(response.readline, b""))

    def hang_up(self) -> None:
        """Cut the newest connection."""
        self.open.pop().close()

    def modern(self, method: str, params: Any = None, id_: Any = None) -> Answer:
        message, more = self.stateless(method, params, id_)
        return self.send(message, more)

    def stateless(
        self, method: str, params: Any = None, id_: Any = None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        params = dict(params or {})
        meta = {
            META + "protocolVersion": MODERN,
            META + "clientInfo": {"name": "test", "version": "1"},
            META + "clientCapabilities": CAPABILITIES,
        }
        params["_meta"] = {**params.get("_meta", {}), **meta}
        more = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if "name" in params:
            more["Mcp-Name"] = params["name"]
        return self.message(method, params, id_), more

    def close(self) -> None:
        for connection in self.open:
            connection.close()
        self.open.clear()


def pid_of(client: Client) -> int:
    """The process of the server that a client talks to."""
    return int(json.loads(client.tool("whoami").text)["pid"])


class Backend:
    """The reference server over HTTP."""

    def __init__(self, *words: str, **faults: object) -> None:
        self.port = free_port()
        command = [sys.executable, "-S", "-E", BACKEND, "http", "--port", str(self.port)]
        command += [*words, "--set", json.dumps(faults)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self.listens)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def ctl(self, **what: Any) -> Any:
        data = json.dumps(what).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ctl", data, 5) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
