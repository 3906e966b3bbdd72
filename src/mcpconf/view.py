"""What machines get: one stable, versioned JSON shape a command, see docs/architecture.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mcpconf.classify import endpoint
from mcpconf.findings import Finding
from mcpconf.model import Classified, Json, Resolved, Server
from mcpconf.origin import Origin
from mcpconf.readers.facts import Probe, probe_key
from mcpconf.secret import mask_entry, shown
from mcpconf.survey import Survey

if TYPE_CHECKING:  # what `list` does not need is not loaded for it
    from mcpconf.compiler import Compilation
    from mcpconf.explain import Explanation
    from mcpconf.plan.terms import Planned
    from mcpconf.write import Change

VERSION = 1


def finding_json(finding: Finding) -> dict[str, Json]:
    """One finding."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "origin": origin_json(finding.origin),
        "notes": list(finding.notes),
        "help": list(finding.help),
    }


def origin_json(origin: Origin | None) -> dict[str, Json] | None:
    """A place: absolute file, RFC 6901 pointer, line and column from 1 or null."""
    if origin is None:
        return None
    position = origin.position
    return {
        "file": origin.source.path,
        "pointer": origin.json_pointer,
        "line": position.line if position else None,
        "column": position.column if position else None,
    }


def survey_json(
    surveyed: Survey, found: Mapping[int, Classified], *, reveal: bool = False
) -> dict[str, object]:
    """``list --format json``.  For one name, the definition that decides comes last."""
    return {
        "version": VERSION,
        "client": surveyed.configuration.request.client.version,
        "servers": [_server_json(r, found, reveal=reveal) for r in surveyed.resolved],
        "findings": [finding_json(f) for f in surveyed.findings],
    }


def _server_json(
    resolved: Resolved, found: Mapping[int, Classified], *, reveal: bool
) -> dict[str, object]:
    server = resolved.server
    classified = found.get(id(server))
    return {
        "name": server.name,
        "id": server.id,
        "scope": server.scope.value,
        "state": resolved.state.value,
        "because": resolved.because.text,
        "kind": classified.kind.value if classified else None,
        "evidence": classified.because.text if classified else None,
        "transport": shown(server, reveal=reveal) if isinstance(server, Server) else None,
        "origin": origin_json(server.origin),
        "shadows": [
            {
                "scope": hidden.server.scope.value,
                "state": hidden.state.value,
                "origin": origin_json(hidden.server.origin),
            }
            for hidden in resolved.shadows
        ],
    }


def plan_json(
    compiled: Compilation,
    changes: Sequence[Change],
    findings: Sequence[Finding],
    *,
    written: bool | None = None,
) -> dict[str, object]:
    """``plan`` and ``sync``; ``written`` is null for a plan."""
    plan = compiled.plan
    return {
        "version": VERSION,
        "client": plan.routes.client,
        "project": plan.routes.project,
        "written": written,
        "stacks": dict(compiled.stacks),
        "servers": [_planned_json(p) for p in plan.servers],
        "egress": [
            {
                "host": row.host,
                "port": row.port,
                "form": row.form,
                "servers": list(row.servers),
                "because": [b._asdict() for b in row.because],
            }
            for row in plan.egress.rows
        ],
        "firewall": {"mode": plan.egress.mode, "grace": plan.egress.grace},
        "gateway": plan.egress.gateway._asdict() if plan.egress.gateway else None,
        "changes": [
            {"file": str(c.path), "change": c.kind.value, "diff": list(c.diff)} for c in changes
        ],
        "findings": [finding_json(f) for f in findings],
    }


def _planned_json(planned: Planned) -> dict[str, object]:
    server = planned.classified.server
    route = planned.route
    return {
        "name": server.name,
        "id": server.id,
        "kind": planned.classified.kind.value,
        "entry": None if planned.entry is None else mask_entry(planned.entry),
        "because": [{"rule": r.rule, "text": r.text} for r in planned.because],
        "route": None
        if route is None
        else {
            "url": route.url,
            "transport": route.transport,
            "headers": sorted(route.headers),
            "because": list(route.because),
        },
    }


def explanation_json(answer: Explanation) -> dict[str, object]:
    """``explain``."""
    return {
        "version": VERSION,
        "subject": answer.subject,
        "kind": answer.kind or None,
        "lines": [
            {"label": line.label, "text": line.text, "origin": origin_json(line.origin)}
            for line in answer.lines
        ],
        "findings": [finding_json(f) for f in answer.findings],
    }


def probes_json(
    servers: Sequence[Server], found: Mapping[str, Probe], findings: Sequence[Finding]
) -> dict[str, object]:
    """``probe``."""
    answers = {
        s.name: probe._asdict()
        for s in servers
        if (remote := endpoint(s)) and (probe := found.get(probe_key(remote)))
    }
    return {
        "version": VERSION,
        "answers": answers,
        "findings": [finding_json(f) for f in findings],
    }
