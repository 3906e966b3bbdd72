"""Servers that are late, hang, or are not there when the client starts."""

import asyncio
import time

import procs as H
from harness import start_claude
from rig import (
    BOTH_HTTP,
    BOTH_STDIO,
    BRIDGE,
    NA,
    TO_HTTP,
    Part,
    check,
    must_recover,
    refused,
    run,
    scenario,
    txt,
)
from wire import Gone, RpcError


async def late(r, seconds):
    await r.backend(start=False)
    t = time.perf_counter()

    async def up():
        await asyncio.sleep(seconds)
        await run(r.be.start)

    u = asyncio.ensure_future(up())
    try:
        if r.stdio_client:
            if r.direct:
                raise NA("direct")
            await r.ready()
            c = await r.spawn()
            try:
                await c.initialize(timeout=30)
            except (TimeoutError, RpcError, Gone) as e:
                dt = time.perf_counter() - t
                await u
                st = f"exited {c.exited.result()}" if c.exited.done() else "still running"
                if not c.exited.done():
                    try:
                        await c.initialize(timeout=10)
                        raise Part(
                            f"initialize fails after {dt:.1f} s ({type(e).__name__}), a later one works"
                        )
                    except (TimeoutError, RpcError, Gone):
                        pass
                check(
                    False,
                    f"initialize fails after {dt:.1f} s ({str(e)[:70] or type(e).__name__}), {st}",
                )
            ti = time.perf_counter() - t
            tools = await c.request("tools/list", {}, timeout=max(10, seconds + 15 - ti))
            if not any(x["name"] == "size" for x in tools["tools"]):
                await u
                await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 15)
                tools = await c.request("tools/list", {}, timeout=10)
                check(any(x["name"] == "size" for x in tools["tools"]), "tools never appear")
        else:
            if r.direct:
                raise NA("direct")
            await r.gateway()
            await u
            c, dt = await r.gw.ready("s0", 20)
            r.clients.append(c)
            await c.call("echo", {}, timeout=10)
    finally:
        u.cancel()


@scenario(*TO_HTTP)
async def backend_late_5s(r):
    await late(r, 5)


@scenario(*TO_HTTP, slow=True)
async def backend_late_20s(r):
    await late(r, 20)


@scenario(*TO_HTTP)
async def backend_hangs_on_initialize(r):
    """Hangs for 5 s worth of connections, then behaves: the peer must come through within 30 s."""
    await r.backend(hang_initialize=True)

    async def heal():
        await asyncio.sleep(5)
        r.be.ctl(set={"hang_initialize": False})
        r.be.ctl(do="drop_connections")

    r.proxied()
    h = asyncio.ensure_future(heal())
    t = time.perf_counter()
    if r.stdio_client:
        await r.ready()
        c = await r.spawn()
        try:
            await c.initialize(timeout=30)
        except (TimeoutError, RpcError, Gone) as e:
            await h
            dt = time.perf_counter() - t
            if not c.exited.done():
                try:
                    await c.initialize(timeout=10)
                    raise Part(f"{type(e).__name__} after {dt:.1f} s, a later initialize works")
                except (TimeoutError, RpcError, Gone):
                    pass
            check(
                False,
                f"{type(e).__name__} {str(e)[:60]} after {dt:.1f} s"
                + (", exited" if c.exited.done() else ", wedged"),
            )
    else:
        await r.gateway()
        await h
        c, _ = await r.gw.ready("s0", 30)
        r.clients.append(c)
    await c.call("echo", {}, timeout=10)


@scenario(*TO_HTTP, slow=True)
async def backend_late_40s(r):
    await late(r, 40)


REMEMBERED = (BRIDGE, BOTH_HTTP)


async def second_start(r):
    """A client that starts while the server is away, after a session in which it was there."""
    r.proxied()
    if r.peer != "mcpconf":
        raise NA("remembers nothing")
    c = await r.client()
    await c.request("tools/list", {}, timeout=8)
    await c.request("prompts/list", {}, timeout=8)
    await c.close(5)
    await run(r.be.stop)
    c = await r.spawn()
    t = time.perf_counter()
    await c.initialize(timeout=10)
    ti = time.perf_counter() - t
    tools = await c.request("tools/list", {}, timeout=10)
    prompts = await c.request("prompts/list", {}, timeout=10)
    tl = time.perf_counter() - t
    r.note = f"initialize {ti:.2f} s, lists {tl:.2f} s"
    check(tl < 2.0, f"the client waits: {r.note}")
    check(any(x["name"] == "size" for x in tools["tools"]), "the tools of last time are missing")
    check(prompts["prompts"], "the prompts of last time are missing")
    check(c.init_result["capabilities"].get("resources"), "capabilities are not those of last time")
    return c


@scenario(*REMEMBERED)
async def starts_without_the_server(r):
    """Within 1.5 s from what the server said last time; then the server comes, changed."""
    c = await second_start(r)
    r.be.faults["extra_tool"] = "brand_new"
    await run(r.be.start)
    await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 10)
    tools = await c.request("tools/list", {}, timeout=10)
    check(any(x["name"] == "brand_new" for x in tools["tools"]), "the new list is the old one")
    await c.call("echo", {}, timeout=10)


@scenario(*REMEMBERED)
async def call_waits_for_the_server(r):
    """A call made while the server is away is made when it comes."""
    c = await second_start(r)
    f = asyncio.ensure_future(c.call("echo", {"a": 1}, timeout=20))
    await asyncio.sleep(1.5)
    await run(r.be.start)
    check('"a": 1' in txt(await f))


@scenario(*REMEMBERED, slow=True)
async def call_without_the_server(r):
    """A call that cannot be made is an error that names the cause and the command that explains it."""
    c = await second_start(r)
    why = await refused(c, timeout=58)
    check("mcpconf explain" in why, f"does not say what to do: {why}")
    check("refused" in why or "reach" in why or "listening" in why, f"does not say why: {why}")
    await run(r.be.start)
    await must_recover(r, c)


@scenario(*REMEMBERED)
async def claude_starts_without_the_server(r):
    """Claude Code's own sequence, the server away: known tools well inside its 2.7 s."""
    await (await second_start(r)).kill()
    c = await r.spawn()
    o = await start_claude(c)
    r.note = f"tools known after {o['tools_ms']:.0f} ms"
    check(o["tools_ms"] < 2700 and o["ntools"] > 10, f"{r.note}, {o}")


@scenario(BOTH_STDIO, BOTH_HTTP)
async def gateway_restarted(r):
    c = await r.client()
    await c.call("echo", {})
    await run(r.gw.stop)
    await run(r.gw.start)
    await must_recover(r, c)


@scenario(BOTH_STDIO, BOTH_HTTP)
async def gateway_late_5s(r):
    if r.http_server:
        await r.backend()
    r.gw = H.Gateway(r.peer, r.spec, {"s0": r.server()})

    async def up():
        await asyncio.sleep(5)
        await run(r.gw.start)

    u = asyncio.ensure_future(up())
    try:
        c = await r.spawn()
        await c.initialize(timeout=30)
        tools = await c.request("tools/list", {}, timeout=20)
        check(any(x["name"] == "size" for x in tools["tools"]), "no tools")
    finally:
        await u
