"""Raw MCP clients for the benchmark: stdio and Streamable HTTP.

Deliberately thin (bytes in, bytes out, orjson for dispatch) so that the client is never the bottleneck, and
deliberately independent of any MCP SDK so that no peer is measured by its own library.
"""

import asyncio
import json as _json
import os
import signal
import time

try:
    import orjson

    loads, dumps = orjson.loads, orjson.dumps
except ImportError:  # slower, same answers
    loads = _json.loads

    def dumps(o):
        return _json.dumps(o, separators=(",", ":")).encode()


P = "io.modelcontextprotocol/"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
CLIENT = {"name": "bench-client", "version": "1.0"}
CAPS = {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {"form": {}}}


class RpcError(Exception):
    def __init__(self, err, status=None):
        super().__init__(f"{err}" if status is None else f"HTTP {status}: {err}")
        self.err, self.status = err, status
        self.code = err.get("code") if isinstance(err, dict) else None


class Gone(Exception):
    """The peer's process or connection ended."""


class Base:
    """Shared bookkeeping: ids, pending replies, notifications, server->client requests."""

    def __init__(self):
        self.pending, self.n = {}, 100
        self.notes, self.requests, self.garbage = [], [], []
        self.modern = False
        self.caps = CAPS
        self.answer = default_answer
        self.waiters, self.tasks = [], set()
        self.unexpected = []  # answers to nothing, or second answers
        self.keep = None  # a list: collects the bytes of every message that arrives

    def next_id(self):
        self.n += 1
        return self.n

    def dispatch(self, m):
        if "method" in m:
            if "id" in m:
                self.requests.append(m)
                task = asyncio.ensure_future(self._answer(m))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            else:
                self.notes.append(m)
            for w in list(self.waiters):
                if not w[1].done() and w[0](m):
                    w[1].set_result(m)
            return
        fut = self.pending.pop(m.get("id"), None)
        if fut is None:
            self.unexpected.append(m)
        if fut is not None and not fut.done():
            fut.set_result(m)

    async def _answer(self, m):
        r = self.answer(m)
        if asyncio.iscoroutine(r):
            r = await r
        if r is not None:
            await self.post({"jsonrpc": "2.0", "id": m["id"], **r})

    async def wait_for(self, pred, timeout=5, past=True):
        if past:
            for m in self.notes + self.requests:
                if pred(m):
                    return m
        fut = asyncio.get_running_loop().create_future()
        w = (pred, fut)
        self.waiters.append(w)
        try:
            return await asyncio.wait_for(fut, timeout)
        finally:
            self.waiters.remove(w)

    def meta(self):
        return {
            P + "protocolVersion": MODERN,
            P + "clientInfo": CLIENT,
            P + "clientCapabilities": self.caps,
        }

    def build(self, method, params=None, rid=None):
        params = dict(params) if params is not None else None
        if self.modern:
            params = params or {}
            params["_meta"] = {**(params.get("_meta") or {}), **self.meta()}
        m = {"jsonrpc": "2.0", "id": self.next_id() if rid is None else rid, "method": method}
        if params is not None:
            m["params"] = params
        return m

    async def request(self, method, params=None, timeout=30, rid=None):
        m = await asyncio.wait_for(self.exchange(self.build(method, params, rid)), timeout)
        if "error" in m:
            raise RpcError(m["error"])
        return m["result"]

    async def call(self, tool, args=None, timeout=30, meta=None, rid=None):
        p = {"name": self.tool(tool), "arguments": args or {}}
        if meta:
            p["_meta"] = meta
        return await self.request("tools/call", p, timeout, rid)

    def tool(self, t):
        return self.prefix(t) if callable(getattr(self, "prefix", None)) else t

    async def notify(self, method, params=None):
        m = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            m["params"] = params
        await self.post(m)

    async def initialize(self, timeout=30, version=LEGACY, caps=None):
        self.caps = CAPS if caps is None else caps
        r = await self.request(
            "initialize",
            {"protocolVersion": version, "capabilities": self.caps, "clientInfo": CLIENT},
            timeout,
        )
        self.version, self.init_result = r["protocolVersion"], r
        await self.notify("notifications/initialized")
        return r


def default_answer(m):
    me = m["method"]
    if me == "sampling/createMessage":
        return {
            "result": {
                "role": "assistant",
                "model": "m",
                "content": {"type": "text", "text": "sampled-ok"},
            }
        }
    if me == "elicitation/create":
        return {"result": {"action": "accept", "content": {"name": "elicited-ok"}}}
    if me == "roots/list":
        return {"result": {"roots": [{"uri": "file:///bench", "name": "bench"}]}}
    if me == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": "Method not found"}}


