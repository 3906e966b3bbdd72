"""What has to come through unchanged, in both directions."""

import asyncio
import json
import time

from rig import ANY, TO_HTTP, Part, check, scenario, txt
from wire import RpcError


@scenario(*ANY)
async def sampling(r):
    c = await r.client()
    check("sampled-ok" in txt(await c.call("sample", {"prompt": "x"}, timeout=8)))


@scenario(*ANY)
async def elicitation(r):
    c = await r.client()
    check("elicited-ok" in txt(await c.call("elicit", {}, timeout=8)))


@scenario(*ANY)
async def roots(r):
    c = await r.client()
    check("file:///bench" in txt(await c.call("roots", {}, timeout=8)))


@scenario(*ANY)
async def client_caps_forwarded(r):
    c = await r.client(
        caps={
            "roots": {"listChanged": True},
            "elicitation": {"form": {}},
            "experimental": {"x/y": {}},
        }
    )
    w = json.loads(txt(await c.call("whoami")))
    got = set(w["caps"] or {})
    check("roots" in got and "elicitation" in got, f"backend sees {sorted(got)}")
    if "sampling" in got:
        raise Part("invents the sampling capability")
    if "experimental" not in got:
        raise Part("drops experimental")


@scenario(*ANY)
async def server_caps_forwarded(r):
    res = (await r.client(get=False)).init_result
    cap = res["capabilities"]
    lost = [k for k in ("tools", "resources", "prompts", "logging", "completions") if k not in cap]
    if (cap.get("resources") or {}).get("subscribe") is not True:
        lost.append("resources.subscribe")
    if (cap.get("tools") or {}).get("listChanged") is not True:
        lost.append("tools.listChanged")
    if "instructions" not in res:
        lost.append("instructions")
    if lost:
        raise Part("lost " + ",".join(lost))


@scenario(*ANY)
async def progress(r):
    c = await r.client()
    await c.call("progress", {"n": 3, "ms": 20}, meta={"progressToken": "tok-1"}, timeout=8)
    await asyncio.sleep(0.2)
    got = [
        m
        for m in c.notes
        if m["method"] == "notifications/progress" and m["params"].get("progressToken") == "tok-1"
    ]
    check(len(got) == 3, f"{len(got)} of 3 progress notifications")
    if [m["params"]["progress"] for m in got] != [1, 2, 3]:
        raise Part("out of order")


@scenario(*ANY)
async def progress_streams_live(r):
    """Progress must arrive while the call runs, not in one lump at its end."""
    c = await r.client()
    t = time.perf_counter()
    f = asyncio.ensure_future(
        c.call("progress", {"n": 3, "ms": 400}, meta={"progressToken": "tok-2"}, timeout=8)
    )
    await c.wait_for(lambda m: m["method"] == "notifications/progress", 6)
    first = time.perf_counter() - t
    await f
    check(first < 0.35, f"first progress after {first * 1e3:.0f} ms of a 1200 ms call")


@scenario(*ANY)
async def logging(r):
    c = await r.client()
    await c.call("log", {"n": 2}, timeout=8)
    await asyncio.sleep(0.2)
    n = sum(m["method"] == "notifications/message" for m in c.notes)
    check(n == 2, f"{n} of 2 log messages")


@scenario(*ANY)
async def log_set_level(r):
    c = await r.client()
    await c.request("logging/setLevel", {"level": "warning"}, timeout=8)


@scenario(*ANY)
async def cancellation(r):
    c = await r.client()
    f = asyncio.ensure_future(c.call("sleep", {"ms": 4000, "tag": "t1"}, timeout=6, rid=777))
    await asyncio.sleep(0.4)
    await c.notify("notifications/cancelled", {"requestId": 777, "reason": "user"})
    await asyncio.sleep(0.5)
    got = json.loads(txt(await c.call("cancelled", timeout=8)))
    f.cancel()
    if "t1" in got["work"]:
        return
    if r.be:
        got["cancelled"] = got["cancelled"] or r.be.ctl()["stats"]["cancelled"]
        if "t1" in r.be.ctl()["stats"]["cancel_work"]:
            return
    check(got["cancelled"], "the backend never heard of it")
    check(False, "arrives, but under another id or too late: the work goes on")


