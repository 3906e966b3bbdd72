"""Which definition of each name is in force, exactly as the client decides (facts 1-26, §8).

The order is user, project (outermost directory first), local, dynamic; a later definition replaces
an earlier one whole.  A project entry takes part only if it is in force: not rejected, and in an
interactive session approved.  Policy filters after the merge, so what it removes does not let a
lower definition come back.  An invalid entry hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcpconf.allow_deny import Verdict, judge
from mcpconf.clients import Client
from mcpconf.model import (
    Reason,
    Resolved,
    Scope,
    Server,
    Skipped,
    State,
    javascript_order,
    normalised,
)
from mcpconf.readers.declared import Declared
from mcpconf.readers.server_files import Definitions
from mcpconf.readers.settings import Settings


class Rules(NamedTuple):
    """What resolution depends on beside the declarations."""

    client: Client
    interactive: bool


def resolve(declared: Declared, rules: Rules) -> tuple[Resolved, ...]:
    """Decide every definition.  For one name, the definition that decides comes last.

    Returns one :class:`Resolved` a definition, names in the client's order.
    """
    if declared.managed is not None:
        return tuple(_managed(declared, rules))
    candidates = _candidates(declared, rules)
    names = javascript_order(dict.fromkeys(c.server.name for c in candidates))
    by_name: dict[str, list[Resolved]] = {name: [] for name in names}
    for candidate in candidates:
        by_name[candidate.server.name].append(candidate)
    settled = [r for group in by_name.values() for r in _settle(group, declared, rules)]
    return tuple(_without_doubles(settled) if declared.plugins else settled)


def _without_doubles(settled: list[Resolved]) -> Iterator[Resolved]:
    """Drop a plugin's server whose endpoint a live configured server has (fact 66)."""
    live = [
        r.server
        for r in settled
        if r.state is State.ACTIVE
        and isinstance(r.server, Server)
        and r.server.scope is not Scope.PLUGIN
    ]
    for r in settled:
        twin = _twin(r.server, live) if r.server.scope is Scope.PLUGIN else None
        if twin is None or r.state is not State.ACTIVE:
            yield r
            continue
        text = f"the same endpoint is configured in {twin.scope.value} scope"
        because = Reason("scope.shadowed", text, twin.origin)
        yield r._replace(state=State.SHADOWED, because=because)


def _twin(server: Server | Skipped, live: list[Server]) -> Server | None:
    assert isinstance(server, Server)
    return next((s for s in live if s.endpoint() == server.endpoint()), None)


def _candidates(declared: Declared, rules: Rules) -> list[Resolved]:
    """Every definition, weakest first, with its own state before names meet."""
    candidates = [_own(s) for s in (*declared.plugins, *declared.users)]
    for layer in declared.projects:
        candidates += (_approval(s, declared, rules) for s in layer)
    candidates += map(_own, declared.locals)
    candidates += (_own(s) for layer in declared.dynamic for s in layer)
    return candidates


def _own(server: Server | Skipped) -> Resolved:
    if isinstance(server, Skipped):
        return Resolved(server, State.SKIPPED, Reason("entry.skipped", server.because))
    text = f"no definition of a higher scope than {server.scope.value} has this name"
    return Resolved(server, State.ACTIVE, Reason("scope.wins", text))


def _approval(server: Server | Skipped, declared: Declared, rules: Rules) -> Resolved:
    """Decide whether a project entry takes part (facts 2, 15-18)."""
    own = _own(server)
    if own.state is State.SKIPPED:
        return own
    normal = normalised(server.name)
    for settings in declared.settings:
        for spelling in (server.name, normal):
            if spelling in settings.rejected:
                origin = settings.origin.at("disabledMcpjsonServers")
                text = f"rejected in {_place(settings)}"
                return own._replace(
                    state=State.REJECTED, because=Reason("approval.rejected", text, origin)
                )
    approval = _approved(server.name, normal, declared.approvers, rules)
    if approval:
        return own._replace(because=approval)
    if not rules.interactive:
        text = "`claude -p` takes every project server that is not rejected"
        return own._replace(because=Reason("approval.session", text))
    text = "nobody has approved it yet"
    return own._replace(state=State.PENDING, because=Reason("approval.missing", text))


