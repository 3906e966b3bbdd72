"""The picture as SVG, and as a page: templates/picture, filled in by jinja2 that escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mcpconf import __version__
from mcpconf._resources import data
from mcpconf.codes import Severity
from mcpconf.diagnosis.checks.check import Check, State
from mcpconf.report import place, safe
from mcpconf.report.chain import Chain, Mark
from mcpconf.report.picture import (
    CLASSES,
    MARGIN,
    SYMBOLS,
    WIDTH,
    ZONE_NAMES,
    columns,
    layout,
    line_at,
    outcome,
    wrapped,
)

_STATES = {
    State.OK: Mark.WORKS,
    State.WARN: Mark.REMARK,
    State.FAIL: Mark.BROKEN,
    State.UNKNOWN: Mark.UNSEEN,
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(data("templates", "picture")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["safe_text"] = safe
    return environment


def svg(chains: Sequence[Chain], project: str) -> str:
    """One self-contained SVG."""
    rows = layout(chains)
    title = _title(chains, project)
    values = {
        "width": WIDTH,
        "height": rows[-1].y + rows[-1].height + MARGIN if rows else 120,
        "title": title,
        "described": " ".join(row.says for row in rows) or "No server is configured here.",
        "heading": [line_at(MARGIN, 30, text, "title") for text in wrapped(title, 100, 1)],
        "legend": _legend(),
        "rows": rows,
    }
    return _environment().get_template("picture.svg.j2").render(values)


def _title(chains: Sequence[Chain], project: str) -> str:
    works = sum(chain.works for chain in chains)
    return f"MCP servers of {safe(project)}: {works} of {len(chains)} work"


def _legend() -> list[tuple[str, str, str, int]]:
    found, x = [], MARGIN
    for mark in Mark:
        found.append((CLASSES[mark], SYMBOLS[mark], mark.value, x))
        x += int(columns(mark.value) * 6.7) + 44
    return found


def page(
    chains: Sequence[Chain], checks: Sequence[Check], project: str, about: Sequence[str]
) -> str:
    """One self-contained page without a script; ``about`` are lines of facts."""
    values = {
        "title": _title(chains, project),
        "version": __version__,
        "about": about,
        "chains": chains,
        "checks": [
            (CLASSES[mark], SYMBOLS[mark], check.state.value, check.name, check.text)
            for check in checks
            for mark in (_STATES[check.state],)
        ],
        "findings": list(dict.fromkeys(_told(checks))),
        "marks": list(Mark),
        "classes": CLASSES,
        "symbols": SYMBOLS,
        "zone_names": ZONE_NAMES,
        "outcome": outcome,
        "place": place,
    }
    return _environment().get_template("page.html.j2").render(values)


def _told(checks: Sequence[Check]) -> list[tuple[object, ...]]:
    """Findings as texts: how bad, code, message, place, notes, ways out."""
    return [
        (
            "broken" if f.severity is Severity.ERROR else "remark",
            f.code,
            f.message,
            place(f.origin) if f.origin else "",
            f.notes,
            f.help,
        )
        for check in checks
        for f in check.findings
        if f.severity is not Severity.NOTE
    ]
