"""What Claude Code prints for a cause, where it connects itself (docs/client.md, facts 47 to 56).

``claude mcp list`` of 2.1.197 prints the status only; the text behind the dash is 2.1.328's.  The
session's status is the one in its init event.  What was not measured is not in here.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.diagnosis.judge.report import About
from mcpconf.diagnosis.model import Shows

FAILED, LOGIN, CONNECTED = "✘ Failed to connect", "! Needs authentication", "✔ Connected"
NO_TOOLS = "! Connected · tools fetch failed"
_REJECTED = (
    "Server rejected the configured Authorization header (HTTP {status}). Check that the token is"
    " valid for this MCP endpoint — OAuth fallback is disabled when headers.Authorization is set."
)
_CLOSED = "ECONNRESET: The socket connection was closed unexpectedly."
_HANDSHAKE = "EPROTO: The TLS handshake failed. Does the server speak TLS on this port?"
_CONTENT = "CLIENT_HTTP_UNEXPECTED_CONTENT: Unexpected content type: "


class _Row(NamedTuple):
    """The status, what 2.1.328 adds, the session; and what 2.1.197 has instead."""

    status: str
    text: str = ""
    session: str = "failed"
    old_status: str = ""
    old_session: str = ""


_TABLE = {
    "refused": _Row(
        FAILED, "ECONNREFUSED: Unable to connect. Is the computer able to access the url?"
    ),
    "no-name": _Row(FAILED, "ENOTFOUND: getaddrinfo ENOTFOUND {host}"),
    "self-signed": _Row(FAILED, "DEPTH_ZERO_SELF_SIGNED_CERT: self signed certificate"),
    "own-authority": _Row(
        FAILED, "SELF_SIGNED_CERT_IN_CHAIN: self signed certificate in certificate chain"
    ),
    "unknown-ca": _Row(
        FAILED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate"
    ),
    "expired": _Row(FAILED, "CERT_HAS_EXPIRED: certificate has expired"),
    "not-yet": _Row(FAILED, "CERT_NOT_YET_VALID: certificate is not yet valid"),
    "wrong-name": _Row(FAILED, "ERR_TLS_CERT_ALTNAME_INVALID: …"),
    "closed": _Row(FAILED, _CLOSED),
    "tls-port": _Row(FAILED, _CLOSED),
    "plain": _Row(FAILED, _HANDSHAKE),
    "handshake": _Row(FAILED, _HANDSHAKE),
    "not-http": _Row(FAILED, "Malformed_HTTP_Response: …"),
    "circle": _Row(FAILED, "TooManyRedirects: The response redirected too many times."),
    "failed": _Row(FAILED),
    "hang": _Row(FAILED, 'MCP server "{server}" connection timed out after {ms}ms', "pending"),
    "slow": _Row(CONNECTED, "", "pending"),
    "no-metadata": _Row(FAILED, "Dynamic Client Registration rejected (HTTP …): …"),
    "metadata-empty": _Row(FAILED, "Unexpected end of JSON input"),
    "metadata-html": _Row(FAILED, "JSON Parse error: Unrecognized token '<'"),
    "metadata-error": _Row(FAILED, "HTTP {status} trying to load OAuth metadata"),
    "login": _Row(LOGIN, "", "needs-auth"),
    "no-registration": _Row(
        FAILED, "Incompatible auth server: does not support dynamic client registration"
    ),
    "other-resource": _Row(
        FAILED, "Protected resource {resource}… does not match expected … (or origin)"
    ),
    "authorization": _Row(FAILED, _REJECTED),
    "scope": _Row(FAILED, 'Insufficient scope: required "{scope}"'),
    "not-found": _Row(
        FAILED, "MCP endpoint not found at {origin}. Check the URL in your MCP config."
    ),
    "status": _Row(FAILED, "HTTP {status}: Error POSTing to endpoint: …"),
    "content": _Row(FAILED, _CONTENT + "{media}"),
    "empty": _Row(FAILED, _CONTENT + "null"),
    "sse-status": _Row(FAILED, "HTTP {status}: SSE error: Non-200 status code ({status})"),
    "sse-content": _Row(
        FAILED, 'HTTP {status}: SSE error: Invalid content type, expected "text/event-stream"'
    ),
    "elsewhere": _Row(FAILED, "Endpoint origin does not match connection origin: …"),
    "old-transport": _Row(CONNECTED, "", "connected", FAILED, "failed"),
    "protocol": _Row(FAILED, "Server's protocol version is not supported: {version}"),
    "misfit": _Row(FAILED, "INVALID_RESULT: Invalid result for initialize: …"),
    "error": _Row(FAILED, "{code}: {said}"),
    "no-tools": _Row(NO_TOOLS, "{said}", "connected"),
    "tools-login": _Row(LOGIN, "", "connected"),
}


def shows(about: About, cause: str, **words: object) -> Shows | None:
    """Look up what the client prints; None behind the gateway, where it hears the bridge.

    ``cause`` is a key of the table above, ``words`` fill its gaps (escaped already).
    """
    if about.through_gateway or about.place == "gateway":
        return None
    row = _TABLE[cause]
    if about.old_client:
        return Shows(row.old_status or row.status, row.old_session or row.session)
    text = row.text.format(**words)
    return Shows(f"{row.status} — {text}" if text else row.status, row.session)
