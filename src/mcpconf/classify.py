"""Which of four kinds a server is, and on what evidence.

Without network and without facts it still answers, and says on what: the configuration first,
then what was seen (a probe, a stored login), then what is known (the catalogue).
"""

from __future__ import annotations

from mcpconf.commands import understand
from mcpconf.locality import local_reason
from mcpconf.model import Classified, Kind, Reason, Remote, Server, Stdio, Text
from mcpconf.names import Problem
from mcpconf.readers.facts import Facts, Probe, login_key, probe_key
from mcpconf.urls import parse_url

_WRAPPERS = frozenset({"npm:mcp-remote", "npm:@mcp-remote/mcp-remote"})


def classify(server: Server, facts: Facts) -> Classified:
    """Classify one server; ``Classified.remote`` is what it connects to in the end."""
    if isinstance(server.transport, Stdio):
        wrapped = _wrapped(server.transport)
        if wrapped is None:
            because = Reason("kind.stdio.command", "it has a command", server.origin.at("command"))
            return Classified(server, Kind.STDIO, because)
        inner = _remote(server, wrapped, facts)
        text = f"its command only wraps a remote server, and {inner.because.text}"
        because = Reason("kind.wrapped", text, server.origin.at("args"))
        return Classified(server, inner.kind, because, wrapped)
    return _remote(server, server.transport, facts)


def endpoint(server: Server) -> Remote | None:
    """What a server connects to in the end; its ``probe_key`` is the key of a probe's answer."""
    transport = server.transport
    return transport if isinstance(transport, Remote) else _wrapped(transport)


def _remote(server: Server, remote: Remote, facts: Facts) -> Classified:
    kind, because = _kind(server, remote, facts)
    return Classified(server, kind, because, remote)


def _kind(server: Server, remote: Remote, facts: Facts) -> tuple[Kind, Reason]:
    at = server.origin
    url = parse_url(remote.url.reveal())
    if not isinstance(url, Problem):
        local = local_reason(url.host)
        if local:
            return Kind.LOCALHOST, Reason(
                "kind.localhost.url", f"`{url.host}` is {local}", at.at("url")
            )
    if remote.authorization:
        text = "an Authorization header is configured, so Claude Code tries no OAuth"
        return Kind.HTTP, Reason("kind.http.authorization", text, at.at("headers"))
    if remote.oauth:
        text = "it has an `oauth` object"
        return Kind.OAUTH, Reason("kind.oauth.declared", text, at.at("oauth"))
    seen = _seen(server, remote, facts)
    if seen:
        return seen
    known = None if isinstance(url, Problem) else facts.catalogue.host(url.host, url.port)
    if known and known.kind in (Kind.HTTP, Kind.OAUTH):
        wants = "wants" if known.kind is Kind.OAUTH else "does not need"
        text = f"the catalogue says that {known.title} {wants} an OAuth login ({known.source})"
        return known.kind, Reason(f"kind.{known.kind.value}.catalogue", text)
    return Kind.HTTP, Reason("kind.http.default", "nothing says that it wants an OAuth login")


def _seen(server: Server, remote: Remote, facts: Facts) -> tuple[Kind, Reason] | None:
    """What was seen of the server: a probe's answer or a stored login."""
    probe = facts.probes.get(probe_key(remote)) if facts.probes else None
    if probe and probe.answer == "oauth":
        return Kind.OAUTH, Reason("kind.oauth.probe", _answered(probe))
    if facts.logins and login_key(server.name, remote) in facts.logins:
        return Kind.OAUTH, Reason("kind.oauth.login", "Claude Code has stored a login for it")
    if probe and probe.answer == "open":
        return Kind.HTTP, Reason("kind.http.probe", _answered(probe))
    return None


def _answered(probe: Probe) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  only where a probe counts

    day = datetime.fromtimestamp(probe.at, UTC).date().isoformat()
    return f"it answered {probe.detail} (asked on {day})"


def _wrapped(stdio: Stdio) -> Remote | None:
    """The remote server behind ``npx mcp-remote URL [--header 'NAME: VALUE']``."""
    words = [a.reveal() for a in stdio.args]
    invocation = understand(stdio.command.reveal(), words)
    if invocation.package not in _WRAPPERS or not invocation.rest:
        return None
    first = len(words) - len(invocation.rest)
    url = stdio.args[first]
    if isinstance(parse_url(url.reveal()), Problem):
        return None
    headers: dict[str, Text] = {}
    for flag, value in zip(stdio.args[first:], stdio.args[first + 1 :], strict=False):
        name, colon, _ = value.reveal().partition(":")
        if flag.reveal() == "--header" and colon:
            headers[name.strip()] = value
    sse = "sse-only" in words or url.reveal().rstrip("/").endswith("/sse")
    return Remote(type="sse" if sse else "http", url=url, headers=headers)
