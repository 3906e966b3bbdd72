"""allowedMcpServers and deniedMcpServers: does policy let a server through (fact 24).

URL patterns were measured on the real client: pattern and URL are expanded, both are read as
WHATWG URLs, then compared part by part, and only ``*`` is special.  A pattern without a path
means any path, one without a port the scheme's own; one without a scheme matches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mcpconf.model import Reason, Server, Stdio
from mcpconf.origin import Origin
from mcpconf.readers.declared import Declared
from mcpconf.readers.expand import Variables, expand
from mcpconf.readers.settings import PolicyEntry


class Verdict(NamedTuple):
    """Whether policy lets a server through, and why."""

    allowed: bool
    because: Reason


def judge(server: Server, declared: Declared, *, allow_list: bool = True) -> Verdict:
    """Judge one server by the deny lists of all settings and by the allow list, if there is one."""
    for settings in declared.settings:
        for entry in settings.denied:
            if _matches(entry, server, declared.variables):
                text = f"denied in {_file(entry.origin)}"
                return Verdict(allowed=False, because=Reason("policy.denied", text, entry.origin))
    allowed = _allow_list(declared) if allow_list else None
    if allowed is None:
        return Verdict(allowed=True, because=Reason("scope.wins", "policy has nothing against it"))
    for entry in _relevant(allowed, server):
        if declared.client.allow_needs_literal and _wildcard_from_variable(entry, declared):
            continue
        if _matches(entry, server, declared.variables):
            text = f"allowed in {_file(entry.origin)}"
            return Verdict(allowed=True, because=Reason("scope.wins", text, entry.origin))
    first = next(s for s in declared.settings if s.allowed is not None)
    return Verdict(
        allowed=False,
        because=Reason(
            "policy.not-allowed",
            f"there is an allow list in {_file(first.origin)}, and it is not on it",
            first.origin.at("allowedMcpServers"),
        ),
    )


def _wildcard_from_variable(entry: PolicyEntry, declared: Declared) -> bool:
    """Tell whether a variable brings in the wildcard or the scheme: 2.1.328 allows nothing then."""
    if entry.url is None or "${" not in entry.url:
        return False
    names = expand(entry.url, declared.variables).variables
    brings = any("*" in (declared.variables.get(n) or "") for n in names)
    return brings or "${" in entry.url.partition("://")[0]


def _file(origin: Origin) -> str:
    return origin.source.path.rpartition("/")[2]


def _allow_list(declared: Declared) -> Sequence[PolicyEntry] | None:
    settings = declared.settings
    if any(s.managed_only for s in declared.managed_settings):
        settings = declared.managed_settings
    lists = [s.allowed for s in settings if s.allowed is not None]
    return [entry for entries in lists for entry in entries] if lists else None


def _relevant(entries: Sequence[PolicyEntry], server: Server) -> Sequence[PolicyEntry]:
    """URL entries decide alone for remote servers, command entries alone for local ones."""
    if isinstance(server.transport, Stdio):
        special = [e for e in entries if e.command is not None]
    else:
        special = [e for e in entries if e.url is not None]
    return special or [e for e in entries if e.name is not None]


def _matches(entry: PolicyEntry, server: Server, variables: Variables) -> bool:
    transport = server.transport
    if entry.name is not None:
        return entry.name == server.name
    if isinstance(transport, Stdio):
        words = (transport.command, *transport.args)
        wanted = tuple(expand(w, variables).reveal() for w in entry.command or ())
        return wanted == tuple(w.reveal() for w in words)
    if entry.url is None:
        return False
    return url_matches(expand(entry.url, variables).reveal(), transport.url.reveal())


def url_matches(pattern: str, url: str) -> bool:
    """Compare a URL with a pattern, part by part; both expanded (measured, see the module)."""
    if pattern == "*":
        return True
    wanted, given = _parts(pattern), _parts(url)
    if wanted is None or given is None:
        return False
    return (
        wanted.scheme in ("*", given.scheme)
        and _glob(wanted.host, given.host)
        and (_glob(wanted.port, given.port) if wanted.port else _any_port(wanted, given))
        and (wanted.path is None or _glob(wanted.path, given.path or "/"))
    )


def _any_port(wanted: _Parts, given: _Parts) -> bool:
    """Without a port a pattern means the scheme's own, or any if its host holds a `*`."""
    return "*" in wanted.host or not given.port


class _Parts(NamedTuple):
    scheme: str
    host: str
    port: str
    path: str | None


# C0 controls and blanks, which WHATWG takes off both ends.
_STRIPPED = "".join(map(chr, range(0x21)))
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def _parts(text: str) -> _Parts | None:
    """Read a URL or pattern as WHATWG does; the scheme's own port reads as ""."""
    text = "".join(c for c in text.strip(_STRIPPED) if c not in "\t\r\n")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    slashes = rest.replace("\\", "/") if scheme in _PORTS else rest
    if not colon or not (slashes.startswith("//") or scheme in _PORTS):
        return None
    rest = slashes.lstrip("/") if scheme in _PORTS else slashes[2:]
    rest = rest.partition("#")[0]
    cut = min((i for i in map(rest.find, "/?") if i >= 0), default=len(rest))
    host, port = _host_and_port(rest[:cut].rpartition("@")[2])
    if not host or (scheme != "*" and not scheme.replace("+", "a").isalnum()):
        return None
    path = _clean(rest[cut:]) if rest[cut:] else None
    return _Parts(scheme, host, "" if port == _PORTS.get(scheme) else port, path)


def _host_and_port(authority: str) -> tuple[str, str]:
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    host = host.lower().rstrip(".")
    if not host.isascii():
        host = host.encode("idna", "ignore").decode("ascii") if len(host) < 64 else host  # noqa: PLR2004
    return host, port


def _clean(path: str) -> str:
    """Resolve ``.`` and ``..`` in the path; the query stays as it is."""
    path, question, query = path.replace("\\", "/").partition("?")
    kept: list[str] = []
    segments = path.split("/")[1:]
    for i, segment in enumerate(segments):
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
        if segment in (".", "..") and i == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept) + question + query


def _glob(pattern: str, text: str) -> bool:
    """Match with ``*`` only, in linear time: each piece is looked for behind the last."""
    head, *pieces = pattern.split("*")
    if not pieces:
        return pattern == text
    *middle, tail = pieces
    if not text.startswith(head) or not text.endswith(tail):
        return False
    at, end = len(head), len(text) - len(tail)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end
