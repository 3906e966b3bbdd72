"""Whom a text is about: servers by name, in quotes, by URL or host; and what is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mcpconf import explain as explaining
from mcpconf.compiler import Compilation
from mcpconf.diagnosis.words.said import Said
from mcpconf.findings import Finding
from mcpconf.masking import mask_arg
from mcpconf.model import BRIDGE, Remote, Resolved, Server
from mcpconf.secret import shown_args, shown_url
from mcpconf.urls import Url, hosts_in_text, parse_url

_SHORTEST_NAME = 3
_MOST_SERVERS = 8
_LOOKED_AT = 2000  # characters
_SHOWN = 100


class About(NamedTuple):
    """What is known of the entry that a text is about; None: it is not known."""

    name: str = ""
    remote: bool | None = None
    tls: bool | None = None
    sse: bool | None = None
    authorization: bool | None = None
    other_headers: bool | None = None
    helper: bool | None = None
    bridge: bool | None = None
    server: Server | None = None
    shown: str = ""


def at_place(question: str, compiled: Compilation) -> list[Resolved]:
    """The deciding definitions whose URL has that host, and that port if one is given."""
    url = parse_url(question if "://" in question else f"https://{question}")
    if not isinstance(url, Url):
        return []
    port = url.port if "://" in question or question.endswith(f":{url.port}") else None
    last = {r.server.name: r for r in compiled.survey.resolved}
    return [
        r
        for r in last.values()
        if (p := _place_of(r)) and p[0] == url.host and port in (None, p[1])
    ]


def abouts_of(said: Said, text: str, compiled: Compilation) -> list[About]:
    """The servers that a line names, or what the line itself tells of one."""
    written = _of_line(said)
    found = [of_entry(r, said) for r in _named(said, text, compiled)]
    return found[:_MOST_SERVERS] or ([written] if written else [])


def _of_line(said: Said) -> About | None:
    if not said.target:
        return None
    target, _, kind = said.target.rpartition(" (")
    remote = kind in {"HTTP)", "SSE)", "WS)"}
    target = target if remote else said.target
    return About(
        said.name,
        remote,
        target.startswith("https:") if remote else None,
        kind == "SSE)" if remote else None,
        bridge=_is_bridge(said.target),
        shown=mask_arg(target),
    )


def _is_bridge(target: str) -> bool:
    return target.partition(" ")[0].rpartition("/")[2] == BRIDGE


def of_entry(resolved: Resolved, said: Said) -> About:
    server = resolved.server
    bridge = _is_bridge(said.target) if said.target else None
    if not isinstance(server, Server):
        return About(server.name, bridge=bridge)
    transport = server.transport
    if not isinstance(transport, Remote):
        words = (mask_arg(transport.command.safe()), *shown_args(transport.args))
        command = " ".join(words)[:_SHOWN]
        return About(server.name, remote=False, bridge=bridge, server=server, shown=command)
    url = shown_url(transport.url)
    others = any(name.lower() != "authorization" for name in transport.headers)
    helper = transport.headers_helper is not None
    return About(
        server.name,
        remote=True,
        tls=url.startswith("https:"),
        sse=transport.type == "sse",
        authorization=transport.authorization or (None if helper else False),
        other_headers=others or (None if helper else False),
        helper=helper,
        bridge=bridge,
        server=server,
        shown=url,
    )


def _named(said: Said, text: str, compiled: Compilation) -> list[Resolved]:
    """The deciding definitions of the servers that the line or the text is about."""
    last = {r.server.name: r for r in compiled.survey.resolved}
    if said.name in last:
        return [last[said.name]]
    if said.name:
        return []
    line = said.line + "\n" + text[:_LOOKED_AT]
    found = re.findall(r"[^\s\"'`:,;()\[\]]+", line)
    words = {*found, *(word.rstrip(".!?") for word in found)}
    quoted = set(re.findall(r"[\"'`]([^\"'`\n]{1,200})[\"'`]", line))
    spoken = set(said.phrase.pattern.split()) if said.phrase else set()
    names = [
        n for n in last
        if n in quoted or (n in words and len(n) >= _SHORTEST_NAME and n.lower() not in spoken)
    ]  # fmt: skip
    if names:
        return [last[n] for n in names]
    hosts = set(places(line))
    return [r for r in last.values() if (p := _place_of(r)) and p[0] in hosts] if hosts else []


def _place_of(resolved: Resolved) -> tuple[str, int] | None:
    server = resolved.server
    if not isinstance(server, Server) or not isinstance(server.transport, Remote):
        return None
    url = parse_url(server.transport.url.reveal())
    return (url.host, url.port) if isinstance(url, Url) else None


_BEHIND = re.compile(
    r"(?:could not resolve host:?|enotfound|eai_again|lookup|resolving|connect to|host=|resolve)"
    r"\s?['\"]?([a-z0-9_.-]{1,253})",
    re.IGNORECASE,
)


def places(text: str) -> list[str]:
    """Hosts that a text names: of its URLs, and behind the words of the usual errors."""
    found: list[str] = [host for host, _ in hosts_in_text(text)]
    found += [m[1].strip(".").lower() for m in _BEHIND.finditer(text) if "." in m[1].strip(".")]
    return list(dict.fromkeys(found))


def findings(about: About, compiled: Compilation) -> Iterable[Finding]:
    if about.server is None:
        return ()
    places = [about.server.origin]
    return (f for f in compiled.findings if explaining.concerns(f, places))
