"""Headers and body have to say the same (2026-07-28)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mcpconf.gateway import headers
from mcpconf.gateway.http import Head
from mcpconf.gateway.messages import META

VERSION = "2026-07-28"


def fault(
    more: dict[str, str], *, method: str = "tools/call", name: str = "t", **arguments: Any
) -> Any:
    given = {"mcp-protocol-version": VERSION, "mcp-method": method, "mcp-name": name} | more
    raw = {k.encode(): v.encode() for k, v in given.items() if v != "-"}
    meta = {META + "protocolVersion": VERSION, META + "clientCapabilities": {}}
    params = {"name": name, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    mirrored: headers.Mirrored = {}
    tools = [
        {"name": "t", "inputSchema": {"properties": {"r": {"x-mcp-header": "Region"}, "n": 1}}}
    ]
    headers.learn(json.dumps({"result": {"tools": tools}}).encode(), mirrored)
    return headers.fault(Head(b"POST", b"/", raw, 0, keep_alive=True), message, mirrored)


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def test_what_fits() -> None:
    assert fault({}) is None
    assert fault({"mcp-param-region": "eu"}, r="eu") is None
    assert fault({"mcp-param-region": "7"}, r=7) is None
    assert fault({"mcp-param-region": "true"}, r=True) is None
    assert fault({"mcp-param-region": encoded("Zürich")}, r="Zürich") is None


@pytest.mark.parametrize(
    "more",
    [
        {"mcp-method": "tools/list"},
        {"mcp-method": "-"},
        {"mcp-name": "other"},
        {"mcp-name": "-"},
        {"mcp-protocol-version": "2027-01-01"},
        {"mcp-name": "=?base64?%%%?="},
    ],
)
def test_what_differs(more: dict[str, str]) -> None:
    assert fault(more)[0] == headers.MISMATCH


@pytest.mark.parametrize(
    ("header", "value"), [("us", "eu"), ("-", "eu"), ("eu", None), (encoded("us"), "eu")]
)
def test_parameters_that_differ(header: str, value: Any) -> None:
    assert fault({"mcp-param-region": header}, r=value)[0] == headers.MISMATCH


@pytest.mark.parametrize(
    "line",
    [b'{"result":{"tools":"x-mcp-header"}}', b"x-mcp-header", b'{"result":{"tools":[{"x-mcp-header":1}]}}',
     b'{"result":{"tools":[{"name":"t","inputSchema":{"properties":{"r":{"x-mcp-header":"a\\r\\nb"}}}}]}}'],
)  # fmt: skip
def test_hostile_lists_teach_nothing(line: bytes) -> None:
    mirrored: headers.Mirrored = {}
    headers.learn(line, mirrored)
    assert not any(mirrored.values())
