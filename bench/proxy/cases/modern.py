"""Protocol revision 2026-07-28: stateless, discovered, input required."""

import asyncio
import json

from rig import ANY, GATEWAYS, NA, OVER_STDIO, Part, check, scenario, txt, until
from wire import MODERN, P, RpcError, StdioClient


async def modern_client(r):
    await r.ready()
    c = await r.spawn()
    c.modern = True
    if isinstance(c, StdioClient):
        try:
            d = await c.request("server/discover", {}, timeout=10)
        except (TimeoutError, RpcError) as e:
            check(not r.spec.get("modern"), f"the probe is refused: {e}")
            raise NA(f"legacy only ({str(e)[:60]})")
        if MODERN not in d.get("supportedVersions", []):
            raise NA("legacy only")
    return c


@scenario(*ANY)
async def modern_calls(r):
    c = await modern_client(r)
    res = await c.call("echo", {"a": 1}, timeout=8)
    check('"a": 1' in txt(res))
    if "resultType" not in res:
        raise Part("resultType lost")


@scenario(*ANY)
async def modern_input_required(r):
    c = await modern_client(r)
    res = await c.call("test_input_required_result_elicitation", timeout=8)
    check(res.get("resultType") == "input_required", f"got {str(res)[:100]}")
    k = next(iter(res["inputRequests"]))
    p = {
        "name": "test_input_required_result_elicitation",
        "arguments": {},
        "inputResponses": {k: {"action": "accept", "content": {"name": "Ann"}}},
    }
    if "requestState" in res:
        p["requestState"] = res["requestState"]
    res = await c.request("tools/call", p, timeout=8)
    check("Ann" in json.dumps(res), f"second round: {str(res)[:100]}")


@scenario(*ANY)
async def modern_progress(r):
    c = await modern_client(r)
    await c.call("progress", {"n": 3, "ms": 20}, meta={"progressToken": "m1"}, timeout=8)
    await asyncio.sleep(0.2)
    n = sum(m["method"] == "notifications/progress" for m in c.notes)
    check(n == 3, f"{n} of 3")


@scenario(*ANY)
async def modern_listen(r):
    c = await modern_client(r)
    m = c.build("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "listen:0")
    f = asyncio.ensure_future(c.exchange(m))
    f.add_done_callback(lambda x: x.cancelled() or x.exception())
    await c.wait_for(lambda x: x["method"] == "notifications/subscriptions/acknowledged", 5)
    await c.call("touch", timeout=8)
    x = await c.wait_for(lambda x: x["method"] == "notifications/tools/list_changed", 5)
    check(
        (x.get("params") or {}).get("_meta", {}).get(P + "subscriptionId") == "listen:0",
        "subscription id lost",
    )
    f.cancel()


@scenario(*OVER_STDIO)
async def modern_cancel(r):
    r.proxied()
    c = await modern_client(r)
    f = asyncio.ensure_future(
        c.call("sleep", {"ms": 5000, "tag": "mc"}, timeout=8, rid="cancel-me")
    )
    f.add_done_callback(lambda x: x.cancelled() or x.exception())
    await asyncio.sleep(0.4)
    await c.notify("notifications/cancelled", {"requestId": "cancel-me", "reason": "user"})
    work = lambda: r.be.ctl()["stats"]["cancel_work"]  # noqa: E731
    if r.http_server:
        check(await until(lambda: "mc" in work(), 3), "the work goes on")
    else:
        got = json.loads(txt(await c.call("cancelled", timeout=8)))
        check("mc" in got["work"], "the work goes on")
    f.cancel()


@scenario(*GATEWAYS)
async def modern_client_gone(r):
    """Closing the stream is how a modern client cancels."""
    c = await modern_client(r)
    if isinstance(c, StdioClient):
        raise NA("direct")
    f = asyncio.ensure_future(c.call("sleep", {"ms": 5000, "tag": "mg"}, timeout=8))
    await asyncio.sleep(0.4)
    f.cancel()
    got = {"work": []}
    for _ in range(20):
        await asyncio.sleep(0.15)
        got = json.loads(txt(await c.call("cancelled", timeout=8)))
        if "mg" in got["work"]:
            return
    check(False, "the work goes on")


@scenario(*OVER_STDIO)
async def modern_param_headers(r):
    """`x-mcp-header` parameters are mirrored into headers, also those a header cannot spell."""
    r.proxied()
    c = await modern_client(r)
    await c.request("tools/list", {}, timeout=8)
    for region in ("eu-west", "Zürich", " padded ", "=?base64?eA==?="):
        res = await c.call("header_tool", {"region": region}, timeout=8)
        check(txt(res) == region, f"{region!r} became {txt(res)!r}")


@scenario(*ANY)
async def modern_two_clients(r):
    """Stateless calls with the same ids at once: each gets its own answer."""
    a = await modern_client(r)
    r.proxied()
    b = await r.spawn()
    b.modern = True

    async def calls(c, name):
        for i in range(20):
            res = await c.call("echo", {"who": f"{name}{i}"}, timeout=8, rid=5000 + i)
            check(f"{name}{i}" in txt(res), f"{name} got {txt(res)}")

    await asyncio.gather(calls(a, "a"), calls(b, "b"))
