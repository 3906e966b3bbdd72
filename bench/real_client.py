#!/usr/bin/env python3
"""Session starts of the real Claude Code with four servers, while things break.

    bench/real_client.py [-n 300] [--jobs 2] [--mode both|bridge|plain] [--client PATH]
                         [--json FILE]

Counts, for every server, in how many sessions it was connected at `init` and its tool gave the
right answer.  `bridge` is mcpconf: what `mcpconf sync` writes, the bridge in the sessions, the
gateway beside them.  `plain` is the same four servers as `type: http` and `type: sse`, which is
what people have.

    files    a stdio server on the host, behind the gateway     (plain: over HTTP)
    secret   HTTP with a secret header that the gateway adds
    docs     HTTP, the bridge connects to it directly
    old      HTTP+SSE of 2024-11-05 on localhost, behind the gateway

The faults come in turn, see `FAULTS`.  No network and no login: the client talks to a stub of the
Messages API.  It is 2.1.328, from `python -m tests.parity.install_clients`.  Exit status 1 unless
all of mcpconf's sessions were right.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "proxy"))
import procs as H  # noqa: E402, N812
from messages_stub import MessagesStub  # noqa: E402

CLIENT = HERE.parent / ".clients/2.1.328/node_modules/.bin/claude"
NAMES = ("files", "secret", "docs", "old")
SECRET = "of-the-host-only"
TIMEOUT = 120


@dataclass
class World:
    """Three HTTP servers, and for mcpconf a home, a project and a gateway."""

    root: Path
    plain: bool
    servers: dict[str, H.HttpBackend] = field(default_factory=dict)
    gateway: H.Proc | None = None
    port: int = 0
    lock: Any = field(default_factory=threading.RLock)

    def start(self) -> None:
        for name in NAMES[self.plain ^ 1 :]:
            self.servers[name] = H.HttpBackend(name=name).start()
        if not self.plain:
            self._compile()
            self.start_gateway()

    # ---- what the user has, and what sync makes of it
    def url(self, name: str) -> str:
        return f"http://localhost:{self.servers[name].port}/{'sse' if name == 'old' else 'mcp'}"

    def entries(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "secret": {"type": "http", "url": self.url("secret"), "headers": {"X-Api-Key": SECRET}},
            "old": {"type": "sse", "url": self.url("old")},
        }
        if self.plain:
            found["files"] = {"type": "http", "url": self.url("files")}
            found["docs"] = {"type": "http", "url": self.url("docs")}
        else:
            command, *args = H.backend_cmd("stdio", "--name", "files")
            found["files"] = {"command": command, "args": args}
        return found

    def _compile(self) -> None:
        home, project = self.root / "host", self.root / "project"
        self.port = H.free_port()
        (home / ".config/mcpconf").mkdir(parents=True)
        project.mkdir()
        (home / ".config/mcpconf/mcpconf.toml").write_text(f'gateway = "127.0.0.1:{self.port}"\n')
        (home / ".claude.json").write_text(json.dumps({"mcpServers": self.entries()}))
        where = ["--home", str(home), "--project", str(project)]
        self._mcpconf("trust", *where, "files")
        self._mcpconf("sync", *where, "--offline", "--out", str(self.root / "container"))

    def _mcpconf(self, *words: str) -> None:
        env = {**H.ENV, "HOME": str(self.root / "host")}
        done = subprocess.run(
            [f"{H.VENV}/bin/mcpconf", *words], check=False, capture_output=True, text=True, env=env
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"mcpconf {words[0]}: {done.stdout}{done.stderr}")

    def config(self) -> dict[str, Any]:
        """What the client loads."""
        if self.plain:
            return {"mcpServers": self.entries()}
        made: dict[str, Any] = json.loads((self.root / "container/mcp.json").read_text())
        direct = {"type": "stdio", "command": "mcpconf-bridge", "args": ["--url", self.url("docs")]}
        made["mcpServers"]["docs"] = direct  # a sync takes what listens here for the host's own
        return made

    # ---- the gateway
    def start_gateway(self) -> None:
        home = self.root / "host"
        env = {**H.ENV, "HOME": str(home), "PYTHONUNBUFFERED": "1"}
        listen = ["--listen", f"127.0.0.1:{self.port}"]
        words = [f"{H.VENV}/bin/mcpconf", "gateway", "run", "--home", str(home), *listen]
        self.gateway = H.Proc(words, env, str(self.root / "gateway.log"))
        H.wait_listening(self.port)

    def restart_gateway(self) -> None:
        with self.lock:
            if self.gateway is None:
                self.restart("files")
                return
            self.gateway.stop()
            self.start_gateway()

    # ---- the servers
    def restart(self, name: str, down: float = 0.0) -> None:
        with self.lock:
            self.servers[name].stop()
            time.sleep(down)
            self.servers[name].start()

    def evict(self) -> None:
        for server in self.servers.values():
            with suppress(OSError):  # being restarted for the other session
                server.ctl(do="evict")

    def cut(self) -> None:
        for server in self.servers.values():
            with suppress(OSError):
                server.ctl(do="drop_connections")

    def stop(self) -> None:
        for process in (self.gateway, *self.servers.values()):
            if process is not None:
                process.stop()


Fault = Callable[[World], None]
FAULTS: tuple[tuple[str, str, Fault], ...] = (
    ("nothing", "before", lambda _: None),
    ("gateway restarted before", "before", World.restart_gateway),
    ("gateway restarted in the session", "during", World.restart_gateway),
    ("server restarted before", "before", lambda w: w.restart("secret")),
    ("server restarted in the session", "during", lambda w: w.restart("docs")),
    ("sessions evicted in the session", "during", World.evict),
    ("server 4 s late", "beside", lambda w: w.restart("secret", 4.0)),
    ("server 4 s late, the direct one", "beside", lambda w: w.restart("docs", 4.0)),
    ("connections cut in the session", "during", World.cut),
    ("old server restarted in the session", "during", lambda w: w.restart("old")),
)


def session(
    world: World, stub: MessagesStub, home: Path, number: int, client: Path
) -> dict[str, Any]:
    """One session with its fault; what the client said at init, and what its calls gave."""
    name, when, fault = FAULTS[number % len(FAULTS)]
    args = {"session": number}
    calls = {f"mcp__{server}__echo": args for server in NAMES}
    stub.begin(calls, (lambda: fault(world)) if when == "during" else None)
    beside = threading.Thread(target=fault, args=(world,))
    if when == "before":
        fault(world)
    if when == "beside":
        beside.start()
        time.sleep(0.3)
    found = _run_client(world, stub, home, client)
    if when == "beside":
        beside.join()
    right = {n for n in NAMES if found["results"].get(f"mcp__{n}__echo") == json.dumps(args)}
    return {**found, "fault": name, "right": sorted(right)}


def _run_client(world: World, stub: MessagesStub, home: Path, client: Path) -> dict[str, Any]:
    config = home / "mcp.json"
    config.write_text(json.dumps(world.config()))
    path = os.pathsep.join((str(Path(H.bridge_file()).parent), H.ENV["PATH"]))
    env = {
        "HOME": str(home),
        "PATH": path,
        "ANTHROPIC_BASE_URL": stub.url,
        "ANTHROPIC_API_KEY": "sk-ant-fake",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ENABLE_TOOL_SEARCH": "false",
        "NO_PROXY": "127.0.0.1,localhost",
        "MCPCONF_BRIDGE_CONFIG": str(world.root / "container/bridge.json"),
    }
    words = ["-p", "hi", "--output-format", "stream-json", "--verbose", "--strict-mcp-config"]
    words += ["--mcp-config", str(config), "--allowedTools", ",".join(f"mcp__{n}" for n in NAMES)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(client), *words],
        cwd=home,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(TIMEOUT, process.kill)
    timer.start()
    out, err = process.communicate()
    timer.cancel()
    found = {"init": {}, "results": {}, "code": process.returncode, "err": err[-500:]}
    for event in _events(out):
        _take(found, event)
    return {**found, "seconds": round(time.perf_counter() - start, 2)}


def _events(out: str) -> Iterator[dict[str, Any]]:
    for line in out.splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def _take(found: dict[str, Any], event: dict[str, Any]) -> None:
    if event.get("type") == "system" and event.get("subtype") == "init":
        found["init"] = {s["name"]: s["status"] for s in event.get("mcp_servers", [])}
    content = (event.get("message") or {}).get("content")
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_use":
            found.setdefault("ids", {})[block["id"]] = block["name"]
        elif block.get("type") == "tool_result":
            text = block.get("content")
            if isinstance(text, list):
                text = " ".join(x.get("text", "") for x in text)
            found["results"][found.get("ids", {}).get(block["tool_use_id"], "?")] = text


def run(mode: str, n: int, jobs: int, client: Path) -> list[dict[str, Any]]:
    """N sessions in that mode, some at a time, each line of workers with a home of its own."""
    with world(plain=mode == "plain") as w:
        numbers, rows, lock = iter(range(n)), [], threading.Lock()

        def worker(home: Path) -> None:
            home.mkdir()
            stub = MessagesStub()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return stub.close()
                row = session(w, stub, home, number, client)
                with lock:
                    rows.append({"mode": mode, "number": number, **row})
                    tell(rows[-1])

        threads = [
            threading.Thread(target=worker, args=(w.root / f"client{i}",)) for i in range(jobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return rows


@contextmanager
def world(*, plain: bool) -> Iterator[World]:
    root = Path(tempfile.mkdtemp(prefix="real-client-"))
    w = World(root, plain)
    try:
        w.start()
        yield w
    finally:
        w.stop()
        shutil.rmtree(root, ignore_errors=True)


def whole(row: dict[str, Any]) -> bool:
    connected = all(row["init"].get(n) == "connected" for n in NAMES)
    return connected and len(row["right"]) == len(NAMES)


def tell(row: dict[str, Any]) -> None:
    if whole(row):
        return
    bad = {n: s for n, s in row["init"].items() if s != "connected"}
    wrong = {
        n: str(row["results"].get(f"mcp__{n}__echo"))[:160] for n in NAMES if n not in row["right"]
    }
    print(
        f"{row['mode']} {row['number']} ({row['fault']}): at init {bad}, calls {wrong} {row['err']}"
    )


def table(rows: list[dict[str, Any]]) -> None:
    for mode in sorted({r["mode"] for r in rows}):
        mine = [r for r in rows if r["mode"] == mode]
        seconds = statistics.median(r["seconds"] for r in mine)
        good = sum(map(whole, mine))
        print(f"\n{mode}: {good} of {len(mine)} sessions whole, {seconds:.1f} s each (median)")
        for n in NAMES:
            states = collections.Counter(r["init"].get(n, "absent") for r in mine)
            right = sum(n in r["right"] for r in mine)
            print(f"  {n:8s} at init {dict(states)}, calls right {right}/{len(mine)}")
        for fault in dict.fromkeys(f[0] for f in FAULTS):
            some = [r for r in mine if r["fault"] == fault]
            if some:
                print(f"  {fault:38s} {sum(map(whole, some))}/{len(some)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mode", choices=("both", "bridge", "plain"), default="both")
    parser.add_argument("--client", type=Path, default=CLIENT)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for mode in ("bridge", "plain") if a.mode == "both" else (a.mode,):
        rows += run(mode, a.n, a.jobs, a.client.absolute())
    table(rows)
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(whole(r) for r in rows if r["mode"] == "bridge") else 1


if __name__ == "__main__":
    sys.exit(main())
