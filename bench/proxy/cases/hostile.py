"""Bad input from either side: a clear error, nothing crashed, nothing lost for the others."""

import asyncio
import json
import time

import procs as H
from rig import (
    BRIDGE,
    GATEWAYS,
    OVER_STDIO,
    TO_HTTP,
    TO_STDIO,
    check,
    memory_mb,
    must_recover,
    peak_mb,
    refused,
    run,
    scenario,
    txt,
)
from wire import Gone, RpcError


async def bad_answer(r, words, most_mb=None, timeout=40, **rule):
    """One call is answered badly: an error that has one of the words, then all is well again."""
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    pids = [] if r.direct else r.peer_pids()
    before = peak_mb(pids)
    r.be.ctl(set={"misbehave": {"on": "tools/call", **rule}})
    why = await refused(c, timeout=timeout)
    r.note = why[:160]
    r.be.ctl(set={"misbehave": None})
    if words and not r.direct:
        check(any(w in why.lower() for w in words), f"does not say why: {why[:120]}")
    await must_recover(r, c)
    if most_mb:
        grown = peak_mb(pids) - before
        r.note += f" (+{grown:.0f} MB)"
        check(grown < most_mb, f"takes {grown:.0f} MB")


@scenario(*TO_HTTP)
async def login_page(r):
    r.proxied()
    await bad_answer(r, ("html", "content type", "content-type"), kind="html")


@scenario(*TO_HTTP)
async def login_page_at_start(r):
    r.proxied()
    await r.backend(misbehave={"kind": "html"})
    if r.dir != BRIDGE:
        await r.gateway()
        await run(r.gw.listening)
    c = await r.spawn()
    try:
        await c.initialize(timeout=32)
        await c.request("tools/list", {}, timeout=10)
        why = await refused(c, timeout=10)
    except (RpcError, Gone) as e:
        why = str(e)
    check("html" in why or "content" in why.lower(), f"does not say why: {why[:120]}")


@scenario(*TO_HTTP)
async def wrong_content_type(r):
    r.proxied()
    await bad_answer(r, ("type", "text/plain"), kind="plain", type="text/plain", body="all is well")


@scenario(*TO_HTTP)
async def empty_answer(r):
    r.proxied()
    await bad_answer(r, (), kind="plain", body="")


@scenario(*TO_HTTP)
async def no_content(r):
    r.proxied()
    await bad_answer(r, (), kind="plain", body="", status=204)


@scenario(*TO_HTTP)
async def not_http(r):
    r.proxied()
    await bad_answer(r, (), kind="bad_http")


BROKEN = (
    '{"jsonrpc"',
    "[]",
    "null",
    '"text"',
    "42",
    "{}",
    '{"jsonrpc":"2.0","id":%ID%}',
    '{"jsonrpc":"2.0","id":"another","result":{}}',
    '{"jsonrpc":"2.0","id":null,"result":{}}',
    '{"jsonrpc":"2.0","id":%ID%,"result":{}',
    "[" * 100_000,
    '{"a":' * 20_000,
    "\udcff\udcfe\udc00",
)


@scenario(*TO_HTTP)
async def malformed_answers(r):
    """Each is an error for that call, in either encoding, and hurts no other."""
    r.proxied()
    c = await r.client()
    for body in BROKEN:
        for kind, text in (("application/json", body), ("text/event-stream", f"data: {body}\n\n")):
            rule = {"kind": "plain", "on": "tools/call", "body": text, "type": kind}
            r.be.ctl(set={"misbehave": rule})
            what = f"{body[:40]!r} as {kind}"
            try:
                await c.call("echo", {}, timeout=35)
            except RpcError as e:
                check(e.err, what)
            except TimeoutError:
                check(False, f"no answer to {what}")
            else:
                if "%ID%" not in body:
                    check(False, f"a result came out of {what}")
            r.be.ctl(set={"misbehave": None})
            await must_recover(r, c)
    check(not c.garbage, f"it is passed on: {c.garbage[:1]}")


