"""An HTTP server that is away, comes back, forgets, or does odd but lawful things."""

import asyncio
import time

from rig import TO_HTTP, Part, check, first_call, must_recover, run, scenario, txt
from wire import Gone, HttpClient, RpcError, default_answer


@scenario(*TO_HTTP)
async def backend_restarted(r):
    c = await r.client()
    await c.call("echo", {})
    await run(r.be.stop)
    await run(r.be.start)
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def backend_down_3s(r):
    """A call made while the server is down must wait for it (or fail fast and recover)."""
    c = await r.client()
    await c.call("echo", {})
    await run(r.be.stop)

    async def up():
        await asyncio.sleep(3)
        await run(r.be.start)

    u = asyncio.ensure_future(up())
    n, _dt, err = await first_call(c, 10, 1)
    await u
    if n == 1:
        return
    await asyncio.sleep(0.5)
    try:
        await must_recover(r, c)
    except Part as e:
        raise Part(f"call during the outage fails ({err}); then: {e}")
    raise Part(f"call during the outage fails ({err})")


@scenario(*TO_HTTP)
async def session_evicted_404(r):
    c = await r.client()
    await c.call("echo", {})
    r.be.ctl(do="evict")
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def sse_encoded_replies(r):
    c = await r.client(faults={"encoding": "sse"})
    await c.call("echo", {}, timeout=8)
    r.be.ctl(set={"encoding": "auto"})
    await c.call("echo", {}, timeout=8)


@scenario(*TO_HTTP)
async def strict_accept_406(r):
    c = await r.client(faults={"strict_accept": True})
    await c.call("echo", {}, timeout=8)


@scenario(*TO_HTTP)
async def closes_after_each_response(r):
    c = await r.client(faults={"close_each": "header"})
    for i in range(5):
        await c.call("echo", {"i": i}, timeout=8)


@scenario(*TO_HTTP)
async def idle_connection_dropped(r):
    c = await r.client(faults={"idle_close": 0.5})
    for i in range(3):
        await asyncio.sleep(0.9)
        await c.call("echo", {"i": i}, timeout=8)


@scenario(*TO_HTTP)
async def get_stream_405(r):
    c = await r.client(faults={"get_status": 405})
    await c.call("echo", {}, timeout=8)
    await asyncio.sleep(1.5)
    await c.call("echo", {}, timeout=8)
    n = r.be.ctl()["stats"]["gets"]
    if n > 4:
        raise Part(f"{n} GETs in 2 s against a 405")


@scenario(*TO_HTTP)
async def no_session_header(r):
    c = await r.client(faults={"sessions": False})
    await c.call("echo", {}, timeout=8)


@scenario(*TO_HTTP)
async def get_stream_reopened(r):
    """After the GET stream is cut, server notifications must flow again."""
    c = await r.client()
    await c.call("echo", {})
    r.be.ctl(do="drop_connections")
    await asyncio.sleep(3)
    if isinstance(c, HttpClient) and c.get_task.done():
        c.get_open.clear()
        await c.open_get()
    c.notes.clear()
    await c.call("touch", timeout=8)
    await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 4)


@scenario(*TO_HTTP)
async def unauthorized_401(r):
    """Without credentials the peer must say so, not hang. (mcp-remote opens a browser: no browser here.)."""
    r.proxied()
    await r.backend(auth="sekrit")
    t = time.perf_counter()
    if r.stdio_client:
        await r.ready()
        c = await r.spawn()
        try:
            await c.initialize(timeout=15)
        except RpcError as e:
            check("401" in str(e) or "nauthor" in str(e), f"error does not say why: {str(e)[:90]}")
            return
        except Gone:
            check(b"401" in c.stderr or b"nauthor" in c.stderr, "exits without saying why")
            raise Part(f"exits after {time.perf_counter() - t:.1f} s, reason on stderr only")
        except TimeoutError:
            check(False, "hangs")
        try:
            await c.request("tools/list", {}, timeout=10)
        except RpcError as e:
            check("401" in str(e) or "nauthor" in str(e), f"error does not say why: {str(e)[:90]}")
            return
        check(False, "pretends that the server works")
    else:
        await r.gateway()
        try:
            c, _ = await r.gw.connect("s0", 15)
        except (TimeoutError, RuntimeError) as e:
            check("401" in str(e) or "nauthor" in str(e), f"unclear: {str(e)[:90]}")
            return
        r.clients.append(c)
        try:
            ts = (await c.request("tools/list", {}, timeout=10))["tools"]
        except RpcError as e:
            check("401" in str(e) or "nauthor" in str(e), f"unclear: {str(e)[:90]}")
            return
        check(False, f"silently lists {len(ts)} tools")


@scenario(*TO_HTTP)
async def session_evicted_400(r):
    c = await r.client(
        faults={"evict_status": 400, "evict_text": "Bad Request: No valid session ID provided"}
    )
    await c.call("echo", {})
    r.be.ctl(do="evict")
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def session_evicted_while_it_asks(r):
    """The answer to a server's question finds no session: the call that waits for it must end."""
    r.proxied()
    c = await r.client()

    def evict(question):
        r.be.ctl(do="evict")
        return default_answer(question)

    c.answer = evict
    try:
        got = await c.call("sample", {"prompt": "anything"}, timeout=8)
    except RpcError as e:
        check("its session was lost" in str(e), f"another cause: {e}")
    else:
        check(False, f"an answer out of nothing: {got}")
    c.answer = default_answer
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def session_evicted_keeps_settings(r):
    """After a lost session the subscription and the log level hold in the new one."""
    r.proxied()
    c = await r.client()
    uri = "test://watched-resource"
    await c.request("resources/subscribe", {"uri": uri}, timeout=8)
    r.be.ctl(do="evict")
    await must_recover(r, c)
    await asyncio.sleep(0.3)
    c.notes.clear()
    await c.call("bump", {"uri": uri}, timeout=8)
    await c.wait_for(lambda m: m["method"] == "notifications/resources/updated", 3)


@scenario(*TO_HTTP)
async def http_502_twice(r):
    c = await r.client()
    await c.call("echo", {})
    r.be.ctl(set={"fail_next": 2})
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def closes_silently_after_each(r):
    c = await r.client(faults={"close_each": "silent"})
    for i in range(5):
        await c.call("echo", {"i": i}, timeout=8)


@scenario(*TO_HTTP)
async def sse_crlf_multiline(r):
    """Lines that end in CRLF, and one message over several `data:` lines."""
    c = await r.client(faults={"encoding": "sse", "sse_crlf": True, "sse_split": True})
    check('"a": "x"' in txt(await c.call("echo", {"a": "x"}, timeout=8)))
    await c.call("progress", {"n": 2, "ms": 5}, meta={"progressToken": 4}, timeout=8)
    await asyncio.sleep(0.2)
    check(sum(m["method"] == "notifications/progress" for m in c.notes) == 2, "progress is lost")
    check(not c.garbage, f"more than one line a message: {c.garbage[:1]}")


@scenario(*TO_HTTP)
async def stream_resumed_mid_call(r):
    """The server ends the stream of a call and answers on a later one (`Last-Event-ID`)."""
    r.proxied()
    c = await r.client()
    res = await c.call("test_reconnection", timeout=8)
    check("completed successfully" in txt(res), txt(res))


@scenario(*TO_HTTP)
async def connection_dropped_before_the_call(r):
    """The network drops a kept connection without a word; the next call opens another."""
    c = await r.client()
    await c.call("echo", {})
    r.be.ctl(do="drop_connections")
    await asyncio.sleep(0.3)
    await must_recover(r, c)
