r"""A URL, as the client would see it, and the hosts that a free text names.

Claude Code is a JavaScript program: what a URL of its configuration means is decided by the URL
Standard (https://url.spec.whatwg.org), not by RFC 3986.  ``http:\\2130706433`` is a request to
127.0.0.1, and so is ``http://%6c%6fcalhost``.  A reader of another school would whitelist one host
and let the client talk to another; so :func:`parse_url` follows the standard's states, and then is
stricter at the end: a host that no resolver could know is refused, although ``new URL`` takes it.

No message holds more of a URL than its host: the rest may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from mcpconf.names import (
    LONGEST_INPUT,
    Host,
    Problem,
    a_labels,
    ends_in_number,
    name_fault,
    quote,
    read_ipv4,
    read_ipv6,
)

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
LAST_PORT = 65535
LONGEST_URL = 8192  # RFC 9110 §4.1 asks servers for 8000; more is no address of a server

# Default ports of what a command line or a variable may name: IANA's service names, and what the
# drivers document where IANA is silent (MongoDB, NATS, Neo4j).  ClickHouse is not here because its
# drivers disagree (8123, 9000), S3 and its like because their “host” is a bucket.
SERVICES = SCHEMES | {
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mssql": 1433,
    "sqlserver": 1433,
    "mongodb": 27017,
    "mongodb+srv": 27017,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "mqtt": 1883,
    "mqtts": 8883,
    "nats": 4222,
    "bolt": 7687,
    "neo4j": 7687,
    "ldap": 389,
    "ldaps": 636,
    "ssh": 22,
    "sftp": 22,
    "git": 9418,
}
SEVERAL_HOSTS = {"mongodb", "postgres", "postgresql"}  # their drivers take `a:1,b:2`
LONGEST_TEXT = 65536
MOST_HOSTS = 20
MOST_CANDIDATES = 200  # so that a text of nothing but broken URLs costs nothing
LONGEST_SCHEME = 32
LONGEST_AUTHORITY = 2048

_C0_AND_SPACE = "".join(map(chr, range(0x21)))
_NOT_IN_A_URL = {0x09: None, 0x0A: None, 0x0D: None}
_AUTHORITY_ENDS = "/\\?#"
_WRITTEN_OUT = "write it out, as `https://mcp.example.com/mcp`"


class Url(NamedTuple):
    """What the client connects to.

    ``path`` is what it asks for, percent-encoded, without the query.  ``query_keys`` are foreign
    text; a parameter without ``=`` counts as "", because it may be a value.
    """

    scheme: str
    host: Host
    port: int
    path: str
    has_userinfo: bool
    query_keys: tuple[str, ...]


def parse_url(text: str) -> Url | Problem:
    """Read the URL of a server."""
    if len(text) > LONGEST_URL:
        return Problem(f"the URL has {len(text)} characters, more than servers take")
    scheme, rest = _scheme(_clean(text))
    if scheme not in SCHEMES:
        return _not_reachable(scheme, rest)
    end = min((rest.find(char) for char in _AUTHORITY_ENDS if char in rest), default=len(rest))
    user, at, place = rest[:end].rpartition("@")
    host_text, port_text = _host_and_port(place)
    if not host_text:
        return Problem("the URL names no host", _WRITTEN_OUT)
    host = read_host(host_text)
    if isinstance(host, Problem):
        return host
    port = _port(port_text, SCHEMES[scheme])
    if port == 0:
        return Problem(f"the URL's port is not a number from 1 to {LAST_PORT}")
    path, _, query = rest[end:].partition("#")[0].partition("?")
    return Url(scheme, host, port, _path(path), bool(at) and user not in {"", ":"}, _keys(query))


def is_plain_url(text: str, url: Url) -> bool:
    r"""Tell whether every program reads the same host in a URL: RFC 3986 and WHATWG alike.

    ``http://a.example\@127.0.0.1/`` is one host to a browser and another to most libraries, so
    nothing that is read in two ways is passed on.
    """
    text = text.strip()
    if any(c in text for c in "\\\t\r\n"):
        return False
    rest = text if url.scheme == "http" and "://" not in text else text.partition("://")[2]
    cut = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    place = rest[:cut].rpartition("@")[2]
    host, _ = _host_and_port(place)
    return rest[:cut].count("@") <= 1 and read_host(host) == url.host


def _clean(text: str) -> str:
    """Do what the standard does before its first state (§4.4); lone surrogates become U+FFFD."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.strip(_C0_AND_SPACE).translate(_NOT_IN_A_URL)