@scenario(*TO_HTTP)
async def redirect_to_another_origin(r):
    """The secret stays: nothing that was configured for one origin arrives at another."""
    r.proxied()
    if r.dir != BRIDGE:
        r.entry = {"headers": {"X-Api-Key": "s3cr3t", "Authorization": "Bearer s3cr3t"}}
    other = await r.another()
    c = await r.client()
    for status in (301, 302, 303, 307, 308):
        rule = {"kind": "redirect", "to": other.url, "status": status, "on": "tools/call"}
        r.be.ctl(set={"misbehave": rule})
        why = await refused(c, timeout=20)
        check("redirect" in why.lower(), f"{status}: does not say why: {why[:120]}")
    log = json.dumps(other.ctl(do="log")["log"])
    check("s3cr3t" not in log, "the secret arrives at the other origin")
    check("tools/call" not in log, "the call arrives at the other origin")
    r.be.ctl(set={"misbehave": None})
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def redirects_for_ever(r):
    r.proxied()
    c = await r.client()
    rule = {"kind": "redirect", "to": r.be.url, "status": 307, "on": "tools/call"}
    r.be.ctl(set={"misbehave": rule})
    await refused(c, timeout=20)
    n = sum("tools/call" in x["b"] for x in r.be.ctl(do="log")["log"])
    check(n < 30, f"{n} requests")
    r.be.ctl(set={"misbehave": None})
    await must_recover(r, c)


@scenario(*TO_HTTP, heavy=True)
async def compressed_bomb(r):
    r.proxied()
    await bad_answer(r, ("compress", "encoding", "gzip"), 64, kind="bomb")


@scenario(*TO_HTTP, heavy=True)
async def endless_answer(r):
    r.proxied()
    await bad_answer(r, (), 400, kind="endless_body")


@scenario(*TO_HTTP, heavy=True)
async def endless_event(r):
    r.proxied()
    await bad_answer(r, (), 400, kind="endless_event")


@scenario(*TO_HTTP, heavy=True)
async def endless_header(r):
    r.proxied()
    await bad_answer(r, (), 64, kind="endless_head")


@scenario(*TO_STDIO, heavy=True)
async def endless_line(r):
    """A server that writes for ever and never ends its line: bounded, said, and the others live."""
    r.proxied()
    good = {"cmd": H.backend_cmd("stdio", "--name", "good")}
    await r.gateway(servers={"s0": r.server(), "good": good})
    await run(r.gw.listening)
    c, other = await r.client(), await r.client(name="good")
    pids = r.peer_pids()
    before = peak_mb(pids)
    f = asyncio.ensure_future(refused(c, "flood", timeout=40))
    slowest = 0.0
    while not f.done():
        t = time.perf_counter()
        await other.call("echo", {}, timeout=8)
        slowest = max(slowest, time.perf_counter() - t)
        await asyncio.sleep(0.05)
    grown = peak_mb(pids) - before
    r.note = f"{(await f)[:120]} (+{grown:.0f} MB, others waited {slowest:.2f} s at most)"
    check(grown < 400, f"takes {grown:.0f} MB")
    check(slowest < 2, f"others wait: {r.note}")
    await must_recover(r, c)


CLIENT_GARBAGE = (
    b"not json",
    b"[]",
    b"null",
    b"42",
    b'"text"',
    b"{}",
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":7}',
    b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":"text"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}',
    b'{"jsonrpc":"2.0","id":"nobody-asked","result":{}}',
    b'{"jsonrpc":"2.0","id":3,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}}',
    b'{"jsonrpc":"2.0","id":4,"method":"x\\r\\nEvil: 1","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}',
    b'{"jsonrpc":"2.0","id":5,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026\\r\\nEvil: 1"}}}',
    b'{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"a\\r\\nEvil: 1","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}',
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"\xff\xfe\x00\x01",
    b"\xef\xbb\xbf{}",
    b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    b"",
    b"\r",
)


@scenario(*OVER_STDIO)
async def client_sends_garbage(r):
    r.proxied()
    c = await r.client()
    for line in CLIENT_GARBAGE:
        c.stdin.write(line + b"\n")
    await asyncio.sleep(0.5)
    check(not c.exited.done(), f"exits: {bytes(c.stderr[-300:])!r}")
    check('"a": 1' in txt(await c.call("echo", {"a": 1}, timeout=15)), "echo")
    check(not c.garbage, f"answers with other than JSON: {c.garbage[:1]}")
    if r.http_server:
        evil = [x for x in r.be.ctl(do="log")["log"] if "evil" in x["h"]]
        check(not evil, "a header was smuggled in")


