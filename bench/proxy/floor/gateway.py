#!/usr/bin/env python3
"""Floor prototype, not a product: path-routed gateway on asyncio protocols, standard library only.

/NAME/mcp -> a stdio server (one child per legacy session, one shared child for the stateless era, bytes relayed,
only id/method looked at) or an HTTP server (a streaming reverse proxy that never parses a body).
    gateway.py --port P [--uds PATH] --config mcp.json [--token T]
"""

import asyncio
import json
import os
import re
import sys

PEEK = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+|null)\s*,\s*"(result|error)"'
)
TOKEN = re.compile(rb'"progressToken"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')
LEGACY = (b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25")
STATUS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    502: "Bad Gateway",
}


ERRORS = {-32700: 400, -32600: 400, -32602: 400, -32020: 400, -32021: 400, -32022: 400, -32601: 404}
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def mismatch(m, h):
    """2026-07-28 header rules, for servers that cannot see headers. None, or (code, message)."""
    p = m.get("params")
    meta = p.get("_meta") if isinstance(p, dict) else None
    v = meta.get("io.modelcontextprotocol/protocolVersion") if isinstance(meta, dict) else None
    if v is None:
        return -32602, "missing _meta fields"
    if v.encode() != h.get(b"mcp-protocol-version"):
        return -32020, "Header mismatch: MCP-Protocol-Version"
    if h.get(b"mcp-method", b"").decode() != m.get("method"):
        return -32020, "Header mismatch: Mcp-Method"
    key = NAMED.get(m["method"])
    if key:
        x = h.get(b"mcp-name", b"").decode("latin-1")
        if x.startswith("=?base64?"):
            import base64

            x = base64.b64decode(x[9:-2]).decode()
        if x != p.get(key):
            return -32020, "Header mismatch: Mcp-Name"
    return None


class Child(asyncio.SubprocessProtocol):
    """A stdio server. Replies go to the waiting HTTP exchange; everything else to its stream or the session's GET."""

    def __init__(self, srv):
        self.srv, self.buf, self.wait, self.tokens = srv, bytearray(), {}, {}
        self.get, self.backlog, self.dead, self.shared = None, [], False, False
        self.subs = {}

    async def start(self):
        s = self.srv
        self.t, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            s["command"],
            *s.get("args", []),
            env={**os.environ, **s.get("env", {})},
            stderr=None,
        )
        self.stdin = self.t.get_pipe_transport(0)

    def pipe_data_received(self, fd, data):
        self.buf += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(self.buf).split(b"\n")
        self.buf = bytearray(rest)
        for x in lines:
            self.line(x)

    def line(self, x):
        k = PEEK.match(x, 0, 400)
        if k:
            ex = self.wait.pop(k[1], None)
            if ex:
                ex.reply(x)
            return
        try:
            m = json.loads(x)
        except ValueError:
            return
        if "method" not in m:
            ex = self.wait.pop(json.dumps(m.get("id")).encode(), None)
            return ex.reply(x) if ex else None
        p = m.get("params") or {}
        meta = p.get("_meta") or {}
        sub = meta.get("io.modelcontextprotocol/subscriptionId")
        ex = self.wait.get(json.dumps(sub).encode()) if sub is not None else None
        if ex is None and "progressToken" in p:
            ex = self.wait.get(self.tokens.get(json.dumps(p["progressToken"]).encode()))
        if ex is None and (m["method"] == "notifications/message" or "id" in m) and self.wait:
            ex = next(reversed(self.wait.values()))
        if ex is not None:
            ex.stream(x)
        elif self.get is not None:
            self.get.stream(x)
        else:
            self.backlog.append(x)

    def process_exited(self):
        self.dead = True
        for key, ex in list(self.wait.items()):
            ex.reply(
                b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32000,"message":"server exited (%d)"}}'
                % (key, self.t.get_returncode() or 0)
            )
        self.wait.clear()
        if self.get is not None:
            self.get.finish()

    def stop(self):
        if not self.dead:
            self.stdin.close()
            asyncio.get_running_loop().call_later(2, lambda: self.dead or self.t.kill())


