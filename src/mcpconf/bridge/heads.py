"""A message as an HTTP request: method, path, headers, body."""

from __future__ import annotations

import json

from mcpconf.bridge.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.reactor import Pairs
    from mcpconf.bridge.tools import Tools

_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_BYTE = 255


class Heads:
    """Where messages go and what stands above them; what stays the same is made once.

    ``session`` and ``version`` are those of the legacy era, ``post_path`` that of the transport of
    2024-11-05, which has two.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._known: dict[object, tuple[Pairs, bytes]] = {}
        self.endpoint = endpoint
        self.path = endpoint.path
        self.post_path: str | None = None
        self.session: str | None = None
        self.version: str | None = None

    def forget(self) -> None:
        """Something changed that stands in heads."""
        self._known.clear()

    def move(self, endpoint: Endpoint) -> None:
        self.endpoint, self.path = endpoint, endpoint.path
        self.forget()

    def encode(self, request: Request, pairs: Pairs, tools: Tools) -> bytes:
        """The whole request.  Raises ValueError where a header cannot be written."""
        if request.stream or (request.resuming and request.event_id is not None):
            resume = b""
            if request.event_id is not None:
                resume = b"Last-Event-ID: " + request.event_id + b"\r\n"
            return self._head("GET", request, pairs) + resume + b"\r\n"
        head = self._head("POST", request, pairs)
        if request.version is not None:
            head += _modern(request, tools)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(request.line), request.line)

    def farewell(self, pairs: Pairs) -> bytes:
        """The request that ends a session."""
        return self._head("DELETE", Request(b"", {}, 0.0), pairs) + b"\r\n"

    def _head(self, method: str, request: Request, pairs: Pairs) -> bytes:
        in_session = request.version is None and request.method != "initialize"
        key = method, in_session
        known = self._known.get(key)
        if known is None or known[0] is not pairs:
            known = self._known[key] = pairs, self._made(method, pairs, in_session=in_session)
        return known[1]

    def _made(self, method: str, pairs: Pairs, *, in_session: bool) -> bytes:
        path = self.post_path if self.post_path is not None and method == "POST" else self.path
        accept = "text/event-stream" if method == "GET" else "application/json, text/event-stream"
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.endpoint.authority}",
            f"Accept: {accept}",
            "Accept-Encoding: identity",
        ]
        if method == "POST":
            lines.append("Content-Type: application/json")
        if in_session and self.session is not None:
            lines.append(f"Mcp-Session-Id: {self.session}")
        if in_session and self.version is not None:
            lines.append(f"MCP-Protocol-Version: {self.version}")
        lines += [f"{name}: {header_value(value)}" for name, value in pairs]
        return "\r\n".join((*lines, "")).encode("latin-1")


def _modern(request: Request, tools: Tools) -> bytes:
    """The headers that mirror a stateless message (MCP 2026-07-28, Streamable HTTP)."""
    params = request.params
    lines = [f"MCP-Protocol-Version: {header_value(request.version or '')}"]
    lines.append(f"Mcp-Method: {header_value(request.method or '')}")
    name = params.get(_NAMED.get(request.method or "", ""))
    if isinstance(name, str):
        lines.append(f"Mcp-Name: {mirrored(name)}")
    arguments = params.get("arguments")
    if request.method == "tools/call" and isinstance(arguments, dict):
        for argument, header in tools.mirrored.get(str(name), {}).items():
            value = arguments.get(argument)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                lines.append(f"Mcp-Param-{header}: {mirrored(text)}")
    return "\r\n".join((*lines, "")).encode("latin-1")


def mirrored(value: str) -> str:
    """A value of a message as a header value (MCP 2026-07-28: what does not fit goes in Base64)."""
    safe = value == value.strip() and all(" " <= c <= "~" for c in value)
    if safe and not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    from base64 import b64encode  # noqa: PLC0415  rare

    return f"=?base64?{b64encode(value.encode()).decode()}?="


def header_value(value: str) -> str:
    """The value, if HTTP allows it (RFC 9110 §5.5).  Raises ValueError, which never shows it."""
    if any(c in "\r\n\0" or ord(c) > _BYTE for c in value):
        raise ValueError("a header holds characters that HTTP does not allow")
    return value