async def raw_http(port, data, seconds=5.0):
    """Send bytes; what comes back until the end, a pause, or the time is up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(65536), seconds)
    except (TimeoutError, OSError):
        return b""
    finally:
        writer.close()


@scenario(*GATEWAYS)
async def client_posts_garbage(r):
    r.proxied()
    c = await r.client()
    for body in CLIENT_GARBAGE:
        res = await asyncio.wait_for(c.send({}, body), 10)
        check(res.status < 500, f"HTTP {res.status} to {body[:40]!r}")
    check("1" in txt(await c.call("echo", {"a": 1}, timeout=8)))


@scenario(*GATEWAYS)
async def client_speaks_bad_http(r):
    """None of it crashes or wedges; where two readings of a message's end are possible it is refused."""
    r.proxied()
    c = await r.client()
    auth = c.extra.get("authorization", "none")
    start = f"POST {c.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {auth}\r\n"
    start += "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    refuse = (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        "Content-Length : 5\r\n\r\nhello",
        " folded: yes\r\nContent-Length: 2\r\n\r\n{}",
        "X: " + "x" * 200_000 + "\r\n\r\n",
        "".join(f"X-{i}: y\r\n" for i in range(5000)) + "\r\n",
        "no colon\r\nContent-Length: 2\r\n\r\n{}",
        "Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    )
    whole = (
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    )
    for text in refuse:
        back = await raw_http(c.port, (start + text).encode("latin-1"), 3)
        check(back[9:10] != b"2", f"{text[:50]!r} is taken: {back[:60]!r}")
    for data in whole:
        back = await raw_http(c.port, data, 1)
        check(back[9:10] != b"2" and back[9:10] != b"5", f"{data[:40]!r} gives {back[:60]!r}")
    check("1" in txt(await c.call("echo", {"a": 1}, timeout=8)))


@scenario(*GATEWAYS, slow=True)
async def slow_loris(r):
    """Clients that never end their request do not hold up others, and are dropped."""
    r.proxied()
    c = await r.client()
    start = f"POST {c.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    streams = [await asyncio.open_connection("127.0.0.1", c.port) for _ in range(200)]
    slowest, end = 0.0, time.perf_counter() + 70
    closed = lambda: sum(s[0].at_eof() or s[1].is_closing() for s in streams)  # noqa: E731
    for i, (_, writer) in enumerate(streams):
        writer.write(start[: 10 + i % 30])
    readers = [asyncio.ensure_future(s[0].read()) for s in streams]
    while time.perf_counter() < end and not all(f.done() for f in readers):
        t = time.perf_counter()
        await c.call("echo", {}, timeout=8)
        slowest = max(slowest, time.perf_counter() - t)
        for _, writer in streams[::20]:
            if not writer.is_closing():
                writer.write(b"x")
        await asyncio.sleep(0.5)
    left = sum(not f.done() for f in readers)
    for f in readers:
        f.cancel()
    for _, writer in streams:
        writer.close()
    r.note = f"slowest call {slowest * 1e3:.0f} ms, {left} of 200 still open, {closed()} closed"
    check(slowest < 1, f"others wait: {r.note}")
    check(not left, f"never dropped: {r.note}")


@scenario(*GATEWAYS, heavy=True)
async def ten_thousand_idle(r):
    """10,000 connections that say nothing (fewer where this process may not open so many)."""
    import resource

    r.proxied()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = min(10_000, hard - 200)
    c = await r.client()
    writers = []
    try:
        for _ in range(n // 100):
            got = await asyncio.gather(
                *(asyncio.open_connection("127.0.0.1", c.port) for _ in range(100)),
                return_exceptions=True,
            )
            writers += [x[1] for x in got if not isinstance(x, BaseException)]
        slowest = 0.0
        for i in range(20):
            t = time.perf_counter()
            await c.call("echo", {"i": i}, timeout=8)
            slowest = max(slowest, time.perf_counter() - t)
        t = time.perf_counter()
        x = await r.client(get=False)
        await x.call("echo", {}, timeout=8)
        new = time.perf_counter() - t
        grown = memory_mb([r.gw.proc.pid])
        r.note = f"{len(writers)} of {n} open; slowest call {slowest * 1e3:.0f} ms, new client {new:.2f} s, {grown:.0f} MB"
        check(slowest < 1 and new < 5, f"others wait: {r.note}")
    finally:
        for w in writers:
            w.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@scenario(*GATEWAYS)
async def request_too_long(r):
    """A request that says it is 10 GB long is refused before it is read."""
    r.proxied()
    c = await r.client()
    auth = c.extra.get("authorization", "none")
    head = f"POST {c.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {auth}\r\nContent-Type: application/json\r\n"
    back = await raw_http(
        c.port, (head + f"Content-Length: {10 << 30}\r\n\r\n" + "x" * 1000).encode(), 5
    )
    check(back[9:12] in (b"413", b"400", b"431"), f"answers {back[:60]!r}")
    await c.call("echo", {}, timeout=8)