class Up(asyncio.Protocol):
    """One connection to an HTTP upstream: bytes straight through, framing watched to know when it is free again."""

    def __init__(self):
        self.dead, self.ex, self.head, self.left, self.state = False, None, b"", 0, "idle"

    def connection_made(self, t):
        self.t = t

    def data_received(self, data):
        if self.ex is None:
            self.t.close()
            return
        self.ex.got = True
        self.ex.h.t.write(data)
        if self.state == "head":
            self.head += data
            i = self.head.find(b"\r\n\r\n")
            if i < 0:
                return
            h, data = self.head[:i].lower(), self.head[i + 4 :]
            self.close = b"\r\nconnection: close" in h
            if b"\r\ntransfer-encoding: chunked" in h:
                self.state, self.tail = "chunked", b""
            else:
                j = h.find(b"\r\ncontent-length:")
                self.state, self.left = (
                    "length",
                    int(h[j + 17 :].split(b"\r\n")[0]) if j >= 0 else 0,
                )
        if self.state == "length":
            self.left -= len(data)
            if self.left <= 0:
                self.free()
        elif self.state == "chunked" and data:
            self.tail = (self.tail + data)[-7:]
            if self.tail.endswith(b"\r\n0\r\n\r\n") or self.tail == b"0\r\n\r\n":
                self.free()

    def free(self):
        ex, self.ex, self.state, self.head = self.ex, None, "idle", b""
        if self.close:
            self.t.close()
        else:
            ex.pool.append(self)
        ex.h.done()

    def connection_lost(self, exc):
        self.dead = True
        if self.ex is not None:
            ex, self.ex = self.ex, None
            if ex.got:
                ex.h.t.close()
            else:
                ex.again()


class Forward:
    def __init__(self, h, addr, pool, data):
        self.h, self.addr, self.pool, self.data, self.got, self.tries = (
            h,
            addr,
            pool,
            data,
            False,
            0,
        )
        self.up = None

    def go(self):
        while self.pool:
            u = self.pool.pop()
            if not u.dead and not u.t.is_closing():
                return self.use(u)
        self.task = asyncio.ensure_future(self.connect())

    async def connect(self):
        for i in range(6):
            try:
                _, u = await asyncio.get_running_loop().create_connection(Up, *self.addr)
                return self.use(u)
            except OSError:
                await asyncio.sleep(0.1 * 2**i)
        self.h.send(
            502,
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"upstream unreachable"}}',
        )

    def use(self, u):
        u.ex, u.state, self.up = self, "head", u
        u.t.write(self.data)

    def again(self):
        self.tries += 1
        if self.tries < 5:
            self.go()
        else:
            self.h.send(
                502,
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"upstream closed"}}',
            )

    def gone(self):
        if self.up:
            self.up.ex = None
            self.up.t.close()


class Exchange:
    """One POST (or GET stream) waiting for a stdio server."""

    def __init__(self, h, child, key, extra=""):
        self.h, self.child, self.key, self.extra, self.open = h, child, key, extra, False

    def reply(self, line):
        if self.open:
            self.stream(line)
            return self.finish()
        self.h.send(200, line, extra=self.extra)

    def stream(self, line):
        t = self.h.t
        if not self.open:
            self.open = True
            t.write(
                (
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
                    f"{self.extra}Transfer-Encoding: chunked\r\n\r\n"
                ).encode()
            )
        if line:
            ev = b"event: message\ndata: " + line + b"\n\n"
            t.write(b"%x\r\n%b\r\n" % (len(ev), ev))

    def finish(self):
        self.h.t.write(b"0\r\n\r\n")
        self.h.done()

    def gone(self):
        c = self.child
        c.wait.pop(self.key, None)
        if c.get is self:
            c.get = None
        if c.shared and not c.dead:
            c.stdin.write(
                b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%b}}\n'
                % self.key
            )


