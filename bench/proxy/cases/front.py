"""The gateway as an HTTP server: who may talk to it, and how."""

import asyncio
import json
import time
from pathlib import Path

from rig import (
    BOTH_HTTP,
    GATEWAYS,
    GW_HTTP,
    NA,
    Part,
    check,
    descriptors,
    run,
    scenario,
    txt,
    until,
)
from wire import HttpClient, RpcError


@scenario(*GATEWAYS)
async def rejects_foreign_host(r):
    c = await r.client(get=False)
    if not isinstance(c, HttpClient):
        raise NA("direct")
    x = HttpClient(f"http://127.0.0.1:{c.port}{c.path}", {**c.extra, "host": "evil.example.com"})
    try:
        await x.initialize(timeout=8)
    except RpcError as e:
        check(e.status and 400 <= e.status < 500, f"{e}")
        return
    check(False, "DNS rebinding possible: a foreign Host is served")


@scenario(*GATEWAYS)
async def listens_on_loopback_only(r):
    r.proxied()
    await r.client(get=False)
    port, bad = f":{r.gw.port:04X}", []
    for f in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(f).read_text().splitlines()[1:]:
            x = line.split()
            if (
                x[3] == "0A"
                and x[1].endswith(port)
                and not x[1].startswith(
                    (
                        "0100007F",
                        "00000000000000000000000001000000",
                        "0000000000000000FFFF00000100007F",
                    )
                )
            ):
                bad.append(x[1])
    check(not bad, "listens on every interface")


@scenario(*GATEWAYS)
async def needs_a_credential(r):
    """Another local user, or a container that should not, connects without any secret."""
    r.proxied()
    c = await r.client(get=False)
    x = HttpClient(f"http://127.0.0.1:{c.port}{c.path}")
    try:
        await x.initialize(timeout=8)
        await x.call("echo", {}, timeout=8)
    except RpcError:
        return
    check(False, "open to every local process")


@scenario(*GATEWAYS)
async def unknown_session_404(r):
    c = await r.client(get=False)
    if not isinstance(c, HttpClient):
        raise NA("")
    if not c.sid:
        raise NA("stateless")
    c.sid = "0" * 32
    try:
        await c.call("echo", {}, timeout=8)
    except RpcError as e:
        check(e.status == 404, f"HTTP {e.status}: clients re-initialize only on 404")
        return
    raise Part("serves an unknown session id")


@scenario(*GATEWAYS)
async def session_delete(r):
    c = await r.client(get=False)
    if not isinstance(c, HttpClient) or not c.sid:
        raise NA("")
    st = await c.delete()
    check(st < 300 or st == 405, f"DELETE answers {st}")


@scenario(*GATEWAYS)
async def accepts_wildcard_accept(r):
    c = await r.client(get=False)
    if not isinstance(c, HttpClient):
        raise NA("")
    x = HttpClient(f"http://127.0.0.1:{c.port}{c.path}", {**c.extra, "accept": "*/*"})
    try:
        await x.initialize(timeout=8)
    except RpcError as e:
        check(False, f"HTTP {e.status} on Accept: */*")


@scenario(*GATEWAYS)
async def leaves_no_orphans(r):
    r.proxied()
    await r.client(get=False)
    left = await run(r.gw.stop)
    r.gw = None
    check(not left, f"{len(left)} children survive SIGTERM")


@scenario(*GATEWAYS)
async def rejects_foreign_origin(r):
    c = await r.client(get=False)
    if not isinstance(c, HttpClient):
        raise NA("direct")
    x = HttpClient(
        f"http://127.0.0.1:{c.port}{c.path}", {**c.extra, "origin": "http://evil.example.com"}
    )
    try:
        await x.initialize(timeout=8)
    except RpcError as e:
        check(e.status and 400 <= e.status < 500, f"{e}")
        return
    check(False, "any web page may talk to it: a foreign Origin is served")


