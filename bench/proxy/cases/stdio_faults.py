"""A stdio server that crashes, babbles or is slow; and a bad one among twenty."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import procs as H
from rig import (
    BOTH_STDIO,
    GATEWAYS,
    NA,
    TO_STDIO,
    Part,
    check,
    first_call,
    refused,
    run,
    scenario,
    txt,
    until,
)
from wire import Gone, HttpClient, RpcError


@scenario(*TO_STDIO)
async def server_crash_mid_call(r):
    r.proxied()
    c = await r.client()
    await c.call("echo", {})
    t = time.perf_counter()
    try:
        await c.call("crash", timeout=8)
    except (RpcError, Gone):
        pass
    except TimeoutError:
        n, _dt, err = await first_call(c, 5, 2)
        if n is None:
            c2 = await r.client()
            await c2.call("echo", {}, timeout=8)
            raise Part("the crashed call hangs (8 s); a new client works")
        raise Part("the crashed call hangs (8 s), then recovers")
    time.perf_counter() - t
    n, _, err = await first_call(c, 8, 2)
    if n:
        return
    c2 = await r.client()
    n2, _, err2 = await first_call(c2, 8, 3)
    check(n2 is not None, f"server stays dead ({err2})")
    raise Part(f"same session stays dead ({err}); a new session works")


async def slow_start(r, seconds):
    r.proxied()
    await r.gateway(args=("--start-delay", str(seconds)))
    if not r.stdio_client:
        c, _ = await r.gw.ready("s0", seconds + 35)
        r.clients.append(c)
    else:
        await run(r.gw.listening)
        c = await r.spawn()
        await c.initialize(timeout=30)  # Claude Code's patience
        tools = await c.request("tools/list", {}, timeout=seconds + 15)
        if not any(x["name"] == "echo" for x in tools["tools"]):
            await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 50)
    await c.call("echo", {}, timeout=50)


@scenario(*TO_STDIO)
async def server_start_5s(r):
    await slow_start(r, 5)


@scenario(*TO_STDIO, slow=True)
async def server_start_40s(r):
    await slow_start(r, 40)


N_AMONG = 20


async def among(r, bad, label):
    """Healthy servers next to a bad one: ready in time and not slowed."""
    r.proxied()
    if r.spec["gateway"].get("style") == "single":
        raise NA("one server per process")
    if not r.http_server:
        good = {
            f"s{i}": {"cmd": H.backend_cmd("stdio", "--name", f"s{i}")}
            for i in range(N_AMONG)
            if i != 1
        }
        badsrv = {"cmd": bad[0]}
    else:
        bes = [H.HttpBackend(name=f"h{i}") for i in range(N_AMONG - 1)]
        for b in bes:
            await run(b.start)
        r.extra = bes
        good = {
            f"s{i}": {"url": b.url}
            for i, b in zip([i for i in range(N_AMONG) if i != 1], bes, strict=False)
        }
        badsrv = {"url": bad[1]}
    try:
        g0 = H.Gateway(r.peer, r.spec, dict(good))
        await run(g0.start)
        rs = await asyncio.gather(*(g0.ready(n, 75) for n in good))
        base = max(t for _, t in rs)
        for x in rs:
            await x[0].close()
        await run(g0.stop)
        servers = {f"s{i}": good.get(f"s{i}", badsrv) for i in range(N_AMONG)}
        r.gw = H.Gateway(r.peer, r.spec, servers)
        await run(r.gw.start)
        try:
            rs = await asyncio.gather(*(r.gw.ready(n, 75) for n in good))
        except (TimeoutError, RuntimeError, RpcError, Gone) as e:
            check(False, f"healthy servers unusable: {str(e)[:90]}")
        t = max(x[1] for x in rs)
        c = rs[0][0]
        for x in rs:
            r.clients.append(x[0])
        probe = None
        if r.spec["gateway"].get("style") == "path":

            async def poke():
                x = r.gw.client("s1")
                r.clients.append(x)
                await x.initialize(timeout=20)

            probe = asyncio.ensure_future(poke())
            probe.add_done_callback(lambda f: f.cancelled() or f.exception())
            await asyncio.sleep(0.3)
        lat = []
        for i in range(20):
            t1 = time.perf_counter()
            await c.call("echo", {"i": i}, timeout=10)
            lat.append(time.perf_counter() - t1)
        if probe:
            probe.cancel()
        worst = max(lat)
        r.note = (
            f"ready {t:.1f} s (without the bad one {base:.1f} s), slowest call {worst * 1e3:.0f} ms"
        )
        check(t < base + 10, f"delays the others: {r.note}")
        if t > 2 * base + 2 or worst > 2:
            raise Part(r.note)
    finally:
        for b in getattr(r, "extra", []):
            await run(b.stop)


@scenario(*GATEWAYS, heavy=True)
async def one_of_20_broken(r):
    await among(
        r,
        (H.backend_cmd("stdio", "--exit-at-start", "1"), f"http://127.0.0.1:{H.free_port()}/mcp"),
        "broken",
    )


@scenario(*GATEWAYS, heavy=True)
async def one_of_20_hangs(r):
    hb = H.HttpBackend(name="hang", hang_initialize=True)
    await run(hb.start)
    try:
        await among(r, (H.backend_cmd("stdio", hang_initialize=True), hb.url), "hangs")
    finally:
        await run(hb.stop)


@scenario(*TO_STDIO)
async def server_prints_garbage(r):
    c = await r.client(faults={"garbage": True})
    for i in range(3):
        check(str(i) in txt(await c.call("echo", {"i": i}, timeout=8)))
    check(r.direct or not c.garbage, f"the garbage is passed on: {c.garbage[:1]}")


@scenario(*TO_STDIO)
async def server_fills_stderr(r):
    """10 MB on stderr must not block the answer."""
    c = await r.client()
    await c.call("noise", {"mb": 10}, timeout=20)
    await c.call("echo", {}, timeout=8)


@scenario(*TO_STDIO)
async def server_does_not_start(r):
    """A command that exits at once: said soon, with its exit, and not started over and over."""
    r.proxied()
    pids = f"{r.tmp}/pids"
    await r.ready(args=("--exit-at-start", "7", "--pidfile", pids))
    c = await r.spawn()
    t = time.perf_counter()
    why = ""
    try:
        await c.initialize(timeout=30)
        await c.request("tools/list", {}, timeout=10)
        why = await refused(c, timeout=30)
    except (RpcError, Gone) as e:
        why = str(e)
    r.note = f"{time.perf_counter() - t:.1f} s: {why[:120]}"
    check("exit" in why or "7" in why, f"does not say why: {why[:120]}")
    n = len(Path(pids).read_text().splitlines())
    check(n < 30, f"started {n} times")


@scenario(*TO_STDIO)
async def command_missing(r):
    r.proxied()
    r.gw = H.Gateway(r.peer, r.spec, {"s0": {"cmd": ["/nowhere/no-such-server"]}})
    await run(r.gw.start)
    await run(r.gw.listening)
    c = await r.spawn()
    why = ""
    try:
        await c.initialize(timeout=30)
        await c.request("tools/list", {}, timeout=10)
        why = await refused(c, timeout=30)
    except (RpcError, Gone) as e:
        why = str(e)
    check(
        "no-such-server" in why or "not found" in why or "o such file" in why,
        f"unclear: {why[:150]}",
    )


@scenario(*TO_STDIO)
async def env_reaches_the_server(r):
    r.entry = {"env": {"BENCH_SECRET": "s3cr3t"}}
    r.proxied()
    c = await r.client()
    w = json.loads(txt(await c.call("whoami", timeout=8)))
    check(w["secret_env"].get("BENCH_SECRET") == "s3cr3t", "the server's environment is not set")


@scenario(*TO_STDIO)
async def child_ends_with_its_session(r):
    """The client goes, and with it the server that was started for it."""
    r.proxied()
    pids = f"{r.tmp}/pids"
    await r.ready(args=("--pidfile", pids))
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    if isinstance(c, HttpClient):
        await c.delete()
        await c.close()
    else:
        await c.close(5)
    started = [int(x) for x in Path(pids).read_text().split()]
    alive = lambda: [p for p in started if H.running(p)]  # noqa: E731
    check(await until(lambda: not alive(), 8), f"{len(alive())} of {len(started)} still run")


@scenario(BOTH_STDIO)
async def child_ends_when_the_bridge_is_killed(r):
    pids = f"{r.tmp}/pids"
    await r.ready(args=("--pidfile", pids))
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    os.kill(c.pid, signal.SIGKILL)
    await c.exited
    started = [int(x) for x in Path(pids).read_text().split()]
    ok = await until(lambda: not any(map(H.running, started)), 20)
    if not ok:
        raise Part("the server of a killed bridge still runs after 20 s (ended when idle?)")
