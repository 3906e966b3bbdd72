"""The ways to a server: Unix socket, TLS, dead addresses, HTTP+SSE of 2024-11-05, WebSocket."""

import asyncio
import os
import socket
import time
from pathlib import Path

import procs as H
from rig import (
    BOTH_HTTP,
    BOTH_STDIO,
    BRIDGE,
    GW_HTTP,
    NA,
    TO_HTTP,
    check,
    must_recover,
    refused,
    run,
    scenario,
    txt,
    until,
)
from wire import Gone, RpcError


def also(r, what):
    """Only where peers.toml says that this peer's bridge can do it."""
    r.proxied()
    if what not in r.spec[r.dir if r.dir == BRIDGE else "gateway"].get("also", ()):
        raise NA(f"no {what}")


async def conversation(c):
    """A little of everything: calls, progress, a request of the server, a notification."""
    check('"a": 1' in txt(await c.call("echo", {"a": 1}, timeout=8)))
    await c.call("progress", {"n": 3, "ms": 10}, meta={"progressToken": "p"}, timeout=8)
    check("sampled-ok" in txt(await c.call("sample", {"prompt": "x"}, timeout=8)), "sampling")
    await c.call("touch", timeout=8)
    await c.wait_for(lambda m: m["method"] == "notifications/tools/list_changed", 3)
    n = sum(m["method"] == "notifications/progress" for m in c.notes)
    check(n == 3, f"{n} of 3 progress notifications")
    check(len(txt(await c.call("size", {"n": 1 << 20}, timeout=20))) == 1 << 20, "1 MB")


@scenario(BRIDGE)
async def unix_socket_upstream(r):
    also(r, "unix")
    path = f"{r.tmp}/mcp.sock"
    await r.backend(args=("--uds", path))
    r.url = f"unix:{path}:/mcp"
    await conversation(await r.client())


@scenario(BOTH_STDIO, BOTH_HTTP)
async def gateway_over_its_unix_socket(r):
    r.proxied()
    where = r.spec["gateway"].get("socket")
    if not where:
        raise NA("listens on no socket")
    await r.ready()
    path = H.fill([where], dir=r.gw.dir)[0]
    check(await until(lambda: os.path.exists(path), 5), f"no socket at {path}")
    r.bridge_json = lambda: type(r).bridge_json(r, socket=path)
    r.gw_port, r.gw.port = r.gw.port, H.free_port()  # the TCP address of bridge.json leads nowhere
    try:
        await conversation(await r.client())
    finally:
        r.gw.port = r.gw_port


def certificate(folder, *names):
    """A certificate authority and a server's certificate of it: (ca.pem, server.pem)."""
    import trustme

    ca = trustme.CA()
    ca.cert_pem.write_to_path(f"{folder}/ca.pem")
    ca.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
    return f"{folder}/ca.pem", f"{folder}/server.pem"


async def behind_tls(r, *names, trusted=True):
    also(r, "tls")
    ca, cert = certificate(r.tmp, *names)
    port = H.free_port()
    await r.backend(args=("--tls-port", str(port), "--cert", cert))
    r.url = f"https://localhost:{port}/mcp"
    if trusted:
        r.env = {"SSL_CERT_FILE": ca}


@scenario(*TO_HTTP)
async def tls_upstream(r):
    await behind_tls(r, "localhost")
    await conversation(await r.client())


async def says_certificate(r):
    await r.ready()
    c = await r.spawn()
    try:
        await c.initialize(timeout=30)
        await c.request("tools/list", {}, timeout=10)
        why = await refused(c, timeout=20)
    except (RpcError, Gone) as e:
        why = str(e)
    check("certificate" in why.lower(), f"does not say why: {why[:120]}")
    check(not r.be.ctl()["stats"]["requests"], "the request was sent all the same")


@scenario(*TO_HTTP)
async def tls_certificate_unknown(r):
    await behind_tls(r, "localhost", trusted=False)
    await says_certificate(r)


@scenario(*TO_HTTP)
async def tls_certificate_of_another_name(r):
    await behind_tls(r, "other.example")
    await says_certificate(r)


