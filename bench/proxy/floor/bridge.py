#!/usr/bin/env python3
"""Floor prototype, not a product: stdio <-> Streamable HTTP relay on selectors, standard library only, no asyncio.

Messages are relayed as opaque bytes; only id and method (and, for 2026-07-28, the header fields) are looked at.
It carries just enough resilience (reconnect, re-initialize on a lost session, resume) to show what that costs.
    bridge.py http://127.0.0.1:9000/mcp | bridge.py unix:/path/to.sock:/mcp
"""

import json
import os
import re
import selectors
import socket
import sys
import time

META = "io.modelcontextprotocol/"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
PEEK = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+|null)\s*,\s*"(result|error)"'
)
PATIENCE = 60.0


class Req:
    __slots__ = (
        "body",
        "conn",
        "done",
        "eid",
        "id",
        "initial",
        "m",
        "method",
        "reinit",
        "resume",
        "t0",
        "tries",
    )

    def __init__(self, body, m):
        self.body, self.m = body, m
        self.id, self.method = m.get("id"), m.get("method")
        self.tries, self.t0, self.eid, self.resume, self.reinit, self.done = (
            0,
            time.monotonic(),
            None,
            False,
            False,
            False,
        )
        self.conn = None


class Conn:
    __slots__ = (
        "b",
        "body",
        "buf",
        "evbuf",
        "h",
        "last",
        "left",
        "out",
        "req",
        "s",
        "sse",
        "state",
        "status",
        "used",
    )

    def __init__(self, b):
        self.b, self.used = b, 0
        self.s = socket.socket(b.family, socket.SOCK_STREAM)
        self.s.setblocking(False)
        if b.family != socket.AF_UNIX:
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf, self.req = bytearray(), None
        e = self.s.connect_ex(b.addr)
        if e not in (0, 115):
            raise OSError(e, os.strerror(e))

    def start(self, req, data):
        self.req, self.out, self.state = req, data, "head"
        req.conn = self
        self.flush(first=True)

    def flush(self, first=False):
        try:
            n = self.s.send(self.out)
            self.out = self.out[n:] if n < len(self.out) else b""
        except BlockingIOError:
            pass
        except OSError:
            if first:
                self.out = b""
                self.b.watch(self, selectors.EVENT_READ)
                return
            return self.b.lost(self)
        self.b.watch(self, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0))

    def ready(self, mask):
        if mask & selectors.EVENT_WRITE and self.out:
            self.flush()
        if not mask & selectors.EVENT_READ:
            return
        try:
            data = self.s.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.b.lost(self)
        self.buf += data
        self.parse()

    def parse(self):
        b = self.buf
        if self.state == "head":
            i = b.find(b"\r\n\r\n")
            if i < 0:
                return
            lines = bytes(b[:i]).split(b"\r\n")
            del b[: i + 4]
            self.status = int(lines[0][9:12])
            self.h = h = {}
            for x in lines[1:]:
                k, _, v = x.partition(b":")
                h[k.lower()] = v.strip()
            self.body, self.evbuf = bytearray(), bytearray()
            self.sse = (
                h.get(b"content-type", b"").startswith(b"text/event-stream") and self.status == 200
            )
            self.b.head(self)
            if b"chunked" in h.get(b"transfer-encoding", b""):
                self.state, self.left = "size", 0
            else:
                self.state, self.left = "body", int(h.get(b"content-length", 0))
        if self.state == "body":
            n = min(self.left, len(b))
            self.take(b[:n])
            del b[:n]
            self.left -= n
            if self.left == 0:
                self.end()
            return
        pos = 0
        while self.req is not None:
            if self.state == "size":
                k = b.find(b"\r\n", pos)
                if k < 0:
                    break
                self.left = int(bytes(b[pos:k]).split(b";")[0], 16)
                pos, self.state = k + 2, "data" if self.left else "tail"
            elif self.state == "data":
                n = min(self.left, len(b) - pos)
                if n == 0:
                    break
                self.take(b[pos : pos + n])
                pos += n
                self.left -= n
                if self.left == 0:
                    self.state = "crlf"
            else:
                if len(b) - pos < 2:
                    break
                pos += 2
                if self.state == "tail":
                    del b[:pos]
                    return self.end()
                self.state = "size"
        if pos:
            del b[:pos]

    def take(self, data):
        if not self.sse:
            self.body += data
            return
        e = self.evbuf
        e += data
        if b"\r" in data:
            e[:] = e.replace(b"\r\n", b"\n")
        while True:
            i = e.find(b"\n\n", 0 if len(e) < 65536 else max(0, len(e) - len(data) - 2))
            if i < 0:
                return
            ev = bytes(e[:i])
            del e[: i + 2]
            datas = []
            for line in ev.split(b"\n"):
                if line.startswith(b"data:"):
                    datas.append(line[6:] if line[5:6] == b" " else line[5:])
                elif line.startswith(b"id:"):
                    self.req.eid = line[3:].strip()
            if datas and datas != [b""]:
                self.b.event(self, b"".join(datas) if len(datas) > 1 else datas[0])

    def end(self):
        self.used += 1
        self.b.finished(self)


