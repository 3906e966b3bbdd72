"""JSON-RPC messages as text: on one line, and looked at no more than needed."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]


# The id of an answer, without parsing the rest.
ANSWER = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*,\s*'
    rb'"(?:result|error)"'
)
ANSWERS = frozenset(("result", "error"))
NO_ANSWER = -32603  # JSON-RPC: internal error
CHECKED = 64 * 1024  # bytes; up to here an answer is checked to be JSON before it is passed on


def one_line(text: bytes) -> bytes:
    """A JSON text on one line: raw line ends are white space between tokens (RFC 8259 §2)."""
    if b"\n" in text or b"\r" in text:
        return text.replace(b"\r", b" ").replace(b"\n", b" ")
    return text


def compact(value: object) -> bytes:
    """Serialise as short as JSON goes."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and UTF-8 cannot
        return json.dumps(value, separators=(",", ":")).encode()


def plain(text: str, limit: int = 160) -> str:
    """Foreign text for a message: one line, printable ASCII, short."""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "..."


def _refuse(word: str) -> object:
    raise ValueError(word)


# Infinity and NaN are no JSON, nor is anything but UTF-8 (RFC 8259 §8.1): no client could read it.
_STRICT = json.JSONDecoder(parse_constant=_refuse)


def parsed(text: bytes) -> Message:
    """A JSON object; {} where it is none."""
    try:
        value = _STRICT.decode(text.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def identity_in(text: bytes) -> object:
    """An id as it is written in JSON; None where it is not."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value


def messages(text: bytes) -> list[Message] | None:
    """One message or a batch (2025-03-26); None where it is neither."""
    try:
        value = _STRICT.decode(text.decode())
    except (ValueError, RecursionError):
        return None
    found = value if isinstance(value, list) else [value]
    return found if all(isinstance(m, dict) for m in found) else None


def is_sound(line: bytes) -> bool:
    """Whether a client can read this line.  Of large ones only both ends are looked at."""
    if len(line) <= CHECKED:
        return bool(parsed(line))
    return line.rstrip().endswith(b"}")


def error_line(identity: object, code: int, text: str, data: object = None) -> bytes:
    error: Message = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return compact({"jsonrpc": "2.0", "id": identity, "error": error})


def is_id(identity: object) -> bool:
    """Whether JSON-RPC allows it; Infinity and NaN, which JSON cannot write, are none."""
    if isinstance(identity, float):
        return identity - identity == 0
    return identity is None or (isinstance(identity, (str, int)) and not isinstance(identity, bool))