# ---------------------------------------------------------------------------------------- stdio
class _Pipe(asyncio.SubprocessProtocol):
    def __init__(self, c):
        self.c, self.buf = c, bytearray()

    def pipe_data_received(self, fd, data):
        if fd == 2:
            c = self.c
            c.stderr += data
            if len(c.stderr) > 400000:
                del c.stderr[:200000]
            return
        self.buf += data
        if b"\n" not in data:
            return
        *lines, rest = (
            bytes(self.buf).split(b"\n") if len(self.buf) != len(data) else data.split(b"\n")
        )
        self.buf = bytearray(rest)
        for line in lines:
            self.c.line(line)

    def process_exited(self):
        self.c.ended()

    def pipe_connection_lost(self, fd, exc):
        if fd == 1:
            self.c.eof()


class StdioClient(Base):
    def __init__(self):
        super().__init__()
        self.stderr = bytearray()
        self.exited = asyncio.get_running_loop().create_future()
        self.closed = self.killed = False

    @classmethod
    async def spawn(cls, cmd, env=None, cwd=None):
        c = cls()
        c.t0 = time.perf_counter()
        c.transport, c.proto = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Pipe(c), *cmd, env=env, cwd=cwd, start_new_session=True
        )
        c.pid = c.transport.get_pid()
        c.stdin = c.transport.get_pipe_transport(0)
        return c

    def line(self, line):
        if not line.strip():
            return
        if self.keep is not None:
            self.keep.append(line)
        try:
            m = loads(line)
        except ValueError:
            self.garbage.append(line[:200])
            return
        for x in m if isinstance(m, list) else [m]:
            self.dispatch(x)

    def eof(self):
        self.closed = True
        for f in self.pending.values():
            if not f.done():
                f.set_exception(Gone("stdout closed"))

    def ended(self):
        if not self.exited.done():
            self.exited.set_result(self.transport.get_returncode())

    async def post(self, m):
        if self.closed or self.stdin.is_closing():
            raise Gone("stdin closed")
        self.stdin.write(dumps(m) + b"\n")

    async def exchange(self, m):
        fut = asyncio.get_running_loop().create_future()
        self.pending[m["id"]] = fut
        await self.post(m)
        return await fut

    async def raw(self, line, rid):
        """Send prebuilt bytes, wait for the reply to rid. The hot path of the timing loops."""
        fut = asyncio.get_running_loop().create_future()
        self.pending[rid] = fut
        self.stdin.write(line)
        return await fut

    async def close(self, grace=3.0):
        """Close stdin; returns seconds until exit, or None if it had to be killed."""
        t = time.perf_counter()
        try:
            self.stdin.close()
        except Exception:
            pass
        try:
            await asyncio.wait_for(asyncio.shield(self.exited), grace)
            return time.perf_counter() - t
        except TimeoutError:
            await self.kill()
            return None

    async def kill(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, sig)
            except ProcessLookupError:
                pass
            try:
                await asyncio.wait_for(asyncio.shield(self.exited), 2)
                break
            except TimeoutError:
                continue
        self.transport.close()


# ----------------------------------------------------------------------------------------- HTTP
class Response:
    __slots__ = ("body", "done", "head", "headers", "left", "mode", "on_event", "sse", "status")

    def __init__(self, status, headers, on_event):
        self.status, self.headers, self.on_event = status, headers, on_event
        self.body, self.sse = (
            bytearray(),
            headers.get("content-type", "").startswith("text/event-stream"),
        )