def _scheme(text: str) -> tuple[str, str]:
    """Split a URL behind its scheme; behind any number of slashes, where they are many or none.

    ``localhost:8080/mcp`` has the scheme ``localhost`` by the letter.  The client's ``fetch``
    connects to it all the same (measured, Claude Code 2.1.197 and 2.1.328).
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme == "localhost" and rest[:1].isascii() and rest[:1].isdigit():
        return "http", text
    if not colon or not _scheme_form().fullmatch(scheme):
        return "", text
    return scheme, rest.lstrip("/\\") if scheme in SCHEMES else rest


@cache
def _scheme_form() -> re.Pattern[str]:
    return re.compile(r"[a-z][a-z0-9+.-]*")


def _not_reachable(scheme: str, rest: str) -> Problem:
    if scheme and rest.startswith("//"):
        known = "only http, https, ws and wss reach a server"
        return Problem(f"{known}, not {quote(scheme)}", _WRITTEN_OUT)
    return Problem("the URL does not begin with `https://`", _WRITTEN_OUT)


def _host_and_port(place: str) -> tuple[str, str]:
    head, bracket, tail = place.rpartition("]")
    host, _, port = tail.partition(":")
    return head + bracket + host, port


def _port(text: str, default: int) -> int:
    """Return the port; 0 when the text is none."""
    if not text:
        return default
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or len(digits) > 5:  # noqa: PLR2004
        return 0
    port = int(digits or "0")
    return port if port <= LAST_PORT else 0


def read_host(text: str) -> Host | Problem:
    """Read a host as the client does (WHATWG URL §3.5), and refuse what no resolver can know."""
    if "${" in text:
        help_ = "set the variable, or give it a default: `${NAME:-value}`"
        return Problem(f"the host {quote(text)} holds a variable that is not set", help_)
    if len(text) > LONGEST_INPUT:
        return Problem(f"the host has {len(text)} characters, more than any name")
    if text.startswith("["):
        address = read_ipv6(text[1:-1]) if text.endswith("]") else ""
        return Host(address) if address else Problem(f"{quote(text)} is no IPv6 address")
    name = a_labels(_decoded(text))
    if ends_in_number(name):
        address = read_ipv4(name)
        return Host(address) if address else Problem(f"{quote(text)} is no IPv4 address")
    name = name.removesuffix(".")
    if not name:
        return Problem(f"{quote(text)} is no name of a host")
    fault = name_fault(name)
    return Problem(f"{quote(text)} {fault}") if fault else Host(name)


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415

    return unquote(text)


def _path(raw: str) -> str:
    """Return the path that is asked for: dots resolved, the rest percent-encoded (§4.4)."""
    done: list[str] = []
    steps = raw.replace("\\", "/").split("/")[1:]
    for step in steps:
        plain = step.lower().replace("%2e", ".")
        if plain == "..":
            del done[-1:]
        elif plain != ".":
            done.append(step)
    if steps and steps[-1].lower().replace("%2e", ".") in {".", ".."}:
        done.append("")
    return "/" + "".join(_encoded(char) for char in "/".join(done))


def _encoded(char: str) -> str:
    if 0x20 < ord(char) < 0x7F and char not in '"#<>?^`{}':  # noqa: PLR2004
        return char
    return "".join(f"%{byte:02X}" for byte in char.encode())


def _keys(query: str) -> tuple[str, ...]:
    items = [item.partition("=") for item in query.split("&") if item]
    names = [_decoded(name.replace("+", " ")) if equals else "" for name, equals, _ in items]
    return tuple(dict.fromkeys(names))


def hosts_in_text(text: str) -> tuple[tuple[Host, int], ...]:
    """Find the ``(host, port)`` pairs of the URLs in an argument or the value of a variable.

    What has neither a port nor a scheme that stands for one is left out, and so is whatever is not
    plainly a host.  Near ones are in: the caller sorts them out.
    """
    found: dict[tuple[Host, int], None] = {}
    for scheme, authority in _candidates(text[:LONGEST_TEXT]):
        for pair in _places(scheme, authority):
            found[pair] = None
        if len(found) >= MOST_HOSTS:
            break
    return tuple(found)[:MOST_HOSTS]


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before and behind each ``://``."""
    at = -1
    for _ in range(MOST_CANDIDATES):
        at = text.find("://", at + 1)
        if at < 0:
            return
        before = _scheme_behind().search(text[max(0, at - LONGEST_SCHEME) : at].lower())
        behind = _authority().match(text, at + 3, at + 3 + LONGEST_AUTHORITY)
        if before and behind:
            yield before[0], behind[0]


# Each of these is one class of characters, repeated once: there is nothing to track back to.
@cache
def _scheme_behind() -> re.Pattern[str]:
    return re.compile(r"[a-z][a-z0-9+.-]*\Z")


@cache
def _authority() -> re.Pattern[str]:
    return re.compile(r"""[^/\\?# \t\n\r\x0b\x0c">`]+""")


@cache
def _ends_of_host() -> re.Pattern[str]:
    return re.compile(r"""[)\]},;'|&]""")


def _places(scheme: str, authority: str) -> Iterator[tuple[Host, int]]:
    several = scheme.partition("+")[0] in SEVERAL_HOSTS
    place = authority.rpartition("@")[2]
    for one in place.split(",") if several else [place]:
        head, bracket, tail = one.rpartition("]") if one.startswith("[") else ("", "", one)
        name, colon, port_text = _ends_of_host().split(tail, maxsplit=1)[0].partition(":")
        host = read_host(head + bracket + name)
        port = _port(port_text, _usual_port(scheme))
        # `a,https://b`: what stands before that second colon is a scheme, not a host.
        if not isinstance(host, Problem) and port and not (several and colon and not port_text):
            yield host, port


def _usual_port(scheme: str) -> int:
    """Return the port of ``https``, of ``git+https`` and of ``postgresql+asyncpg``; 0 if none."""
    names = scheme, scheme.rpartition("+")[2], scheme.partition("+")[0]
    return next((SERVICES[name] for name in names if name in SERVICES), 0)