class Http(asyncio.Protocol):
    def __init__(self, gw):
        self.gw, self.buf, self.busy, self.ex = gw, bytearray(), False, None

    def connection_made(self, t):
        self.t = t

    def connection_lost(self, exc):
        if self.ex:
            self.ex.gone()

    def data_received(self, data):
        self.buf += data
        if not self.busy:
            self.pump()

    def pump(self):
        b = self.buf
        i = b.find(b"\r\n\r\n")
        if i < 0:
            return
        head = bytes(b[:i])
        low = head.lower()
        j = low.find(b"\r\ncontent-length:")
        n = int(low[j + 17 :].split(b"\r\n", 1)[0]) if j >= 0 else 0
        if len(b) < i + 4 + n:
            return
        body = bytes(b[i + 4 : i + 4 + n])
        del b[: i + 4 + n]
        self.busy = True
        lines = head.split(b"\r\n")
        method, path, _ = lines[0].split(b" ", 2)
        h = {}
        for x in lines[1:]:
            k, _, v = x.partition(b":")
            h[k.lower()] = v.strip()
        try:
            self.route(method, path, h, body, lines)
        except Exception as e:
            self.send(
                400,
                json.dumps(
                    {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": str(e)}}
                ).encode(),
            )

    def done(self):
        self.busy, self.ex = False, None
        if self.buf:
            asyncio.get_running_loop().call_soon(self.pump)

    def send(self, status, body=b"", extra=""):
        ct = "Content-Type: application/json\r\n" if body else ""
        self.t.write(
            f"HTTP/1.1 {status} {STATUS[status]}\r\n{ct}{extra}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        self.done()

    def route(self, method, path, h, body, lines):
        gw = self.gw
        host = h.get(b"host", b"").rpartition(b":")[0] or h.get(b"host", b"")
        o = h.get(b"origin", b"")
        if host not in (b"localhost", b"127.0.0.1", b"[::1]") or (
            o
            and o.split(b"//")[-1].rpartition(b":")[0] not in (b"localhost", b"127.0.0.1", b"[::1]")
        ):
            return self.send(403)
        if gw.token and h.get(b"authorization") != b"Bearer " + gw.token:
            return self.send(401, b"{}", "WWW-Authenticate: Bearer\r\n")
        name = path.split(b"/")[1].decode()
        srv = gw.servers.get(name)
        if srv is None:
            return self.send(404)
        if "url" in srv:
            addr, upath, hosth, pool = srv["_addr"]
            drop = (b"host", b"authorization", b"cookie", b"connection", b"origin")
            out = [b"%b %b HTTP/1.1\r\nHost: %b" % (method, upath, hosth)]
            out += [x for x in lines[1:] if x.split(b":", 1)[0].lower() not in drop] + srv[
                "_inject"
            ]
            self.ex = Forward(self, addr, pool, b"\r\n".join(out) + b"\r\n\r\n" + body)
            return self.ex.go()
        sid = h.get(b"mcp-session-id")
        acc = h.get(b"accept", b"*/*")
        v = h.get(b"mcp-protocol-version")
        if method == b"POST":
            m = json.loads(body)
            if b"\n" in body or b"\r" in body:
                body = json.dumps(m).encode()
            if v is not None and v not in LEGACY and "id" in m and (why := mismatch(m, h)):
                return self.send(
                    400,
                    json.dumps(
                        {
                            "jsonrpc": "2.0",
                            "id": m["id"],
                            "error": {"code": why[0], "message": why[1]},
                        }
                    ).encode(),
                )
            if (v is not None and v not in LEGACY) or m.get("method") == "initialize":
                return asyncio.ensure_future(
                    self.opening(srv, name, m, body, v is not None and v not in LEGACY)
                )
            c = gw.sessions.get(sid)
            if c is None:
                return self.send(
                    404 if sid else 400,
                    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}',
                )
            return self.to_child(c, m, body, "")
        c = gw.sessions.get(sid)
        if c is None:
            return self.send(404 if sid else 400)
        if method == b"DELETE":
            gw.sessions.pop(sid)
            c.stop()
            return self.send(200)
        if method == b"GET" and (b"event-stream" in acc or b"*/*" in acc):
            c.get = self.ex = Exchange(self, c, None)
            self.ex.stream(b"")
            for x in c.backlog:
                self.ex.stream(x)
            c.backlog.clear()
            return
        self.send(405)

    async def opening(self, srv, name, m, body, modern):
        gw = self.gw
        if modern:
            c = gw.shared.get(name)
            if c is None or c.dead:
                c = gw.shared[name] = Child(srv)
                c.shared = True
                c.ready = asyncio.ensure_future(c.start())
            await c.ready
            return self.to_child(c, m, body, "")
        c = Child(srv)
        await c.start()
        sid = os.urandom(16).hex()
        gw.sessions[sid.encode()] = c
        self.to_child(c, m, body, f"Mcp-Session-Id: {sid}\r\n")

    def to_child(self, c, m, body, extra):
        if c.dead:  # crashed: the client must start a new session
            for k in [k for k, x in self.gw.sessions.items() if x is c]:
                del self.gw.sessions[k]
            return self.send(
                404,
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}',
            )
        if "id" in m and "method" in m:
            key = json.dumps(m["id"]).encode()
            if c.shared:  # many clients, one child: make ids unique
                c.n = getattr(c, "n", 0) + 1
                key2 = b'"%d:%b"' % (c.n, key.replace(b'"', b""))
                body = json.dumps({**m, "id": json.loads(key2)}).encode()
                self.ex = Remap(self, c, key2, key)
                c.wait[key2] = self.ex
                t = TOKEN.search(body)
                if t:
                    c.tokens[t[1]] = key2
            else:
                self.ex = c.wait[key] = Exchange(self, c, key, extra)
                t = TOKEN.search(body)
                if t:
                    c.tokens[t[1]] = key
            c.stdin.write(body + b"\n")
        else:
            c.stdin.write(body + b"\n")
            self.send(202)


