"""What planning starts from and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.contract import Egress, GatewayAddress, Ref, Route, Routes
from mcpconf.expand import Variables
from mcpconf.findings import Finding
from mcpconf.model import BRIDGE, Classified, Json, Reason, Remote, Server, Text
from mcpconf.names import is_visible, quote
from mcpconf.origin import Origin
from mcpconf.readers.catalogue import Catalogue
from mcpconf.readers.policy import Policy
from mcpconf.readers.policy_file import ServerPolicy

_LONGEST_NAME = 200


class Site(NamedTuple):
    """Where the plan is for.

    ``project`` is the launch directory; ``roots`` are the directories that the container has at
    the same path as the host; ``home`` is the user's home on the host; ``programs`` are what the
    container can start by name.
    """

    project: str
    roots: tuple[str, ...]
    home: str
    client: str
    programs: frozenset[str]
    gateway: GatewayAddress


class Terms(NamedTuple):
    """Everything a server is planned with."""

    site: Site
    policy: Policy
    catalogue: Catalogue
    variables: Variables
    accepted: Mapping[str, str] = {}  # digests under which project servers got a route
    project_plugins: frozenset[str] = frozenset()  # those that only the project switches on

    def policy_of(self, server: Server) -> ServerPolicy:
        """What holds for one server."""
        return self.policy.of(server.name, cloned=server.cloned)

    def trusts(self, server: Server) -> bool:
        """Whether the user trusted this entry, as it is written now, to act on the host."""
        return any(t.name == server.name and t.digest == server.digest for t in self.policy.trust)

    def trusted_before(self, server: Server) -> bool:
        """Whether the user trusted another text under this name."""
        return not self.trusts(server) and any(t.name == server.name for t in self.policy.trust)


class Need(NamedTuple):
    """A host that a server in the container talks to, and why."""

    host: str
    port: int
    because: Reason


class Planned(NamedTuple):
    """Everything that follows from one server.

    ``entry`` is what the container's mcp.json gets, None if nothing; ``runners`` are the package
    runners it uses there, whose registries must be open.
    """

    classified: Classified
    entry: dict[str, Json] | None
    because: tuple[Reason, ...]
    needs: tuple[Need, ...] = ()
    runners: tuple[str, ...] = ()
    route: Route | None = None
    findings: tuple[Finding, ...] = ()


class Plan(NamedTuple):
    """The whole plan."""

    servers: tuple[Planned, ...]
    egress: Egress
    routes: Routes
    findings: tuple[Finding, ...]


def nothing(classified: Classified, why: str, *findings: Finding) -> Planned:
    """Leave a server out of the container."""
    return Planned(classified, None, (Reason("entry.none", why),), findings=findings)


def unsafe_name(name: str) -> str:
    """Why a name may not stand in the container's files, in one clause; "" if it may."""
    if len(name) > _LONGEST_NAME:
        return f"is longer than {_LONGEST_NAME} characters"
    for character in name:
        if character in "\"'`\\<>":
            return f"holds the character {character!a}"
        if character != " " and not is_visible(character):
            return f"holds the character {character!a}"
    return ""


def behind_gateway(
    classified: Classified,
    terms: Terms,
    reasons: tuple[Reason, ...],
    findings: tuple[Finding, ...] = (),
) -> Planned:
    """Reach a server through the bridge and the gateway."""
    server = classified.server
    remote = classified.remote
    waits = _waits_for_trust(classified, terms)
    if waits:
        return nothing(classified, waits.message, waits)
    entry_reason = Reason(
        "entry.gateway", "the bridge in the container goes through the gateway on the host"
    )
    return Planned(
        classified,
        entry=bridge_entry(server, [server.id]),
        because=(entry_reason, *reasons),
        route=_process(server, terms, reasons)
        if remote is None
        else _upstream(classified, remote, terms, reasons),
        findings=findings,
    )