@scenario(*ANY)
async def tools_list_changed(r):
    c = await r.client()
    await c.call("touch", timeout=8)
    await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 3)


@scenario(*ANY)
async def resource_subscription(r):
    c = await r.client()
    uri = "test://watched-resource"
    if callable(getattr(c, "prefix", None)):
        rs = (await c.request("resources/list", {}, timeout=8))["resources"]
        uri = next((x["uri"] for x in rs if "watched" in x["uri"]), uri)
    await c.request("resources/subscribe", {"uri": uri}, timeout=8)
    await c.call("bump", {"uri": "test://watched-resource"}, timeout=8)
    await c.wait_for(lambda m: m["method"] == "notifications/resources/updated", 3)


@scenario(*ANY)
async def prompts_resources_completion(r):
    c = await r.client()
    pre = callable(getattr(c, "prefix", None))
    pr = (await c.request("prompts/list", {}, timeout=8))["prompts"]
    name = next(
        p["name"] for p in pr if "with_arguments" in p["name"] or "with-arguments" in p["name"]
    )
    g = await c.request(
        "prompts/get", {"name": name, "arguments": {"arg1": "hello", "arg2": "world"}}, timeout=8
    )
    check("arg1='hello'" in json.dumps(g), "prompts/get")
    rs = (await c.request("resources/list", {}, timeout=8))["resources"]
    uri = next(x["uri"] for x in rs if "static-text" in x["uri"])
    check(
        "static text resource"
        in json.dumps(await c.request("resources/read", {"uri": uri}, timeout=8)),
        "resources/read",
    )
    rt = (await c.request("resources/templates/list", {}, timeout=8))["resourceTemplates"]
    check(len(rt) == 1, "templates")
    try:
        k = await c.request(
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": name},
                "argument": {"name": "arg1", "value": "par"},
            },
            timeout=8,
        )
        check("paris" in json.dumps(k), "completion")
    except (RpcError, AssertionError) as e:
        raise Part(f"no completion ({e})" if not pre else "no completion")


@scenario(*ANY)
async def result_10mb(r):
    c = await r.client()
    n = 10 << 20
    res = await c.call("size", {"n": n}, timeout=30)
    check(len(txt(res)) == n, f"{len(txt(res))} bytes instead: {txt(res)[:80]}")


@scenario(*ANY)
async def schema_kept(r):
    c = await r.client(get=False)
    ts = (await c.request("tools/list", {}, timeout=8))["tools"]
    t = next(
        (
            t
            for t in ts
            if t["name"].endswith("json_schema_2020_12_tool")
            or t["name"].endswith("json-schema-2020-12-tool")
        ),
        None,
    )
    check(t, "tool renamed beyond recognition")
    keys = ("$schema", "$defs", "allOf", "if", "then", "else", "additionalProperties")
    lost = [k for k in keys if k not in t["inputSchema"]]
    check(not lost, "lost " + ",".join(lost))


@scenario(*ANY)
async def id_types_kept(r):
    c = await r.client()
    for rid in ("string-id", 0, "42", 42, 2**53 - 1):
        res = await c.call("echo", {"v": str(rid)}, timeout=8, rid=rid)
        check(str(rid) in txt(res), f"id {rid!r}")


@scenario(*ANY)
async def slow_does_not_block_fast(r):
    c = await r.client()
    f = asyncio.ensure_future(c.call("sleep", {"ms": 3000}, timeout=8))
    await asyncio.sleep(0.2)
    t = time.perf_counter()
    await c.call("echo", {"a": 1}, timeout=8)
    dt = time.perf_counter() - t
    await f
    check(dt < 1.0, f"fast call waited {dt:.1f} s behind a slow one")


@scenario(*TO_HTTP)
async def result_10mb_sse(r):
    c = await r.client(faults={"encoding": "sse"})
    n = 10 << 20
    res = await c.call("size", {"n": n}, timeout=30)
    check(len(txt(res)) == n, f"{len(txt(res))} bytes instead")