class Conn(asyncio.Protocol):
    """A minimal HTTP/1.1 client connection."""

    def __init__(self):
        self.buf, self.resp, self.head_fut, self.done_fut = bytearray(), None, None, None
        self.dead = False

    def connection_made(self, t):
        self.t = t

    def connection_lost(self, exc):
        self.dead = True
        if self.head_fut and not self.head_fut.done():
            self.head_fut.set_exception(Gone("connection closed before the response"))
        elif self.done_fut and not self.done_fut.done():
            if self.resp is not None and self.resp.mode == "eof":
                self.done_fut.set_result(self.resp)
            else:
                self.done_fut.set_exception(Gone("connection closed in the response"))

    def send(self, head, body, on_event):
        loop = asyncio.get_running_loop()
        self.head_fut, self.done_fut = loop.create_future(), loop.create_future()
        self.on_event = on_event
        self.done_fut.add_done_callback(lambda f: f.cancelled() or f.exception())
        self.t.write(head + body)
        return self.head_fut

    def data_received(self, data):
        self.buf += data
        if self.resp is None:
            i = self.buf.find(b"\r\n\r\n")
            if i < 0:
                return
            lines = bytes(self.buf[:i]).decode("latin-1").split("\r\n")
            del self.buf[: i + 4]
            h = {}
            for line in lines[1:]:
                k, _, v = line.partition(":")
                h[k.lower()] = v.strip()
            r = self.resp = Response(int(lines[0].split(" ", 2)[1]), h, self.on_event)
            if "chunked" in h.get("transfer-encoding", ""):
                r.mode, r.left = "chunked", -1
            elif "content-length" in h:
                r.mode, r.left = "length", int(h["content-length"])
            elif r.status in (204, 304) or r.status < 200:
                r.mode, r.left = "length", 0
            else:
                r.mode, r.left = "eof", -1
            if not self.head_fut.done():
                self.head_fut.set_result(r)
        r = self.resp
        if r.mode == "length":
            take = min(r.left, len(self.buf))
            if take:
                self.feed(bytes(self.buf[:take]) if take < len(self.buf) else bytes(self.buf))
                del self.buf[:take]
                r.left -= take
            if r.left == 0:
                self.finish()
        elif r.mode == "eof":
            self.feed(bytes(self.buf))
            self.buf.clear()
        else:
            self.chunks(r)

    def chunks(self, r):
        buf, pos, n = self.buf, 0, len(self.buf)
        while True:
            if r.left == -1:
                k = buf.find(b"\r\n", pos)
                if k < 0:
                    break
                r.left = int(bytes(buf[pos:k]).split(b";")[0], 16)
                pos = k + 2
                if r.left == 0:
                    r.left = -2
            if r.left == -2:
                if n - pos < 2:
                    break
                del buf[: pos + 2]
                return self.finish()
            take = min(r.left, n - pos)
            if take:
                self.feed(bytes(buf[pos : pos + take]))
                pos += take
                r.left -= take
            if r.left == 0:
                if n - pos < 2:
                    r.left = 0
                    break
                pos += 2
                r.left = -1
            elif take == 0:
                break
        if pos:
            del buf[:pos]

    def feed(self, data):
        r = self.resp
        r.body += data
        if r.sse:
            b = r.body
            if b"\r" in data:
                b[:] = b.replace(b"\r\n", b"\n")
            while True:
                i = b.find(b"\n\n")
                if i < 0:
                    return
                ev = bytes(b[:i])
                del b[: i + 2]
                name, datas, eid = "message", [], None
                for line in ev.split(b"\n"):
                    if line.startswith(b"data:"):
                        datas.append(line[6:] if line[5:6] == b" " else line[5:])
                    elif line.startswith(b"event:"):
                        name = line[6:].strip().decode()
                    elif line.startswith(b"id:"):
                        eid = line[3:].strip().decode()
                if datas or eid:
                    r.on_event(name, b"\n".join(datas), eid)

    def finish(self):
        r, self.resp = self.resp, None
        if r.headers.get("connection", "").lower() == "close":
            self.dead = True
            self.t.close()
        if not self.done_fut.done():
            self.done_fut.set_result(r)


