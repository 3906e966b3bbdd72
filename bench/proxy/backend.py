#!/usr/bin/env python3
"""Reference MCP backend for the proxy benchmark: fast, conformant, and breakable on demand.

Standard library only, so that it starts in ~60 ms and runs under any interpreter; one file, because
the cold start of a bridge is measured against it (what is rarely needed is in backend_extra.py).
It speaks both eras of the protocol on one endpoint:

  * legacy  (2024-11-05 .. 2025-11-25): initialize, Mcp-Session-Id, GET stream, DELETE,
    Last-Event-ID replay, server->client requests;
  * modern  (2026-07-28): per-request _meta, server/discover, subscriptions/listen, MRTR.

  backend.py http  --port 9000 [--host ::1] [--uds PATH] [--tls-port 9443 --cert PEM] [--start-delay 5] [--set '{"encoding":"sse"}']
  backend.py stdio [--name s1] [--start-delay 5] [--set '{"hang_initialize":true}']

HTTP control channel (never proxied): POST /_ctl {"set": {...}, "do": "evict"|"die"|"log"|"clear"}
answers the state.  Fault switches are the keys of FAULTS below.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
P = "io.modelcontextprotocol/"
INFO = {"name": "bench-backend", "version": "1.0"}

FAULTS = {
    "encoding": "auto",  # auto: JSON unless the call streams; sse: always SSE; json: as auto
    "sse_crlf": False,  # SSE lines end in CRLF
    "sse_split": False,  # 'data:' of one message spread over several data lines (pretty JSON)
    "strict_accept": False,  # 406 unless both types are named literally (wildcards rejected)
    "sessions": True,  # mint Mcp-Session-Id
    "eras": "both",  # both | legacy | modern
    "close_each": "",  # "" | "header" (Connection: close) | "silent" (close, unannounced)
    "idle_close": 0.0,  # close idle connections silently after this many seconds
    "hang_initialize": False,  # never answer initialize (and server/discover)
    "hang_call": False,  # never answer tools/call
    "evict_status": 404,  # status for unknown sessions: 404, or 400 'missing session'
    "evict_text": "Session not found",
    "auth": "",  # require this bearer token
    "fail_next": 0,  # answer this many POSTs with 502
    "garbage": False,  # stdio: print a non-JSON line to stdout before each answer
    "get_status": 200,  # status for the GET stream (405: not offered)
    "host_only": "",  # 421 unless Host is exactly this
    "extra_tool": "",  # one more tool in tools/list
    "misbehave": None,  # {"kind": ..., "times": n, "on": method or ""}: see backend_extra.py
}


class RpcError(Exception):
    def __init__(self, code, message, data=None, http=200):
        super().__init__(message)
        self.code, self.message, self.data, self.http = code, message, data, http


def dumps(o):
    return json.dumps(o, separators=(",", ":"), ensure_ascii=False).encode()


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = base64.b64encode(
    b"RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00"
    b"\x01\x00\x08\x00data\x02\x00\x00\x00\x80\x80"
).decode()


def text(s, **kw):
    return {"content": [{"type": "text", "text": s}], **kw}


OBJ = {"type": "object", "properties": {}}
ELICIT_NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SCHEMA_2020 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _props(**kw):
    return {"type": "object", "properties": {k: {"type": v} for k, v in kw.items()}}


TOOLS = {  # name -> (description, inputSchema)
    "size": ("text of n bytes", _props(n="integer")),
    "echo": ("echo the arguments", {"type": "object"}),
    "whoami": ("server name, session and request headers", OBJ),
    "sleep": ("wait ms", _props(ms="integer", tag="string")),
    "progress": ("n progress notifications, gap ms apart", _props(n="integer", ms="integer")),
    "log": ("n log notifications", _props(n="integer", level="string")),
    "sample": ("ask the client to sample", _props(prompt="string")),
    "elicit": ("ask the client to elicit", _props(message="string")),
    "roots": ("ask the client for its roots", OBJ),
    "touch": ("emit tools/list_changed", OBJ),
    "bump": ("emit resources/updated for a uri", _props(uri="string")),
    "crash": ("exit the server process at once", _props(code="integer")),
    "cancelled": ("ids cancelled so far", OBJ),
    "vendor_meta": ("result with unknown fields and _meta", OBJ),
    "append": (
        "append a line to a file, then answer, exit or hang",
        _props(path="string", then="string"),
    ),
    "once": ("answer the token; an error where it comes a second time", _props(token="string")),
    "noise": ("mb of text on stderr", _props(mb="integer")),
    "flood": ("stdio: write to stdout for ever and never end the line", OBJ),
    "bignum": ("numbers that must survive unchanged", OBJ),
    "test_simple_text": ("simple text", OBJ),
    "test_image_content": ("image", OBJ),
    "test_audio_content": ("audio", OBJ),
    "test_embedded_resource": ("embedded resource", OBJ),
    "test_multiple_content_types": ("mixed content", OBJ),
    "test_tool_with_logging": ("three log messages", OBJ),
    "test_error_handling": ("always fails", OBJ),
    "test_tool_with_progress": ("three progress messages", OBJ),
    "test_sampling": ("sampling", {**_props(prompt="string"), "required": ["prompt"]}),
    "test_elicitation": ("elicitation", {**_props(message="string"), "required": ["message"]}),
    "test_elicitation_sep1034_defaults": ("elicitation with defaults", OBJ),
    "test_elicitation_sep1330_enums": ("elicitation with enums", OBJ),
    "test_reconnection": ("closes the stream mid-call", OBJ),
    "json_schema_2020_12_tool": ("schema keywords", SCHEMA_2020),
    "header_tool": (
        "tool with a mirrored header parameter",
        {
            "type": "object",
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
            "required": ["region"],
        },
    ),
    "test_missing_capability": ("needs sampling", OBJ),
    "test_streaming_elicitation": ("MRTR elicitation", OBJ),
    "test_logging_tool": ("logs only when asked", OBJ),
    "test_trigger_tool_change": ("tools/list_changed", OBJ),
    "test_trigger_prompt_change": ("prompts/list_changed", OBJ),
    **{
        f"test_input_required_result_{k}": ("MRTR " + k, OBJ)
        for k in (
            "elicitation",
            "sampling",
            "list_roots",
            "request_state",
            "multiple_inputs",
            "multi_round",
            "tampered_state",
            "capabilities",
        )
    },
}
TOOL_LIST = [{"name": n, "description": d, "inputSchema": s} for n, (d, s) in TOOLS.items()]
RESOURCES = [
    {
        "uri": "test://static-text",
        "name": "static-text",
        "description": "text",
        "mimeType": "text/plain",
    },
    {
        "uri": "test://static-binary",
        "name": "static-binary",
        "description": "png",
        "mimeType": "image/png",
    },
    {
        "uri": "test://watched-resource",
        "name": "watched",
        "description": "watched",
        "mimeType": "text/plain",
    },
]
TEMPLATES = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "template",
        "mimeType": "application/json",
    }
]
PROMPTS = [
    {"name": "test_simple_prompt", "description": "simple"},
    {
        "name": "test_prompt_with_arguments",
        "description": "arguments",
        "arguments": [
            {"name": "arg1", "description": "a", "required": True},
            {"name": "arg2", "description": "b", "required": True},
        ],
    },
    {
        "name": "test_prompt_with_embedded_resource",
        "description": "resource",
        "arguments": [{"name": "resourceUri", "description": "uri", "required": True}],
    },
    {"name": "test_prompt_with_image", "description": "image"},
    {"name": "test_input_required_result_prompt", "description": "MRTR prompt"},
]
CAPS = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "logging": {},
    "completions": {},
}
CACHEABLE = {
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "server/discover",
}
_size_cache = {}
_KEY = os.urandom(16)


def seal(s):
    return s + "." + hmac.new(_KEY, s.encode(), hashlib.sha256).hexdigest()[:24]


def unseal(s):
    body = s.rpartition(".")[0] if isinstance(s, str) else ""
    if not isinstance(s, str) or not hmac.compare_digest(seal(body), s):
        raise RpcError(-32602, "requestState failed its integrity check", http=400)
    return body


def size_result(n, modern):
    key = (n, modern)
    r = _size_cache.get(key)
    if r is None:
        pat = 'The quick brown fox jumps over the lazy dog \u2013 0123456789 "quoted" \\ back\n'
        s = (pat * (n // len(pat) + 1))[:n]
        d = text(s)
        if modern:
            d["resultType"] = "complete"
        r = _size_cache[key] = dumps(d)
    return r


class Raw(bytes):
    """An already encoded result."""


class Session:
    def __init__(self, server, sid):
        self.server, self.sid = server, sid
        self.pending, self.nreq = {}, 0
        self.caps, self.version = {}, "2025-11-25"
        self.level = "debug"
        self.subs = set()
        self.get_stream = None
        self.events, self.backlog = [], []
        self.running = {}

    def push(self, method, params=None):
        """A notification unrelated to any request."""
        m = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            m["params"] = params
        self.server.push(self, m)


class Ctx:
    """One request being served: where its notifications and nested requests go."""

    def __init__(self, session, emit, modern, params, headers):
        self.session, self.emit, self.modern, self.params, self.headers = (
            session,
            emit,
            modern,
            params,
            headers,
        )
        self.meta = (params or {}).get("_meta") or {}

    async def notify(self, method, params):
        await self.emit({"jsonrpc": "2.0", "method": method, "params": params})

    async def request(self, method, params):
        s = self.session
        if s is None or self.modern:
            raise RpcError(-32603, "no back channel")
        s.nreq += 1
        rid = f"srv-{s.nreq}" if s.nreq % 2 else s.nreq + 1000
        fut = asyncio.get_running_loop().create_future()
        s.pending[rid] = fut
        m = {"jsonrpc": "2.0", "id": rid, "method": method}
        if params is not None:
            m["params"] = params
        await self.emit(m)
        return await fut


class Server:
    def __init__(self, name):
        self.name, self.f = name, dict(FAULTS)
        self.sessions, self.listens = {}, []
        self.stats = {
            "initialize": 0,
            "requests": 0,
            "cancelled": [],
            "disconnects": 0,
            "calls": 0,
            "deletes": 0,
            "gets": 0,
            "conns": 0,
            "cancel_work": [],
        }
        self.log = []
        self.stdio_session = None

    # ---- notifications -------------------------------------------------------------------
    def push(self, session, msg):
        if self.stdio_session is not None:
            self.stdio_out(msg)
            return
        g = session.get_stream
        if g is not None:
            g.sse(msg)
        else:
            session.backlog.append(msg)

    def changed(self, ctx, kind, uri=None):
        method = (
            "notifications/resources/updated"
            if kind == "resource"
            else f"notifications/{kind}/list_changed"
        )
        if not ctx.modern:
            ctx.session.push(method, {"uri": uri} if uri else None)
            return
        for flt, sub_id, emit in list(self.listens):
            ok = (
                (uri in (flt.get("resourceSubscriptions") or []))
                if kind == "resource"
                else flt.get(kind + "ListChanged")
            )
            if ok:
                p = {"_meta": {P + "subscriptionId": sub_id}}
                if uri:
                    p["uri"] = uri
                emit({"jsonrpc": "2.0", "method": method, "params": p})

    # ---- requests ------------------------------------------------------------------------
    def fast(self, method, params, modern, session):
        """Synchronous answers; None when the request needs the slow path."""
        if method == "tools/call":
            name = params.get("name")
            if self.f["hang_call"]:
                return None
            if name == "size":
                return Raw(size_result(int((params.get("arguments") or {}).get("n", 1024)), modern))
            if name == "echo":
                return text(json.dumps(params.get("arguments") or {}, sort_keys=True))
            return None
        if method == "ping" and not modern:
            return {}
        if method == "tools/list":
            more = self.f["extra_tool"]
            return {"tools": TOOL_LIST + [dict(TOOL_LIST[0], name=more)] * bool(more)}
        if method == "resources/list":
            return {"resources": RESOURCES}
        if method == "resources/templates/list":
            return {"resourceTemplates": TEMPLATES}
        if method == "prompts/list":
            return {"prompts": PROMPTS}
        if method == "logging/setLevel" and not modern:
            session.level = params.get("level", "debug")
            return {}
        if method == "resources/subscribe" and not modern:
            session.subs.add(params.get("uri"))
            return {}
        if method == "resources/unsubscribe" and not modern:
            session.subs.discard(params.get("uri"))
            return {}
        if method == "completion/complete":
            v = (params.get("argument") or {}).get("value", "")
            return {
                "completion": {
                    "values": [x for x in ("paris", "park", "party") if x.startswith(v)],
                    "total": 3,
                    "hasMore": False,
                }
            }
        if method == "resources/read":
            uri = params.get("uri", "")
            if uri == "test://static-text":
                c = {
                    "uri": uri,
                    "mimeType": "text/plain",
                    "text": "This is the content of the static text resource.",
                }
            elif uri == "test://static-binary":
                c = {"uri": uri, "mimeType": "image/png", "blob": PNG}
            elif uri == "test://watched-resource":
                c = {"uri": uri, "mimeType": "text/plain", "text": "watched"}
            elif uri.startswith("test://template/") and uri.endswith("/data"):
                i = uri[len("test://template/") : -len("/data")]
                c = {
                    "uri": uri,
                    "mimeType": "application/json",
                    "text": dumps(
                        {"id": i, "templateTest": True, "data": f"Data for ID: {i}"}
                    ).decode(),
                }
            else:
                raise RpcError(
                    -32602 if modern else -32002, "Resource not found", {"uri": uri}, 400
                )
            return {"contents": [c]}
        return None

    async def slow(self, method, params, ctx):
        if method == "server/discover" and ctx.modern:
            if self.f["hang_initialize"]:
                await asyncio.sleep(3600)
            return {
                "supportedVersions": list(MODERN)
                + (list(LEGACY) if self.f["eras"] == "both" else []),
                "capabilities": CAPS,
                "instructions": f"bench backend {self.name}",
            }
        if method == "initialize" and not ctx.modern:
            self.stats["initialize"] += 1
            if self.f["hang_initialize"]:
                await asyncio.sleep(3600)
            v = params.get("protocolVersion")
            ctx.session.version = v = v if v in LEGACY else LEGACY[-1]
            ctx.session.caps = params.get("capabilities") or {}
            return {
                "protocolVersion": v,
                "capabilities": CAPS,
                "serverInfo": {**INFO, "title": self.name},
                "instructions": f"bench backend {self.name}",
            }
        if method == "tools/call":
            self.stats["calls"] += 1
            if self.f["hang_call"]:
                await asyncio.sleep(3600)
            name = params.get("name")
            if name not in TOOLS:
                raise RpcError(-32602, f"Unknown tool: {name}", http=400)
            fn = getattr(self, "t_" + name, None)
            if fn is None:
                fn = self.t_mrtr if name.startswith("test_input_required") else None
            return await fn(ctx, params.get("arguments") or {})
        if method == "prompts/get":
            return self.prompt(ctx, params)
        raise RpcError(-32601, f"Method not found: {method}", http=404)

    def prompt(self, ctx, params):
        n, a = params.get("name"), params.get("arguments") or {}

        def user(c):
            return {"role": "user", "content": c}

        if n == "test_simple_prompt":
            ms = [user({"type": "text", "text": "This is a simple prompt for testing."})]
        elif n == "test_prompt_with_arguments":
            ms = [
                user(
                    {
                        "type": "text",
                        "text": f"Prompt with arguments: arg1='{a.get('arg1')}', arg2='{a.get('arg2')}'",
                    }
                )
            ]
        elif n == "test_prompt_with_embedded_resource":
            ms = [
                user(
                    {
                        "type": "resource",
                        "resource": {
                            "uri": a.get("resourceUri"),
                            "mimeType": "text/plain",
                            "text": "Embedded resource content for testing.",
                        },
                    }
                ),
                user({"type": "text", "text": "Please process the embedded resource above."}),
            ]
        elif n == "test_prompt_with_image":
            ms = [
                user({"type": "image", "data": PNG, "mimeType": "image/png"}),
                user({"type": "text", "text": "Please analyze the image above."}),
            ]
        elif n == "test_input_required_result_prompt":
            r = self.answers(ctx, "user_context")
            if r is None:
                return self.ask(
                    {
                        "user_context": (
                            "elicitation/create",
                            {
                                "message": "What context should the prompt use?",
                                "requestedSchema": {
                                    "type": "object",
                                    "properties": {"context": {"type": "string"}},
                                    "required": ["context"],
                                },
                            },
                        )
                    }
                )
            ms = [user({"type": "text", "text": f"context: {r}"})]
        else:
            raise RpcError(-32602, f"Unknown prompt: {n}", http=400)
        return {"messages": ms}

    # ---- MRTR ----------------------------------------------------------------------------
    @staticmethod
    def ask(reqs, state=None):
        r = {
            "resultType": "input_required",
            "inputRequests": {k: {"method": m, "params": p} for k, (m, p) in reqs.items()},
        }
        if state is not None:
            r["requestState"] = seal(state)
        return r

    @staticmethod
    def answers(ctx, *keys):
        ir = ctx.params.get("inputResponses")
        if not isinstance(ir, dict) or any(not isinstance(ir.get(k), dict) for k in keys):
            return None
        return [ir[k] for k in keys]

    async def t_mrtr(self, ctx, a):
        kind = ctx.params["name"][len("test_input_required_result_") :]
        el = (
            "elicitation/create",
            {"mode": "form", "message": "What is your name?", "requestedSchema": ELICIT_NAME},
        )
        sm = (
            "sampling/createMessage",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": {"type": "text", "text": "What is the capital of France?"},
                    }
                ],
                "maxTokens": 100,
            },
        )
        rt = ("roots/list", {})
        ok = (
            "elicitation/create",
            {
                "message": "Please confirm",
                "requestedSchema": {
                    "type": "object",
                    "properties": {"ok": {"type": "boolean"}},
                    "required": ["ok"],
                },
            },
        )
        st = ctx.params.get("requestState")
        if kind == "elicitation":
            r = self.answers(ctx, "user_name")
            return (
                text(f"Hello, {(r[0].get('content') or {}).get('name')}!")
                if r
                else self.ask({"user_name": el})
            )
        if kind == "sampling":
            r = self.answers(ctx, "capital_question")
            return (
                text(r[0].get("content", {}).get("text", ""))
                if r
                else self.ask({"capital_question": sm})
            )
        if kind == "list_roots":
            r = self.answers(ctx, "client_roots")
            return (
                text("roots: " + ", ".join(x["uri"] for x in r[0].get("roots", [])))
                if r
                else self.ask({"client_roots": rt})
            )
        if kind == "request_state":
            r = self.answers(ctx, "confirm")
            if r and st is not None:
                unseal(st)
                return text("state-ok")
            return self.ask({"confirm": ok}, "s1")
        if kind == "multiple_inputs":
            r = self.answers(ctx, "user_name", "greeting", "client_roots")
            if r and st is not None:
                unseal(st)
                return text("all inputs received")
            return self.ask({"user_name": el, "greeting": sm, "client_roots": rt}, "m1")
        if kind == "multi_round":
            if st is not None and unseal(st) == "r1" and self.answers(ctx, "step1"):
                return self.ask(
                    {
                        "step2": (
                            "elicitation/create",
                            {
                                "message": "Step 2: What is your favorite color?",
                                "requestedSchema": {
                                    "type": "object",
                                    "properties": {"color": {"type": "string"}},
                                    "required": ["color"],
                                },
                            },
                        )
                    },
                    "r2",
                )
            if st is not None and unseal(st) == "r2" and self.answers(ctx, "step2"):
                return text("done")
            return self.ask(
                {
                    "step1": (
                        "elicitation/create",
                        {"message": "Step 1: What is your name?", "requestedSchema": ELICIT_NAME},
                    )
                },
                "r1",
            )
        if kind == "tampered_state":
            if st is not None:
                unseal(st)
                return text("state accepted")
            return self.ask({"confirm": ok}, "t1")
        caps = ctx.meta.get(P + "clientCapabilities") or {}
        reqs = {}
        if "sampling" in caps:
            reqs["s"] = sm
        if "elicitation" in caps:
            reqs["e"] = el
        return self.ask(reqs) if reqs else text("no capabilities")

    # ---- tools ---------------------------------------------------------------------------
    async def t_size(self, ctx, a):
        return Raw(size_result(int(a.get("n", 1024)), ctx.modern))

    async def t_echo(self, ctx, a):
        return text(json.dumps(a, sort_keys=True))

    async def t_whoami(self, ctx, a):
        return text(
            json.dumps(
                {
                    "name": self.name,
                    "pid": os.getpid(),
                    "headers": ctx.headers,
                    "session": ctx.session.sid if ctx.session else None,
                    "caps": ctx.session.caps if ctx.session else None,
                    "version": ctx.session.version if ctx.session else None,
                    "meta": ctx.meta,
                    "secret_env": {k: v for k, v in os.environ.items() if k.startswith("BENCH_")},
                }
            )
        )

    async def t_sleep(self, ctx, a):
        try:
            await asyncio.sleep(a.get("ms", 100) / 1000)
        except asyncio.CancelledError:
            self.stats["cancel_work"].append(a.get("tag", ""))
            raise
        return text(f"slept {a.get('tag', '')}")

    async def t_progress(self, ctx, a):
        tok = ctx.meta.get("progressToken")
        n = a.get("n", 3)
        for i in range(n):
            if tok is not None:
                await ctx.notify(
                    "notifications/progress",
                    {
                        "progressToken": tok,
                        "progress": i + 1,
                        "total": n,
                        "message": f"step {i + 1}",
                    },
                )
            await asyncio.sleep(a.get("ms", 10) / 1000)
        return text("progressed")

    async def t_log(self, ctx, a):
        for i in range(a.get("n", 1)):
            await ctx.notify(
                "notifications/message",
                {"level": a.get("level", "info"), "logger": self.name, "data": {"i": i}},
            )
        return text("logged")

    async def t_sample(self, ctx, a):
        r = await ctx.request(
            "sampling/createMessage",
            {
                "messages": [
                    {"role": "user", "content": {"type": "text", "text": a.get("prompt", "hi")}}
                ],
                "maxTokens": 100,
            },
        )
        return text("sampled: " + json.dumps(r, sort_keys=True))

    async def t_elicit(self, ctx, a):
        r = await ctx.request(
            "elicitation/create",
            {"message": a.get("message", "name?"), "requestedSchema": ELICIT_NAME},
        )
        return text("elicited: " + json.dumps(r, sort_keys=True))

    async def t_roots(self, ctx, a):
        return text("roots: " + json.dumps(await ctx.request("roots/list", None), sort_keys=True))

    async def t_touch(self, ctx, a):
        self.changed(ctx, "tools")
        return text("touched")

    async def t_bump(self, ctx, a):
        uri = a.get("uri", "test://watched-resource")
        if ctx.modern or uri in ctx.session.subs:
            self.changed(ctx, "resource", uri)
        return text("bumped")

    async def t_crash(self, ctx, a):
        os._exit(a.get("code", 3))

    async def t_append(self, ctx, a):
        with open(a["path"], "a") as fh:
            fh.write("done\n")
        if a.get("then") == "exit":
            os._exit(5)
        if a.get("then") == "hang":
            await asyncio.sleep(3600)
        return text("appended")

    async def t_once(self, ctx, a):
        seen = self.__dict__.setdefault("seen", set())
        if a["token"] in seen:
            self.stats["twice"] = self.stats.get("twice", 0) + 1
            return text("TWICE " + a["token"], isError=True)
        seen.add(a["token"])
        return text(a["token"])

    async def t_noise(self, ctx, a):
        for _ in range(a.get("mb", 1) * 16):
            os.write(2, b"noise " * 10922 + b"\n")
        return text("quiet now")

    async def t_flood(self, ctx, a):
        while True:
            os.write(1, b"x" * 65536)

    async def t_cancelled(self, ctx, a):
        return text(
            json.dumps({"cancelled": self.stats["cancelled"], "work": self.stats["cancel_work"]})
        )

    async def t_vendor_meta(self, ctx, a):
        return {
            "content": [
                {
                    "type": "text",
                    "text": "x",
                    "_meta": {"vendor/a": {"b": [1, None, 2.5]}},
                    "annotations": {"priority": 0.5},
                }
            ],
            "structuredContent": {"k": None, "n": 1},
            "_meta": {"vendor/top": "kept"},
            "x-unknown": {"deep": [1]},
        }

    async def t_bignum(self, ctx, a):
        return Raw(
            b'{"content":[{"type":"text","text":"n"}],"structuredContent":{"i":9007199254740993,'
            b'"f":1.0,"e":1e400,"d":0.1000000000000000055511151231257827}'.replace(
                b'"e":1e400,', b""
            )
            + (b',"resultType":"complete"' if ctx.modern else b"")
            + b"}"
        )

    # conformance fixtures
    async def t_test_simple_text(self, ctx, a):
        return text("This is a simple text response for testing.")

    async def t_test_image_content(self, ctx, a):
        return {"content": [{"type": "image", "data": PNG, "mimeType": "image/png"}]}

    async def t_test_audio_content(self, ctx, a):
        return {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]}

    async def t_test_embedded_resource(self, ctx, a):
        return {
            "content": [
                {
                    "type": "resource",
                    "resource": {
                        "uri": "test://embedded-resource",
                        "mimeType": "text/plain",
                        "text": "This is an embedded resource content.",
                    },
                }
            ]
        }

    async def t_test_multiple_content_types(self, ctx, a):
        return {
            "content": [
                {"type": "text", "text": "Multiple content types test:"},
                {"type": "image", "data": PNG, "mimeType": "image/png"},
                {
                    "type": "resource",
                    "resource": {
                        "uri": "test://mixed-content-resource",
                        "mimeType": "application/json",
                        "text": '{"test":"data","value":123}',
                    },
                },
            ]
        }

    async def t_test_tool_with_logging(self, ctx, a):
        for i, s in enumerate(
            ("Tool execution started", "Tool processing data", "Tool execution completed")
        ):
            if i:
                await asyncio.sleep(0.05)
            await ctx.notify("notifications/message", {"level": "info", "data": s})
        return text("logged")

    async def t_test_error_handling(self, ctx, a):
        return text("This tool intentionally returns an error for testing", isError=True)

    async def t_test_tool_with_progress(self, ctx, a):
        tok = ctx.meta.get("progressToken")
        for i, v in enumerate((0, 50, 100)):
            if i:
                await asyncio.sleep(0.05)
            if tok is not None:
                await ctx.notify(
                    "notifications/progress", {"progressToken": tok, "progress": v, "total": 100}
                )
        return text("done")

    async def t_test_sampling(self, ctx, a):
        r = await ctx.request(
            "sampling/createMessage",
            {
                "messages": [
                    {"role": "user", "content": {"type": "text", "text": a.get("prompt", "")}}
                ],
                "maxTokens": 100,
            },
        )
        c = r.get("content") or {}
        return text("LLM response: " + str(c.get("text") if isinstance(c, dict) else c))

    async def _elicit(self, ctx, message, props, required, prefix):
        r = await ctx.request(
            "elicitation/create",
            {
                "message": message,
                "requestedSchema": {"type": "object", "properties": props, "required": required},
            },
        )
        return text(f"{prefix} action={r.get('action')}, content={json.dumps(r.get('content'))}")

    async def t_test_elicitation(self, ctx, a):
        return await self._elicit(
            ctx,
            a.get("message", ""),
            {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            },
            ["username", "email"],
            "User response:",
        )

    async def t_test_elicitation_sep1034_defaults(self, ctx, a):
        return await self._elicit(
            ctx,
            "Please confirm",
            {
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {
                    "type": "string",
                    "enum": ["active", "inactive", "pending"],
                    "default": "active",
                },
                "verified": {"type": "boolean", "default": True},
            },
            [],
            "Elicitation completed:",
        )

    async def t_test_elicitation_sep1330_enums(self, ctx, a):
        def titled(*pairs):
            return [{"const": c, "title": t} for c, t in pairs]

        return await self._elicit(
            ctx,
            "Please choose",
            {
                "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
                "titledSingle": {
                    "type": "string",
                    "oneOf": titled(
                        ("value1", "First Option"),
                        ("value2", "Second Option"),
                        ("value3", "Third Option"),
                    ),
                },
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
                },
                "titledMulti": {
                    "type": "array",
                    "items": {
                        "anyOf": titled(
                            ("value1", "First Choice"),
                            ("value2", "Second Choice"),
                            ("value3", "Third Choice"),
                        )
                    },
                },
            },
            [],
            "Elicitation completed:",
        )

    async def t_test_reconnection(self, ctx, a):
        drop = getattr(ctx.emit, "drop", None)
        if drop:
            await drop()
            await asyncio.sleep(0.15)
        return text("Reconnection test completed successfully")

    async def t_header_tool(self, ctx, a):
        return text(str(a.get("region")))

    async def t_test_missing_capability(self, ctx, a):
        if "sampling" not in (ctx.meta.get(P + "clientCapabilities") or {}):
            raise RpcError(
                -32021,
                "Missing required client capability",
                {"requiredCapabilities": {"sampling": {}}},
                400,
            )
        return text("ok")

    async def t_test_streaming_elicitation(self, ctx, a):
        r = self.answers(ctx, "user_name")
        return (
            text("ok")
            if r
            else self.ask(
                {
                    "user_name": (
                        "elicitation/create",
                        {"message": "name?", "requestedSchema": ELICIT_NAME},
                    )
                }
            )
        )

    async def t_test_logging_tool(self, ctx, a):
        if not ctx.modern or ctx.meta.get(P + "logLevel"):
            await ctx.notify("notifications/message", {"level": "info", "data": "hello"})
        return text("logged")

    async def t_test_trigger_tool_change(self, ctx, a):
        self.changed(ctx, "tools")
        return text("ok")

    async def t_test_trigger_prompt_change(self, ctx, a):
        self.changed(ctx, "prompts")
        return text("ok")

    # ---- shared --------------------------------------------------------------------------
    def finish(self, result, method, modern):
        if isinstance(result, Raw):
            return bytes(result)
        if modern:
            result = {"resultType": "complete", **result}
            if method in CACHEABLE and result["resultType"] == "complete":
                result.setdefault("ttlMs", 1000)
                result.setdefault("cacheScope", "private")
            if method == "server/discover":
                result["_meta"] = {P + "serverInfo": INFO}
        return dumps(result)

    @staticmethod
    def reply(rid, result):
        return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json.dumps(rid).encode(), result)

    @staticmethod
    def error(rid, e):
        err = {"code": e.code, "message": e.message}
        if e.data is not None:
            err["data"] = e.data
        return dumps({"jsonrpc": "2.0", "id": rid, "error": err})

    def incoming(self, session, m):
        """Responses and notifications from a legacy client. True when consumed."""
        if "method" not in m:
            fut = session.pending.pop(m.get("id"), None)
            if fut and not fut.done():
                if "error" in m:
                    fut.set_exception(RpcError(-32603, "client: " + str(m["error"].get("message"))))
                else:
                    fut.set_result(m.get("result") or {})
            return True
        if "id" not in m:
            if m["method"] == "notifications/cancelled":
                rid = (m.get("params") or {}).get("requestId")
                self.stats["cancelled"].append(rid)
                t = session.running.get(json.dumps(rid))
                if t:
                    t.cancel()
            elif m["method"] == "notifications/roots/list_changed":
                self.stats["roots_changed"] = self.stats.get("roots_changed", 0) + 1
            return True
        return False

    def check_modern(self, m, headers):
        """The modern per-request ladder; raises RpcError, returns the params."""
        p = m.get("params")
        meta = (p or {}).get("_meta") if isinstance(p, dict) else None
        if (
            not isinstance(meta, dict)
            or P + "protocolVersion" not in meta
            or P + "clientCapabilities" not in meta
        ):
            raise RpcError(-32602, "missing required _meta fields", http=400)
        v = meta[P + "protocolVersion"]
        if headers is not None:
            if headers.get("mcp-protocol-version") != v:
                raise RpcError(-32020, "Header mismatch: MCP-Protocol-Version", http=400)
            if headers.get("mcp-method") != m["method"]:
                raise RpcError(-32020, "Header mismatch: Mcp-Method", http=400)
            key = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(
                m["method"]
            )
            if key and unsentinel(headers.get("mcp-name")) != p.get(key):
                raise RpcError(-32020, "Header mismatch: Mcp-Name", http=400)
            if m["method"] == "tools/call" and p.get("name") == "header_tool":
                val = (p.get("arguments") or {}).get("region")
                if unsentinel(headers.get("mcp-param-region")) != val:
                    raise RpcError(-32020, "Header mismatch: Mcp-Param-Region", http=400)
        if v not in MODERN:
            raise RpcError(
                -32022,
                "Unsupported protocol version",
                {
                    "supported": list(MODERN) + (list(LEGACY) if self.f["eras"] == "both" else []),
                    "requested": v,
                },
                400,
            )
        return p


def unsentinel(v):
    if v is not None and v.startswith("=?base64?") and v.endswith("?="):
        try:
            return base64.b64decode(v[9:-2], validate=True).decode()
        except Exception:
            return object()
    return v


REASON = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    421: "Misdirected Request",
    502: "Bad Gateway",
}


class Http(asyncio.Protocol):
    """One HTTP/1.1 connection."""

    def __init__(self, server):
        self.s, self.buf, self.t = server, bytearray(), None
        self.busy = self.closed = False
        self.task = self.session_get = self.idle = None
        self.stream_open = False

    def connection_made(self, t):
        self.t = t
        self.s.stats["conns"] += 1
        self.arm()

    def arm(self):
        if self.s.f["idle_close"]:
            if self.idle:
                self.idle.cancel()
            self.idle = asyncio.get_running_loop().call_later(
                self.s.f["idle_close"], lambda: None if self.busy else self.t.close()
            )

    def connection_lost(self, exc):
        self.closed = True
        CONNS.discard(self)
        if self.session_get is not None and self.session_get.get_stream is self:
            self.session_get.get_stream = None
        if self.task is not None and not self.task.done():
            self.s.stats["disconnects"] += 1
            if getattr(self.task, "modern", False):
                self.task.cancel()

    def data_received(self, data):
        self.buf += data
        self.pump()

    def pump(self):
        while not self.busy and not self.closed:
            i = self.buf.find(b"\r\n\r\n")
            if i < 0:
                return
            head = bytes(self.buf[:i]).split(b"\r\n")
            method, path, _ = head[0].decode("latin-1").split(" ", 2)
            h = {}
            for line in head[1:]:
                k, _, v = line.partition(b":")
                h[k.decode("latin-1").lower()] = v.strip().decode("latin-1")
            j = i + 4
            if h.get("transfer-encoding", "").lower() == "chunked":
                body, j = self.dechunk(j)
                if body is None:
                    return
            else:
                n = int(h.get("content-length") or 0)
                if len(self.buf) < j + n:
                    return
                body = bytes(self.buf[j : j + n])
                j += n
            del self.buf[:j]
            self.busy, self.stream_open = True, False
            try:
                self.handle(method, path, h, body)
            except RpcError as e:
                self.send(e.http if e.http != 200 else 400, self.s.error(None, e))

    def dechunk(self, j):
        out = b""
        while True:
            k = self.buf.find(b"\r\n", j)
            if k < 0:
                return None, j
            n = int(bytes(self.buf[j:k]).split(b";")[0], 16)
            if len(self.buf) < k + 2 + n + 2:
                return None, j
            out += bytes(self.buf[k + 2 : k + 2 + n])
            j = k + 2 + n + 2
            if n == 0:
                return out, j

    def done(self):
        self.busy = False
        self.task = None
        c = self.s.f["close_each"]
        if c and not self.closed:
            self.t.close()
        else:
            self.arm()
            if self.buf:
                asyncio.get_running_loop().call_soon(self.pump)

    def send(self, status, body=b"", ctype="application/json", extra=""):
        if self.closed:
            return self.done()
        close = "Connection: close\r\n" if self.s.f["close_each"] == "header" else ""
        ct = f"Content-Type: {ctype}\r\n" if body else ""
        self.t.write(
            f"HTTP/1.1 {status} {REASON.get(status, 'X')}\r\n{ct}{close}{extra}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        self.done()

    # SSE -----------------------------------------------------------------------------------
    def sse_open(self, extra=""):
        if not self.stream_open:
            self.stream_open = True
            close = "Connection: close\r\n" if self.s.f["close_each"] == "header" else ""
            self.t.write(
                (
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                    f"{close}{extra}Transfer-Encoding: chunked\r\n\r\n"
                ).encode()
            )

    def chunk(self, b):
        if not self.closed:
            self.t.write(b"%x\r\n%b\r\n" % (len(b), b))

    def sse(self, msg, eid=None):
        nl = b"\r\n" if self.s.f["sse_crlf"] else b"\n"
        data = msg if isinstance(msg, bytes) else dumps(msg)
        if self.s.f["sse_split"]:
            data = json.dumps(json.loads(data), indent=1).encode()
        ev = b"event: message" + nl + (b"id: " + eid.encode() + nl if eid else b"")
        for line in data.split(b"\n"):
            ev += b"data: " + line + nl
        self.chunk(ev + nl)

    def sse_end(self):
        if not self.closed:
            self.t.write(b"0\r\n\r\n")
        self.done()

    # requests ------------------------------------------------------------------------------
    def handle(self, method, path, h, body):
        s, f = self.s, self.s.f
        if path == "/_ctl":
            return self.ctl(body)
        s.stats["requests"] += 1
        if len(s.log) < 3000:
            s.log.append(
                {
                    "t": time.time(),
                    "m": method,
                    "p": path,
                    "h": h,
                    "b": body[:300].decode("utf-8", "replace"),
                }
            )
        host = h.get("host", "").rsplit(":", 1)[0]
        origin = h.get("origin", "")
        if host not in ("localhost", "127.0.0.1", "[::1]", "") or (
            origin
            and origin.split("//", 1)[-1].rsplit(":", 1)[0]
            not in ("localhost", "127.0.0.1", "[::1]")
        ):
            return self.send(
                403,
                b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"Forbidden host or origin"},"id":null}',
            )
        if f["host_only"] and h.get("host") != f["host_only"]:
            return self.send(421, b"this host is not served here", "text/plain")
        if f["fail_next"] > 0:
            f["fail_next"] -= 1
            return self.send(502, b"bad gateway", "text/plain")
        if path.startswith(("/sse", "/messages")):
            import backend_extra

            return backend_extra.old_transport(self, method, path, body)
        if f["misbehave"]:
            import backend_extra

            if backend_extra.misbehave(self, method, h, body):
                return None
        if path.partition("?")[0] not in ("/mcp", "/mcp/"):
            return self.send(404, b"not found", "text/plain")
        if f["auth"] and h.get("authorization") != "Bearer " + f["auth"]:
            port = h.get("host", "127.0.0.1")
            return self.send(
                401,
                b'{"error":"invalid_token"}',
                extra=(
                    f'WWW-Authenticate: Bearer resource_metadata="http://{port}/.well-known/oauth-protected-resource"\r\n'
                ),
            )
        acc = h.get("accept", "")
        if method == "GET":
            return self.get(h, acc)
        if method == "DELETE":
            sid = h.get("mcp-session-id")
            s.stats["deletes"] += 1
            return self.send(200 if s.sessions.pop(sid, None) else f["evict_status"])
        if method != "POST":
            return self.send(405, extra="Allow: POST\r\n")
        if f["strict_accept"] and not ("application/json" in acc and "text/event-stream" in acc):
            return self.send(
                406,
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Not Acceptable: '
                b'Client must accept both application/json and text/event-stream"}}',
            )
        try:
            m = json.loads(body)
        except ValueError:
            raise RpcError(-32700, "Parse error", http=400)
        if not isinstance(m, dict):
            raise RpcError(-32600, "Batches are not supported", http=400)
        v = h.get("mcp-protocol-version")
        modern = v is not None and v not in LEGACY
        if modern and f["eras"] == "legacy":  # what servers from before 2026-07-28 answer
            return self.send(
                400,
                dumps(
                    {
                        "jsonrpc": "2.0",
                        "id": None,
                        "error": {
                            "code": -32000,
                            "message": f"Bad Request: Unsupported protocol version: {v} (supported: {', '.join(LEGACY)})",
                        },
                    }
                ),
            )
        if modern:
            return self.modern(m, h)
        if f["eras"] == "modern":
            raise RpcError(-32600, "this server speaks only 2026-07-28", http=400)
        sid = h.get("mcp-session-id")
        extra = ""
        if m.get("method") == "initialize":
            if f["sessions"]:
                sid = os.urandom(16).hex()
                sess = s.sessions[sid] = Session(s, sid)
                extra = f"Mcp-Session-Id: {sid}\r\n"
            else:
                sess = s.sessions.setdefault("", Session(s, ""))
        elif f["sessions"]:
            if not sid:
                return self.send(
                    400,
                    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":'
                    b'"Bad Request: Missing session ID"}}',
                )
            sess = s.sessions.get(sid)
            if sess is None:
                return self.send(
                    f["evict_status"],
                    dumps(
                        {
                            "jsonrpc": "2.0",
                            "id": None,
                            "error": {"code": -32600, "message": f["evict_text"]},
                        }
                    ),
                )
        else:
            sess = s.sessions.setdefault("", Session(s, ""))
        if s.incoming(sess, m):
            return self.send(202)
        self.request(m, sess, False, h, extra)

    def modern(self, m, h):
        if "id" not in m:
            return self.send(202)
        if "method" not in m:
            raise RpcError(-32600, "a client must not post responses", http=400)
        try:
            self.s.check_modern(m, h)
        except RpcError as e:
            return self.send(e.http, self.s.error(m.get("id"), e))
        if m["method"] == "subscriptions/listen":
            self.sse_open()
            p = m["params"]
            flt = p.get("notifications") or {}
            self.sse(
                {
                    "jsonrpc": "2.0",
                    "method": "notifications/subscriptions/acknowledged",
                    "params": {"_meta": {P + "subscriptionId": m["id"]}, "notifications": flt},
                }
            )
            entry = (flt, m["id"], self.sse)
            self.s.listens.append(entry)

            async def hold():
                try:
                    while True:
                        await asyncio.sleep(10)
                        self.chunk(b":\r\n\r\n")
                finally:
                    self.s.listens.remove(entry)

            self.task = asyncio.ensure_future(hold())
            self.task.modern = True
            return
        self.request(m, None, True, h, "")

    def request(self, m, sess, modern, h, extra):
        s = self.s
        rid, method, params = m["id"], m["method"], m.get("params") or {}
        sse = s.f["encoding"] == "sse"
        try:
            r = s.fast(method, params, modern, sess)
        except RpcError as e:
            return self.send(e.http if modern else 200, s.error(rid, e), extra=extra)
        if r is not None:
            if method == "tools/call":
                s.stats["calls"] += 1
            out = s.reply(rid, s.finish(r, method, modern))
            if sse:
                self.sse_open(extra)
                self.sse(out)
                return self.sse_end()
            return self.send(200, out, extra=extra)
        self.task = asyncio.ensure_future(
            self.run(rid, method, params, sess, modern, h, extra, sse)
        )
        self.task.modern = modern

    async def run(self, rid, method, params, sess, modern, h, extra, sse):
        s = self.s
        dropped = []

        async def emit(msg):
            if dropped:
                self.late(sess, dumps(msg))
                return
            self.sse_open(extra)
            self.sse(msg)

        async def drop():
            """SEP-1699: end the response stream before the answer; the client must come back."""
            if modern or sess is None:
                return
            self.sse_open(extra)
            eid = f"{json.dumps(rid)}-0"
            self.chunk(b"id: " + eid.encode() + b"\nretry: 200\ndata: \n\n")
            sess.events.append((eid, None))
            dropped.append(1)
            self.sse_end()

        emit.drop = drop
        ctx = Ctx(sess, emit, modern, params, h)
        key = json.dumps(rid)
        if sess is not None:
            sess.running[key] = asyncio.current_task()
        status = 200
        try:
            out = s.reply(rid, s.finish(await s.slow(method, params, ctx), method, modern))
        except RpcError as e:
            out, status = s.error(rid, e), (e.http if modern else 200)
        except asyncio.CancelledError:
            if modern:
                return self.done()
            if self.stream_open:
                self.sse_end()
            else:
                self.send(200, s.error(rid, RpcError(-32800, "cancelled")), extra=extra)
            return
        finally:
            if sess is not None:
                sess.running.pop(key, None)
        if dropped:
            return self.late(sess, out)
        if self.stream_open or (sse and status == 200):
            self.sse_open(extra)
            self.sse(out)
            self.sse_end()
        else:
            self.send(status, out, extra=extra)

    def late(self, sess, out):
        eid = f"late-{len(sess.events)}"
        sess.events.append((eid, out))
        if sess.get_stream is not None:
            sess.get_stream.sse(out, eid)

    def get(self, h, acc):
        s, f = self.s, self.s.f
        s.stats["gets"] += 1
        if f["eras"] == "modern" or f["get_status"] != 200 or not f["sessions"]:
            return self.send(
                405 if f["get_status"] == 200 else f["get_status"], extra="Allow: POST\r\n"
            )
        if "text/event-stream" not in acc and (f["strict_accept"] or "*/*" not in acc):
            return self.send(406)
        sess = s.sessions.get(h.get("mcp-session-id"))
        if sess is None:
            return self.send(f["evict_status"] if h.get("mcp-session-id") else 400)
        self.sse_open()
        last = h.get("last-event-id")
        if last:
            seen = False
            for eid, data in list(sess.events):
                if seen and data is not None:
                    self.sse(data, eid)
                seen = seen or eid == last
        sess.get_stream = self.session_get = (sess and self) or None
        self.session_get = sess
        for msg in sess.backlog:
            self.sse(msg)
        sess.backlog.clear()

    def ctl(self, body):
        s = self.s
        c = json.loads(body or b"{}")
        for k, v in (c.get("set") or {}).items():
            if k not in FAULTS:
                return self.send(400, b"unknown fault " + k.encode())
            s.f[k] = v
        do = c.get("do")
        if do == "reset":
            s.f = dict(FAULTS)
        if do == "die":
            os._exit(9)
        if do == "evict":
            for x in s.sessions.values():
                if x.get_stream:
                    x.get_stream.t.close()
            s.sessions.clear()
        if do == "drop_connections":
            for c2 in list(CONNS):
                if c2 is not self and c2.t:
                    c2.t.close()
        out = {
            "name": s.name,
            "pid": os.getpid(),
            "faults": {k: v for k, v in s.f.items() if k != "misbehave"},
            "stats": s.stats,
            "sessions": len(s.sessions),
            "get_streams": sum(x.get_stream is not None for x in s.sessions.values()),
            "listens": [x[0] for x in s.listens],
        }
        if do == "log":
            out["log"] = s.log
        if do in ("clear", "reset"):
            s.log.clear()
            for k, v in s.stats.items():
                s.stats[k] = [] if isinstance(v, list) else 0
        self.busy, self.task = True, None
        data = dumps(out)
        self.t.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(data)
            + data
        )
        self.busy = False


CONNS = set()


async def serve_http(server, a):
    import socket

    loop = asyncio.get_running_loop()

    def factory():
        p = Http(server)
        CONNS.add(p)
        return p

    if a.uds:
        try:
            os.unlink(a.uds)
        except FileNotFoundError:
            pass
        await loop.create_unix_server(factory, a.uds)
    for port, tls in ((a.port, None), (a.tls_port, a.cert)):
        if not port:
            continue
        sock = socket.socket(socket.AF_INET6 if ":" in a.host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((a.host, port))
        context = None
        if tls:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
        await loop.create_server(factory, sock=sock, backlog=512, ssl=context)
    print(f"ready {a.port} {a.uds or ''}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


class Stdio(asyncio.Protocol):
    def __init__(self, server):
        self.s, self.buf = server, bytearray()
        self.sess = server.stdio_session = Session(server, "stdio")
        self.tasks = set()
        self.eof = asyncio.get_running_loop().create_future()

    def eof_received(self):
        self.connection_lost(None)

    def connection_lost(self, exc):
        if not self.eof.done():
            self.eof.set_result(None)

    def data_received(self, data):
        self.buf += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(self.buf).split(b"\n")
        self.buf = bytearray(rest)
        for line in lines:
            if line.strip():
                self.line(line)

    def line(self, line):
        s = self.s
        try:
            m = json.loads(line)
        except ValueError:
            return s.stdio_raw(s.error(None, RpcError(-32700, "Parse error")))
        s.stats["requests"] += 1
        if s.incoming(self.sess, m):
            return
        rid, method, params = m["id"], m["method"], m.get("params") or {}
        meta = params.get("_meta") if isinstance(params, dict) else None
        modern = isinstance(meta, dict) and P + "protocolVersion" in meta
        if (modern and s.f["eras"] == "legacy") or (not modern and s.f["eras"] == "modern"):
            return s.stdio_raw(s.error(rid, RpcError(-32601, "Method not found")))
        try:
            if modern:
                s.check_modern(m, None)
            if modern and method == "subscriptions/listen":
                flt = params.get("notifications") or {}
                s.stdio_out(
                    {
                        "jsonrpc": "2.0",
                        "method": "notifications/subscriptions/acknowledged",
                        "params": {"_meta": {P + "subscriptionId": rid}, "notifications": flt},
                    }
                )
                s.listens.append((flt, rid, s.stdio_out))
                return
            r = s.fast(method, params, modern, self.sess)
        except RpcError as e:
            return s.stdio_raw(s.error(rid, e))
        if r is not None:
            if method == "tools/call":
                s.stats["calls"] += 1
            return s.stdio_raw(s.reply(rid, s.finish(r, method, modern)))
        t = asyncio.ensure_future(self.run(rid, method, params, modern))
        self.tasks.add(t)
        t.add_done_callback(self.tasks.discard)

    async def run(self, rid, method, params, modern):
        s = self.s

        async def emit(msg):
            s.stdio_out(msg)

        key = json.dumps(rid)
        self.sess.running[key] = asyncio.current_task()
        try:
            out = s.reply(
                rid,
                s.finish(
                    await s.slow(method, params, Ctx(self.sess, emit, modern, params, None)),
                    method,
                    modern,
                ),
            )
        except RpcError as e:
            out = s.error(rid, e)
        except asyncio.CancelledError:
            return
        finally:
            self.sess.running.pop(key, None)
        s.stdio_raw(out)


async def serve_stdio(server, a):
    loop = asyncio.get_running_loop()
    fd = os.dup(1)

    def raw(b):
        if server.f["garbage"]:
            b = b"this is not json\n" + b
        b = memoryview(b + b"\n")
        while b:
            b = b[os.write(fd, b) :]

    server.stdio_raw = raw
    server.stdio_out = lambda m: raw(dumps(m))
    _, p = await loop.connect_read_pipe(lambda: Stdio(server), sys.stdin)
    await p.eof


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("mode", choices=("http", "stdio"))
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--uds")
    ap.add_argument("--tls-port", type=int, default=0)
    ap.add_argument("--cert", help="PEM with key and certificate")
    ap.add_argument("--name", default="b0")
    ap.add_argument("--start-delay", type=float, default=0)
    ap.add_argument("--exit-at-start", type=int)
    ap.add_argument("--pidfile", help="append the process id here at start")
    ap.add_argument("--set", default="{}")
    a = ap.parse_args()
    if a.pidfile:
        with open(a.pidfile, "a") as fh:
            fh.write(f"{os.getpid()}\n")
    if a.exit_at_start is not None:
        print("broken on purpose", file=sys.stderr)
        sys.exit(a.exit_at_start)
    if a.start_delay:
        time.sleep(a.start_delay)
    s = Server(a.name)
    s.f.update(json.loads(a.set))
    try:
        asyncio.run(serve_http(s, a) if a.mode == "http" else serve_stdio(s, a))
    except (KeyboardInterrupt, BrokenPipeError):
        pass


if __name__ == "__main__":
    sys.modules["backend"] = sys.modules["__main__"]  # backend_extra.py imports this module
    main()
