"""What the reference server needs rarely: the 2024-11-05 HTTP+SSE transport, and answers no server should give.

``misbehave`` of backend.py is ``{"kind": K, "on": METHOD or "", "times": N, ...}``; the kinds are the
functions of ``KINDS`` below.  Where a call is executed first, ``stats["calls"]`` counts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from urllib.parse import parse_qs, urlsplit

import backend


# ------------------------------------------------------------------------ HTTP+SSE (2024-11-05)
def old_transport(http, method, path, body):
    server = http.s
    parts = urlsplit(path)
    if parts.path == "/sse" and method == "GET":
        return _open(http)
    key = parse_qs(parts.query).get("session", [""])[0]
    session = server.sessions.get(key)
    if method != "POST" or parts.path != "/messages":
        return http.send(405, extra="Allow: GET\r\n")
    if session is None or session.get_stream is None:
        return http.send(404, b"no such session", "text/plain")
    message = json.loads(body)
    http.send(202, b"Accepted", "text/plain")
    if not server.incoming(session, message):
        answer(server, session, message, session.get_stream.sse)


def _open(http):
    key = os.urandom(8).hex()
    session = http.s.sessions[key] = _session(http.s, key)
    http.sse_open()
    http.chunk(b"event: endpoint\ndata: /messages?session=%b\n\n" % key.encode())
    session.get_stream, http.session_get = http, session


def _session(server, key):
    return backend.Session(server, key)


def answer(server, session, message, out):
    """Serve one legacy request of a two-way transport; ``out`` takes bytes or a message."""
    rid, method, params = message["id"], message["method"], message.get("params") or {}
    meta = params.get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and backend.P + "protocolVersion" in meta:
        return out(server.error(rid, backend.RpcError(-32601, "Method not found")))
    try:
        result = server.fast(method, params, False, session)
    except backend.RpcError as e:
        return out(server.error(rid, e))
    if result is not None:
        server.stats["calls"] += method == "tools/call"
        return out(server.reply(rid, server.finish(result, method, False)))
    key = json.dumps(rid)

    async def run():
        async def emit(m):
            out(m)

        try:
            ctx = backend.Ctx(session, emit, False, params, None)
            data = server.reply(
                rid, server.finish(await server.slow(method, params, ctx), method, False)
            )
        except backend.RpcError as e:
            data = server.error(rid, e)
        except asyncio.CancelledError:
            return
        finally:
            session.running.pop(key, None)
        out(data)

    session.running[key] = asyncio.ensure_future(run())


# ---------------------------------------------------------------------------- bad answers
def misbehave(http, method, headers, body):
    """Give the configured bad answer; False where this request is to be served as usual."""
    rule = http.s.f["misbehave"]
    if method != "POST":
        return False
    if (wanted := rule.get("on")) is not None and wanted not in _methods(body):
        return False
    left = rule.get("times", -1)
    if left == 0:
        return False
    rule["times"] = left - 1
    KINDS[rule["kind"]](http, rule, body)
    return True


def _methods(body):
    try:
        return (json.loads(body).get("method", ""),)
    except ValueError:
        return ()


def _rid(body):
    return json.dumps(json.loads(body).get("id")).encode()


def _good(body, text=b"late"):
    return b'{"jsonrpc":"2.0","id":%b,"result":{"content":[{"type":"text","text":"%b"}]}}' % (
        _rid(body),
        text,
    )


def html(http, rule, body):
    """A login page with status 200."""
    page = b"<!doctype html><html><head><title>Sign in</title></head><body>please sign in</body></html>"
    http.send(rule.get("status", 200), page, "text/html; charset=utf-8")


def plain(http, rule, body):
    """Anything with any type and status."""
    data = (
        rule.get("body", "").replace("%ID%", _rid(body).decode()).encode("utf-8", "surrogateescape")
    )
    http.send(rule.get("status", 200), data, rule.get("type", "application/json"))


def redirect(http, rule, body):
    http.send(rule.get("status", 307), b"", extra=f"Location: {rule['to']}\r\n")


def bomb(http, rule, body):
    """1 GB of spaces in 1 MB, compressed although nobody asked for it."""
    packer = zlib.compressobj(9, wbits=31)
    data = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(1024)) + packer.flush()
    http.send(200, data, extra="Content-Encoding: gzip\r\n")


def executed_then_closed(http, rule, body):
    """The call runs, the answer never comes: the connection is closed."""
    http.s.stats["calls"] += 1
    http.t.close()


def executed_then_cut(http, rule, body):
    """The call runs, the answer is cut in the middle."""
    http.s.stats["calls"] += 1
    data = _good(body)
    http.t.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(data)
        + data[: len(data) // 2]
    )
    http.t.close()


def executed_then_reset(http, rule, body):
    """The call runs, the connection is reset."""
    http.s.stats["calls"] += 1
    http.t.abort()


def executed_then_silent(http, rule, body):
    """The call runs, the event stream opens and ends without an answer and without an event id."""
    http.s.stats["calls"] += 1
    http.sse_open()
    http.sse_end()


def _endless(http, head, piece):
    http.t.write(head)

    async def pour():
        sent = 0
        while not http.closed and sent < 1 << 30:
            http.t.write(piece)
            sent += len(piece)
            while http.t.get_write_buffer_size() > 1 << 20 and not http.closed:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)

    http.task = asyncio.ensure_future(pour())


def endless_body(http, rule, body):
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    _endless(http, head, b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_event(http, rule, body):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n"
    _endless(http, head, b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_head(http, rule, body):
    _endless(http, b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 8000 + b"\r\n")


def bad_http(http, rule, body):
    """Bytes that are not HTTP."""
    http.t.write(rule.get("body", "SSH-2.0-OpenSSH_9.6\r\n").encode("latin-1"))
    http.t.close()


KINDS = {
    f.__name__: f
    for f in (
        *(html, plain, redirect, bomb, bad_http, endless_body, endless_event, endless_head),
        *(executed_then_closed, executed_then_cut, executed_then_reset, executed_then_silent),
    )
}