class Bridge:
    def __init__(self, url):
        if url.startswith("unix:"):
            _, sock, self.path = url.split(":", 2)
            self.family, self.addr, self.host = socket.AF_UNIX, sock, "localhost"
        else:
            hostport, _, path = url.split("://", 1)[1].partition("/")
            host, _, port = hostport.partition(":")
            self.family, self.addr, self.host, self.path = (
                socket.AF_INET,
                (host, int(port or 80)),
                hostport,
                "/" + path,
            )
        self.sel = selectors.DefaultSelector()
        self.idle, self.live, self.timers = [], {}, []
        self.sid = self.version = self.init = None
        self.waiting, self.reiniting = [], False
        self.get = None
        self.inbuf = bytearray()
        self.eof = False
        self.headers = {}

    # ---- stdio
    def out(self, data):
        if b"\n" in data or b"\r" in data:
            data = data.replace(b"\r", b"").replace(b"\n", b" ")
        v = memoryview(bytes(data) + b"\n")
        while v:
            v = v[os.write(1, v) :]

    def stdin(self):
        data = os.read(0, 1 << 18)
        if not data:
            self.eof = True
            return
        self.inbuf += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(self.inbuf).split(b"\n")
        self.inbuf = bytearray(rest)
        for x in lines:
            if x.strip():
                self.client(x)

    def client(self, line):
        m = json.loads(line)
        r = Req(line, m)
        if r.method == "initialize":
            self.init, self.sid, self.version = r, None, None
        elif r.method == "notifications/cancelled":
            meta = self.version is None
            rid = m["params"].get("requestId")
            for x in list(self.live.values()):
                if meta and x.id == rid and x.conn:
                    self.drop(x.conn)
                    return
        self.send(r)

    def send(self, r):
        if self.reiniting and not r.reinit:
            self.waiting.append(r)
            return
        self.live[id(r)] = r
        while self.idle:
            c = self.idle.pop()
            try:
                c.start(r, self.encode(r))
                return
            except OSError:
                self.close(c)
        try:
            c = Conn(self)
        except OSError:
            return self.retry(r)
        c.start(r, self.encode(r))

    def encode(self, r):
        h = [
            (
                f"{'GET' if r.resume or (r.method is None and r.body == b'') else 'POST'} {self.path} HTTP/1.1\r\nHost: {self.host}"
                "\r\nAccept: application/json, text/event-stream"
            )
        ]
        get = h[0].startswith("GET")
        if not get:
            h.append(f"Content-Type: application/json\r\nContent-Length: {len(r.body)}")
        p = r.m.get("params") if r.method else None
        meta = p.get("_meta") if isinstance(p, dict) else None
        v = meta.get(META + "protocolVersion") if isinstance(meta, dict) else None
        if v:
            h.append(f"MCP-Protocol-Version: {v}\r\nMcp-Method: {r.method}")
            key = NAMED.get(r.method)
            if key and key in p:
                h.append("Mcp-Name: " + enc(p[key]))
            for path, name in (
                self.headers.get(p.get("name"), {}).items() if r.method == "tools/call" else ()
            ):
                val = (p.get("arguments") or {}).get(path)
                if val is not None:
                    h.append(
                        f"Mcp-Param-{name}: "
                        + enc(val if isinstance(val, str) else json.dumps(val))
                    )
        else:
            if self.sid and r.method != "initialize":
                h.append("Mcp-Session-Id: " + self.sid)
            if self.version and r.method != "initialize":
                h.append("MCP-Protocol-Version: " + self.version)
        if r.resume and r.eid:
            h.append("Last-Event-ID: " + r.eid.decode())
        return ("\r\n".join(h) + "\r\n\r\n").encode() + (b"" if get else r.body)

    # ---- replies
    def head(self, c):
        r = c.req
        if r.method == "initialize" and c.status == 200:
            s = c.h.get(b"mcp-session-id")
            self.sid = s.decode() if s else None

    def event(self, c, data):
        k = PEEK.match(data, 0, 400)
        r = c.req
        if k and r.id is not None and json.loads(k[1]) == r.id:
            self.answer(r, data)
        else:
            self.out(data)

    def answer(self, r, data):
        r.done = True
        if r.method == "initialize":
            v = json.loads(data).get("result", {}).get("protocolVersion")
            self.version = v
            if r.reinit:
                self.reiniting = False
                q, self.waiting = self.waiting, []
                self.send(
                    Req(
                        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
                        {"method": "notifications/initialized"},
                    )
                )
                for x in q:
                    self.send(x)
                return
        elif r.method == "tools/list" and b"x-mcp-header" in data:
            for t in json.loads(data).get("result", {}).get("tools", []):
                self.headers[t["name"]] = {
                    k: s["x-mcp-header"]
                    for k, s in (t["inputSchema"].get("properties") or {}).items()
                    if isinstance(s, dict) and "x-mcp-header" in s
                }
        self.out(data)

    def finished(self, c):
        r, c.req = c.req, None
        self.live.pop(id(r), None)
        if c.h.get(b"connection", b"").lower() == b"close":
            self.close(c)
        else:
            self.idle.append(c)
            self.watch(c, selectors.EVENT_READ)
        st = c.status
        if r is self.get:
            self.get = None
            if st in (404, 400) and self.sid:
                pass
            elif st == 200:
                self.after(1.0, self.open_get)
            return
        if c.sse:
            if not r.done and r.id is not None:
                if (r.eid and not r.resume) or (r.resume and r.eid):
                    r.resume = True
                    self.after(0.2, lambda: self.send(r))
                else:
                    self.fail(r, "stream ended without an answer")
            return
        body = bytes(c.body)
        if st in (404, 400) and self.sid and r.method != "initialize" and lost_session(st, body):
            return self.reinit(r)
        if st in (502, 503, 504) and r.tries < 5:
            return self.retry(r)
        if r.id is None:
            if r.method == "notifications/initialized" and st < 300:
                self.open_get()
            return
        if (st < 300 and body) or (
            body[:1] == b"{" and b'"jsonrpc"' in body[:200] and b'"id":null' not in body
        ):
            return self.answer(r, body)
        self.fail(r, f"HTTP {st}: {body[:200].decode('utf-8', 'replace')}")

    def reinit(self, r):
        self.waiting.append(r)
        if not self.reiniting and self.init is not None:
            self.reiniting, self.sid = True, None
            x = Req(self.init.body, self.init.m)
            x.reinit = True
            if self.get is not None and self.get.conn:
                self.drop(self.get.conn)
            self.send(x)

    def fail(self, r, why):
        self.out(
            json.dumps(
                {
                    "jsonrpc": "2.0",
                    "id": r.id,
                    "error": {"code": -32000, "message": "bridge: " + why},
                }
            ).encode()
        )

    def open_get(self):
        if self.get is None and self.sid:
            self.get = r = Req(b"", {})
            self.send(r)

    def retry(self, r):
        self.live.pop(id(r), None)
        r.tries += 1
        if time.monotonic() - r.t0 > PATIENCE or r is self.get:
            if r is self.get:
                self.get = None
                return self.after(1.0, self.open_get)
            if r.reinit:
                q, self.waiting, self.reiniting = self.waiting, [], False
                for x in q:
                    if x.id is not None:
                        self.fail(x, "server unreachable")
            elif r.id is not None:
                self.fail(r, "server unreachable")
            return
        self.after(min(1.0, 0.02 * 2 ** min(r.tries, 6)), lambda: self.send(r))

    def lost(self, c):
        r = c.req
        self.close(c)
        if c in self.idle:
            self.idle.remove(c)
        if r is None:
            return
        c.req = None
        if r is self.get:
            self.get = None
            self.live.pop(id(r), None)
            return self.after(0.5, self.open_get)
        if c.state == "head" and not c.buf:
            return self.retry(r)
        self.live.pop(id(r), None)
        if not r.done and r.id is not None:
            if r.eid:
                r.resume = True
                return self.send(r)
            self.fail(r, "connection lost")

    def drop(self, c):
        r, c.req = c.req, None
        self.live.pop(id(r), None)
        if r is self.get:
            self.get = None
        self.close(c)

    def close(self, c):
        try:
            self.sel.unregister(c.s)
        except (KeyError, ValueError):
            pass
        c.s.close()

    def watch(self, c, mask):
        try:
            k = self.sel.get_key(c.s)
            if k.events != mask:
                self.sel.modify(c.s, mask, c)
        except KeyError:
            self.sel.register(c.s, mask, c)

    def after(self, dt, fn):
        self.timers.append((time.monotonic() + dt, fn))

    def run(self):
        self.sel.register(0, selectors.EVENT_READ, None)
        while not self.eof:
            t = min((x[0] for x in self.timers), default=None)
            for key, mask in self.sel.select(None if t is None else max(0, t - time.monotonic())):
                if key.data is None:
                    self.stdin()
                else:
                    key.data.ready(mask)
            if self.timers:
                now = time.monotonic()
                due = [x for x in self.timers if x[0] <= now]
                if due:
                    self.timers = [x for x in self.timers if x[0] > now]
                    for _, fn in due:
                        fn()
        if self.sid:
            try:
                s = socket.socket(self.family)
                s.settimeout(0.5)
                s.connect(self.addr)
                s.sendall(
                    f"DELETE {self.path} HTTP/1.1\r\nHost: {self.host}\r\nMcp-Session-Id: {self.sid}\r\n\r\n".encode()
                )
                s.recv(100)
            except OSError:
                pass


def lost_session(status, body):
    return status == 404 or b"ession" in body


def enc(v):
    if (
        v == v.strip()
        and all(32 <= ord(ch) < 127 for ch in v)
        and not (v.startswith("=?base64?") and v.endswith("?="))
    ):
        return v
    import base64

    return "=?base64?" + base64.b64encode(v.encode()).decode() + "?="


if __name__ == "__main__":
    try:
        Bridge(sys.argv[1]).run()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
