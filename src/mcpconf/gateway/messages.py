"""JSON-RPC messages as bytes: whose they are is read, the rest is passed on as it came.

A message is relayed byte for byte, because a big integer, an unknown field or the order of keys
may mean something to somebody.  Where one value has to be replaced (two clients of one process
may use the same id), its span is found and nothing else is touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import JSONDecoder, scanstring  # type: ignore[attr-defined]
from math import isfinite
from typing import Any

META = "io.modelcontextprotocol/"
LEGACY = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})

_LIGHT = 1024 * 1024  # bytes
_MOST_PARTS = 2_000_000  # objects, lists and members: parsed, each takes up to 80 bytes
_PEEKED = 400  # bytes; an id beyond that is found by parsing
_ANSWER = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*'
    rb'("(?:[^"\\]|\\.)*"|-?\d+|null)\s*,\s*"(?:result|error)"\s*:'
)
_REQUEST = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*,\s*"method"\s*:'
)
_SPACE = " \t\r\n"


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


_strict = JSONDecoder(parse_constant=_no_constant).decode
_decode = JSONDecoder().scan_once  # type: ignore[attr-defined]

Span = tuple[int, int]


class NotJsonRpc(ValueError):  # noqa: N818  theirs, not ours
    """The text is no JSON-RPC message.  ``code`` is JSON-RPC's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def weigh(body: bytes) -> None:
    """Refuse what would take gigabytes once it is parsed, and seconds in which nobody is served.

    Raises:
        NotJsonRpc: it may have too many parts.

    """
    if len(body) > _LIGHT and sum(map(body.count, (b",", b"{", b"["))) > _MOST_PARTS:
        raise NotJsonRpc(-32600, f"the message has more than {_MOST_PARTS} parts")


def read(body: bytes) -> dict[str, Any]:
    """Parse one message.

    Raises:
        NotJsonRpc: it is no JSON, a batch (gone since 2025-06-18), or no message.

    """
    try:
        message = _strict(body.decode())
    except (ValueError, RecursionError):
        raise NotJsonRpc(-32700, "the body is not JSON") from None
    if not isinstance(message, dict):
        raise NotJsonRpc(-32600, "the body is not one JSON-RPC message; batches are not taken")
    _check(message)
    return message


def _check(message: dict[str, Any]) -> None:
    if message.get("jsonrpc") != "2.0":
        raise NotJsonRpc(-32600, 'the message does not say `"jsonrpc":"2.0"`')
    if "method" in message:
        method = message["method"]
        if not (isinstance(method, str) and method.isascii() and method.isprintable()):
            raise NotJsonRpc(-32600, "the method is not a name")  # it becomes a header
        if "id" in message and not _is_id(message["id"]):
            raise NotJsonRpc(-32600, "the id is neither a string nor a number")
        if not isinstance(message.get("params", {}), dict):
            raise NotJsonRpc(-32600, "params is not an object")
    elif "id" not in message or not ("result" in message or "error" in message):
        raise NotJsonRpc(-32600, "the message is neither a request nor an answer")


def _is_id(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)  # 1e999 is a number that cannot be written back
    return isinstance(value, str | int) and not isinstance(value, bool)


def key_of(value: object) -> bytes:
    """An id as the bytes by which it is looked up."""
    return json.dumps(value).encode()


def one_line(body: bytes) -> bytes:
    """The message without line breaks, which JSON has only between its tokens."""
    if b"\n" in body or b"\r" in body:
        return body.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return body


def answer_id(line: bytes) -> tuple[bytes, Span] | None:
    """The id of an answer as it is written, and where; None if that takes parsing."""
    found = _ANSWER.match(line, 0, _PEEKED)
    return (found[1], found.span(1)) if found else None


def is_answer(line: bytes) -> bool:
    """Tell whether a line is an answer: what begins as one need not be parsed."""
    if _ANSWER.match(line, 0, _PEEKED):
        return True
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and ("result" in message or "error" in message)


def with_id(line: bytes, message: dict[str, Any], new: bytes) -> bytes:
    """The request with another id."""
    found = _REQUEST.match(line, 0, _PEEKED)
    if found and key_of(message["id"]) == found[1]:
        start, end = found.span(1)
        return line[:start] + new + line[end:]
    return replaced(line, ("id",), new)


def replaced(line: bytes, path: tuple[str, ...], new: bytes) -> bytes:
    """The line with the value at ``path`` replaced; unchanged if there is none."""
    text = line.decode("utf-8", "surrogateescape")
    span = find(text, path)
    if span is None:
        return line
    new_text = new.decode("utf-8", "surrogateescape")
    return (text[: span[0]] + new_text + text[span[1] :]).encode("utf-8", "surrogateescape")


def find(text: str, path: tuple[str, ...]) -> Span | None:
    """Where the value at ``path`` stands in a JSON text: the last one, as parsers read it."""
    span: Span | None = (0, len(text))
    for name in path:
        if span is None:
            return None
        last: Span | None = None
        for key, start, end in _members(text, span[0]):
            if key == name:
                last = start, end
        span = last
    return span


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    at = _skip(text, at)
    if text[at : at + 1] != "{":
        return
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        key, at = scanstring(text, at + 1, False)  # noqa: FBT003  its own signature
        start = _skip(text, _skip(text, at) + 1)
        _, end = _decode(text, start)
        yield key, start, end
        at = _skip(text, end)
        if text[at : at + 1] != ",":
            return
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


def meta_of(message: dict[str, Any]) -> dict[str, Any]:
    """The ``_meta`` of a request's params; empty where there is none."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}