@scenario(*ANY)
async def request_5mb(r):
    c = await r.client()
    n = 5 << 20
    res = await c.call("echo", {"s": "y" * n}, timeout=30)
    check(len(txt(res)) == n + len('{"s": ""}'), f"{len(txt(res))} bytes came back")


@scenario(*ANY)
async def unknown_fields_kept(r):
    c = await r.client()
    res = await c.call("vendor_meta", timeout=8)
    text = res["content"][0]
    lost = [
        name
        for name, kept in (
            ("text._meta", text.get("_meta") == {"vendor/a": {"b": [1, None, 2.5]}}),
            ("annotations", text.get("annotations") == {"priority": 0.5}),
            ("structuredContent", res.get("structuredContent") == {"k": None, "n": 1}),
            ("_meta", (res.get("_meta") or {}).get("vendor/top") == "kept"),
            ("x-unknown", res.get("x-unknown") == {"deep": [1]}),
        )
        if not kept
    ]
    check(len(lost) < 3, "lost " + ",".join(lost))
    if lost:
        raise Part("lost " + ",".join(lost))


@scenario(*ANY)
async def big_integers_kept(r):
    """Numbers beyond 2**53 and their spelling, both ways."""
    c = await r.client()
    sent = txt(await c.call("echo", {"i": 2**53 + 1, "f": 1.0}, timeout=8))
    check('"i": 9007199254740993' in sent, f"the server got {sent}")
    c.keep = []
    await c.call("bignum", timeout=8)
    raw = b"".join(c.keep)
    check(b'"i":9007199254740993' in raw.replace(b" ", b""), "the client got another integer")
    if b'"f":1.0,"d":0.1000000000000000055511151231257827' not in raw.replace(b" ", b""):
        raise Part("numbers are spelled anew")
    if '"f": 1.0' not in sent:
        raise Part("1.0 becomes 1 on the way to the server")


@scenario(*ANY)
async def two_clients_isolated(r):
    """Same ids, same progress tokens, at the same time: nobody sees the other's messages."""
    a = await r.client()
    r.proxied()
    b = await r.client()
    b.answer = lambda m: {
        "result": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "of-b"}}
    }

    async def work(c, name):
        args, meta = {"n": 3, "ms": 30}, {"progressToken": "same"}
        await c.call("progress", args, timeout=8, meta=meta, rid=900)
        echo = txt(await c.call("echo", {"who": name}, timeout=8, rid=901))
        return echo, txt(await c.call("sample", {}, timeout=8, rid=902))

    (ea, sa), (eb, sb) = await asyncio.gather(work(a, "a"), work(b, "b"))
    check('"a"' in ea and '"b"' in eb, f"answers crossed: {ea} {eb}")
    check("sampled-ok" in sa and "of-b" in sb, f"requests of the server crossed: {sa} {sb}")
    await asyncio.sleep(0.2)
    for c in (a, b):
        n = sum(m["method"] == "notifications/progress" for m in c.notes)
        check(n == 3, f"{n} progress notifications instead of 3")
    await a.call("touch", timeout=8)
    await a.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 3)
    await asyncio.sleep(0.2)
    other = [m["method"] for m in b.notes if "list_changed" in m["method"]]
    check(not other, "the other client is told of a change in this session")


@scenario(*ANY)
async def errors_come_back_whole(r):
    """An error of the server keeps its code, message and data."""
    c = await r.client()
    try:
        await c.request("resources/read", {"uri": "test://none"}, timeout=8)
    except RpcError as e:
        check(isinstance(e.err, dict), f"not a JSON-RPC error: {e}")
        check(e.err.get("code") == -32002, f"code {e.err.get('code')}")
        check(e.err.get("data") == {"uri": "test://none"}, f"data {e.err.get('data')}")
        return
    check(False, "no error")


@scenario(*ANY)
async def ping_both_ways(r):
    c = await r.client()
    check(await c.request("ping", timeout=8) == {}, "ping has a result")
