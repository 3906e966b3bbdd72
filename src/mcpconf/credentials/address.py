"""Which login belongs to which server: the key is the server's URL, in one spelling.

Two projects, or two names, with the same URL share a login.  The spelling is that of RFC 8707 and
RFC 3986 §6.2: scheme and host in lower case, no default port, no fragment, ``/`` for no path; the
path and the query stay, because another path may be another resource.  User information never
takes part, and neither does what else the entry says: a changed header orphans no login here.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from mcpconf.model import sha256_hex

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SECURE = ("https", "wss")
_LENGTH = 32
_OCTETS = 4


class Address(NamedTuple):
    """A server that one can log in to: its URL in one spelling, and the id of its login."""

    url: str
    id: str


def address(url: str) -> Address | None:
    """Return the address of a URL; None if it is not one of a server."""
    try:
        parts = urlsplit(url.strip())
        place = _place(parts)
    except ValueError:
        return None
    if not place:
        return None
    query = f"?{parts.query}" if parts.query else ""
    canonical = f"{parts.scheme.lower()}://{place}{parts.path or '/'}{query}"
    return Address(canonical, sha256_hex(canonical)[:_LENGTH])


def origin(url: str) -> str:
    """Return scheme, host and port; "" if it is no URL of a server."""
    found = address(url)
    if found is None:
        return ""
    parts = urlsplit(found.url)
    return f"{parts.scheme}://{parts.netloc}"


def is_safe(url: str) -> bool:
    """Tell whether a secret may be sent there: TLS, or this machine (OAuth 2.1 §1.5)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in _SECURE or (parts.scheme in _PORTS and is_near(host))


def is_near(host: str) -> bool:
    """Tell whether a host name or address is this machine whatever a resolver says (RFC 6761)."""
    octets = host.split(".")
    is_ipv4 = len(octets) == _OCTETS and all(o.isascii() and o.isdigit() for o in octets)
    named = host == "localhost" or host.endswith(".localhost")
    return named or host == "::1" or (is_ipv4 and octets[0] == "127")


def _place(parts: SplitResult) -> str:
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").lower().rstrip(".")
    if scheme not in _PORTS or not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    port = parts.port
    return shown if port in (None, _PORTS[scheme]) else f"{shown}:{port}"
