#!/usr/bin/env python3
"""Timing half of the proxy benchmark (the pass/fail half is scenarios.py).

  harness.py bridge  [--peers a,b] [--reps 5] [--out results/bridge.json]
  harness.py gateway [--peers a,b] [--reps 3] [--n 1,20] [--out ...]
  harness.py startup [--peers a,b] [--reps 9]        cold start only, more repetitions

Every repetition visits every peer once (A B C ... A B C), with the direct connection measured inside the same
repetition; results are medians over repetitions and ratios to direct.  Everything listens on 127.0.0.1.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time

from procs import (
    ENV,
    H2,
    Gateway,
    HttpBackend,
    backend_cmd,
    cpu_reaped,
    cpu_s,
    fill,
    load_peers,
    mem_mb,
)
from wire import MODERN, HttpClient, RpcError, StdioClient, dumps


# ----------------------------------------------------------------------------------------- timing
def pct(xs, q):
    xs = sorted(xs)
    return xs[min(len(xs) - 1, int(q * len(xs)))]


def stats(xs):
    return {
        "n": len(xs),
        "p50": pct(xs, 0.5) * 1e3,
        "p95": pct(xs, 0.95) * 1e3,
        "p99": pct(xs, 0.99) * 1e3,
        "mean": statistics.fmean(xs) * 1e3,
    }


def call_bytes(c, tool, n, rid):
    m = {
        "jsonrpc": "2.0",
        "id": rid,
        "method": "tools/call",
        "params": {"name": c.tool(tool), "arguments": {"n": n}},
    }
    if c.modern:
        m["params"]["_meta"] = c.meta()
    return m


async def one(c, size, rid):
    m = call_bytes(c, "size", size, rid)
    line = dumps(m)
    r = await c.raw(line + b"\n" if isinstance(c, StdioClient) else line, rid)
    if "result" not in r or len(r["result"]["content"][0]["text"]) != size:
        raise RuntimeError(f"wrong answer: {str(r)[:300]}")


async def latency(c, size, budget, nmax, nmin=15):
    xs, end, rid = [], time.perf_counter() + budget, 10_000_000
    while len(xs) < nmax and (len(xs) < nmin or time.perf_counter() < end):
        rid += 1
        t = time.perf_counter()
        await one(c, size, rid)
        xs.append(time.perf_counter() - t)
    return xs


async def throughput(c, k, budget, nmax):
    rid, n, end = 20_000_000, 0, time.perf_counter() + budget
    lat = []

    async def worker():
        nonlocal rid, n
        while n < nmax and time.perf_counter() < end:
            rid += 1
            n += 1
            t = time.perf_counter()
            await one(c, 1024, rid)
            lat.append(time.perf_counter() - t)

    t = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(k)))
    dt = time.perf_counter() - t
    return {"calls_s": n / dt, "n": n, "p50": pct(lat, 0.5) * 1e3, "p99": pct(lat, 0.99) * 1e3}


async def profile(c, pid, quick=False):
    """The whole timing programme on one connected client. pid: whose CPU and memory to charge (or None)."""
    out = {}
    if not isinstance(c, StdioClient):
        c.prepare_raw(call_bytes(c, "size", 1, 1))
    for i in range(20):
        await one(c, 1024, 30_000_000 + i)
    if pid:
        out["mem_idle"] = mem_mb(pid)
    a, ra = (cpu_s(pid), cpu_reaped(pid)) if pid else (0, 0)
    w = time.perf_counter()
    xs = await latency(c, 1024, 2.5, 600)
    w = time.perf_counter() - w
    if pid:
        out["cpu_s_per_1000_seq"] = (cpu_s(pid) - a + cpu_reaped(pid) - ra) / len(xs) * 1000
    out["seq_wall_s"] = w
    out["lat_1k"] = stats(xs)
    if not quick:
        for i in range(3):
            await one(c, 1 << 20, 31_000_000 + i)
        a = cpu_s(pid) if pid else 0
        xs = await latency(c, 1 << 20, 2.0, 60, 8)
        out["lat_1m"] = stats(xs)
        if pid:
            out["cpu_ms_per_1m"] = (cpu_s(pid) - a) / len(xs) * 1000
    for k in (1, 16, 64):
        a = cpu_s(pid) if pid else 0
        out[f"tp_{k}"] = r = await throughput(c, k, 2.0, 3000)
        if pid:
            r["cpu_s_per_1000"] = (cpu_s(pid) - a) / r["n"] * 1000
    if pid:
        out["mem_end"] = mem_mb(pid)
    return out


async def start_claude(c, timeout=30):
    """What Claude Code 2.1.328 does on stdio: server/discover with a 2.7 s patience, else initialize; then tools/list.

    Returns the times of each step since spawn.
    """
    t, out = c.t0, {}
    c.caps = {"roots": {"listChanged": True}, "elicitation": {"form": {}, "url": {}}}
    c.modern = True
    try:
        r = await c.request("server/discover", {}, timeout=2.7, rid="server-discover-probe-1")
        c.modern = MODERN in r.get("supportedVersions", [])
        out["era"] = "modern" if c.modern else "legacy"
        c.discover = r
    except (TimeoutError, RpcError) as e:
        c.modern = False
        out["era"] = "legacy"
        out["probe"] = "timeout" if isinstance(e, asyncio.TimeoutError) else f"error {e.code}"
    out["probe_ms"] = (time.perf_counter() - t) * 1e3
    if not c.modern:
        await c.initialize(timeout=timeout, caps=c.caps)
        out["init_ms"] = (time.perf_counter() - t) * 1e3
    r = await c.request("tools/list", {} if c.modern else None, timeout=timeout)
    out["tools_ms"] = (time.perf_counter() - t) * 1e3
    out["ntools"] = len(r["tools"])
    return out


async def bridge_start(cmd, env, mode):
    c = await StdioClient.spawn(cmd, env=env)
    try:
        if mode == "claude":
            return await start_claude(c)
        await c.initialize()
        t = (time.perf_counter() - c.t0) * 1e3
        await c.request("tools/list", {})
        return {"init_ms": t, "tools_ms": (time.perf_counter() - c.t0) * 1e3}
    finally:
        await c.close(2)


async def bridge_peer(name, spec, be, quick):
    out = {}
    if spec.get("direct"):
        c = HttpClient(be.url)
        t = time.perf_counter()
        await c.initialize()
        out["init_ms"] = (time.perf_counter() - t) * 1e3
        out.update(await profile(c, None, quick))
        await c.close()
        d = await StdioClient.spawn(backend_cmd("stdio"), env=ENV)
        await d.initialize()
        out["stdio_init_ms"] = (time.perf_counter() - d.t0) * 1e3
        out["stdio"] = await profile(d, None, quick)
        await d.close()
        return out
    b = spec["bridge"]
    cmd, env = fill(b["cmd"], url=be.url), {**ENV, **b.get("env", {})}
    out["cold"] = await bridge_start(cmd, env, "legacy")
    out["claude"] = await bridge_start(cmd, env, "claude")
    c = await StdioClient.spawn(cmd, env=env)
    try:
        await c.initialize()
        out.update(await profile(c, c.pid, quick))
        out["cpu_start_s"] = None
    finally:
        out["exit_s"] = await c.close()
    return out


async def gateway_peer(name, spec, n, kind, bes, quick):
    servers = make_servers(n, kind, bes)
    names = list(servers)
    out = {"n": n, "kind": kind}
    if spec.get("direct"):
        t0 = time.perf_counter()
        if kind == "stdio":
            cs = await asyncio.gather(
                *(StdioClient.spawn(servers[x]["cmd"], env=ENV) for x in names)
            )
        else:
            cs = [HttpClient(servers[x]["url"]) for x in names]

        async def up(c):
            await c.initialize()
            await c.request("tools/list", {})

        await up(cs[0])
        out["first_ms"] = (time.perf_counter() - t0) * 1e3
        await asyncio.gather(*(up(c) for c in cs[1:]))
        out["all_ms"] = (time.perf_counter() - t0) * 1e3
        out.update(await profile(cs[0], None, quick))
        await asyncio.gather(*(c.close() for c in cs))
        return out
    g = spec["gateway"]
    if g.get("style") == "single":
        servers = {names[0]: servers[names[0]]}
        names = names[:1]
    gw = Gateway(name, spec, servers)
    try:
        await asyncio.get_running_loop().run_in_executor(None, gw.start)
        await asyncio.get_running_loop().run_in_executor(None, gw.listening)
        out["listening_ms"] = (time.perf_counter() - gw.t0) * 1e3
        c, t = await gw.ready(names[0], 90)
        out["first_ms"] = t * 1e3
        rest = await asyncio.gather(*(gw.ready(x, 90) for x in names[1:]))
        out["all_ms"] = max([t] + [r[1] for r in rest]) * 1e3
        for r in rest:
            await r[0].close()
        out["mem_ready"] = mem_mb(gw.proc.pid)
        out["cpu_start_s"] = cpu_s(gw.proc.pid)
        out.update(await profile(c, gw.proc.pid, quick))
        await c.close()
    finally:
        out["orphans"] = len(gw.stop())
    return out


def make_servers(n, kind, bes=()):
    if kind == "stdio":
        return {f"s{i}": {"cmd": backend_cmd("stdio", "--name", f"s{i}")} for i in range(n)}
    return {f"h{i}": {"url": bes[i].url} for i in range(n)}


def save(path, meta, rows):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    tmp = path + ".tmp"
    with open(tmp, "w") as fh:
        json.dump({"meta": meta, "rows": rows}, fh, indent=1, default=str)
    os.replace(tmp, path)


async def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("what", choices=("bridge", "gateway", "startup"))
    ap.add_argument("--peers")
    ap.add_argument("--reps", type=int, default=5)
    ap.add_argument("--n", default="1,20")
    ap.add_argument("--kinds", default="stdio,http")
    ap.add_argument("--quick", action="store_true")
    ap.add_argument("--out")
    a = ap.parse_args()
    peers = load_peers()
    want = a.peers.split(",") if a.peers else list(peers)
    out = a.out or f"{H2}/results/{a.what}.json"
    meta = {
        "date": time.strftime("%F %T"),
        "reps": a.reps,
        "cpus": os.cpu_count(),
        "argv": sys.argv[1:],
        "load": os.getloadavg(),
    }
    rows = []
    if "orjson" not in sys.modules:
        print("without `orjson` the client itself takes part of the time", file=sys.stderr)
    os.makedirs(ENV["HOME"], exist_ok=True)

    async def attempt(coro_fn, tag):
        t = time.perf_counter()
        try:
            r = await asyncio.wait_for(coro_fn(), 240)
        except Exception as e:
            r = {"error": f"{type(e).__name__}: {e}"[:400]}
        r.update(tag, load=os.getloadavg()[0])
        rows.append(r)
        brief = {
            k: (round(v["p50"], 3) if isinstance(v, dict) and "p50" in v else v)
            for k, v in r.items()
            if k in ("lat_1k", "lat_1m", "init_ms", "all_ms", "error", "n", "kind")
        }
        print(tag, brief, f"{time.perf_counter() - t:.1f}s", flush=True)
        save(out, meta, rows)

    if a.what in ("bridge", "startup"):
        be = HttpBackend().start()
        todo = [p for p in want if peers[p].get("direct") or "bridge" in peers[p]]
        for rep in range(a.reps):
            order = todo[:]
            random.Random(rep).shuffle(order)
            for p in order:
                spec = peers[p]
                if a.what == "bridge":
                    await attempt(
                        lambda: bridge_peer(p, spec, be, a.quick), {"peer": p, "rep": rep}
                    )
                else:

                    async def st():
                        if spec.get("direct"):
                            return {
                                "cold": await bridge_start(backend_cmd("stdio"), ENV, "legacy"),
                                "claude": await bridge_start(backend_cmd("stdio"), ENV, "claude"),
                            }
                        cmd = fill(spec["bridge"]["cmd"], url=be.url)
                        env = {**ENV, **spec["bridge"].get("env", {})}
                        return {
                            "cold": await bridge_start(cmd, env, "legacy"),
                            "claude": await bridge_start(cmd, env, "claude"),
                        }

                    await attempt(st, {"peer": p, "rep": rep})
        be.stop()
    else:
        ns = [int(x) for x in a.n.split(",")]
        bes = [
            HttpBackend(name=f"h{i}").start() for i in range(max(ns) if "http" in a.kinds else 0)
        ]
        for rep in range(a.reps):
            for n in ns:
                for kind in a.kinds.split(","):
                    todo = [
                        p
                        for p in want
                        if peers[p].get("direct")
                        or kind in peers[p].get("gateway", {}).get("upstream", [])
                    ]
                    random.Random(rep * 7 + n).shuffle(todo)
                    for p in todo:
                        if n > 1 and peers[p].get("gateway", {}).get("style") == "single":
                            continue
                        await attempt(
                            lambda: gateway_peer(p, peers[p], n, kind, bes, a.quick or n > 1),
                            {"peer": p, "rep": rep, "n": n, "kind": kind},
                        )
        for b in bes:
            b.stop()


if __name__ == "__main__":
    asyncio.run(main())
