"""JSON-RPC as the client writes it (facts 47, 48), and what kind of answer came."""

from __future__ import annotations

import json
import re

from mcpconf.bridge.text import parsed
from mcpconf.wire.exchange import Answer
from mcpconf.wire.safe import Mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mcpconf.wire.exchange import Wanted

    Pairs = dict[str, str]

ERAS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07")
MODERN = "2026-07-28"
_JSON, _EVENTS = "application/json", "text/event-stream"
_READABLE = ("", "identity", "gzip", "x-gzip", "deflate")
_META = "io.modelcontextprotocol/"
_LONGEST_SESSION = 1024
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_LONGEST_CHALLENGE = 4096


def own_headers(client: str) -> Pairs:
    """What the client sends on every request of its own."""
    return {
        "Accept": f"{_JSON}, {_EVENTS}",
        "Accept-Encoding": "identity",
        "Content-Type": _JSON,
        "User-Agent": client if "/" in client else f"claude-code/{client} (sdk-cli)",
    }


def merged(*parts: Mapping[str, str]) -> Pairs:
    """Headers together; a later one replaces an earlier one of the same name in any case."""
    found: dict[str, tuple[str, str]] = {}
    for part in parts:
        for name, value in part.items():
            found[name.lower()] = name, value
    return dict(found.values())


def rpc_request(identity: object, method: str, params: Mapping[str, object]) -> bytes:
    message = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
    return json.dumps(message).encode()


def rpc_notification(method: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method}).encode()


def wish(client: str) -> dict[str, object]:
    """The parameters of ``initialize``."""
    return {"protocolVersion": ERAS[0], "capabilities": {"roots": {}}, "clientInfo": _info(client)}


def modern(client: str, **params: object) -> dict[str, object]:
    """Parameters of a request of the stateless era."""
    meta = {"protocolVersion": MODERN, "clientInfo": _info(client), "clientCapabilities": {}}
    return {**params, "_meta": {_META + name: value for name, value in meta.items()}}


def _info(client: str) -> dict[str, str]:
    name, _, version = client.rpartition("/")
    return {"name": name or "claude-code", "version": version}


def answers(identity: object) -> Wanted:
    """Says of an event whether it is the answer to a request."""
    return lambda kind, data: kind == b"message" and bool(_matching(data, identity))


def _matching(text: bytes, identity: object) -> dict[str, Any]:
    """The answer in a text: one message, or one of a batch (2025-03-26); {} for none."""
    found = parsed(text)
    if not found and text.lstrip()[:1] == b"[":
        listed = parsed(b'{"all":' + text + b"}").get("all")
        found = next((m for m in listed or () if _is_answer(m, identity)), {})
    return found if _is_answer(found, identity) else {}


def _is_answer(message: object, identity: object) -> bool:
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return False
    if "error" in message and message.get("id") is None:
        return True  # of a request that it could not read
    return message.get("id") == identity and ("result" in message or "error" in message)


def understood(
    station: dict[str, Any], answer: Answer, identity: object, mask: Mask
) -> dict[str, Any]:
    """Tell what kind of answer came; its result, {} where there is none."""
    message = _matching(answer.content(), identity)
    error, result = message.get("error"), message.get("result")
    if message:
        station["rpc"] = "error" if error is not None else "result"
    elif answer.length:
        station["rpc"], station["odd"] = "none", _odd(answer, identity)
    if isinstance(error, dict):
        code, text = error.get("code"), error.get("message")
        station["error"] = {
            "code": code if isinstance(code, int) and abs(code) < 10**9 else None,
            "message": mask.text(text) if isinstance(text, str) else "",
        }
    if station["fault"]:
        return {}
    station["fault"] = _amiss(answer, message)
    station["ok"] = not station["fault"]
    return result if station["ok"] and isinstance(result, dict) else {}


def _odd(answer: Answer, identity: object) -> str:
    """What keeps a body from being an answer, where it nearly is one."""
    body = answer.content()
    if answer.headers.get("content-encoding", "identity").lower() not in _READABLE:
        return "compressed"
    if body.startswith(b"\xef\xbb\xbf") and _matching(body[3:], identity):
        return "bom"
    if answer.media == _EVENTS:
        return "no-event"
    found = parsed(body)
    whole = found.get("jsonrpc") == "2.0" and ("result" in found or "error" in found)
    return "other-id" if whole and found.get("id") != identity else ""


def _amiss(answer: Answer, message: Mapping[str, Any]) -> str:
    if not answer.length:
        return "empty"
    if answer.media not in (_JSON, _EVENTS):
        return "media"
    if not message or ("error" not in message and not isinstance(message.get("result"), dict)):
        return "not-mcp"
    return "rpc-error" if "error" in message else ""


def session_of(answer: Answer) -> tuple[str, str]:
    """The session's id, where it is one that may be sent back, and what kind of id it is."""
    name = answer.headers.get("mcp-session-id", "")
    if not name:
        return "", ""
    fits = len(name) <= _LONGEST_SESSION and name.isascii() and name.isprintable()
    return (name, "kept") if fits else ("", "odd")


def challenge_of(answer: Answer, mask: Mask) -> tuple[dict[str, object] | None, str]:
    """What WWW-Authenticate says (RFC 9110 §11.6.1, RFC 9728 §5.1), and its metadata's URL."""
    text = answer.headers.get("www-authenticate", "")[:_LONGEST_CHALLENGE]
    if not text:
        return None, ""
    found = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(text)}
    url = found.get("resource_metadata", "")
    shown = {
        "scheme": mask.text(text.split(None, 1)[0] if text.strip() else "", 30),
        "error": mask.text(found.get("error", ""), 60),
        "description": mask.text(found.get("error_description", ""), 120),
        "scope": mask.text(found.get("scope", ""), 120),
        "resource_metadata": bool(url),
    }
    return shown, url
