"""The headers that mirror a message since 2026-07-28, checked for servers that cannot see them.

A proxy may decide by ``Mcp-Method`` and ``Mcp-Name``; so a message whose body says something else
is refused (-32020).  A tool's schema may ask for further parameters as headers, ``x-mcp-header``.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from mcpconf.gateway.http import Head
from mcpconf.gateway.messages import LEGACY, META, meta_of
from mcpconf.gateway.ports import Message

MISMATCH = -32020
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_MOST_TOOLS = 2000

Mirrored = dict[str, dict[str, str]]
"""Tool → header (lower case) → parameter."""


def is_modern(head: Head, message: Message) -> bool:
    """Tell whether a message belongs to the stateless era."""
    version = head.headers.get(b"mcp-protocol-version")
    if version is not None and version.decode("latin-1") not in LEGACY:
        return True
    return META + "protocolVersion" in meta_of(message)


def fault(head: Head, message: Message, mirrored: Mirrored) -> tuple[int, str] | None:
    """The JSON-RPC code and text of what is wrong with a request of the stateless era."""
    meta = meta_of(message)
    version = meta.get(META + "protocolVersion")
    if not isinstance(version, str) or META + "clientCapabilities" not in meta:
        return -32602, "the required `_meta` fields are missing"
    headers = head.headers
    if headers.get(b"mcp-protocol-version") != version.encode():
        return MISMATCH, "Header mismatch: MCP-Protocol-Version"
    if _value(headers.get(b"mcp-method")) != message["method"]:
        return MISMATCH, "Header mismatch: Mcp-Method"
    params = message.get("params", {})
    key = _NAMED.get(message["method"])
    if key and _value(headers.get(b"mcp-name")) != params.get(key):
        return MISMATCH, "Header mismatch: Mcp-Name"
    if message["method"] != "tools/call":
        return None
    return _param_fault(headers, params, mirrored.get(str(params.get("name")), {}))


def _param_fault(
    headers: dict[bytes, bytes], params: dict[str, Any], wanted: dict[str, str]
) -> tuple[int, str] | None:
    arguments = params.get("arguments")
    arguments = arguments if isinstance(arguments, dict) else {}
    for header, name in wanted.items():
        said = _value(headers.get(b"mcp-param-" + header.encode()))
        value = arguments.get(name)
        if said != (None if value is None else _text(value)):
            return MISMATCH, f"Header mismatch: Mcp-Param-{header}"
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value(raw: bytes | None) -> str | None:
    """A header's text; what is not plain ASCII comes as ``=?base64?…?=``."""
    if raw is None:
        return None
    if raw.startswith(b"=?base64?") and raw.endswith(b"?="):
        try:
            return base64.b64decode(raw[9:-2], validate=True).decode()
        except (binascii.Error, ValueError):
            return "\0"  # equal to nothing
    return raw.decode("latin-1")


def learn(line: bytes, mirrored: Mirrored) -> None:
    """Take from an answer to ``tools/list`` which parameters are mirrored."""
    if b"x-mcp-header" not in line:
        return
    try:
        tools = json.loads(line)["result"]["tools"]
        for tool in tools[:_MOST_TOOLS]:
            properties = tool["inputSchema"].get("properties", {})
            mirrored[str(tool["name"])] = {
                schema["x-mcp-header"].lower(): name
                for name, schema in properties.items()
                if isinstance(schema, dict) and _is_header(schema.get("x-mcp-header"))
            }
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # not our message to judge: it goes to the client as it is


def _is_header(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.replace("-", "").isalnum()