@scenario(*GATEWAYS)
async def rejects_a_foreign_token(r):
    r.proxied()
    c = await r.client(get=False)
    if "authorization" not in c.extra:
        raise NA("has no tokens")
    good = c.extra["authorization"]
    bad = [
        good[:-1],
        good + "x",
        good.replace("Bearer", "Basic"),
        "Bearer",
        "Bearer ",
        "",
        "é" * 9,
    ]
    bad += [good.replace("Bearer ", ""), good.swapcase(), f"{good}, {good}", "Bearer " + "a" * 4000]
    for token in bad:
        x = HttpClient(f"http://127.0.0.1:{c.port}{c.path}", {**c.extra, "authorization": token})
        try:
            await x.initialize(timeout=8)
        except RpcError as e:
            check(e.status in (400, 401, 403, 431), f"{e}")
        else:
            check(False, f"served with {token[:20]!r}…")
        await x.close()
    await c.call("echo", {}, timeout=8)


@scenario(GW_HTTP)
async def client_token_not_passed_on(r):
    r.entry = {"headers": {"X-Api-Key": "of-the-host"}}
    own = {"cookie": "sid=of-the-client", "proxy-authorization": "Basic of-the-client"}
    r.proxied()
    c = await r.client(headers={"authorization": "Bearer of-the-client", **own})
    w = json.loads(txt(await c.call("whoami", timeout=8)))
    log = json.dumps(r.be.ctl(do="log")["log"])
    token = c.extra["authorization"].removeprefix("Bearer ")
    for what, value in (("Cookie or Authorization", "of-the-client"), ("own token", token)):
        check(value not in log, f"the client's {what} reaches the server")
    check(w["headers"].get("x-api-key") == "of-the-host", "the configured header is missing")


@scenario(GW_HTTP, BOTH_HTTP)
async def secret_header_is_added(r):
    r.entry = {"headers": {"Authorization": "Bearer of-the-host", "X-Api-Key": "k"}}
    r.proxied()
    c = await r.client()
    w = json.loads(txt(await c.call("whoami", timeout=8)))
    check(w["headers"].get("authorization") == "Bearer of-the-host", "Authorization is missing")
    check(w["headers"].get("x-api-key") == "k", "X-Api-Key is missing")


@scenario(GW_HTTP)
async def wildcard_accept_to_a_strict_server(r):
    """The client asks for `*/*`, the server answers 406 to that: the gateway asks properly."""
    r.proxied()
    c = await r.client(get=False, faults={"strict_accept": True})
    x = HttpClient(f"http://127.0.0.1:{c.port}{c.path}", {**c.extra, "accept": "*/*"})
    r.clients.append(x)
    await x.initialize(timeout=8)
    await x.call("echo", {}, timeout=8)


@scenario(*GATEWAYS)
async def client_gone_mid_call(r):
    """The client's connection breaks in a call: others are served, nothing is left behind."""
    c = await r.client()
    if not isinstance(c, HttpClient):
        raise NA("direct")
    await c.call("echo", {}, timeout=8)
    before = 0 if r.direct else descriptors(r.peer_pids())
    for _ in range(10):
        f = asyncio.ensure_future(c.call("sleep", {"ms": 1500, "tag": "gone"}, timeout=8))
        await asyncio.sleep(0.05)
        f.cancel()
    await asyncio.sleep(0.2)
    t = time.perf_counter()
    check("1" in txt(await c.call("echo", {"a": 1}, timeout=8)))
    check(time.perf_counter() - t < 1, "the next call waits")
    if not r.direct:
        left = lambda: descriptors(r.peer_pids()) - before  # noqa: E731
        check(await until(lambda: left() <= 2, 6), f"{left()} descriptors are left behind")


@scenario(*GATEWAYS)
async def unknown_server(r):
    r.proxied()
    await r.client(get=False)
    x = r.gw.client("nobody")
    try:
        await x.initialize(timeout=8)
    except RpcError as e:
        check(e.status == 404, f"HTTP {e.status}: {str(e)[:90]}")
        return
    check(False, "an unknown server is served")
