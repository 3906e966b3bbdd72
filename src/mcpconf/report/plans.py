"""What the commands beside ``list`` print: plans, syncs, explanations, trust and probes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence

from mcpconf import report
from mcpconf.classify import endpoint
from mcpconf.compiler import Compilation
from mcpconf.ddev.prepare import Prepared
from mcpconf.explain import Explanation
from mcpconf.findings import Finding
from mcpconf.model import BRIDGE, Remote, Server
from mcpconf.plan.terms import Planned
from mcpconf.readers.around import Target
from mcpconf.readers.facts import Probe, probe_key
from mcpconf.secret import shown_args, shown_url
from mcpconf.write import Change, Kind


def plan(compiled: Compilation, target: Target, changes: Sequence[Change]) -> None:
    """Print what a sync would do: servers, open hosts, then the diff."""
    _understood(compiled, target)
    servers = compiled.plan.servers
    if servers:
        report.table(
            ("server", "kind", "in the container", "why"),
            [
                (
                    p.classified.server.name,
                    p.classified.kind.value,
                    _gets(p),
                    p.because[-1].text,
                )
                for p in servers
            ],
        )
        report.out("")
    report.table(
        ("open", "port", "for", "why"),
        [
            (r.host, str(r.port), ", ".join(r.servers) or "-", r.because[0].text)
            for r in compiled.plan.egress.rows
        ],
    )
    report.out("")
    for change in changes:
        report.out(f"{change.kind.value:9}  {report.shown_path(str(change.path))}")
    for change in changes:
        for line in () if change.kind is Kind.CREATE else change.diff:
            report.out(report.safe(line))


def _gets(planned: Planned) -> str:
    if planned.entry is None:
        return "nothing"
    if planned.route is not None:
        return "bridge, gateway"
    return (
        "bridge"
        if planned.entry.get("command") == BRIDGE
        else "command"
        if ("command" in planned.entry)
        else "http"
    )


def _understood(compiled: Compilation, target: Target) -> None:
    """Say in a few lines what was understood, before anything is done."""
    surveyed = compiled.survey
    states = Counter(r.state.value for r in surveyed.resolved)
    counted = ", ".join(f"{n} {state}" for state, n in states.items()) or "none"
    report.say(
        f"servers: {counted} (as Claude Code {surveyed.configuration.request.client.version})"
    )
    stacks = ", ".join(f"{name} ({why})" for name, why in compiled.stacks.items()) or "none"
    report.say(f"stacks: {report.safe(stacks)}")
    report.say(f"container: {target.kind}, files in {report.shown_path(str(target.container))}")


def written(
    compiled: Compilation, target: Target, changes: Sequence[Change], stopped: Sequence[Finding]
) -> None:
    """Say what a sync did."""
    _understood(compiled, target)
    if stopped:
        codes = ", ".join(dict.fromkeys(f.code for f in stopped))
        report.say(f"nothing was written because of {codes}: the container keeps what it has")
        return
    if not changed(changes):
        report.say("everything was up to date")
    carried = sum(p.entry is not None for p in compiled.plan.servers)
    report.say(
        f"prepared: {carried} of {len(compiled.plan.servers)} servers for the container, "
        f"{len(compiled.plan.egress.rows)} hosts open, "
        f"{len(compiled.plan.routes.routes)} through the gateway"
    )


def changed(changes: Sequence[Change]) -> bool:
    """List what is not as it was; False where everything is."""
    other = [c for c in changes if c.kind is not Kind.UNCHANGED]
    for change in other:
        report.out(f"{change.kind.value:9}  {report.shown_path(str(change.path))}")
    return bool(other)


def of_ddev(prepared: Prepared) -> None:
    """Say what has to follow in DDEV, unless DDEV itself asked for this sync."""
    if not prepared.installed:
        report.say("DDEV does not know of mcpconf here; `mcpconf init ddev` puts it in")
    elif prepared.changed and "MCPCONF_HOOK" not in os.environ:
        report.say("`ddev restart` takes the new files up")


# --- explain, allow, trust, probe -------------------------------------------------------------


def explanation(answer: Explanation) -> None:
    """Print an answer: the subject, then one line a fact, then the findings about it."""
    report.out(report.safe(answer.subject))
    width = max((len(line.label) for line in answer.lines), default=0)
    for line in answer.lines:
        where = f"  ({report.place(line.origin).partition('  ')[0]})" if line.origin else ""
        report.out(f"  {line.label.ljust(width)}  {report.safe(line.text)}{where}")
    report.findings(answer.findings)


def edited(summary_: str, path: str, *, changed: bool) -> None:
    """Say what became of the user's mcpconf.toml."""
    report.say(f"{report.safe(summary_)}  ({report.shown_path(path)})")
    if changed:
        report.say("`mcpconf sync` puts it into force")


def trusted(server: Server) -> None:
    """Show what the user is about to trust, with secrets masked."""
    transport = server.transport
    if isinstance(transport, Remote):
        what = "the gateway may run its headersHelper and connect for"
        report.say(f"{what}: {report.safe(shown_url(transport.url))}")
        return
    words = " ".join((transport.command.safe(), *shown_args(transport.args)))
    report.say(f"the container may start this on your machine: {report.safe(words)}")
    if transport.env:
        report.say(f"with its own variables: {report.safe(', '.join(transport.env))}")
    report.say("files that it runs or reads from the project can be changed from inside")


def probes(servers: Sequence[Server], found: Mapping[str, Probe]) -> None:
    """Print what the servers answered."""
    rows = [
        (s.name, probe.answer, probe.detail)
        for s in servers
        if (remote := endpoint(s)) and (probe := found.get(probe_key(remote)))
    ]
    if rows:
        report.table(("server", "answer", "detail"), rows)
    else:
        report.say("no server was asked: only remote ones without a secret in their URL are")
