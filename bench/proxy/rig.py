"""What a scenario stands on: one backend, one peer between, clients; and the register of scenarios.

Directions: ``bridge`` (stdio client, HTTP server), ``gw-stdio`` and ``gw-http`` (HTTP client, gateway, server of that
kind), ``both-stdio`` and ``both-http`` (stdio client, bridge, gateway, server).
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import procs as H
from wire import Gone, HttpClient, RpcError, StdioClient

BRIDGE, GW_STDIO, GW_HTTP = "bridge", "gw-stdio", "gw-http"
BOTH_STDIO, BOTH_HTTP = "both-stdio", "both-http"
ANY = (BRIDGE, GW_STDIO, GW_HTTP, BOTH_STDIO, BOTH_HTTP)
OVER_STDIO = (BRIDGE, BOTH_STDIO, BOTH_HTTP)  # the client speaks stdio
TO_HTTP = (BRIDGE, GW_HTTP, BOTH_HTTP)  # the server speaks HTTP
TO_STDIO = (GW_STDIO, BOTH_STDIO)  # the server speaks stdio
GATEWAYS = (GW_STDIO, GW_HTTP)  # the client speaks HTTP to the gateway
THROUGH_GATEWAY = (GW_STDIO, GW_HTTP, BOTH_STDIO, BOTH_HTTP)
ALL = {}


class Part(Exception):
    """Works, with a reservation."""


class NA(Exception):
    """Says nothing about this peer in this direction."""


def scenario(*dirs, slow=False, heavy=False):
    """Register; slow ones wait for the clock, heavy ones take the machine."""

    def register(fn):
        ALL[fn.__name__] = (fn, dirs, slow or heavy)
        fn.slow, fn.heavy = slow, heavy
        return fn

    return register


def check(ok, why="check failed"):
    if not ok:
        raise AssertionError(why)


def txt(r):
    return r["content"][0]["text"]


def run(fn, *a):
    return asyncio.get_running_loop().run_in_executor(None, fn, *a)


class Rig:
    """One backend behind one peer, in one direction."""

    def __init__(self, peer, spec, direction):
        self.peer, self.spec, self.dir = peer, spec, direction
        self.direct = bool(spec.get("direct"))
        self.stdio_client = direction in OVER_STDIO
        self.http_server = direction in TO_HTTP
        self.be = self.gw = None
        self.clients, self.stoppable, self.note = [], [], ""
        os.makedirs(f"{H.H2}/run", exist_ok=True)
        self.tmp = tempfile.mkdtemp(prefix=f"{peer}-{direction}-", dir=f"{H.H2}/run")
        self.url = None  # instead of the backend's own
        self.entry = {}  # more keys of the server's entry in the gateway's config
        self.env = {}  # for bridge and gateway
        self.wrap = []  # words before their command lines

    def needs(self, upstream):
        """The peer must be able to reach such servers, else the scenario says nothing about it."""
        if self.direct or (self.dir != BRIDGE and upstream not in self.spec["gateway"]["upstream"]):
            raise NA(f"no {upstream}")

    def proxied(self):
        if self.direct:
            raise NA("direct")

    # ---- servers
    async def backend(self, start=True, args=(), **faults):
        if self.http_server:
            self.be = H.HttpBackend(args=args, **faults)
            if start:
                await run(self.be.start)
        return self.be

    async def another(self, **faults):
        """One more HTTP server, stopped at the end."""
        be = H.HttpBackend(**faults)
        self.stoppable.append(be)
        await run(be.start)
        return be

    def server(self, faults=None, args=(), name="s0"):
        if not self.http_server:
            return {
                "cmd": H.backend_cmd("stdio", "--name", name, *args, **(faults or {})),
                **self.entry,
            }
        return {"url": self.url or self.be.url, **self.entry}

    async def gateway(self, faults=None, servers=None, args=()):
        self.gw = H.Gateway(self.peer, self.spec, servers or {"s0": self.server(faults, args)})
        self.gw.env, self.gw.wrap = self.env, self.wrap
        await run(self.gw.start)
        return self.gw

    # ---- clients
    def bridge_cmd(self, name="s0", url=None):
        """The command line and the environment of a bridge, with a home of this rig's own."""
        env = {**H.ENV, "HOME": f"{self.tmp}/home", **self.env}
        if self.dir == BRIDGE:
            b, words = self.spec["bridge"], {"url": url or self.url or self.be.url}
        else:
            b = self.spec["both"]
            words = {
                "gateway_url": self.gw.url(name),
                "bridge_json": self.bridge_json(),
                "name": name,
                "port": self.gw.port,
            }
        env |= {k: H.fill([v], **words)[0] for k, v in b.get("env", {}).items()}
        return self.wrap + H.fill(b["cmd"], **words), env

    def bridge_json(self, socket=None):
        path = f"{self.tmp}/bridge.json"
        bearer = self.gw.headers.get("authorization", "").removeprefix("Bearer ")
        where = {"host": "127.0.0.1", "port": self.gw.port}
        content = {
            "version": 1,
            "project": "default",
            "token": bearer,
            "gateway": where,
            "socket": socket,
        }
        Path(path).write_text(json.dumps(content))
        return path

    async def spawn(self, name="s0", url=None):
        """A client that has not said anything yet."""
        if self.direct:
            c = (
                HttpClient(url or self.url or self.be.url)
                if self.http_server
                else await self._server()
            )
        elif not self.stdio_client:
            c = self.gw.client(name)
        else:
            cmd, env = self.bridge_cmd(name, url)
            c = await StdioClient.spawn(cmd, env=env)
        self.clients.append(c)
        return c

    async def _server(self, faults=None):
        return await StdioClient.spawn(self.server(faults)["cmd"], env=H.ENV)

    async def ready(self, faults=None, args=()):
        """The backend, and the gateway where there is one, both answering."""
        if self.be is None and self.http_server:
            await self.backend(args=args, **(faults or {}))
        if self.dir != BRIDGE and not self.direct and self.gw is None:
            await self.gateway(
                None if self.http_server else faults, args=() if self.http_server else args
            )
            await run(self.gw.listening)

    async def client(self, caps=None, get=True, timeout=30, faults=None, headers=None, name="s0"):
        """A connected, initialized client, creating backend and gateway on first use."""
        await self.ready(faults)
        if self.direct and not self.http_server:
            c = await self._server(faults)
            self.clients.append(c)
        elif headers and not self.stdio_client:
            url = self.be.url if self.direct else self.gw.url(name)
            own = {} if self.direct else self.gw.headers
            c = HttpClient(url, {**headers, **own})
            self.clients.append(c)
        else:
            c = await self.spawn(name)
        await self.up(c, timeout, caps)
        if get and isinstance(c, HttpClient):
            await c.open_get(1.0)
        elif isinstance(c, StdioClient):
            await asyncio.sleep(0.15)  # let the bridge open its GET stream
        return c

    async def up(self, c, timeout, caps=None):
        """Initialize; a gateway may need some attempts while its server starts."""
        end = time.perf_counter() + timeout
        while True:
            try:
                return await c.initialize(timeout=max(0.5, end - time.perf_counter()), caps=caps)
            except (RpcError, Gone, OSError) as e:
                if self.stdio_client or self.direct or time.perf_counter() > end:
                    raise
                if not self.gw.proc.alive():
                    raise RuntimeError(f"{self.peer} gateway: {self.gw.tail()}") from e
                await asyncio.sleep(0.05)

    def peer_pids(self):
        """The pids of the peer's own processes: gateway and bridges."""
        roots = [self.gw.proc.pid] if self.gw else []
        roots += [c.pid for c in self.clients if isinstance(c, StdioClient)]
        return [p for root in roots for p in H.tree(root, skip_backends=True)]

    async def close(self):
        for c in self.clients:
            try:
                if isinstance(c, StdioClient):
                    await c.kill()
                else:
                    await c.close()
            except Exception as e:
                self.note += f" closing: {e!r}"
        for x in [self.gw, self.be, *self.stoppable]:
            if x:
                await run(x.stop)
        if self.gw and not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(self.gw.dir, ignore_errors=True)
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(self.tmp, ignore_errors=True)


