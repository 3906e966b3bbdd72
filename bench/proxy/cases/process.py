"""The bridge as a process of the client."""

import asyncio
import os
import signal
import time

import procs as H
from harness import start_claude
from rig import BOTH_HTTP, BRIDGE, NA, OVER_STDIO, Part, check, scenario, txt
from wire import Gone, RpcError


@scenario(*OVER_STDIO)
async def exits_on_eof(r):
    r.proxied()
    c = await r.client()
    t = await c.close(5)
    check(t is not None, "does not exit within 5 s of EOF on stdin")
    if t > 2:
        raise Part(f"takes {t:.1f} s")


@scenario(BRIDGE, BOTH_HTTP)
async def ends_session_on_exit(r):
    r.proxied()
    c = await r.client()
    await c.close(5)
    check(r.be.ctl()["stats"]["deletes"] >= 1, "no DELETE: sessions pile up on the server")


@scenario(*OVER_STDIO)
async def exits_on_sigint(r):
    """Claude Code ends its servers with SIGINT."""
    r.proxied()
    c = await r.client()
    t = time.perf_counter()
    os.kill(c.pid, signal.SIGINT)
    try:
        await asyncio.wait_for(asyncio.shield(c.exited), 5)
    except TimeoutError:
        check(False, "ignores SIGINT for 5 s")
    if time.perf_counter() - t > 2:
        raise Part(f"takes {time.perf_counter() - t:.1f} s")


@scenario(*OVER_STDIO)
async def stdout_only_json(r):
    c = await r.client()
    await c.call("progress", {"n": 2, "ms": 5}, meta={"progressToken": 9}, timeout=8)
    check(not c.garbage, f"non-JSON on stdout: {c.garbage[:1]}")


@scenario(*OVER_STDIO)
async def claude_probe(r):
    """server/discover must be answered (result or error) well inside Claude Code's 2.7 s."""
    r.proxied()
    await r.ready()
    c = await r.spawn()
    o = await start_claude(c)
    check(o.get("probe") != "timeout", "probe times out: +2.7 s on every start")
    check(o["ntools"] > 10)
    res = await c.call("echo", {"a": 1}, timeout=8)
    check('"a": 1' in txt(res))


@scenario(*OVER_STDIO)
async def claude_probe_modern_backend(r):
    """Server speaks only 2026-07-28."""
    r.proxied()
    await r.ready(faults={"eras": "modern"})
    c = await r.spawn()
    try:
        o = await start_claude(c)
    except (TimeoutError, RpcError, Gone) as e:
        check(False, f"unusable: {str(e)[:90] or type(e).__name__}")
    check(o["ntools"] > 10)
    await c.call("echo", {"a": 1}, timeout=8)


@scenario(*OVER_STDIO)
async def exits_on_eof_mid_call(r):
    r.proxied()
    c = await r.client()
    f = asyncio.ensure_future(c.call("sleep", {"ms": 30000, "tag": "eof"}, timeout=40))
    f.add_done_callback(lambda x: x.cancelled() or x.exception())
    await asyncio.sleep(0.3)
    t = await c.close(6)
    f.cancel()
    check(t is not None, "does not exit within 6 s of EOF on stdin while a call runs")
    if t > 2:
        raise Part(f"takes {t:.1f} s")


@scenario(*OVER_STDIO)
async def exits_on_eof_server_away(r):
    """Nothing answers, and the client gives up: the bridge must not stay."""
    r.proxied()
    if r.http_server:
        await r.backend(start=False)
    if r.dir != BRIDGE:
        r.gw = H.Gateway(r.peer, r.spec, {"s0": r.server()})
    c = await r.spawn()
    f = asyncio.ensure_future(c.initialize(timeout=30))
    f.add_done_callback(lambda x: x.cancelled() or x.exception())
    await asyncio.sleep(0.4)
    t = await c.close(5)
    f.cancel()
    check(t is not None, "does not exit within 5 s of EOF on stdin")
    r.gw = None


@scenario(*OVER_STDIO)
async def claude_probe_legacy_backend(r):
    """Server from before 2026-07-28: the probe is refused at once, then initialize."""
    r.proxied()
    await r.ready(faults={"eras": "legacy"})
    c = await r.spawn()
    o = await start_claude(c)
    check(o.get("probe") != "timeout", "probe times out: +2.7 s on every start")
    check(o["era"] == "legacy" and o["ntools"] > 10, str(o))
    check('"a": 1' in txt(await c.call("echo", {"a": 1}, timeout=8)))


@scenario(*OVER_STDIO)
async def claude_probe_silent_backend(r):
    """A server that never answers the probe: the client is still told in time."""
    r.proxied()
    if r.http_server:
        raise NA("HTTP servers answer")
    await r.ready(faults={"hang_initialize": True})
    c = await r.spawn()
    c.modern = True
    t = time.perf_counter()
    try:
        await c.request("server/discover", {}, timeout=2.9)
    except RpcError:
        r.note = f"refused after {time.perf_counter() - t:.1f} s"
    except TimeoutError:
        raise Part("the probe times out, as without a proxy")
