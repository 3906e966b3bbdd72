"""Enough of the Messages API for one Claude Code session at a time.

The first request that offers tools is answered with one call of every wanted tool that is on offer; everything else
with a word.  ``on_turn`` is called before that answer: the moment for a fault in mid-session.
"""

import http.server
import json
import threading
import uuid

USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


class MessagesStub:
    def __init__(self):
        self.lock = threading.Lock()
        self.begin({})
        stub = self

        class Handler(_Handler):
            owner = stub

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def begin(self, calls, on_turn=None):
        """A new session: the full names of the tools to call, and their arguments."""
        with self.lock:
            self.calls, self.on_turn = calls, on_turn
            self.offered, self.turns = set(), 0

    def answer(self, request):
        """(content blocks, stop reason)."""
        tools = {t.get("name") for t in request.get("tools") or []}
        if not tools or request.get("max_tokens") == 1 or _has_results(request):
            return [{"type": "text", "text": "done"}], "end_turn"
        with self.lock:
            self.turns += 1
            self.offered |= {t for t in tools if t and t.startswith("mcp__")}
            hook, self.on_turn = self.on_turn, None
            wanted = {n: a for n, a in self.calls.items() if n in tools}
        if hook:
            hook()
        if not wanted:
            return [{"type": "text", "text": "nothing to call"}], "end_turn"
        return [
            {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:20]}", "name": n, "input": a}
            for n, a in wanted.items()
        ], "tool_use"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _has_results(request):
    last = (request.get("messages") or [{}])[-1].get("content")
    return isinstance(last, list) and any(b.get("type") == "tool_result" for b in last)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *args):
        pass

    def send(self, code, value):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self):
        self.send(200, {})

    def do_GET(self):
        self.send(404, {"type": "error", "error": {"type": "not_found_error", "message": "stub"}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            return self.send(200, {"input_tokens": 10})
        if not path.endswith("/v1/messages"):
            return self.do_GET()
        request = json.loads(body)
        blocks, stop = self.owner.answer(request)
        message = {
            "id": f"msg_{uuid.uuid4().hex[:20]}",
            "type": "message",
            "role": "assistant",
            "model": request.get("model", "stub"),
            "content": blocks,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": USAGE,
        }
        if not request.get("stream"):
            return self.send(200, message)
        self.stream(message)

    def stream(self, message):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for name, data in _events(message):
                text = f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"
                self.wfile.write(text.encode())
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass


def _events(message):
    yield "message_start", {"message": {**message, "content": [], "stop_reason": None}}
    for i, block in enumerate(message["content"]):
        if block["type"] == "text":
            start, delta = (
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": block["text"]},
            )
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield "content_block_start", {"index": i, "content_block": start}
        yield "content_block_delta", {"index": i, "delta": delta}
        yield "content_block_stop", {"index": i}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"delta": delta, "usage": USAGE}
    yield "message_stop", {}
