"""``doctor --report FILE``: what to attach to an issue, without secrets and without persons."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence

from mcpconf import __version__
from mcpconf.codes import Severity
from mcpconf.diagnosis.checks.check import Check, Checkup, Given
from mcpconf.diagnosis.checks.known_secrets import scrubber
from mcpconf.diagnosis.checks.scrub import cleaned
from mcpconf.diagnosis.model import Diagnosis, Verdict
from mcpconf.findings import Finding
from mcpconf.masking import mask_arg
from mcpconf.model import Remote, Server
from mcpconf.plan.terms import Planned
from mcpconf.report import place, safe
from mcpconf.report.live import step_line
from mcpconf.secret import mask_entry, shown_args, shown_url
from mcpconf.service import logs

_LOGGED = 20  # lines of the gateway's log
_ROWS = 100  # of the open hosts
Clean = Callable[[str], str]

_OF_LOG = ("event", "code", "server", "reason", "status")


def markdown(found: Checkup, given: Given) -> str:
    """The whole report, as Markdown.

    Each text was made without secrets; it is cleaned once more before it is put into Markdown,
    since what is escaped can no longer be recognised.
    """
    clean = scrubber(given)
    checks, servers = cleaned(found.checks, clean), cleaned(found.servers, clean)
    parts = [
        "# mcpconf doctor\n",
        *_versions(given),
        *_checks(checks),
        *_servers(servers),
        *_plan(given, clean),
        *_log(given, clean),
    ]
    return "\n".join(parts) + "\n"


def _versions(given: Given) -> Iterator[str]:
    yield f"- mcpconf {__version__}, Python {platform.python_version()}"
    yield f"- {platform.system()} {platform.release()}, {platform.machine()}{_distribution()}"
    yield f"- answers for Claude Code {given.configuration.request.client.version}"
    yield f"- container: {given.target.kind}\n"


def _distribution() -> str:
    try:
        return f", {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except (OSError, KeyError):
        return ""


# --- checks and servers -----------------------------------------------------------------------


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    yield "## Checks\n"
    yield from _table(
        ("state", "check", "found"), [(c.state.value, c.name, c.text) for c in checks]
    )
    for check in checks:
        for finding in check.findings:
            if finding.severity is not Severity.NOTE:
                yield from _finding(finding)
    yield ""


def _servers(servers: Sequence[Diagnosis]) -> Iterator[str]:
    yield "## Servers\n"
    rows = [
        (
            d.server,
            "works" if d.works else d.verdicts[0].finding.code if d.verdicts else "not seen",
            d.way,
            "host" if d.start == "host" else "container",
            "-" if d.tools is None else str(d.tools),
            f"{d.seconds:.1f} s",
        )
        for d in servers
    ]
    yield from _table(("server", "state", "way", "from", "tools", "took"), rows)
    for diagnosis in servers:
        if not diagnosis.works:
            yield from _server(diagnosis)
    yield ""


def _server(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"\n### {_cell(diagnosis.server)}\n"
    for number, verdict in enumerate(diagnosis.verdicts):
        yield from _finding(verdict.finding, "also " if number else "")
        yield from _shows(verdict)
    yield "```text"
    for step in diagnosis.steps:
        yield _fenced(step_line(step))
    for unseen in diagnosis.unseen:
        yield _fenced(f"--  not looked at: {safe(unseen)}")
    yield "```"


def _shows(verdict: Verdict) -> Iterator[str]:
    if verdict.shows:
        yield f"- Claude Code shows: {_cell(verdict.shows.listed)}"


def _finding(finding: Finding, before: str = "") -> Iterator[str]:
    where = f" ({_cell(place(finding.origin))})" if finding.origin else ""
    kind = f"{before}{finding.severity.value} {finding.code}"
    yield f"\n**{kind}**: {_cell(finding.message)}{where}\n"
    for note in finding.notes:
        yield f"- note: {_cell(note)}"
    for way in finding.help:
        yield f"- help: {_cell(way)}"


# --- the plan, with everything masked that could be a key -------------------------------------


def _plan(given: Given, clean: Clean) -> Iterator[str]:
    plan = given.compiled.plan
    yield "## Plan\n"
    for planned in plan.servers:
        yield from _planned(planned, clean)
    yield f"\n{len(plan.egress.rows)} hosts are open, {plan.egress.mode} mode; by name those that"
    yield "a server, the user or the project wanted:\n"
    rows = [
        (clean(row.host), str(row.port), clean(", ".join(row.servers)) or "-")
        for row in plan.egress.rows[:_ROWS]
        if row.servers or any(b.layer in {"user", "project"} for b in row.because)
    ]
    yield from _table(("host", "port", "for"), rows)
    yield ""


def _planned(planned: Planned, clean: Clean) -> Iterator[str]:
    server = planned.classified.server
    kind = planned.classified.kind.value
    entry = "nothing" if planned.entry is None else json.dumps(mask_entry(planned.entry))
    yield f"### {_cell(clean(server.name))}\n"
    yield f"- {server.scope.value} scope, {kind}: {_cell(clean(_written(server)))}"
    yield f"- the container gets {_cell(clean(entry))}"
    if planned.route is not None:
        names = ", ".join(sorted(planned.route.headers)) or "none"
        yield f"- the gateway adds headers: {_cell(clean(names))}"
    yield f"- because {_cell(clean('; '.join(r.text for r in planned.because)))}\n"


def _written(server: Server) -> str:
    transport = server.transport
    if isinstance(transport, Remote):
        return shown_url(transport.url)
    words = [os.path.basename(transport.command.safe()), *shown_args(transport.args)]
    variables = f", variables {', '.join(transport.env)}" if transport.env else ""
    return " ".join(words) + variables


def _log(given: Given, clean: Clean) -> Iterator[str]:
    """The last decisions of the gateway about this project, by fields that hold no content."""
    directory = given.places.gateway
    try:
        lines = logs.tail(directory, _LOGGED * 20, logs.mark(directory))
    except OSError:
        return
    told = [t for line in lines if (t := logged(line, given.target.project))]
    if told:
        yield f"## The gateway's last {len(told[-_LOGGED:])} decisions\n\n```text"
        yield from (_fenced(clean(line)) for line in told[-_LOGGED:])
        yield "```"


def logged(line: str, project: str) -> str:
    """One line of the log; "" where it is of another project, or cannot be read."""
    try:
        entry = json.loads(line)
        if entry.get("project") not in (project, None):
            return ""
        words = (mask_arg(str(entry[key])) for key in _OF_LOG if entry.get(key))
        return safe("  ".join(words))
    except (ValueError, AttributeError, RecursionError):
        return ""


# --- Markdown ---------------------------------------------------------------------------------


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    body = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if not body:
        yield "none"
        return
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    yield from body


def _cell(text: str) -> str:
    """A foreign text in Markdown: visible, on one line, and neither a link, HTML nor a mention."""
    shown = safe(text)
    spans = shown.split("`")
    if len(spans) % 2 == 0 or "``" in shown:  # what is code then, another text on the line decides
        return _escaped(shown).replace("`", "\\`")
    return "`".join(
        span.replace("|", "\\|") if number % 2 else _escaped(span)
        for number, span in enumerate(spans)
    )


def _escaped(text: str) -> str:
    for sign in "\\|<>*_[]#@!":
        text = text.replace(sign, f"\\{sign}")
    return text


def _fenced(text: str) -> str:
    return text.replace("```", "'''")
