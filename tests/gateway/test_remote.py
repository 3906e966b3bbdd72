"""Servers behind HTTP, SSE and WebSocket."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import clock

from . import rig
from .rig import Backend, Gateway, until


def test_secrets_are_added_and_the_clients_own_are_not_passed_on(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    entry = {"type": "http", "url": backend().url, "headers": {"Authorization": "Bearer ${KEY}"}}
    client = gateway({"s0": entry}, env={"KEY": "of-the-host"}).client()
    client.initialize()
    params = {"name": "whoami", "arguments": {}}
    more = {"Cookie": "c=1", "Proxy-Authorization": "x", "X-Forwarded-For": "1.2.3.4"}
    headers = json.loads(client.send(client.message("tools/call", params), more).text)["headers"]
    assert headers["authorization"] == "Bearer of-the-host"
    assert not {"cookie", "proxy-authorization", "x-forwarded-for"} & set(headers)
    assert rig.TOKEN not in json.dumps(headers)
    assert headers["host"].startswith("localhost:"), "the Host that a local server expects"


def test_both_eras_and_both_directions(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    running = gateway({"s0": {"type": "http", "url": backend().url}})
    modern = running.client()
    assert rig.MODERN in modern.modern("server/discover").result["supportedVersions"]
    assert modern.modern("tools/call", {"name": "echo", "arguments": {"a": 1}}).text == '{"a": 1}'
    client = running.session()
    stream = client.start_tool("elicit")
    asked = json.loads(next(stream).data)
    result = {"action": "accept", "content": {"name": "elicited"}}
    client.send({"jsonrpc": "2.0", "id": asked["id"], "result": result})
    assert "elicited" in next(stream).data
    listening = client.listen()
    client.tool("touch")
    assert "list_changed" in next(listening).data


def test_an_older_server_is_probed_and_refused(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    client = gateway({"s0": {"url": backend(eras="legacy").url}}).client()
    assert client.modern("server/discover").message["error"]["code"] == -32601
    client.initialize()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_no_http_401(gateway: Callable[..., Gateway], status: int) -> None:
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
        answer = gateway({"s0": {"url": url}}).client().greet()
        assert answer.status == 200
        assert answer.trouble["code"] == "refused-login"
        assert str(status) in answer.message["error"]["message"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_comes_back_is_the_same_session(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    server = backend()
    client = gateway({"s0": {"url": server.url}}).session()
    server.ctl(do="evict")
    assert client.tool("echo", a=1).text == '{"a": 1}'
    assert server.ctl()["stats"]["initialize"] == 2


def test_the_end_of_a_session_is_told(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    server = backend()
    client = gateway({"s0": {"url": server.url}}).session()
    client.call_http("DELETE")
    until(lambda: server.ctl()["stats"]["deletes"] == 1)


def test_a_url_that_is_none_says_so(
    gateway: Callable[..., Gateway],
) -> None:
    running = gateway({"s1": {"url": "nonsense"}})
    answer = running.client("s1").greet()
    assert answer.trouble["code"] == "unreachable"
    assert answer.trouble["retry"] is False


def test_a_client_that_goes_cancels_the_call(
    gateway: Callable[..., Gateway], backend: Callable[..., Backend]
) -> None:
    server = backend()
    client = gateway({"s0": {"url": server.url}}).session()
    from .test_sessions import _send_and_leave  # noqa: PLC0415

    params = {"name": "sleep", "arguments": {"ms": 60_000, "tag": "gone"}}
    with pytest.raises(TimeoutError):
        _send_and_leave(client, client.message("tools/call", params))
    until(lambda: "gone" in server.ctl()["stats"]["cancel_work"])


WS = rig.ROOT / "bench/proxy/backend_ws.py"


def test_a_websocket(gateway: Callable[..., Gateway]) -> None:
    pytest.importorskip("websockets")
    port = rig.free_port()
    process = subprocess.Popen([sys.executable, str(WS), "--port", str(port)])
    try:
        entry = {
            "type": "ws",
            "url": f"ws://127.0.0.1:{port}/mcp",
            "headers": {"X-Api-Key": "of-the-host"},
        }
        running = gateway({"s0": entry})
        until(lambda: "result" in running.client().greet().message)
        client = running.session()
        assert client.tool("echo", a=1).text == '{"a": 1}'
        stream = client.start_tool("sample", prompt="x")
        asked = json.loads(next(stream).data)
        content = {
            "role": "assistant",
            "model": "m",
            "content": {"type": "text", "text": "sampled"},
        }
        client.send({"jsonrpc": "2.0", "id": asked["id"], "result": content})
        assert "sampled" in next(stream).data
    finally:
        process.kill()
        process.wait()
    waiting = clock.now()
    assert client.tool("echo").trouble["code"] in {"server-exited", "unreachable"}
    assert clock.now() - waiting < 5


def test_a_websocket_takes_its_headers_to_no_other_server(gateway: Callable[..., Gateway]) -> None:
    pytest.importorskip("websockets")
    heard: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            self.send_response(307 if self.path == "/mcp" else 404)
            if self.path == "/mcp":
                self.send_header("Location", f"ws://localhost:{self.server.server_port}/stolen")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"ws://127.0.0.1:{server.server_port}/mcp"
        entry = {"type": "ws", "url": url, "headers": {"X-Api-Key": "of-the-host"}}
        answer = gateway({"s0": entry}).client().greet()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "of-the-host" in heard[0]
    assert not [h for h in heard if "/stolen" in h], "the key went to another origin"
    assert answer.trouble["code"] == "redirected"