# ------------------------------------------------------------------------------ what many need
async def first_call(c, timeout=10, retries=3, what="echo"):
    """Returns (attempt number that succeeded, seconds, first error)."""
    err, t = None, time.perf_counter()
    for i in range(retries):
        try:
            await c.call(what, {"a": i}, timeout=timeout)
            return i + 1, time.perf_counter() - t, err
        except (TimeoutError, RpcError, Gone, OSError) as e:
            err = err or f"{type(e).__name__}: {e}"[:220]
            if isinstance(e, Gone):
                break
            await asyncio.sleep(0.5)
    return None, time.perf_counter() - t, err


async def must_recover(r, c, timeout=10):
    n, _, err = await first_call(c, timeout)
    if n is None and not r.stdio_client:  # may re-initialize; is it told to, and does it help?
        c2 = await r.client(get=False)
        await c2.call("echo", {}, timeout=timeout)
        if "HTTP 404" in err:
            raise Part("passes the 404 on; the client has to re-initialize")
        check(False, f"session dead, client not told with a 404 ({err})")
    check(n is not None, f"never recovers ({err})")
    if n > 1:
        raise Part(f"first call fails ({err}), call {n} works")


async def refused(c, what="echo", args=None, timeout=12):
    """Call and return the JSON-RPC error's message; anything but an error fails the scenario."""
    try:
        res = await c.call(what, args or {}, timeout=timeout)
    except RpcError as e:
        return e.err.get("message", "") if isinstance(e.err, dict) else str(e)
    except TimeoutError:
        check(False, f"no answer in {timeout} s")
    check(False, f"a result came instead of an error: {str(res)[:120]}")


def memory_mb(pids):
    total = 0
    for p in pids:
        try:
            total += int(Path(f"/proc/{p}/status").read_text().split("VmRSS:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return total / 1024


def peak_mb(pids):
    total = 0
    for p in pids:
        try:
            total += int(Path(f"/proc/{p}/status").read_text().split("VmHWM:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return total / 1024


def descriptors(pids):
    n = 0
    for p in pids:
        try:
            n += len(os.listdir(f"/proc/{p}/fd"))
        except OSError:
            pass
    return n


async def until(condition, seconds=5.0, gap=0.05):
    """Wait until the condition (a plain function) holds; False when it never does."""
    end = time.perf_counter() + seconds
    while not (ok := condition()) and time.perf_counter() < end:
        await asyncio.sleep(gap)
    return ok
