"""Where a server listens."""

from __future__ import annotations


class Endpoint:
    """Where a server listens: ``http``, ``https`` or ``unix``, and the path of its MCP endpoint."""

    __slots__ = ("authority", "host", "path", "port", "scheme", "socket")

    def __init__(  # noqa: PLR0913  the parts of a URL
        self,
        scheme: str,
        host: str,
        port: int,
        path: str,
        *,
        socket: str = "",
        authority: str = "",
    ) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.socket = socket
        shown = f"[{host}]" if ":" in host else host
        standard = port == (443 if scheme == "https" else 80)
        self.authority = authority or (shown if standard else f"{shown}:{port}")

    def __str__(self) -> str:
        return (
            f"unix:{self.socket}" if self.scheme == "unix" else f"{self.scheme}://{self.authority}"
        )

    def same(self, other: Endpoint) -> bool:
        """Whether two endpoints are one."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)


def parse_endpoint(url: str) -> Endpoint:
    """Read ``http://…``, ``https://…`` or ``unix:/path.sock:/mcp``.

    Raises:
        ValueError: it is none of these; the message says what is wrong, never the URL.

    """
    path, inside = "", url
    if url.startswith("unix:"):  # a file's name, which may hold what no URL does
        path, _, inside = url[5:].rpartition(":")
    if not (path + inside).isprintable() or not inside.isascii() or " " in inside:
        raise ValueError("the URL holds characters that no URL has")
    if url.startswith("unix:"):
        if not path.startswith("/") or not inside.startswith("/"):
            raise ValueError("write unix:/path/of.sock:/mcp")
        return Endpoint("unix", "localhost", 80, inside, socket=path, authority="localhost")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        raise ValueError("the URL does not begin with http:// or https://")
    cut = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:].partition("#")[0]
    if "@" in authority:
        raise ValueError("the URL holds a user name or password")
    host, port = _host_and_port(authority, 443 if scheme == "https" else 80)
    return Endpoint(scheme, host, port, path if path.startswith("/") else "/" + path)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError("the URL's address is not closed with `]`")
        port = tail[1:]
    else:
        host, _, port = authority.partition(":")
    if not host:
        raise ValueError("the URL has no host")
    if port and not (port.isdigit() and 0 < int(port) < 65536):  # noqa: PLR2004
        raise ValueError("the URL's port is not a number from 1 to 65535")
    return host.lower(), int(port or default)


def same_origin_path(endpoint: Endpoint, location: str) -> str | None:
    """The path of a redirect that stays with the same server; None where it leaves it."""
    if location.startswith("//"):
        location = f"{endpoint.scheme}:{location}"
    elif location.startswith("/"):
        path = location.partition("#")[0]
        return path if path.isascii() and path.isprintable() and " " not in path else None
    if "://" not in location:
        base = endpoint.path.partition("?")[0].rpartition("/")[0]
        return same_origin_path(endpoint, f"{base}/{location}") if location else None
    try:
        there = parse_endpoint(location)
    except ValueError:
        return None
    mine = endpoint.scheme, endpoint.host, endpoint.port
    return there.path if (there.scheme, there.host, there.port) == mine else None
