"""What went wrong on the way to a server: the closed table of codes, and its words.

Trouble is told to the client as a JSON-RPC error, never as 401 or 403 of HTTP: Claude Code would
begin an OAuth dance (fact 50).  ``retry`` means that the server may come yet; ``delivered`` False
is a proof that the request did not reach it, so that it may be sent again; None: nobody knows.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from mcpconf.names import quote


class Trouble(NamedTuple):
    """One cause.  ``text`` is a sentence without the server's name, and holds no secret."""

    code: str
    text: str
    retry: bool = False
    delivered: bool | None = None


_TABLE: dict[str, tuple[str, bool, bool | None]] = {
    "unreachable": ("nothing answers at its address", True, False),
    "timeout": ("it did not answer in time", True, None),
    "tls": ("its certificate or its TLS is not accepted", False, False),
    "dns": ("its name is not known to the resolver", True, False),
    "refused-login": ("it refuses the credentials that are configured", False, False),
    "login-needed": ("it wants a login", False, False),
    "login-expired": ("the login has expired", False, False),
    "step-up": ("it wants a login with more rights", False, False),
    "not-mcp": ("what answers at its address is not an MCP server", False, None),
    "redirected": ("it redirects to another origin", False, False),
    "compressed": ("it sent a compressed answer, which was not asked for", False, None),
    "too-big": ("a message is larger than 64 MB", False, None),
    "http-status": ("it answered with an HTTP error", False, None),
    "session-lost": ("it has forgotten the session", True, None),
    "server-exited": ("the server has exited", False, None),
    "server-silent": ("the server does not answer", True, None),
    "server-garbage": ("the server writes something else than MCP to its output", False, None),
    "spawn-failed": ("the server could not be started", False, False),
    "stale-route": ("its configuration has changed since the last sync", False, False),
    "secret-missing": ("a secret that it needs is not there", False, False),
    "helper-failed": ("its headersHelper did not work", False, False),
    "unknown-server": ("this project has no such server behind the gateway", False, False),
    "shutting-down": ("the gateway is shutting down", True, None),
    "protocol": ("the message is not what the protocol allows", False, False),
}
CODES = frozenset(_TABLE)
_CUT = 400  # characters of a text that others wrote


def trouble(
    code: str, text: str = "", *, retry: bool | None = None, delivered: bool | None = None
) -> Trouble:
    """The trouble of a code; ``text`` says it more exactly than the table."""
    sentence, again, sent = _TABLE.get(code) or _TABLE["unreachable"]
    return Trouble(
        code,
        text or sentence,
        again if retry is None else retry,
        sent if delivered is None else delivered,
    )


def error_line(name: str, server: str, key: bytes, cause: Trouble) -> bytes:
    """The JSON-RPC error that tells the client; ``key`` is the request's id as JSON."""
    shown = quote(name).strip("`")
    text = cause.text[:_CUT]
    if "run `mcpconf " not in text:  # else it says already what to do
        sync = "`mcpconf sync`, then " if cause.code == "stale-route" else ""
        text += f"; run {sync}`mcpconf explain {shown}`"
    error = {
        "code": -32000,
        "message": f"{shown}: {text}",
        "data": {
            "mcpconf": {
                "code": cause.code,
                "server": server,
                "retry": cause.retry,
                "delivered": cause.delivered,
            }
        },
    }
    return rpc_error(key, error)


def rpc_error(key: bytes, error: dict[str, object]) -> bytes:
    """A JSON-RPC error message."""
    text = json.dumps(error, separators=(",", ":")).encode()
    return b'{"jsonrpc":"2.0","id":' + key + b',"error":' + text + b"}"


def plain_error(code: int, message: str, key: bytes = b"null") -> bytes:
    """A JSON-RPC error that has nothing to do with a server's state."""
    return rpc_error(key, {"code": code, "message": message})
