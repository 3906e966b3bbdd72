"""Processes of the benchmark: backends, peers, and what they cost.

Everything listens on loopback; only process groups started here are ever signalled.
"""

import asyncio
import functools
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from pathlib import Path

from wire import Gone, HttpClient, RpcError

HERE = Path(__file__).resolve().parent
REPO = Path(os.environ.get("BENCH_REPO", HERE.parents[1]))

H2 = os.environ.get("BENCH_HOME", str(REPO / ".bench"))
PY = os.environ.get("BENCH_PY", os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
VENV = os.environ.get("BENCH_VENV", str(HERE.parents[1] / ".venv"))
NODE = os.environ.get("BENCH_NODE", "node")
BACKEND = str(HERE / "backend.py")
TICK = os.sysconf("SC_CLK_TCK")
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ENV = {
    **{k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")},
    "HOME": H2 + "/home",
    "PYTHONPATH": str(REPO / "src"),
    "PATH": os.path.dirname(PY) + os.pathsep + os.environ.get("PATH", os.defpath),
    "DO_NOT_TRACK": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
}


# ------------------------------------------------------------------------------------- processes
def free_port():
    """A port nobody has, below the range from which the kernel takes the ports of connections."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def backend_cmd(mode, *args, **faults):
    cmd = [PY, "-S", "-E", BACKEND, mode, *args]
    if faults:
        cmd += ["--set", json.dumps(faults)]
    return cmd


class Proc:
    """A process group we started; the only thing we ever signal."""

    def __init__(self, cmd, env=None, log=None, cwd=None):
        self.cmd = cmd
        self.log = open(log or os.devnull, "ab")
        self.t0 = time.perf_counter()
        self.p = subprocess.Popen(
            cmd,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=env or ENV,
            cwd=cwd,
            start_new_session=True,
        )
        self.pid = self.p.pid

    def alive(self):
        return self.p.poll() is None

    def stop(self, grace=3):
        kids = tree(self.pid)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, sig)
            except ProcessLookupError:
                pass
            try:
                self.p.wait(grace)
                break
            except subprocess.TimeoutExpired:
                continue
        for _ in range(20):  # children may still be winding down
            left = [k for k in kids if k != self.pid and running(k)]
            if not left:
                break
            time.sleep(0.05)
        for k in left:
            try:
                os.kill(k, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.log.close()
        return left


def running(pid):
    try:
        s = Path(f"/proc/{pid}/stat").read_bytes()
        return s[s.rindex(b")") + 2 :][:1] not in b"ZX"
    except OSError:
        return False


def ppids():
    out = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                with open(f"/proc/{d}/stat", "rb") as fh:
                    s = fh.read()
                out[int(d)] = int(s[s.rindex(b")") + 2 :].split()[1])
            except OSError:
                pass
    return out


def tree(pid, skip_backends=False):
    pp, out, new = ppids(), [], [pid]
    while new:
        p = new.pop()
        if not os.path.exists(f"/proc/{p}"):
            continue
        if skip_backends:
            try:
                argv = Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")
                if argv[0] == PY.encode() and BACKEND.encode() in argv:
                    continue
            except OSError:
                continue
        out.append(p)
        new += [k for k, v in pp.items() if v == p]
    return out


def cpu_s(pid):
    """CPU seconds of the peer's live process tree without the backends (nanosecond scheduler clock where there is one)."""
    t = 0
    for p in tree(pid, True):
        try:
            t += (
                sum(
                    int(Path(f"/proc/{p}/task/{k}/schedstat").read_bytes().split()[0])
                    for k in os.listdir(f"/proc/{p}/task")
                )
                / 1e9
            )
        except OSError:
            pass
    return t


def cpu_reaped(pid):
    try:
        s = Path(f"/proc/{pid}/stat").read_bytes()
        f = s[s.rindex(b")") + 2 :].split()
        return (int(f[13]) + int(f[14])) / TICK
    except OSError:
        return 0


def mem_mb(pid):
    rss = pss = hwm = 0
    for p in tree(pid, True):
        try:
            st = Path(f"/proc/{p}/status").read_text()
            rss += int(st.split("VmRSS:")[1].split()[0])
            hwm += int(st.split("VmHWM:")[1].split()[0])
            pss += int(Path(f"/proc/{p}/smaps_rollup").read_text().split("\nPss:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return {
        "rss_mb": rss / 1024,
        "pss_mb": pss / 1024,
        "peak_mb": hwm / 1024,
        "procs": len(tree(pid, True)),
    }


def ctl(port, host="127.0.0.1", **kw):
    url = f"http://{host}:{port}/_ctl"
    r = urllib.request.Request(url, json.dumps(kw).encode(), method="POST")
    with LOCAL.open(r, timeout=5) as f:
        return json.load(f)


class HttpBackend:
    """The reference server over HTTP: plain, and on request on a Unix socket or behind TLS as well."""

    def __init__(self, port=None, name="h0", args=(), **faults):
        self.port, self.name, self.faults, self.args = port or free_port(), name, faults, args
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.proc = None

    def start(self, wait=True):
        port = ("--port", str(self.port), "--name", self.name)
        self.proc = Proc(backend_cmd("http", *port, *self.args, **self.faults))
        if wait:
            for _ in range(800):
                try:
                    self.ctl()
                    return self
                except OSError:
                    time.sleep(0.01)
            raise RuntimeError("backend did not start")
        return self

    def stop(self):
        if self.proc:
            self.proc.stop()

    def ctl(self, **kw):
        host = "[::1]" if "::1" in self.args else "127.0.0.1"
        return ctl(self.port, host, **kw)


class WsBackend:
    """The reference server over WebSocket (needs the package `websockets` in this interpreter)."""

    def __init__(self, name="w0"):
        self.port, self.name = free_port(), name
        self.url = f"ws://127.0.0.1:{self.port}/mcp"
        self.proc = None

    def start(self):
        cmd = [
            sys.executable,
            str(HERE / "backend_ws.py"),
            "--port",
            str(self.port),
            "--name",
            self.name,
        ]
        self.proc = Proc(cmd)
        wait_listening(self.port)
        return self

    def stop(self):
        if self.proc:
            self.proc.stop()


def wait_listening(port, seconds=10.0):
    end = time.perf_counter() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.perf_counter() > end:
                raise
            time.sleep(0.01)
        else:
            return


# ------------------------------------------------------------------------------------------ peers
def load_peers():
    with open(os.environ.get("BENCH_PEERS", HERE / "peers.toml"), "rb") as fh:
        return tomllib.load(fh)["peer"]


_making = threading.Lock()


def bridge_file():
    """Our bridge as it ships: one file, made with the code of the Python that will run it."""
    with _making:  # several sessions start at once
        return _bridge_file()


@functools.cache
def _bridge_file():
    path = Path(H2, "mcpconf-bridge")
    new = Path(H2, f"mcpconf-bridge.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    maker = [PY, "-m", "mcpconf.bridge.bundle", str(new)]
    env = {**os.environ, "PYTHONPATH": str(REPO / "src")}
    made = subprocess.run(maker, check=False, capture_output=True, text=True, env=env)
    if made.returncode:
        raise RuntimeError(f"the bridge could not be put together: {made.stderr[-300:]}")
    os.replace(new, path)
    return str(path)


def fill(words, **kw):
    kw = {
        "H2": H2,
        "py": PY,
        "node": NODE,
        "here": str(HERE),
        "repo": str(REPO),
        "venv": VENV,
        **kw,
    }
    out = []
    if any("{mcpconf-bridge}" in word for word in words):
        kw["mcpconf-bridge"] = bridge_file()
    for word in words:
        for k, v in kw.items():
            word = word.replace("{" + k + "}", str(v))  # noqa: PLW2901 - one pass a name
        out.append(word)
    return out


class Gateway:
    """A running gateway with a set of servers: {name: {"cmd": [...]} or {"url": ...}}."""

    def __init__(self, peer, spec, servers):
        self.peer, self.spec, self.g, self.servers = peer, spec, spec["gateway"], servers
        self.port = free_port()
        self.dir = f"{H2}/run/{peer}-{self.port}-{os.getpid()}"
        self.home = f"{self.dir}/home"
        os.makedirs(self.home, exist_ok=True)
        self.headers = dict(self.g.get("headers", {}))
        self.log = f"{self.dir}/log"
        self.proc = None

    def config(self):
        entries = {
            n: (
                {"command": s["cmd"][0], "args": s["cmd"][1:], "env": s.get("env", {})}
                if "cmd" in s
                else {"type": "http", **s}
            )
            for n, s in self.servers.items()
        }
        path = f"{self.dir}/config.json"
        Path(path).write_text(json.dumps({"mcpServers": entries}))
        return path

    def start(self):
        first = next(iter(self.servers.values()))
        env = {**ENV, "HOME": self.home, **self.extra_env(), **self.g.get("env", {})}
        words = fill(
            self.g["cmd"],
            port=self.port,
            dir=self.dir,
            config=self.config(),
            name=next(iter(self.servers)),
            stdio_cmd=shlex.join(first.get("cmd", [])),
        )
        self.proc = Proc(getattr(self, "wrap", []) + words, env, self.log, cwd=self.dir)
        self.t0 = self.proc.t0
        return self

    def extra_env(self):
        return getattr(self, "env", {})

    def listening(self, seconds=20.0):
        """Wait until the port answers; ends with the process."""
        end = time.perf_counter() + seconds
        while True:
            try:
                return wait_listening(self.port, 0.2)
            except OSError:
                if not self.proc.alive() or time.perf_counter() > end:
                    raise RuntimeError(f"{self.peer} gateway: {self.tail()}") from None

    def tail(self):
        code = self.proc.p.poll()
        last = Path(self.log).read_text(errors="replace")[-300:]
        return f"exit {code}: {last}"

    def url(self, name):
        return fill([self.g["url"]], port=self.port, name=name)[0]

    def client(self, name, headers=None):
        return HttpClient(self.url(name), {**self.headers, **(headers or {})})

    async def connect(self, name, timeout=60, **kw):
        """Poll until the server answers initialize through the gateway; returns (client, seconds since spawn)."""
        end, last = time.perf_counter() + timeout, None
        while time.perf_counter() < end:
            c = self.client(name)
            try:
                await c.initialize(timeout=max(0.5, end - time.perf_counter()), **kw)
                return c, time.perf_counter() - self.t0
            except (TimeoutError, OSError, RpcError, Gone) as e:
                last = e
                await c.close()
                if not self.proc.alive():
                    raise RuntimeError(f"{self.peer} gateway: {self.tail()}") from e
                await asyncio.sleep(0.05)
        raise TimeoutError(f"{self.peer}: no initialize: {last!r}")

    async def ready(self, name, timeout=60):
        """Until tools/list shows this server's tools."""
        end = time.perf_counter() + timeout
        while True:
            c, _ = await self.connect(name, max(1, end - time.perf_counter()))
            try:
                want = c.tool("size")
                while True:
                    cur = {}
                    while cur is not None:  # some page their lists
                        r = await c.request(
                            "tools/list", cur, timeout=max(1, end - time.perf_counter())
                        )
                        if any(t["name"] == want for t in r["tools"]):
                            return c, time.perf_counter() - self.t0
                        cur = {"cursor": r["nextCursor"]} if r.get("nextCursor") else None
                    if time.perf_counter() > end:
                        raise TimeoutError(f"{self.peer}: {want} never listed")
                    await asyncio.sleep(0.1)
            except (RpcError, Gone, OSError):
                await c.close()
                if time.perf_counter() > end:
                    raise
                await asyncio.sleep(0.1)

    def stop(self):
        return self.proc.stop() if self.proc else []