async def two_families(r):
    """Within bridge and gateway `localhost` is ::1 and 127.0.0.1: a hosts file of their own."""
    with socket.socket(socket.AF_INET6) as s:
        try:
            s.bind(("::1", 0))
        except OSError:
            raise NA("no IPv6 here") from None
    hosts = Path(r.tmp, "hosts")
    hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "-r"]
    r.wrap = [*unshare, "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
    try:
        probe = await asyncio.create_subprocess_exec(
            *r.wrap, "true", stderr=asyncio.subprocess.PIPE
        )
        await probe.communicate()
    except OSError as e:
        raise NA(f"no mount namespace: {e}") from None
    if probe.returncode:
        raise NA("no right to make a mount namespace")


@scenario(*TO_HTTP)
async def ipv6_dead_ipv4_lives(r):
    r.proxied()
    await two_families(r)
    await r.backend()
    r.url = f"http://localhost:{r.be.port}/mcp"
    await conversation(await r.client())


@scenario(*TO_HTTP)
async def ipv4_dead_ipv6_lives(r):
    r.proxied()
    await two_families(r)
    await r.backend(args=("--host", "::1"))
    r.url = f"http://localhost:{r.be.port}/mcp"
    await conversation(await r.client())


@scenario(*TO_HTTP)
async def ipv6_swallows_ipv4_lives(r):
    """Packets to the IPv6 address vanish: a listener whose queue is full drops each SYN."""
    r.proxied()
    await two_families(r)
    await r.backend()
    hole = socket.socket(socket.AF_INET6)
    hole.bind(("::1", r.be.port))
    hole.listen(0)
    full = []
    for _ in range(3):
        s = socket.socket(socket.AF_INET6)
        s.setblocking(False)
        s.connect_ex(("::1", r.be.port))
        full.append(s)
    try:
        r.url = f"http://localhost:{r.be.port}/mcp"
        t = time.perf_counter()
        c = await r.client()
        await c.call("echo", {}, timeout=8)
        r.note = f"{time.perf_counter() - t:.2f} s"
        check(time.perf_counter() - t < 3, f"waits for the dead address: {r.note}")
    finally:
        for s in (hole, *full):
            s.close()


@scenario(*TO_HTTP)
async def host_must_be_localhost(r):
    """A server on this machine that serves `Host: localhost:PORT` and nothing else."""
    r.proxied()
    await r.backend()
    r.be.ctl(set={"host_only": f"localhost:{r.be.port}"})
    r.url = f"http://localhost:{r.be.port}/mcp"
    c = await r.client()
    await c.call("echo", {}, timeout=8)


def over_sse(r):
    if r.dir == BRIDGE:
        also(r, "sse")
    else:
        r.needs("sse")
        r.entry = {"type": "sse"}
    r.url = f"http://127.0.0.1:{r.be.port}/sse"


@scenario(*TO_HTTP)
async def sse_upstream(r):
    r.proxied()
    await r.backend()
    over_sse(r)
    await conversation(await r.client())


@scenario(*TO_HTTP)
async def sse_upstream_restarted(r):
    r.proxied()
    await r.backend()
    over_sse(r)
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    await run(r.be.stop)
    await run(r.be.start)
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def sse_stream_cut(r):
    """The one stream of the old transport breaks while nothing happens."""
    r.proxied()
    await r.backend()
    over_sse(r)
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    r.be.ctl(do="drop_connections")
    await asyncio.sleep(0.5)
    await must_recover(r, c)


async def cut_mid_call(r, c, cut):
    """Calls whose answers can no longer come are told so, and soon; the next ones work."""
    names = [f"cut{i}" for i in range(3)]
    running = [
        asyncio.ensure_future(c.call("sleep", {"ms": 1500, "tag": n}, timeout=25)) for n in names
    ]
    await asyncio.sleep(0.4)
    await cut()
    for done in await asyncio.gather(*running, return_exceptions=True):
        check(not isinstance(done, asyncio.TimeoutError), "a call is never answered")
        check(not isinstance(done, BaseException) or isinstance(done, RpcError), repr(done))
    await must_recover(r, c)


@scenario(*TO_HTTP)
async def sse_stream_cut_mid_call(r):
    r.proxied()
    await r.backend()
    over_sse(r)
    c = await r.client()
    await c.call("echo", {}, timeout=8)

    async def cut():
        await run(lambda: r.be.ctl(do="drop_connections"))

    await cut_mid_call(r, c, cut)


@scenario(*TO_HTTP)
async def sse_upstream_restarted_mid_call(r):
    r.proxied()
    await r.backend()
    over_sse(r)
    c = await r.client()
    await c.call("echo", {}, timeout=8)

    async def cut():
        await run(r.be.stop)
        await asyncio.sleep(2)
        await run(r.be.start)

    await cut_mid_call(r, c, cut)


@scenario(*TO_HTTP)
async def stream_cut_mid_call(r):
    """The same over Streamable HTTP."""
    r.proxied()
    c = await r.client()
    await c.call("echo", {}, timeout=8)

    async def cut():
        await run(lambda: r.be.ctl(do="drop_connections"))

    await cut_mid_call(r, c, cut)


@scenario(GW_HTTP, BOTH_HTTP)
async def websocket_upstream(r):
    r.needs("ws")
    await over_websocket(r)
    await conversation(await r.client())


@scenario(GW_HTTP, BOTH_HTTP)
async def websocket_upstream_restarted(r):
    r.needs("ws")
    await over_websocket(r)
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    await run(r.be.stop)
    await run(r.be.start)
    await must_recover(r, c)


async def over_websocket(r):
    r.be = H.WsBackend()
    await run(r.be.start)
    r.entry = {"type": "ws"}
