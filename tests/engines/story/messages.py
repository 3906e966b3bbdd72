"""Enough of the Messages API for Claude Code: asks for one call of each server's tool, then is done.

What it wants the tools to hear is the last word of the user's, which begins with ``word-``.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.engines.story.names import SERVERS, TOOL

Asgi = Callable[[dict[str, Any]], Awaitable[None]]
_WORD = re.compile(r"word-[0-9a-z]+")
_USAGE = {"input_tokens": 10, "output_tokens": 5}


async def messages(scope: dict[str, Any], receive: Any, send: Asgi) -> None:
    """The ASGI application."""
    if scope["type"] != "http":
        return
    request = await _body(receive)
    path = scope["path"]
    if path.endswith("/count_tokens"):
        await _answer(send, 200, {"input_tokens": 10})
    elif scope["method"] != "POST" or not path.endswith("/v1/messages"):
        await _answer(send, 404, {"type": "error", "error": {"type": "not_found_error"}})
    else:
        asked = json.loads(request)
        message = _message(asked)
        if asked.get("stream"):
            await _stream(send, message)
        else:
            await _answer(send, 200, message)


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body


def _message(asked: dict[str, Any]) -> dict[str, Any]:
    content = _calls(asked) or [{"type": "text", "text": "done"}]
    return {
        "id": f"msg_{uuid.uuid4().hex[:20]}",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", "stub"),
        "content": content,
        "stop_reason": "tool_use" if content[0]["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": _USAGE,
    }


def _calls(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """A call of every tool that is on offer, where the client has not made them yet."""
    turns = asked.get("messages") or []
    words = _WORD.findall(json.dumps(turns))
    offered = {tool.get("name") for tool in asked.get("tools") or []}
    if not words or "tool_result" in json.dumps(turns[-1]):
        return []
    wanted = [f"mcp__{server}__{TOOL}" for server in SERVERS]
    return [
        {
            "type": "tool_use",
            "id": f"toolu_{uuid.uuid4().hex[:20]}",
            "name": name,
            "input": {"said": words[-1]},
        }
        for name in wanted
        if name in offered
    ]


async def _answer(send: Asgi, status: int, value: dict[str, Any]) -> None:
    await _head(send, status, b"application/json")
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


async def _stream(send: Asgi, message: dict[str, Any]) -> None:
    await _head(send, 200, b"text/event-stream")
    text = "".join(
        f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"
        for name, data in _events(message)
    )
    await send({"type": "http.response.body", "body": text.encode()})


async def _head(send: Asgi, status: int, kind: bytes) -> None:
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


def _events(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "message_start", {"message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}
        else:
            start = {**block, "input": {}}
            told = json.dumps(block["input"])
            delta = {"type": "input_json_delta", "partial_json": told}
        yield "content_block_start", {"index": index, "content_block": start}
        yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"delta": ended, "usage": _USAGE}
    yield "message_stop", {}