class Remap(Exchange):
    def __init__(self, h, child, key, orig):
        super().__init__(h, child, key)
        self.orig = orig

    def fix(self, line):
        return line.replace(self.key, self.orig, 1)

    def reply(self, line):
        line = self.fix(line)
        if not self.open and b'"error"' in line[:200]:
            code = (json.loads(line).get("error") or {}).get("code")
            if code in ERRORS:
                return self.h.send(ERRORS[code], line)
        super().reply(line)

    def stream(self, line):
        Exchange.stream(
            self,
            self.fix(line) if not line.startswith(b'{"jsonrpc":"2.0","id":' + self.orig) else line,
        )


class Gateway:
    def __init__(self, cfg, token):
        self.servers, self.sessions, self.shared, self.token = cfg, {}, {}, token
        for s in cfg.values():
            if "url" in s:
                hostport, _, path = s["url"].split("://", 1)[1].partition("/")
                host, _, port = hostport.partition(":")
                s["_addr"] = ((host, int(port or 80)), b"/" + path.encode(), hostport.encode(), [])
                s["_inject"] = [f"{k}: {v}".encode() for k, v in s.get("headers", {}).items()]


async def main():
    a = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    gw = Gateway(json.load(open(a["--config"]))["mcpServers"], a.get("--token", "").encode())
    loop = asyncio.get_running_loop()
    if "--uds" in a:
        await loop.create_unix_server(lambda: Http(gw), a["--uds"])
    await loop.create_server(lambda: Http(gw), "127.0.0.1", int(a["--port"]))
    import signal

    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


asyncio.run(main())