class HttpClient(Base):
    """Streamable HTTP, both eras. One instance is one MCP client."""

    def __init__(self, url, headers=None, uds=None):
        super().__init__()
        from urllib.parse import urlsplit

        u = urlsplit(url)
        self.host, self.port, self.path = (
            u.hostname,
            u.port or 80,
            (u.path or "/") + ("?" + u.query if u.query else ""),
        )
        self.uds, self.extra = uds, {k.lower(): v for k, v in (headers or {}).items()}
        self.pool, self.sid, self.version, self.all = [], None, None, set()
        self.t0 = time.perf_counter()
        self.last_status = None
        self.get_task = None
        self.get_open = asyncio.Event()

    async def conn(self):
        while self.pool:
            c = self.pool.pop()
            if not c.dead and not c.t.is_closing():
                return c
        loop = asyncio.get_running_loop()
        if self.uds:
            _, c = await loop.create_unix_connection(Conn, self.uds)
        else:
            _, c = await loop.create_connection(Conn, self.host, self.port)
        self.all.add(c)
        return c

    def head(self, method, m, n, extra=None):
        h = {"host": f"{self.host}:{self.port}", "accept": "application/json, text/event-stream"}
        if method == "POST":
            h["content-type"] = "application/json"
            h["content-length"] = str(n)
        else:
            h["accept"] = "text/event-stream"
        if self.sid:
            h["mcp-session-id"] = self.sid
        if self.modern:
            h["mcp-protocol-version"] = MODERN
            if m is not None and "method" in m:
                h["mcp-method"] = m["method"]
                p = m.get("params") or {}
                key = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(
                    m["method"]
                )
                if key and key in p:
                    h["mcp-name"] = p[key]
        elif self.version:
            h["mcp-protocol-version"] = self.version
        h.update(self.extra)
        h.update(extra or {})
        return (
            f"{method} {self.path} HTTP/1.1\r\n"
            + "".join(f"{k}: {v}\r\n" for k, v in h.items() if v is not None)
            + "\r\n"
        ).encode("latin-1")

    def event(self, name, data, eid):
        if data and name == "message":
            self.last_event = eid
            if self.keep is not None:
                self.keep.append(data)
            try:
                m = loads(data)
            except ValueError:
                self.garbage.append(data[:200])
                return
            self.dispatch(m)

    async def send(self, m, body, extra=None, method="POST"):
        """One POST; returns the finished Response."""
        c = await self.conn()
        r = await c.send(self.head(method, m, len(body), extra), body, self.event)
        r = await c.done_fut
        if not c.dead:
            self.pool.append(c)
        self.last_status = r.status
        return r

    async def post(self, m):
        r = await self.send(m, dumps(m))
        if r.status >= 400:
            raise RpcError(bytes(r.body[:300]).decode("utf-8", "replace"), r.status)

    async def exchange(self, m, extra=None):
        fut = asyncio.get_running_loop().create_future()
        self.pending[m["id"]] = fut
        c = await self.conn()
        try:
            r = await c.send(self.head("POST", m, len(b := dumps(m)), extra), b, self.event)
            self.last_status = r.status
            if m["method"] == "initialize":
                self.sid = r.headers.get("mcp-session-id", self.sid)
            if r.sse:
                waits = [fut, c.done_fut]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if not fut.done():
                    await c.done_fut
                    if not fut.done() and self.get_task is None:
                        raise Gone("SSE stream ended without the answer")
                    return await fut
                c.done_fut.add_done_callback(lambda f: self._back(c, f))
                return fut.result()
            r = await c.done_fut
        except asyncio.CancelledError:
            c.t.close()
            raise
        if not c.dead:
            self.pool.append(c)
        if r.status >= 400 or not r.body:
            try:
                err = loads(bytes(r.body)).get("error") or bytes(r.body[:300]).decode(
                    "utf-8", "replace"
                )
            except Exception:
                err = bytes(r.body[:300]).decode("utf-8", "replace")
            raise RpcError(err, r.status)
        if self.keep is not None:
            self.keep.append(bytes(r.body))
        x = loads(bytes(r.body))
        for y in x if isinstance(x, list) else [x]:
            if "method" in y or y.get("id") != m["id"]:
                self.dispatch(y)
            else:
                self.pending.pop(m["id"], None)
                return y
        return await fut

    def _back(self, c, f):
        if not f.cancelled() and f.exception() is None and not c.dead:
            self.pool.append(c)

    async def raw(self, body, rid):
        """Prebuilt body; waits for and parses the reply."""
        fut = asyncio.get_running_loop().create_future()
        self.pending[rid] = fut
        c = await self.conn()
        r = await c.send(self.raw_head + b"%d\r\n\r\n" % len(body), body, self.event)
        if r.sse:
            m = await fut
            await c.done_fut
        else:
            r = await c.done_fut
            m = loads(r.body)
            self.pending.pop(rid, None)
            if r.status >= 400:
                raise RpcError(m, r.status)
        if not c.dead:
            self.pool.append(c)
        return m

    def prepare_raw(self, probe):
        h = self.head("POST", probe, 0)
        lines = [x for x in h.split(b"\r\n") if x and not x.lower().startswith(b"content-length")]
        self.raw_head = b"\r\n".join(lines) + b"\r\ncontent-length: "

    async def open_get(self, wait=2.0, last_event_id=None):
        async def run():
            c = await self.conn()
            ex = {"last-event-id": last_event_id} if last_event_id else None
            r = await c.send(self.head("GET", None, 0, ex), b"", self.event)
            self.get_status = r.status
            self.get_open.set()
            await c.done_fut

        self.get_status = None
        self.get_task = asyncio.ensure_future(run())
        self.get_task.add_done_callback(lambda t: t.cancelled() or t.exception())
        try:
            await asyncio.wait_for(self.get_open.wait(), wait)
        except TimeoutError:
            pass
        return self.get_status

    async def delete(self):
        r = await self.send(None, b"", method="DELETE")
        return r.status

    async def close(self):
        if self.get_task:
            self.get_task.cancel()
        for c in self.all:
            try:
                c.t.close()
            except Exception:
                pass
