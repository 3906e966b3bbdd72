"""A server on the network that needs no OAuth login.

Without a secret the bridge in the container connects to it, so its host is open.  With one (a
header, a key in the URL, a headersHelper) the gateway on the host adds the secret, and the
container sees neither the secret nor the host.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf.findings import Finding
from mcpconf.hosts import parse_destination
from mcpconf.locality import METADATA
from mcpconf.model import Classified, Json, Reason, Remote
from mcpconf.names import Problem, quote
from mcpconf.plan.terms import (
    Need,
    Planned,
    Terms,
    behind_gateway,
    bridge_entry,
    nothing,
)
from mcpconf.secret import has_secret, url_has_secret
from mcpconf.urls import Url, is_plain_url, parse_url

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LATIN_1 = 0xFF


def lower(classified: Classified, terms: Terms) -> Planned:
    """Plan an HTTP server."""
    remote = classified.remote
    assert remote is not None
    fault = unusable(classified)
    if fault:
        return nothing(classified, fault.message, fault)
    warnings = tuple(committed_secrets(classified, remote))
    policy = terms.policy_of(classified.server)
    if has_secret(remote):
        lets_in = policy.secrets == "container" and policy.route == "direct"
        if lets_in and remote.headers_helper is None and remote.type == "http":
            return _with_secrets(classified, remote, warnings)
        text = "the gateway adds the secret, which stays on the host"
        return behind_gateway(classified, terms, (Reason("route.secret", text),), warnings)
    if remote.type != "http":
        text = f"the gateway speaks its transport ({remote.type})"
        return behind_gateway(classified, terms, (Reason("route.transport", text),), warnings)
    if policy.route == "gateway":
        text = "mcpconf.toml wants it through the gateway"
        return behind_gateway(classified, terms, (Reason("route.policy", text),), warnings)
    return _direct(classified, remote, terms)


def _direct(classified: Classified, remote: Remote, terms: Terms) -> Planned:
    url = parse_url(remote.url.reveal())
    assert isinstance(url, Url)
    server = classified.server
    if terms.policy.http == "plain":
        entry: dict[str, Json] = {
            "type": "http",
            "url": remote.url.reveal().strip(),
            **server.options,
        }
        because = Reason("entry.plain", "mcpconf.toml wants a plain HTTP entry")
    else:
        entry = bridge_entry(server, ["--url", remote.url.reveal().strip()])
        because = Reason("entry.bridge", "the bridge in the container connects to it directly")
    return Planned(classified, entry, (because,), needs=(_need(classified, url),))


def _with_secrets(classified: Classified, remote: Remote, warnings: tuple[Finding, ...]) -> Planned:
    """The user's own policy lets this server's secrets into the container."""
    server = classified.server
    url = parse_url(remote.url.reveal())
    assert isinstance(url, Url)
    finding = Finding(
        "MC024",
        f"the secrets of {quote(server.name)} go into the container",
        server.origin,
        ("your mcpconf.toml says so",),
        ('remove `secrets = "container"` and `route = "direct"` there',),
    )
    entry: dict[str, Json] = {
        "type": remote.type,
        "url": remote.url.reveal().strip(),
        "headers": {name: text.reveal() for name, text in remote.headers.items()},
        **server.options,
    }
    because = Reason("entry.plain", "mcpconf.toml wants it direct, with its secrets")
    return Planned(
        classified, entry, (because,), (_need(classified, url),), findings=(*warnings, finding)
    )


def _need(classified: Classified, url: Url) -> Need:
    name = classified.server.name
    reason = Reason("egress.server", f"{quote(name)} connects to it", classified.server.origin)
    return Need(url.host, url.port, reason)


def unusable(classified: Classified) -> Finding | None:
    """Why a remote server cannot work anywhere: its URL or a header."""
    remote, server = classified.remote, classified.server
    assert remote is not None
    name = quote(server.name)
    url = parse_url(remote.url.reveal())
    at = server.origin.at("url")
    if isinstance(url, Problem):
        secret = url_has_secret(remote.url)
        why = "its URL cannot be used" if secret else f"its URL cannot be used: {url.message}"
        ways = (url.help,) if url.help and not secret else ("write a URL such as https://…",)
        return Finding("MC061", f"{name} is left out: {why}", at, help=ways)
    if not is_plain_url(remote.url.reveal(), url):
        text = f"{name} is left out: different programs would read its URL differently"
        return Finding("MC061", text, at, help=("write it plainly: https://HOST/PATH",))
    if classified.because.text == METADATA or METADATA in classified.because.text:
        text = f"{name} is left out: its URL leads to a cloud's metadata service"
        return Finding("MC061", text, at, help=("no MCP server lives there; remove the entry",))
    if classified.kind.value != "localhost":
        destination = parse_destination(url.host)
        if isinstance(destination, Problem):
            hidden = remote.url.safe() != remote.url.reveal()
            why = "its host cannot be opened" if hidden else destination.message
            text = f"{name} is left out: {why}"
            return Finding("MC061", text, at, help=("use a public host name",))
    return _bad_header(classified, remote)


def _bad_header(classified: Classified, remote: Remote) -> Finding | None:
    for header, text in remote.headers.items():
        value = text.reveal().strip(" \t\r\n")
        name_ok = bool(header) and _TOKEN.issuperset(header)
        value_ok = all(ord(c) <= _LATIN_1 and c not in "\r\n\0" for c in value)
        if name_ok and value_ok:
            continue
        part = "value of the header" if name_ok else "header name"
        return Finding(
            "MC066",
            f"{quote(classified.server.name)} is left out: the {part} {quote(header)} "
            "holds characters that HTTP does not allow",
            classified.server.origin.at("headers", header),
            help=("correct the header",),
        )
    return None


def committed_secrets(classified: Classified, remote: Remote) -> Iterator[Finding]:
    """Literal secrets in a file of the project, which everybody with the repository reads."""
    server = classified.server
    if server.scope.value != "project":
        return
    for header, text in remote.headers.items():
        if not text.variables and text.reveal().strip():
            yield Finding(
                "MC020",
                f"the header {quote(header)} of {quote(server.name)} stands in the project's file",
                server.origin.at("headers", header),
                ("everybody with the repository can read it",),
                ("write `${NAME}` there, and the value into your environment",),
            )
