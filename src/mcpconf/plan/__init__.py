"""The plan: for every server in force, the container's entry, what must be open, and the route.

One function a kind, each returning the whole :class:`Planned` at once, so that its parts cannot
disagree; then the rows are merged.  The plan keeps every reason: ``explain`` prints them and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mcpconf.contract import Egress, Routes
from mcpconf.findings import Finding
from mcpconf.model import Classified, Kind, Scope, ServerId
from mcpconf.names import quote
from mcpconf.plan import http, localhost, oauth, stdio
from mcpconf.plan.egress import Layers, merge
from mcpconf.plan.terms import Plan, Planned, Terms, nothing, unsafe_name
from mcpconf.readers.policy import Policy

LOWER: Mapping[Kind, Callable[[Classified, Terms], Planned]] = {
    Kind.STDIO: stdio.lower,
    Kind.HTTP: http.lower,
    Kind.OAUTH: oauth.lower,
    Kind.LOCALHOST: localhost.lower,
}


def plan(servers: Sequence[Classified], terms: Terms, layers: Layers) -> Plan:
    """Plan every server, then what may leave, then the routes."""
    planned = tuple(
        _lower(server, terms) if first else _double(server)
        for server, first in _first_of_id(servers)
    )
    routes = tuple(p.route for p in planned if p.route is not None)
    rows, findings = merge(planned, layers)
    return Plan(
        servers=planned,
        egress=Egress(
            rows=rows,
            gateway=terms.site.gateway if routes else None,
            mode=terms.policy.firewall,
            grace=terms.policy.grace,
        ),
        routes=Routes(
            terms.site.project, terms.site.client, routes, {**terms.accepted, **_accepted(planned)}
        ),
        findings=(
            *(f for p in planned for f in p.findings),
            *findings,
            *_unknown_names(terms.policy, planned),
            *_unknown_stacks(layers),
        ),
    )


def _accepted(planned: Sequence[Planned]) -> dict[str, str]:
    servers = (p.classified.server for p in planned if p.route is not None)
    return {s.name: s.digest for s in servers if s.cloned}


def _first_of_id(servers: Sequence[Classified]) -> Iterator[tuple[Classified, bool]]:
    seen: set[ServerId] = set()
    for classified in servers:
        yield classified, classified.server.id not in seen
        seen.add(classified.server.id)


def _double(classified: Classified) -> Planned:
    """Two names with one id were made to collide: the second must not borrow the first's route."""
    server = classified.server
    text = f"the name {quote(server.name)} has the id of another server, so it is left out"
    finding = Finding("MC004", text, server.origin, help=("rename it",))
    return nothing(classified, "another server has its id", finding)


def _lower(classified: Classified, terms: Terms) -> Planned:
    server = classified.server
    fault = unsafe_name(server.name)
    if fault:
        finding = Finding(
            "MC004",
            f"the name {quote(server.name)} {fault}, so the server is left out of the container",
            server.origin,
            help=("rename it; letters, digits, `-` and `_` are safe everywhere",),
        )
        return nothing(classified, f"its name {fault}", finding)
    if server.scope is Scope.PLUGIN and server.name.split(":")[1] in terms.project_plugins:
        finding = Finding(
            "MC082",
            f"{quote(server.name)} is left out: only the project switches this plugin on",
            server.origin,
            ("it came with the project, so it can only make things tighter",),
            ("if you want that, enable the plugin in your own settings",),
        )
        return nothing(classified, "only the project switches this plugin on", finding)
    if terms.policy_of(server).route == "off":
        finding = Finding(
            "MC067",
            f"{quote(server.name)} is switched off by mcpconf.toml",
            server.origin,
            help=('remove `route = "off"` there',),
        )
        return nothing(classified, "mcpconf.toml switches it off", finding)
    return LOWER[classified.kind](classified, terms)


def _unknown_stacks(layers: Layers) -> list[Finding]:
    from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

    known = layers.shipped.stacks
    named = (*(layers.policy.stacks or ()), *(layers.policy.kept_stacks or ()))
    findings = []
    for name in dict.fromkeys(n for n in named if n not in known):
        near = get_close_matches(name, known, 1)
        way = f"did you mean {quote(near[0])}?" if near else f"known: {', '.join(sorted(known))}"
        text = f"mcpconf.toml names a stack that does not exist: {quote(name)}"
        findings.append(Finding("MC086", text, help=(way,)))
    return findings


def _unknown_names(policy: Policy, planned: Sequence[Planned]) -> list[Finding]:
    from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

    known = {p.classified.server.name for p in planned}
    findings = []
    for name in policy.servers:
        if name in known:
            continue
        near = get_close_matches(name, known, 1)
        ways = (f"did you mean {quote(near[0])}?",) if near else ("remove the lines",)
        text = f"mcpconf.toml has lines for {quote(name)}, which is not in force here"
        findings.append(Finding("MC085", text, help=ways))
    return findings
