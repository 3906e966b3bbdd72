"""``mcpconf explain``: prints what the plan remembers.  It decides nothing.

A question is a server's name, a host or URL, a finding's code or a reason's id.  What is not found
gets the nearest names instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mcpconf.codes import RULES
from mcpconf.compiler import Compilation
from mcpconf.contract import EgressRow
from mcpconf.findings import Finding
from mcpconf.hosts import parse_destination
from mcpconf.locality import METADATA, local_reason
from mcpconf.model import Classified, Resolved, Server, State
from mcpconf.names import Problem, quote
from mcpconf.origin import Origin
from mcpconf.pasted import is_port
from mcpconf.peers import parse_peer
from mcpconf.plan.egress import covers
from mcpconf.plan.terms import Planned, shell_word
from mcpconf.reasons import REASONS
from mcpconf.secret import mask_entry
from mcpconf.urls import Url, parse_url

_NEAR = 0.6
_LONGEST = 200  # characters of a question that nobody understands


class Line(NamedTuple):
    """One thing to say: what about, what, and where it stands."""

    label: str
    text: str
    origin: Origin | None = None


class Explanation(NamedTuple):
    """An answer.  ``found`` is False when nothing has that name; then lines say what is near."""

    subject: str
    kind: str  # server, host, code or reason; "" if nothing was found
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.kind)


def explain(question: str, compiled: Compilation, kinds: Mapping[int, Classified]) -> Explanation:
    """Answer one question from the compilation."""
    definitions = [r for r in compiled.survey.resolved if r.server.name == question]
    if definitions:
        return _server(question, definitions, compiled, kinds)
    by_id = [r for r in compiled.survey.resolved if r.server.id == question]
    if by_id:
        return _server(by_id[0].server.name, by_id, compiled, kinds)
    static = explain_code(question)
    if static:
        return static
    place = _place(question) or _peer(question, compiled)
    if place:
        return _host(*place, compiled)
    return _unknown(question, compiled)


def explain_code(question: str) -> Explanation | None:
    """Answer a finding's code or a reason's id; it needs no configuration."""
    rule = RULES.get(question.upper())
    if rule:
        consequence = (
            "nothing is written while it stands" if rule.blocks else "everything else goes on"
        )
        lines = (
            Line("severity", f"{rule.severity.value}; {consequence}"),
            Line("what it means", rule.story),
        )
        return Explanation(f"{question.upper()}: {rule.title}", "code", lines)
    if question in REASONS:
        return Explanation(question, "reason", (Line("means", REASONS[question]),))
    return None


# --- a server ---------------------------------------------------------------------------------


def _server(
    name: str,
    definitions: list[Resolved],
    compiled: Compilation,
    kinds: Mapping[int, Classified],
) -> Explanation:
    deciding = definitions[-1]
    others = definitions[:-1]
    lines = [Line("state", _state(deciding), deciding.because.origin)]
    lines.append(Line("written in", f"{deciding.server.scope.value} scope", deciding.server.origin))
    for other in others:
        text = f"{other.server.scope.value} scope: {other.state.value}, {other.because.text}"
        label = "hides" if other.state is State.SHADOWED else "also"
        lines.append(Line(label, text, other.server.origin))
    classified = kinds.get(id(deciding.server))
    if classified:
        because = classified.because
        lines.append(
            Line("kind", f"{classified.kind.value}, because {because.text}", because.origin)
        )
    planned = next((p for p in compiled.plan.servers if p.classified.server.name == name), None)
    if planned:
        lines += _planned(planned, compiled)
    elif isinstance(deciding.server, Server):
        lines.append(Line("container", f"nothing, because it is {deciding.state.value}"))
    at = [d.server.origin for d in definitions]
    found = tuple(f for f in compiled.findings if concerns(f, at))
    return Explanation(name, "server", tuple(lines), found)


def _state(resolved: Resolved) -> str:
    return f"{resolved.state.value}: {resolved.because.text}"


def _planned(planned: Planned, compiled: Compilation) -> Iterator[Line]:
    server = planned.classified.server
    if planned.entry is None:
        yield Line("container", f"nothing: {planned.because[0].text}")
        return
    yield Line("container", json.dumps(mask_entry(planned.entry)))
    for reason in planned.because:
        yield Line("because", reason.text, reason.origin)
    for row in compiled.plan.egress.rows:
        if server.id in row.servers:
            yield Line("opens", f"{row.host}:{row.port}: {_why(row, ('server', 'registry'))}")
    route = planned.route
    if route:
        where = route.url or (
            "its URL holds a secret" if route.url_ref else "a process on the host"
        )
        yield Line("gateway", where)
        for header in route.headers:
            yield Line("adds", f"the header {quote(header)}, read where it is written")


def concerns(finding: Finding, places: Iterable[Origin]) -> bool:
    """Whether a finding stands within one of these places."""
    origin = finding.origin
    return origin is not None and any(
        origin.source is p.source and origin.pointer[: len(p.pointer)] == p.pointer
        for p in places
        if p.pointer
    )


# --- a host -----------------------------------------------------------------------------------


def _place(question: str) -> tuple[str, int | None] | None:
    """Read a question as a host, a host and port, or a URL."""
    if "://" in question:
        url = parse_url(question)
        return (url.host, url.port) if isinstance(url, Url) else None
    text, colon, port = question.rpartition(":")
    if colon and port.isdigit() and not text.endswith(":"):
        destination, number = parse_destination(text.strip("[]")), int(port)
        name = text.lower()
    else:
        destination, number = parse_destination(question), None
        name = question.lower()
    if not isinstance(destination, Problem):
        return destination.host, number
    plausible = "." in name and " " not in name
    return (name, number) if local_reason(name) and (plausible or name == "localhost") else None


def _peer(question: str, compiled: Compilation) -> tuple[str, int | None] | None:
    """Read a question as a host beside the container: one that is open, or one with a port."""
    text, _, port = question.rpartition(":")
    number = int(port) if is_port(port) and (":" not in text or text.endswith("]")) else None
    found = parse_peer(text.strip("[]") if number else question)
    if isinstance(found, Problem):
        return None
    known = any(r.form == "peer" and r.host == found.host for r in compiled.plan.egress.rows)
    return (found.host, number) if known or number else None


def _host(host: str, port: int | None, compiled: Compilation) -> Explanation:
    rows = [r for r in compiled.plan.egress.rows if _covers(r, host) and port in (None, r.port)]
    subject = f"{host}:{port}" if port else host
    if rows:
        lines = [line for row in rows for line in _open(row, host)]
        return Explanation(subject, "host", (*lines, *_through_gateway(host, compiled)))
    return Explanation(subject, "host", tuple(_closed(host, port, compiled)))


def _covers(row: EgressRow, host: str) -> bool:
    if row.form == "peer":
        return row.host == host
    destination = parse_destination(row.host)
    return not isinstance(destination, Problem) and covers(destination, host)


def _open(row: EgressRow, host: str) -> Iterator[Line]:
    through = f" through {row.host}" if row.host != host else ""
    directly = ", directly: a host beside the container" if row.form == "peer" else ""
    yield Line("open", f"port {row.port}{through}{directly}")
    for because in row.because:
        yield Line(because.layer, because.text)
    if row.servers:
        yield Line("for", ", ".join(row.servers))


def _through_gateway(host: str, compiled: Compilation) -> Iterator[Line]:
    for route in compiled.plan.routes.routes:
        url = parse_url(route.url) if route.url else None
        if isinstance(url, Url) and url.host == host:
            text = f"the gateway on the host connects to it for {quote(route.name)}"
            yield Line("gateway", f"{text}; the container does not")


def _closed(host: str, port: int | None, compiled: Compilation) -> Iterator[Line]:
    local = local_reason(host)
    gateway = list(_through_gateway(host, compiled))
    if port and any(_covers(r, host) for r in compiled.plan.egress.rows):
        ports = [str(r.port) for r in compiled.plan.egress.rows if _covers(r, host)]
        yield Line("closed", f"port {port} is not open, only {', '.join(ports)}")
    elif local:
        way = "nothing" if local == METADATA else "only the gateway"
        yield Line("closed", f"it is {local}: {way} reaches it from a container")
    elif not gateway:
        yield Line("closed", "no server in force and no whitelist names it")
    else:
        yield Line("closed", "in the container nothing needs it")
    yield from gateway
    near = _near(host, (r.host for r in compiled.plan.egress.rows))
    if near:
        row = next(r for r in compiled.plan.egress.rows if r.host == near)
        yield Line("near", f"`{near}` is open: {_why(row)}")
    for finding in compiled.findings:
        if finding.code == "MC082" and quote(host) in finding.message:
            yield Line("asked", finding.message, finding.origin)
    yield from _ways(host, port, near=bool(local))


def _ways(host: str, port: int | None, *, near: bool) -> Iterator[Line]:
    if not near:
        option = f" --port {port}" if port and port != 443 else ""  # noqa: PLR2004  https
        yield Line("help", f"if you want it open: mcpconf allow {host}{option}")
    elif not isinstance(parse_peer(host), Problem):
        way = f"mcpconf allow --peer {host} --port {port or 'N'}"
        yield Line("help", f"if it is a host beside the container: {way}")


def _why(row: EgressRow, layers: tuple[str, ...] = ()) -> str:
    chosen = [b for b in row.because if b.layer in layers] or list(row.because)
    return chosen[0].text


def _near(word: str, words: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only when something is not found

    return next(iter(get_close_matches(word, list(words), 1, _NEAR)), "")


# --- nothing ----------------------------------------------------------------------------------


def _unknown(question: str, compiled: Compilation) -> Explanation:
    names = [r.server.name for r in compiled.survey.resolved]
    hosts = [r.host for r in compiled.plan.egress.rows]
    near = _near(question[:_LONGEST], [*names, *hosts, *RULES])
    lines = [Line("nothing", f"no server, host or code is called {quote(question)}")]
    if near:
        lines.append(Line("help", f"did you mean {quote(near)}?  mcpconf explain {_word(near)}"))
    elif names:
        lines.append(Line("help", f"servers: {', '.join(map(quote, dict.fromkeys(names)))}"))
    else:
        lines.append(Line("help", "no servers are configured; `mcpconf list` shows what is read"))
    return Explanation(question[:_LONGEST], "", tuple(lines))


def _word(near: str) -> str:
    is_host = all(c.isascii() and (c.isalnum() or c in ".:-") for c in near)
    return near if is_host and near[:1].isalnum() else shell_word(near)
