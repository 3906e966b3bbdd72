"""The bridge as a process: the one file, its start, its pipes, its words."""

# ruff: noqa: ARG001, ARG005  what stands in for something has its signature

from __future__ import annotations

import ast
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mcpconf.bridge
from mcpconf.bridge import bundle, command
from mcpconf.bridge.itself import CODE_MARK
from mcpconf.bridge.target import Target
from mcpconf.bridge.trouble import Trouble, of_gateway, refusal
from tests import clock

PACKAGE = Path(mcpconf.bridge.__file__).parent
PYTHON = Path(sys.executable).resolve()
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "t"}}
TOOLS = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}


class Backend:
    """An MCP server in a thread; ``rules`` answers a method otherwise."""

    def __init__(self, port: int = 0) -> None:
        self.server = socket.create_server(("127.0.0.1", port))
        self.port = int(self.server.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.rules: dict[str, Callable[[Any, dict[str, Any]], bytes]] = {}
        self.asked: list[str] = []
        self._peers: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.server.accept()
                self._peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with suppress(OSError, ValueError), peer, peer.makefile("rb") as file:
            while first := file.readline():
                verb = first.split()[0].decode()
                headers = {}
                while (field := file.readline()) != b"\r\n":
                    name, _, value = field.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                message = json.loads(body) if body else {}
                self.asked.append(message.get("method", verb))
                answer = self._answer(peer, verb, message)
                if answer:
                    peer.sendall(answer)

    def _answer(self, peer: socket.socket, verb: str, message: dict[str, Any]) -> bytes:
        method = message.get("method", verb)
        if method in self.rules:
            return self.rules[method](peer, message)
        if verb != "POST":
            return said(405 if verb == "GET" else 200)
        if "id" not in message:
            return said(202)
        if method == "initialize":
            info = {"name": "backend", "version": "1"}
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info,
            }  # fmt: skip
        else:
            result = TOOLS if method == "tools/list" else {"content": []}
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        return said(200, json.dumps(answer).encode(), "Mcp-Session-Id: s\r\n")

    def close(self) -> None:
        for sock in (self.server, *self._peers):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def said(status: int, body: bytes = b"", headers: str = "") -> bytes:
    kind = "Content-Type: application/json\r\n" if body else ""
    return (
        f"HTTP/1.1 {status} Said\r\n{kind}{headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Running:
    """The bridge as a client runs it."""

    def __init__(self, words: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        self.begun = clock.now()
        self._text = b""

    def say(self, *messages: object) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        for message in messages:
            text = message if isinstance(message, bytes) else json.dumps(message).encode()
            stdin.write(text + b"\n")
        stdin.flush()

    def hear(self, seconds: float = 30.0) -> dict[str, Any]:
        stdout = self.process.stdout
        assert stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._text:
            left = until - time.monotonic()
            assert left > 0, "it says nothing"
            if select.select([stdout], [], [], left)[0]:
                piece = os.read(stdout.fileno(), 1 << 20)
                assert piece, self.errors()
                self._text += piece
        line, _, self._text = self._text.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def hear_id(self, identity: object) -> dict[str, Any]:
        while True:
            heard = self.hear()
            if heard.get("id") == identity:
                return heard

    def errors(self) -> str:
        stderr = self.process.stderr
        assert stderr is not None
        return stderr.read().decode()

    def end(self) -> int:
        stdin = self.process.stdin
        assert stdin is not None
        with suppress(OSError):
            stdin.close()
        code = self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def works(python: str) -> bool:
    return not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dist") / "mcpconf-bridge"
    bundle.write(path)
    return path


@pytest.fixture(scope="session")
def only_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with sh and this Python as python3 and nothing else."""
    folder = tmp_path_factory.mktemp("bin")
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    (folder / "python3").symlink_to(base if base.exists() else PYTHON)
    (folder / "sh").symlink_to("/bin/sh")
    return str(folder)


@pytest.fixture
def run(program: Path, only_python: str, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start(*words: str, **env: str) -> Running:
        surroundings = {"PATH": only_python, "MCPCONF_BRIDGE_CACHE": "", **env}
        running.append(Running([str(program), *words], env=surroundings, cwd=tmp_path))
        return running[-1]

    yield start
    for one in running:
        if one.process.returncode is None:
            one.process.kill()
        one.end()


class TestOneFile:
    def test_needs_nothing_but_python(
        self, program: Path, only_python: str, backend: Backend
    ) -> None:
        words = ["env", "-i", f"PATH={only_python}", str(program), "--url", backend.url]
        bridge = Running([*words, "--cache", ""], cwd="/")
        bridge.say(INITIALIZE, READY, CALL)
        assert bridge.hear()["result"]["serverInfo"]["name"] == "backend"
        assert bridge.hear()["id"] == 2
        assert bridge.end() == 0

    def test_runs_its_text_where_its_code_is_for_another_python(
        self, program: Path, only_python: str, tmp_path: Path, backend: Backend
    ) -> None:
        text, mark, code = program.read_bytes().partition(CODE_MARK)
        other = tmp_path / "other"
        for after in (b"\0\0\0\0garbage", b"", code[:2]):
            other.write_bytes(text + mark + after)
            other.chmod(0o755)
            words = [str(other), "--url", backend.url, "--cache", ""]
            bridge = Running(words, env={"PATH": only_python}, cwd=tmp_path)
            bridge.say(INITIALIZE)
            assert bridge.hear()["id"] == 0
            assert bridge.end() == 0

    def test_text_and_code_are_the_same_program(self, program: Path) -> None:
        text = program.read_bytes().partition(CODE_MARK)[0].decode()
        assert text.split("#--#", 2)[2].strip().startswith(bundle.source().strip()[:200])
        assert text.startswith("#!/bin/sh\n")
        assert os.access(program, os.X_OK)

    def test_is_python_3_9_and_the_standard_library_only(self) -> None:
        tree = ast.parse(bundle.source(), feature_version=(3, 9))
        imported = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add((node.module or "").partition(".")[0])
        assert imported <= sys.stdlib_module_names
        assert "mcpconf" not in imported

    def test_the_start_imports_only_what_starts_fast(self) -> None:
        tree = ast.parse(bundle.source())
        names = {a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module) for n in tree.body if isinstance(n, ast.ImportFrom)}
        assert names <= {
            "__future__", "errno", "gc", "heapq", "json", "os", "re", "selectors", "socket", "stat",
            "sys", "time",
        }  # fmt: skip

    def test_the_package_imports_nothing_else_of_ours(self) -> None:
        for path in {*PACKAGE.glob("*.py")} - {PACKAGE / "bundle.py"}:  # it makes the file
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    assert node.level == 0, path
                    names = [node.module or ""]
                for name in names:
                    top = name.partition(".")[0]
                    assert top in sys.stdlib_module_names or name.startswith("mcpconf.bridge"), path

    def test_every_module_is_in_it(self) -> None:
        left_out = {"__init__", "__main__", "bundle"}
        assert {path.stem for path in PACKAGE.glob("*.py")} - left_out == set(bundle._ORDER)

    def test_uses_no_api_that_is_newer_than_3_9(self, tmp_path: Path) -> None:
        vermin = Path(sys.executable).parent / "vermin"
        if not vermin.exists():
            pytest.skip("there is no vermin")
        path = tmp_path / "bridge.py"
        path.write_text(bundle.source())
        words = [str(vermin), "-t=3.9-", "--no-tips", "--violations", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
    def test_runs_on(self, version: str, program: Path, tmp_path: Path, backend: Backend) -> None:
        beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")  # pyenv
        places = [*beside, shutil.which(f"python{version}")]
        found = next((str(place) for place in places if place and works(str(place))), None)
        if found is None:
            pytest.skip(f"there is no python{version}")
        (tmp_path / "python3").write_text(f'#!/bin/sh\nexec {found} "$@"\n')
        (tmp_path / "python3").chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        words = [str(program), "--url", backend.url, "--cache", ""]
        bridge = Running(words, env={**os.environ, "PATH": path})
        bridge.say(INITIALIZE, READY, CALL)
        assert bridge.hear()["id"] == 0
        assert bridge.hear()["id"] == 2
        assert bridge.end() == 0


class TestStart:
    """The client is answered within 1.5 s, or as late as it allows where nothing is known."""

    def test_a_quick_server_answers_itself(self, run: Any, backend: Backend) -> None:
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE)
        assert bridge.hear()["result"]["serverInfo"]["name"] == "backend"
        assert clock.now() - bridge.begun < 1.5

    @pytest.mark.parametrize("absent", ["refused", "mute"])
    def test_a_late_server_is_answered_for(
        self, run: Any, backend: Backend, tmp_path: Path, absent: str
    ) -> None:
        cache = {"MCPCONF_BRIDGE_CACHE": str(tmp_path / "cache")}
        first = run("--url", backend.url, **cache)
        first.say(INITIALIZE, READY, LIST)
        first.hear_id(1)
        assert first.end() == 0
        if absent == "refused":
            backend.close()
        else:
            backend.rules["initialize"] = lambda peer, message: b""
        second = run("--url", backend.url, **cache)
        second.say(INITIALIZE)
        assert second.hear()["result"]["serverInfo"]["name"] == "backend"
        assert clock.now() - second.begun < 1.5
        asked = clock.now()
        second.say(READY, LIST)
        assert second.hear_id(1)["result"] == TOOLS
        assert clock.now() - asked < 1.5
        port = backend.port
        backend.close()
        later = Backend(port)
        changed = {"tools": [*TOOLS["tools"], {"name": "new", "inputSchema": {}}]}
        later.rules["tools/list"] = lambda peer, message: said(
            200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": changed}).encode()
        )
        while second.hear(10).get("method") != "notifications/tools/list_changed":
            pass
        second.say({**LIST, "id": 9})
        assert second.hear_id(9)["result"] == changed
        assert second.end() == 0
        later.close()

    def test_the_first_start_of_all_is_answered_honestly(self, run: Any) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        bridge = run("--url", url, MCP_TIMEOUT="1000")
        bridge.say(INITIALIZE)
        result = bridge.hear()["result"]
        assert clock.now() - bridge.begun < 1.5
        assert result["serverInfo"]["version"] == "not reached"
        assert "connection refused" in result["instructions"]

    def test_a_place_that_nobody_knows_is_named(self, run: Any, tmp_path: Path) -> None:
        bridge = run("github", "--config", str(tmp_path / "none.json"))
        bridge.say(INITIALIZE, READY)
        there = f"{tmp_path}/none.json is not there; run `mcpconf sync` on the host"
        assert there in bridge.hear_id(0)["result"]["instructions"]
        assert clock.now() - bridge.begun < 5, "waiting mends nothing"
        bridge.say(CALL)
        error = bridge.hear_id(2)["error"]
        assert there in error["message"]
        assert "mcpconf explain" not in error["message"], "one thing to do"
        bridge.say(LIST)
        assert there in bridge.hear_id(1)["error"]["message"]

    def test_no_gateway_is_said_with_what_starts_it(self, run: Any, tmp_path: Path) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        gateway = {"host": "127.0.0.1", "port": port}
        there = {"version": 1, "project": "p", "token": "t" * 32, "gateway": gateway}
        (tmp_path / "bridge.json").write_text(json.dumps(there))
        config = str(tmp_path / "bridge.json")
        bridge = run("github", "--config", config, MCP_TIMEOUT="1000")
        bridge.say(INITIALIZE)
        text = bridge.hear()["result"]["instructions"]
        assert "connection refused" in text
        assert "run `mcpconf gateway start` on the host" in text
        bridge.say(READY, LIST)
        error = bridge.hear_id(1)["error"]  # a list of the client's waits 5 s for it
        assert "run `mcpconf gateway start` on the host" in error["message"]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (refusal(401), "run `mcpconf sync` on the host"),
        (refusal(403), "run `mcpconf gateway logs` on the host"),
        (Trouble("unreachable", "no route"), "(no route); run `mcpconf gateway start`"),
        (Trouble("login-needed", "as the gateway says", said=b"{}"), "as the gateway says"),
        (Trouble("not-mcp", "garbage"), "garbage"),
    ],
)
def test_what_is_wrong_with_the_gateway_is_said_with_what_mends_it(
    trouble: Trouble, words: str
) -> None:
    assert words in of_gateway(trouble)


def modern(method: str, identity: object, **params: Any) -> dict[str, Any]:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": {"_meta": meta, **params}}


PROBE = modern("server/discover", "probe")
LISTEN = modern("subscriptions/listen", "listen:0", notifications={"toolsListChanged": True})
MODERN_LIST = modern("tools/list", 1)
OF_LISTEN = {"io.modelcontextprotocol/subscriptionId": "listen:0"}


class TestModernStart:
    """Claude Code subscribes before it asks for lists, and waits until that is acknowledged."""

    def knows_the_era(self, backend: Backend) -> None:
        found = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 5}

        def discovered(_: Any, message: dict[str, Any]) -> bytes:
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": found}
            return said(200, json.dumps(answer).encode())

        backend.rules["server/discover"] = discovered

    def acknowledges(self, backend: Backend) -> None:
        notice = {"_meta": OF_LISTEN, "notifications": {"toolsListChanged": True}}
        method = "notifications/subscriptions/acknowledged"

        def begun(peer: Any, message: dict[str, Any]) -> bytes:
            del message
            text = json.dumps({"jsonrpc": "2.0", "method": method, "params": notice})
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            peer.sendall(head + f"data: {text}\n\n".encode())
            time.sleep(30)
            return b""

        backend.rules["subscriptions/listen"] = begun

    def test_a_server_that_answers_is_passed_on_once(
        self, run: Any, backend: Backend, tmp_path: Path
    ) -> None:
        self.knows_the_era(backend)
        self.acknowledges(backend)
        for _ in range(2):  # the second one knows it
            bridge = run("--url", backend.url, MCPCONF_BRIDGE_CACHE=str(tmp_path / "cache"))
            bridge.say(PROBE)
            assert bridge.hear()["id"] == "probe"
            bridge.say(LISTEN)
            assert bridge.hear()["params"]["_meta"] == OF_LISTEN
            time.sleep(1.5)
            bridge.say(MODERN_LIST)
            assert bridge.hear()["id"] == 1, "nothing was said twice"
            bridge.end()

    @pytest.mark.parametrize("absent", ["refused", "mute"])
    def test_a_late_server_is_spoken_for(
        self, run: Any, backend: Backend, tmp_path: Path, absent: str
    ) -> None:
        cache = {"MCPCONF_BRIDGE_CACHE": str(tmp_path / "cache")}
        self.knows_the_era(backend)
        first = run("--url", backend.url, **cache)
        first.say(PROBE, MODERN_LIST)
        assert {first.hear()["id"], first.hear()["id"]} == {"probe", 1}
        first.end()
        if absent == "refused":
            backend.close()
        else:
            quiet = lambda peer, message: time.sleep(30) or b""  # noqa: E731
            for method in ("server/discover", "subscriptions/listen", "tools/list"):
                backend.rules[method] = quiet
        bridge = run("--url", backend.url, **cache)
        bridge.say(PROBE)
        assert bridge.hear()["result"]["ttlMs"] == 0
        bridge.say(LISTEN)
        told = bridge.hear()
        assert told["method"] == "notifications/subscriptions/acknowledged"
        assert told["params"] == {"_meta": OF_LISTEN, "notifications": {"toolsListChanged": True}}
        bridge.say(MODERN_LIST)
        assert bridge.hear_id(1)["result"] == TOOLS
        assert clock.now() - bridge.begun < 2.0, "Claude Code waits as long"

    def test_a_slow_server_has_as_long_for_all_of_a_start(
        self, run: Any, backend: Backend, tmp_path: Path
    ) -> None:
        cache = {"MCPCONF_BRIDGE_CACHE": str(tmp_path / "cache")}
        self.knows_the_era(backend)
        first = run("--url", backend.url, **cache)
        first.say(PROBE, MODERN_LIST)
        assert {first.hear()["id"], first.hear()["id"]} == {"probe", 1}
        first.end()
        for method in ("server/discover", "subscriptions/listen", "tools/list"):
            quick = backend.rules.get(method)
            backend.rules[method] = lambda peer, message, quick=quick: (
                time.sleep(0.9) or (quick(peer, message) if quick else b"")
            )
        bridge = run("--url", backend.url, **cache)
        bridge.say(PROBE)
        assert bridge.hear()["result"]["ttlMs"] == 5, "its own answer"
        began = clock.now()
        bridge.say(LISTEN)
        assert bridge.hear()["params"]["_meta"] == OF_LISTEN
        bridge.say(MODERN_LIST)
        assert bridge.hear_id(1)["result"] == TOOLS
        assert clock.now() - began < 0.8

    def test_a_server_that_was_never_seen_answers_for_itself(
        self, run: Any, backend: Backend
    ) -> None:
        self.knows_the_era(backend)
        backend.rules["subscriptions/listen"] = lambda peer, message: said(404)
        bridge = run("--url", backend.url)
        bridge.say(PROBE)
        assert bridge.hear()["id"] == "probe"
        bridge.say(LISTEN)
        assert "error" in bridge.hear_id("listen:0")


class TestPipes:
    def test_what_is_no_message_is_refused_and_nothing_else(
        self, run: Any, backend: Backend
    ) -> None:
        bridge = run("--url", backend.url)
        bridge.say(
            b"garbage", b"5", b'"x"', b"[5]", b'{"id":[]}', b'{"jsonrpc":"2.0","id":3,"method":[]}',
            b'{"jsonrpc":"2.0","id":"\\ud800","method":{}}', b"\xff\xfe", b"", b"  ", b"[" * 100_000,
            b"[]", INITIALIZE, READY, CALL,
        )  # fmt: skip
        codes = [bridge.hear()["error"]["code"] for _ in range(9)]
        assert codes == [-32700, -32600, -32600, -32600, -32600, -32600, -32600, -32700, -32700]
        assert bridge.hear()["id"] == 0
        assert bridge.hear()["id"] == 2

    def test_a_batch_is_answered_one_by_one(self, run: Any, backend: Backend) -> None:
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE, READY)
        bridge.hear()
        bridge.say([{**CALL, "id": "a"}, {**CALL, "id": "b"}])
        assert {bridge.hear()["id"], bridge.hear()["id"]} == {"a", "b"}

    def test_ten_megabytes_pass_both_ways(self, run: Any, backend: Backend) -> None:
        def large(peer: Any, message: dict[str, Any]) -> bytes:
            text = message["params"]["arguments"]["x"]
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"x": text * 2}}
            return said(200, json.dumps(answer).encode())

        backend.rules["tools/call"] = large
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE, READY)
        bridge.hear()
        bridge.say({**CALL, "params": {"name": "t", "arguments": {"x": "y" * 5_000_000}}})
        assert len(bridge.hear()["result"]["x"]) == 10_000_000

    @pytest.mark.parametrize("source", ["null", "file"])
    def test_stdin_may_be_no_pipe(
        self, program: Path, only_python: str, backend: Backend, tmp_path: Path, source: str
    ) -> None:
        text = "".join(json.dumps(m) + "\n" for m in (INITIALIZE, READY))
        (tmp_path / "in").write_text(text if source == "file" else "")
        stdin = tmp_path / "in" if source == "file" else Path(os.devnull)
        with stdin.open() as file:
            done = subprocess.run(
                [str(program), "--url", backend.url, "--cache", ""],
                stdin=file, capture_output=True, env={"PATH": only_python}, timeout=5, check=False,
            )  # fmt: skip
        assert done.returncode == 0
        assert done.stderr == b""

    def test_a_client_that_does_not_read_costs_a_bounded_amount(
        self, run: Any, backend: Backend
    ) -> None:
        """The server is made to wait, and nothing is lost when the client reads again."""
        notice = b'data: {"jsonrpc":"2.0","method":"notifications/x","params":"%s"}\n\n'
        event = notice % (b"y" * 1_000_000)
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        count, sent = 120, []

        def flood(peer: Any, message: dict[str, Any]) -> bytes:
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            peer.settimeout(10)
            for number in range(count):
                peer.sendall(chunk)
                sent.append(number)
            last = b'data: {"jsonrpc":"2.0","id":%d,"result":{}}\n\n' % message["id"]
            return b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last)

        backend.rules["tools/call"] = flood
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE, READY)
        bridge.hear()
        bridge.say(CALL)
        before = -1
        while before != len(sent):  # until the server waits
            before = len(sent)
            threading.Event().wait(0.4)
        assert 30 < len(sent) < 60
        status = Path(f"/proc/{bridge.process.pid}/status").read_text()
        peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0])
        assert peak < 90_000
        for _ in range(count):
            assert bridge.hear()["method"] == "notifications/x"
        assert bridge.hear()["id"] == 2

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_after_a_goodbye(
        self, run: Any, backend: Backend, number: signal.Signals
    ) -> None:
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE, READY)
        bridge.hear()
        bridge.process.send_signal(number)
        assert bridge.process.wait(30) == 0
        assert "DELETE" in backend.asked
        assert bridge.errors() == ""

    def test_a_mute_server_does_not_hold_up_the_end(self, run: Any, backend: Backend) -> None:
        backend.rules["DELETE"] = lambda peer, message: b""
        bridge = run("--url", backend.url)
        bridge.say(INITIALIZE, READY)
        bridge.hear()
        begun = clock.now()
        assert bridge.end() == 0
        assert clock.now() - begun < 2

    def test_what_it_learnt_is_saved_before_the_goodbye(
        self, run: Any, backend: Backend, tmp_path: Path
    ) -> None:
        """Claude Code kills who does not end at once."""
        heard = threading.Event()
        saved: list[bool] = []
        cache = tmp_path / "cache"

        def last(peer: Any, message: dict[str, Any]) -> bytes:
            saved.append(any(cache.iterdir()) if cache.exists() else False)
            heard.set()
            return said(200)

        backend.rules["DELETE"] = last
        bridge = run("--url", backend.url, MCPCONF_BRIDGE_CACHE=str(cache))
        bridge.say(INITIALIZE, READY, LIST)
        bridge.hear_id(1)
        bridge.process.send_signal(signal.SIGTERM)
        assert heard.wait(30)
        assert saved == [True]

    def test_a_cancelled_initialize_goes_on(self, run: Any, backend: Backend) -> None:
        go = threading.Event()

        def late(peer: Any, message: dict[str, Any]) -> bytes:
            go.wait(30)
            del backend.rules["initialize"]
            return backend._answer(peer, "POST", message)

        backend.rules["initialize"] = late
        bridge = run("--url", backend.url)
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}
        bridge.say(INITIALIZE, cancel, READY, CALL)
        go.set()
        assert bridge.hear_id(2)["result"] == {"content": []}


class TestWords:
    @pytest.mark.parametrize(
        "words",
        [
            [], ["--url"], ["a", "b"], ["a", "--url", "http://x/"], ["--what"], ["--cache", ""],
            ["--compile"], ["--url", "http://x/", "http://y/"],
        ],
    )  # fmt: skip
    def test_wrong_words(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(words) == 2
        assert "usage:" in capsys.readouterr().err

    @pytest.mark.parametrize("word", ["--help", "-h"])
    def test_help(self, word: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["name", word]) == 0
        assert "usage:" in capsys.readouterr().out

    def test_a_wrong_url_is_not_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["--url", "http://user:secret@a/"]) == 2
        said = capsys.readouterr().err
        assert "user name or password" in said
        assert "secret" not in said

    def test_options(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/h")
        monkeypatch.delenv("MCPCONF_BRIDGE_CACHE", raising=False)
        monkeypatch.delenv("MCPCONF_BRIDGE_CONFIG", raising=False)
        config, cache = "/etc/mcpconf/bridge.json", "/h/.cache/mcpconf/bridge"
        assert command._options(["a"]) == ("a", "", config, cache)
        assert command._options(["http://a/"]) == ("", "http://a/", config, cache)
        assert command._options(["unix:/s:/m"]) == ("", "unix:/s:/m", config, cache)
        assert command._options(["a", "--config", "c", "--cache", ""]) == ("a", "", "c", "")
        monkeypatch.setenv("XDG_CACHE_HOME", "/x")
        monkeypatch.setenv("MCPCONF_BRIDGE_CONFIG", "/c")
        assert command._options(["a"]) == ("a", "", "/c", "/x/mcpconf/bridge")
        monkeypatch.setenv("MCPCONF_BRIDGE_CACHE", "")
        assert command._options(["a"]) == ("a", "", "/c", "")

    def test_no_text_escapes_the_cache(self) -> None:
        names = ["../../etc/passwd", "a/b", "a-b", "http://a/?key=secret", "\0", "\ud800", ""]
        slugs = [command._slug(name) for name in names]
        assert len(set(slugs)) == len(names)
        assert all(re.fullmatch(r"[A-Za-z0-9-]+", slug) for slug in slugs)
        assert not any("secret" in slug for slug in slugs)


class TestTarget:
    GOOD: ClassVar = {
        "version": 1,
        "project": "p",
        "token": "t",
        "gateway": {"host": "h", "port": 8},
    }

    def target(self, tmp_path: Path, document: object) -> Target:
        path = tmp_path / "bridge.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        target = Target("n", config=str(path))
        target.load()
        return target

    def test_tcp(self, tmp_path: Path) -> None:
        target = self.target(tmp_path, self.GOOD)
        assert target.trouble is None
        assert str(target.endpoint) == "http://h:8"
        assert target.endpoint is not None
        assert target.endpoint.path == "/p/n/mcp"
        assert ("Authorization", "Bearer t") in target.headers

    def test_socket(self, tmp_path: Path) -> None:
        target = self.target(tmp_path, {**self.GOOD, "socket": "/s.sock"})
        assert str(target.endpoint) == "unix:/s.sock"

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 2}, {"project": "a b"}, {"project": ""},
            {"token": "a\r\nb"}, {"gateway": None}, {"gateway": {"host": "h"}},
            {"gateway": {"host": "h", "port": "x"}}, {"gateway": {"host": "h@evil", "port": 1}},
            {"gateway": {"host": "h/x", "port": 1}}, {"socket": "relative"},
        ],
    )  # fmt: skip
    def test_what_sync_never_writes(self, tmp_path: Path, change: dict[str, Any]) -> None:
        target = self.target(tmp_path, {**self.GOOD, **change})
        if change == {"gateway": {"host": "h/x", "port": 1}}:
            assert target.trouble is not None or target.endpoint is not None
            return
        assert target.trouble is not None
        assert "sync" in target.trouble.text

    @pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "[" * 60_000])
    def test_damage(self, tmp_path: Path, text: str) -> None:
        target = self.target(tmp_path, text)
        assert target.trouble is not None
        assert target.endpoint is None

    def test_a_new_file_is_seen(self, tmp_path: Path) -> None:
        target = self.target(tmp_path, self.GOOD)
        headers = target.headers
        target.load()
        assert target.headers is headers
        (tmp_path / "bridge.json").write_text(json.dumps({**self.GOOD, "token": "other"}))
        target.load()
        assert ("Authorization", "Bearer other") in target.headers