def _approved(name: str, normal: str, approvers: Sequence[Settings], rules: Rules) -> Reason | None:
    """Find the approval that counts: `enableAll…` of the strongest that says it, or any list."""
    said = [s for s in approvers if s.approves_all is not None]
    if said and said[-1].approves_all:
        origin = said[-1].origin.at("enableAllProjectMcpServers")
        return Reason("approval.given", f"all are approved in {_place(said[-1])}", origin)
    for settings in approvers:
        known = settings.approved
        if rules.client.normalised_approvals:
            known = (*known, *map(normalised, known))
        if name in known or (rules.client.normalised_approvals and normal in known):
            origin = settings.origin.at("enabledMcpjsonServers")
            return Reason("approval.given", f"approved in {_place(settings)}", origin)
    return None


def _place(settings: Settings) -> str:
    return settings.origin.source.path.rpartition("/")[2]


def _settle(group: list[Resolved], declared: Declared, rules: Rules) -> Iterator[Resolved]:
    """Let the definitions of one name meet: the last that is in force wins."""
    group = _nearest_project_file(group)
    in_force = [r for r in group if r.state is State.ACTIVE]
    deciding = in_force[-1] if in_force else _last_unsettled(group)
    losers = [
        _shadowed(r, deciding) if r.state is State.ACTIVE and r is not deciding else r
        for r in group
        if r is not deciding
    ]
    yield from losers
    hidden = tuple(r for r in losers if r.state is State.SHADOWED)
    yield _filtered(deciding, declared, rules)._replace(shadows=hidden)


def _nearest_project_file(group: list[Resolved]) -> list[Resolved]:
    """Of several `.mcp.json`, the nearest valid entry hides the others before approval counts."""
    valid = [
        r for r in group if r.server.scope is Scope.PROJECT and not isinstance(r.server, Skipped)
    ]
    if len(valid) < 2:  # noqa: PLR2004
        return group
    nearest = valid[-1]
    outer = {id(r) for r in valid[:-1]}
    return [_shadowed(r, nearest) if id(r) in outer else r for r in group]


def _last_unsettled(group: list[Resolved]) -> Resolved:
    order = (State.PENDING, State.REJECTED)
    for state in order:
        found = [r for r in group if r.state is state]
        if found:
            return found[-1]
    return group[-1]


def _shadowed(loser: Resolved, winner: Resolved) -> Resolved:
    text = f"hidden by the definition in {winner.server.scope.value} scope"
    because = Reason("scope.shadowed", text, winner.server.origin)
    return loser._replace(state=State.SHADOWED, because=because)


def _filtered(resolved: Resolved, declared: Declared, rules: Rules) -> Resolved:
    """Apply policy, then the disabled list, to the definition that won (facts 21, 24, 25)."""
    if not isinstance(resolved.server, Server) or resolved.state not in (
        State.ACTIVE,
        State.PENDING,
    ):
        return resolved
    verdict = judge(resolved.server, declared)
    if not verdict.allowed:
        return _denied(resolved, verdict)
    return _disabled(resolved, declared, rules) if resolved.state is State.ACTIVE else resolved


def _denied(resolved: Resolved, verdict: Verdict) -> Resolved:
    return resolved._replace(state=State.DENIED, because=verdict.because)


def _disabled(resolved: Resolved, declared: Declared, rules: Rules) -> Resolved:
    origin = declared.disabled.get(resolved.server.name)
    if origin is None or (rules.interactive and not rules.client.list_shows_disabled):
        return resolved
    because = Reason("state.disabled", "disabled for this project with /mcp", origin)
    return resolved._replace(state=State.DISABLED, because=because)


def _managed(declared: Declared, rules: Rules) -> Iterator[Resolved]:
    """With managed-mcp.json nothing else loads (fact 23)."""
    assert declared.managed is not None
    because = Reason("scope.managed", "managed-mcp.json shuts out every other scope")
    others: list[Definitions] = [
        declared.users,
        *declared.projects,
        declared.locals,
        *declared.dynamic,
    ]
    for server in (s for layer in others for s in layer):
        own = _own(server)
        yield (
            own
            if own.state is State.SKIPPED
            else own._replace(state=State.SHADOWED, because=because)
        )
    for server in declared.managed:
        own = _own(server)
        if isinstance(server, Server):
            listed = rules.client.managed_allow_list or server.depends_on_variables()
            verdict = judge(server, declared, allow_list=listed)
            own = _disabled(own, declared, rules) if verdict.allowed else _denied(own, verdict)
        yield own
