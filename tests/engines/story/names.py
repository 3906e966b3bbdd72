"""Where what stands in is, and what of the host must never be seen inside."""

from __future__ import annotations

LINK = "10.98.0.1", "10.98.0.2"  # the engine's machine, the machine with the servers
API, CONTEXT7, ATLASSIAN = "45.66.80.10", "45.66.80.11", "45.66.80.12"
ADDRESSES = {
    "api.anthropic.com": API,
    "mcp.context7.com": CONTEXT7,
    "mcp.atlassian.com": ATLASSIAN,
}
SERVERS = ("exa", "context7", "atlassian", "ray")
RAY_PORT = 2411
GATEWAY_PORT = 8822  # the usual one is taken on the engine's machine
TOOL = "echo"

CORE = "s3cr3t-planted-0f-the-h0st"
"""In every secret of the host; what is searched for inside."""


def planted(what: str) -> str:
    return f"{CORE}-{what}"
