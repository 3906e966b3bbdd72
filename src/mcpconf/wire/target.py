"""What is to be asked, from JSON; and the URL of each request."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urljoin, urlsplit

from mcpconf.wire.fault import MOST_BYTES, Fault
from mcpconf.wire.safe import Mask, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PORTS = {"https": 443, "http": 80}
_KEPT = "!$%&()*+,/:;=?@[]^|~'-._"  # what a URL's path keeps (WHATWG URL §1.3)
_KEPT_IN_QUERY = "!$%&()*+,/:;=?@[\\]^`{|}~-._"
_MODERN_SINCE = (2, 1, 300)
_SECONDS = 10.0
_SCHEMES_KNOWN = ("Bearer", "Basic", "Token", "Digest", "Apikey", "Negotiate")
_TOP = 65535
_PLACEHOLDER = re.compile(  # what documentation has where a key belongs
    r"(?i)<[^<>]*>|\{\{?[^{}]*\}?\}|\[[^\[\]]*\]|x{4,}|\*{3,}|\.{3,}|change[-_]?me|todo|placeholder"
    r"|(?:your|my|replace|insert|put|paste)[-_][\w-]+|[\w-]*(?:api[-_]?key|token|secret)[-_]here"
)


class Place:
    """Where a request goes: one origin and a path, with all that may not be shown."""

    __slots__ = ("host", "path", "port", "query", "scheme")

    def __init__(self, scheme: str, host: str, port: int, path: str, query: str) -> None:
        self.scheme, self.host, self.port, self.path, self.query = scheme, host, port, path, query

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The host as the ``Host`` header names it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def with_port(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def wanted(self) -> str:
        """Path and query, as the request line has them."""
        return self.path + (f"?{self.query}" if self.query else "")

    def at(self, path: str) -> Place:
        return Place(self.scheme, self.host, self.port, path, "")


def place_of(url: str) -> Place:
    """The place of an absolute URL.  Raises Fault ``url``."""
    try:
        parts = urlsplit(url.strip().translate(dict.fromkeys(map(ord, "\t\r\n"))))
        scheme, name = parts.scheme.lower(), (parts.hostname or "").lower()
        default = _PORTS[scheme]  # of another scheme nothing can be asked
        port = parts.port or default
        host = name if name.isascii() else name.encode("idna").decode("ascii")
    except (ValueError, KeyError, UnicodeError):
        raise Fault("url") from None
    if not host or not host.isprintable() or set(host) & set(' "<>\\^`{|}%') or port > _TOP:
        raise Fault("url")
    path = quote(parts.path or "/", safe=_KEPT, errors="replace")
    query = quote(parts.query, safe=_KEPT_IN_QUERY, errors="replace")
    return Place(scheme, host, port, path, query)


def onward(here: Place, location: str) -> Place:
    """Where a redirect leads.  Raises Fault ``url``."""
    try:
        base = f"{here.scheme}://{here.with_port}{here.wanted}"
        return place_of(urljoin(base, location))
    except ValueError:
        raise Fault("url") from None


class Target:
    """What is to be asked."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.url = str(given.get("url") or "")
        kind = str(given.get("type") or "http").lower()
        self.type = "http" if kind == "streamable-http" else kind
        self.headers = _headers(given)
        self.proxy = str(given.get("proxy") or "")
        ca = str(given.get("ca") or "")
        self.ca = os.environ.get("NODE_EXTRA_CA_CERTS", "") if ca == "env" else ca
        self.roots = str(given.get("roots") or "")
        seconds = given.get("seconds")
        self.seconds = float(seconds) if isinstance(seconds, (int, float)) else _SECONDS
        self.client = str(given.get("client") or "2.1.328")
        self.brief = bool(given.get("brief"))
        self.most = int(given.get("most") or MOST_BYTES)
        self.own_origin = bool(given.get("own_origin"))
        self.mask = Mask(self._secrets())

    @property
    def discovers(self) -> bool:
        """Whether this client begins with ``server/discover`` (fact 47)."""
        numbers = tuple(int(part) for part in self.client.split(".") if part.isdigit())
        return numbers >= _MODERN_SINCE

    @property
    def has_authorization(self) -> bool:
        return any(name.lower() == "authorization" for name in self.headers)

    def sent(self) -> list[dict[str, object]]:
        """The shape of each configured header."""
        return [
            {
                "name": printable(name, 60),
                "length": len(value.strip()),
                "scheme": _scheme(value),
                "looks": _looks(value),
                "unset": [printable(found[1], 60) for found in _REFERENCE.finditer(value)],
            }
            for name, value in self.headers.items()
        ]

    def _secrets(self) -> list[str]:
        found = [value for value in self.headers.values() if value]
        for url in (self.url, self.proxy):
            try:
                parts = urlsplit(url)
                found += [parts.query, parts.fragment, parts.username or "", parts.password or ""]
                found += [part for part in parts.path.split("/") if len(part) > 15]  # noqa: PLR2004
            except ValueError:
                found.append(url)
        return [text for text in found if text]


def _looks(value: str) -> str:
    """What is odd about a value, so that a server may refuse it; "" for nothing."""
    text = value.strip()
    words = text.split()
    if text[:1] in "\"'" and text[-1:] == text[:1] and len(text) > 1:
        return "quoted"
    if len(words) > 1 and words[0].lower() == words[1].lower() and _scheme(text):
        return "twice"
    return "placeholder" if words and _PLACEHOLDER.fullmatch(words[-1]) else ""


def _scheme(value: str) -> str:
    first = value.split(None, 1)[0].capitalize() if " " in value.strip() else ""
    return first if first in _SCHEMES_KNOWN else ""


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    found = {str(k): str(v) for k, v in dict(given.get("headers") or {}).items()}
    for name, text in dict(given.get("header_vars") or {}).items():
        found[str(name)] = expanded(str(text), os.environ)
    return found


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """``${NAME}`` and ``${NAME:-default}`` as the client expands them (facts 38, 39)."""

    def value(found: re.Match[str]) -> str:
        known = environ.get(found[1])
        if known is not None:
            return known
        return found[0] if found[2] is None else found[2]

    return _REFERENCE.sub(value, text)


def sendable(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers as HTTP may send them.  Raises Fault ``unsendable``, naming the first that may not.

    A value may have every byte but line ends and NUL; what is above Latin-1 no client sends.
    """
    pairs = []
    for name, value in headers.items():
        trimmed = value.strip(" \t\r\n")
        latin = all(ord(c) < 256 for c in trimmed)  # noqa: PLR2004
        if not _TOKEN.fullmatch(name) or not latin or set(trimmed) & set("\r\n\0"):
            raise Fault("unsendable", header=printable(name, 60))
        pairs.append((name, trimmed))
    return pairs