def _waits_for_trust(classified: Classified, terms: Terms) -> Finding | None:
    """What came with a project or plugin and makes the host act waits for the user's look.

    A headersHelper is a command that the host runs.  And an entry that had a route in the last
    sync and reads differently now may have been changed by whoever works in the container.
    """
    server, remote = classified.server, classified.remote
    if not server.cloned or terms.trusts(server):
        return None
    way = f"look at the entry, then: mcpconf trust {shell_word(server.name)}"
    if remote is not None and remote.headers_helper is not None:
        text = f"{quote(server.name)} is left out: its headersHelper is a command on your machine"
        notes = ("it came with the project or a plugin, and you have not trusted it",)
        return Finding("MC060", text, server.origin.at("headersHelper"), notes, (way,))
    before = terms.accepted.get(server.name)
    if before is not None and before != server.digest:
        text = f"{quote(server.name)} is left out: it has changed since it got its route"
        notes = ("its route acts on your machine, and the project's files can be changed inside",)
        return Finding("MC065", text, server.origin, notes, (way,))
    return None


def shell_word(name: str) -> str:
    """A name as one may paste it into a shell; NAME where that is not plain."""
    plain = name and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    return name if plain and not name.startswith("-") else "NAME"


def bridge_entry(server: Server, args: list[str]) -> dict[str, Json]:
    """The entry that starts the bridge; the user's time-out and alwaysLoad stay."""
    listed: list[Json] = [*args]
    return {"type": "stdio", "command": BRIDGE, "args": listed, **server.options}


def _process(server: Server, terms: Terms, reasons: tuple[Reason, ...]) -> Route:
    del terms
    return Route(
        server=server.id,
        name=server.name,
        kind="stdio",
        transport="stdio",
        digest=server.digest,
        entry=_ref(server.origin),
        because=tuple(r.text for r in reasons),
    )


def _upstream(
    classified: Classified, remote: Remote, terms: Terms, reasons: tuple[Reason, ...]
) -> Route:
    from mcpconf.secret import url_has_secret  # noqa: PLC0415  keeps the layers' order readable

    server = classified.server
    secret_url = url_has_secret(remote.url)
    places = text_places(server)
    return Route(
        server=server.id,
        name=server.name,
        kind=classified.kind.value,
        transport=remote.type,
        digest=server.digest,
        entry=_ref(server.origin),
        url=None if secret_url else remote.url.reveal().strip(),
        url_ref=text_ref(remote.url, places, terms) if secret_url else None,
        headers={
            name: _header_ref(name, text, server, terms) for name, text in remote.headers.items()
        },
        headers_helper=text_ref(remote.headers_helper, places, terms)
        if remote.headers_helper
        else None,
        because=tuple(r.text for r in reasons),
    )


def _header_ref(name: str, text: Text, server: Server, terms: Terms) -> Ref:
    """A header's value: its own text, or the part of an argument behind ``NAME:``."""
    places = text_places(server)
    if isinstance(server.transport, Remote):
        return text_ref(text, places, terms, passes=2)
    return text_ref(text, places, terms)._replace(after=f"{name}:")


def text_places(server: Server) -> Mapping[int, Origin]:
    """Where each text of a server is written, by the text's identity."""
    transport = server.transport
    at = server.origin
    if isinstance(transport, Remote):
        places = {id(transport.url): at.at("url")}
        places |= {id(t): at.at("headers", n) for n, t in transport.headers.items()}
        if transport.headers_helper:
            places[id(transport.headers_helper)] = at.at("headersHelper")
        return places
    places = {id(t): at.at("args", i) for i, t in enumerate(transport.args)}
    return places | {id(t): at.at("env", n) for n, t in transport.env.items()}


def text_ref(text: Text, places: Mapping[int, Origin], terms: Terms, *, passes: int = 1) -> Ref:
    """Name where a secret is written instead of the secret."""
    variables: dict[str, tuple[str, str] | None] = {}
    for name in text.variables:
        origin = terms.variables.origin(name)
        variables[name] = (origin.source.path, origin.json_pointer) if origin else None
    return _ref(places[id(text)], passes, variables)


def _ref(
    origin: Origin, passes: int = 1, variables: Mapping[str, tuple[str, str] | None] | None = None
) -> Ref:
    return Ref(origin.source.path, origin.json_pointer, passes, variables or {})
