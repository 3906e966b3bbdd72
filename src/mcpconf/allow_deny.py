"""allowedMcpServers and deniedMcpServers: does policy let a server through (fact 24).

URL patterns were measured on the real client: pattern and URL are expanded, both are read as
WHATWG URLs, then compared part by part, and only ``*`` is special.  A pattern without a path
means any path, one without a port the scheme's own; one without a scheme matches nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import islice
from typing import NamedTuple
from weakref import WeakKeyDictionary

from mcpconf.expand import Variables, expand
from mcpconf.model import Reason, Server, Stdio
from mcpconf.names import a_labels
from mcpconf.origin import Origin
from mcpconf.readers.declared import Declared
from mcpconf.readers.settings import PolicyEntry, Settings


class Verdict(NamedTuple):
    """Whether policy lets a server through, and why."""

    allowed: bool
    because: Reason


def judge(server: Server, declared: Declared, *, allow_list: bool = True) -> Verdict:
    """Judge one server by the deny lists of all settings and by the allow list, if there is one."""
    policy = _policy(declared)
    entry = policy.denied.first(server)
    if entry:
        text = f"denied in {_file(entry.origin)}"
        return Verdict(allowed=False, because=Reason("policy.denied", text, entry.origin))
    if policy.allowed is None or not allow_list:
        return Verdict(allowed=True, because=Reason("scope.wins", "policy has nothing against it"))
    entry = policy.allowed.first(server, alone=True)
    if entry:
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


class _Policy(NamedTuple):
    """The lists of a configuration, read once for all its servers; ``of`` is their source."""

    of: tuple[tuple[Settings, ...], tuple[Settings, ...], bool]
    denied: _Entries
    allowed: _Entries | None


_policies: WeakKeyDictionary[Variables, _Policy] = WeakKeyDictionary()


def _policy(declared: Declared) -> _Policy:
    of = declared.settings, declared.managed_settings, declared.client.allow_needs_literal
    known = _policies.get(declared.variables)
    if known and all(a is b for a, b in zip(known.of, of, strict=True)):
        return known
    denied = (entry for settings in declared.settings for entry in settings.denied)
    policy = _Policy(of, _Entries(denied, declared.variables), _allow_list(declared))
    _policies[declared.variables] = policy
    return policy


def _allow_list(declared: Declared) -> _Entries | None:
    settings = declared.settings
    if any(s.managed_only for s in declared.managed_settings):
        settings = declared.managed_settings
    lists = [s.allowed for s in settings if s.allowed is not None]
    entries = [entry for entries in lists for entry in entries]
    strict = declared.client.allow_needs_literal
    void = {i for i, e in enumerate(entries) if strict and _wildcard_from_variable(e, declared)}
    return _Entries(entries, declared.variables, void) if lists else None


def _wildcard_from_variable(entry: PolicyEntry, declared: Declared) -> bool:
    """Tell whether a variable brings in the wildcard or the scheme: 2.1.328 allows nothing then."""
    if entry.url is None or "${" not in entry.url:
        return False
    names = expand(entry.url, declared.variables).variables
    brings = any("*" in (declared.variables.get(n) or "") for n in names)
    return brings or "${" in entry.url.partition("://")[0]


def _file(origin: Origin) -> str:
    return origin.source.path.rpartition("/")[2]


_Place = tuple[int, PolicyEntry]


class _Entries:
    """A list of policy, in its order: each entry is expanded and parsed once, and found by hash.

    Those whose index is in ``void`` let nobody through, but count as entries of their kind.
    """

    def __init__(
        self, entries: Iterable[PolicyEntry], variables: Variables, void: Container[int] = ()
    ) -> None:
        self._names: dict[str, _Place] = {}
        self._commands: dict[tuple[str, ...], _Place] = {}
        self._urls = _Patterns()
        self._kinds: set[str] = set()
        for place in enumerate(entries):
            index, entry = place
            if entry.name is not None:
                self._names.setdefault(entry.name, place)
            elif entry.command is not None:
                self._kinds.add("command")
                words = tuple(expand(w, variables).reveal() for w in entry.command)
                self._commands.setdefault(words, place)
            elif entry.url is not None:
                self._kinds.add("url")
                if index not in void:
                    self._urls.add(expand(entry.url, variables).reveal(), place)

    def first(self, server: Server, *, alone: bool = False) -> PolicyEntry | None:
        """Find the first entry that fits.

        ``alone``: URL entries decide alone for remote servers, command entries for local ones.
        """
        transport = server.transport
        if isinstance(transport, Stdio):
            words = (transport.command, *transport.args)
            special = self._commands.get(tuple(w.reveal() for w in words))
            kind = "command"
        else:
            special = self._urls.first(transport.url.reveal())
            kind = "url"
        named = None if alone and kind in self._kinds else self._names.get(server.name)
        found = [place for place in (special, named) if place]
        return min(found, key=_index)[1] if found else None


def _index(place: _Place) -> int:
    return place[0]


class _Pattern(NamedTuple):
    """A URL pattern, parsed.  ``port`` "" is the scheme's own, or any if the host holds a `*`."""

    place: _Place
    scheme: str
    host: _Glob
    port: _Glob
    path: _Glob | None

    def fits(self, given: _Parts) -> bool:
        """Compare with a URL, part by part (measured, see the module)."""
        return (
            self.scheme in ("*", given.scheme)
            and self.host.fits(given.host)
            and (
                self.port.fits(given.port)
                or (self.port == _ANY_PORT and self.host.tail is not None)
            )
            and (self.path is None or self.path.fits(given.path or "/"))
        )


class _Patterns:
    """URL patterns, those of a plain host by their host."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._hosts: dict[str, list[_Pattern]] = {}
        self._wild: list[_Pattern] = []
        self._all: _Place | None = None

    def add(self, text: str, place: _Place) -> None:
        if text in self._seen:
            return
        self._seen.add(text)
        if text == "*":
            self._all = place
        parts = _parts(text)
        if parts is None:
            return
        path = None if parts.path is None else _glob(parts.path)
        pattern = _Pattern(place, parts.scheme, _glob(parts.host), _glob(parts.port), path)
        plain = pattern.host.tail is None
        (self._hosts.setdefault(parts.host, []) if plain else self._wild).append(pattern)

    def first(self, url: str) -> _Place | None:
        given = _parts(url)
        found = [self._all] if self._all else []
        if given:
            for patterns in (self._hosts.get(given.host, ()), self._wild):
                found += islice((p.place for p in patterns if p.fits(given)), 1)
        return min(found, key=_index, default=None)


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
        host = a_labels(host)
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


class _Glob(NamedTuple):
    """A text in which only ``*`` is special; ``tail`` is None where there is none."""

    head: str
    middle: tuple[str, ...] = ()
    tail: str | None = None

    def fits(self, text: str) -> bool:
        """Match in linear time: each piece is looked for behind the last."""
        if self.tail is None:
            return self.head == text
        if not text.startswith(self.head) or not text.endswith(self.tail):
            return False
        at, end = len(self.head), len(text) - len(self.tail)
        for piece in self.middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end


_ANY_PORT = _Glob("")


def _glob(pattern: str) -> _Glob:
    head, *pieces = pattern.split("*")
    if not pieces:
        return _Glob(head)
    return _Glob(head, tuple(filter(None, pieces[:-1])), pieces[-1])
