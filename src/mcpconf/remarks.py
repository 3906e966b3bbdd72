"""What is worth saying about how the definitions resolved: findings, one a mistake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from mcpconf.clients import Client
from mcpconf.findings import Finding
from mcpconf.model import Resolved, Scope, Server, State, Stdio, Text, normalised
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.readers.declared import Declared

_LIVE = (State.ACTIVE, State.PENDING)


def remark(resolved: tuple[Resolved, ...], declared: Declared, client: Client) -> list[Finding]:
    """Collect the findings that follow from resolution, in the order of the definitions."""
    findings = [f for r in resolved for f in _one(r)]
    findings += _hidden(resolved)
    findings += _colliding(resolved)
    findings += _unused_approvals(resolved, declared, client)
    findings += _own_approvals(resolved)
    if declared.managed is not None:
        files = (r.server.origin.source for r in resolved if r.server.scope is Scope.MANAGED)
        source = next(files, None)
        text = "managed-mcp.json is there, so Claude Code loads nothing else"
        findings.append(Finding("MC036", text, Origin(source) if source else None))
    return findings


def _one(resolved: Resolved) -> Iterator[Finding]:
    server = resolved.server
    if not isinstance(server, Server):
        return
    name = quote(server.name)
    if resolved.state in _BY_STATE:
        code, message, help_ = _BY_STATE[resolved.state]
        because = resolved.because
        where = f"{because.text}{_line(because.origin)}"
        ways = tuple(h.format(name=name) for h in help_)
        yield Finding(code, message.format(name=name), server.origin, (where,), ways)
    if resolved.state in _LIVE:
        yield from _missing(server, name)


_BY_STATE: Mapping[State, tuple[str, str, tuple[str, ...]]] = {
    State.PENDING: (
        "MC031",
        "{name} waits for your approval, so the container does not get it",
        (
            "run `claude` in the project and approve it",
            "or add the name to `enabledMcpjsonServers` in ~/.claude/settings.json",
        ),
    ),
    State.REJECTED: (
        "MC032",
        "{name} is rejected",
        ("take the name out of `disabledMcpjsonServers` there to get the question again",),
    ),
    State.DISABLED: ("MC033", "{name} is disabled for this project", ("enable it with /mcp",)),
    State.DENIED: (
        "MC034",
        "{name} is denied by policy",
        ("ask whoever wrote the list, or change it if it is yours",),
    ),
}


def _line(origin: Origin | None) -> str:
    position = origin.position if origin else None
    return f" ({origin.source.path}:{position.line})" if origin and position else ""


def _missing(server: Server, name: str) -> Iterator[Finding]:
    missing: dict[str, tuple[str | int, ...]] = {}
    for steps, text in texts(server):
        for variable in text.missing:
            missing.setdefault(variable, steps)
    if not missing:
        return
    first = next(iter(missing.values()))
    names = ", ".join(f"`{v}`" for v in missing)
    plural = "s" if len(missing) > 1 else ""
    verb = "are" if len(missing) > 1 else "is"
    yield Finding(
        "MC021",
        f"{name} needs the variable{plural} {names}, which {verb} not set",
        server.origin.at(*first),
        ("Claude Code sends the text `${…}` as it stands",),
        (
            f"export {next(iter(missing))} in the shell that runs mcpconf and claude",
            f"or write a default, if it works without: `${{{next(iter(missing))}:-}}`",
        ),
    )


def texts(server: Server) -> Iterator[tuple[tuple[str | int, ...], Text]]:
    """Every text of a server that is expanded, with its pointer inside the entry."""
    transport = server.transport
    if isinstance(transport, Stdio):
        yield ("command",), transport.command
        for i, arg in enumerate(transport.args):
            yield ("args", i), arg
        for key, text in transport.env.items():
            yield ("env", key), text
    else:
        yield ("url",), transport.url
        for key, text in transport.headers.items():
            yield ("headers", key), text


def _hidden(resolved: Iterable[Resolved]) -> Iterator[Finding]:
    """One name in several scopes with different endpoints (fact 4)."""
    for winner in resolved:
        losers = [r for r in winner.shadows if isinstance(r.server, Server)]
        if not isinstance(winner.server, Server) or winner.server.scope is Scope.MANAGED:
            continue
        for loser in losers:
            assert isinstance(loser.server, Server)
            if loser.server.endpoint() == winner.server.endpoint():
                continue
            name = quote(winner.server.name)
            text = (
                f"{name} in {loser.server.scope.value} scope is hidden by the one in "
                f"{winner.server.scope.value} scope{_line(winner.server.origin)}"
            )
            ways = (f"`mcpconf explain {winner.server.name}` shows both",)
            if not winner.server.name.isidentifier():
                ways = ("`mcpconf explain NAME` shows both",)
            yield Finding("MC030", text, loser.server.origin, help=ways)


def _colliding(resolved: Iterable[Resolved]) -> Iterator[Finding]:
    by_form: dict[str, list[Server]] = defaultdict(list)
    for r in resolved:
        if r.state is State.ACTIVE and isinstance(r.server, Server):
            by_form[normalised(r.server.name)].append(r.server)
    for first, *others in by_form.values():
        for other in others:
            yield Finding(
                "MC008",
                f"{quote(other.name)} and {quote(first.name)} share one prefix of tool names, "
                "so the tools of the second are dropped",
                other.origin,
                help=("rename one of them",),
            )


def _own_approvals(resolved: Iterable[Resolved]) -> Iterator[Finding]:
    """Approvals that the project's committed settings give to its own servers (fact 16)."""
    seen: set[str] = set()
    for r in resolved:
        origin = r.because.origin
        if r.because.rule != "approval.given" or r.state is not State.ACTIVE or origin is None:
            continue
        path = origin.source.path
        beside = r.server.origin.source.path.rpartition("/")[0]
        if path.startswith(beside) and path.endswith("/.claude/settings.json") and path not in seen:
            seen.add(path)
            text = "servers of the project are approved by the project's own settings"
            help_ = ("look at them: `mcpconf plan`",)
            yield Finding("MC070", text, origin, ("you trusted the folder",), help_)


def _unused_approvals(
    resolved: Iterable[Resolved], declared: Declared, client: Client
) -> Iterator[Finding]:
    pending = {r.server.name for r in resolved if r.state is State.PENDING}
    for settings in declared.settings:
        if settings in declared.approvers or not pending:
            continue
        if settings.approves_all or pending.intersection(settings.approved):
            key = "enableAllProjectMcpServers" if settings.approves_all else "enabledMcpjsonServers"
            yield Finding(
                "MC039",
                "this approval does not count, because the folder is not trusted"
                f" (Claude Code {client.version})",
                settings.origin.at(key),
                help=("run `claude` in the project and trust the folder",),
            )
