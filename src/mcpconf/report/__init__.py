"""The only module that prints: findings, plans and failures, for people or as JSON.

stdout carries data, stderr talk.  Everything is readable without colour.  Whatever comes from a
file is shown escaped: a name from a cloned repository cannot move the cursor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mcpconf import __version__
from mcpconf.codes import Severity
from mcpconf.errors import Exit, Failure
from mcpconf.findings import Finding
from mcpconf.model import Classified, Resolved
from mcpconf.names import is_visible
from mcpconf.origin import Origin
from mcpconf.survey import Survey

_LONGEST_POINTER = 160  # characters; a name from a file may have thousands
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}


def safe(text: str) -> str:
    """Make a text harmless for a terminal: what is not plainly visible is written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == " " or is_visible(c) else _escape(c) for c in text)


def _escape(character: str) -> str:
    return (
        character.encode("ascii", "backslashreplace").decode()
        if character > "\x7f"
        else (repr(character)[1:-1])
    )


def out(text: str) -> None:
    """Print data.  A reader that has gone (``| head``) ends the program quietly."""
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        raise SystemExit(Exit.DONE) from None


def say(text: str) -> None:
    """Print talk, behind the result that was printed before it."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def as_json(value: object) -> None:
    """Print one JSON document: ASCII, two spaces, a final line feed."""
    out(json.dumps(value, indent=2))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: drawn by rich on a terminal, plain aligned columns elsewhere."""
    body = [[safe(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(header, body)
        return
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    for row in (header, *body):
        out("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def _rich_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  30 ms, for terminals only
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for title in header:
        drawn.add_column(title, overflow="fold")
    for row in body:
        drawn.add_row(*map(escape, row))
    Console().print(drawn)


# --- findings ---------------------------------------------------------------------------------


def findings(found: Sequence[Finding]) -> None:
    """Print findings to stderr, errors first, and one line that counts them."""
    order = list(Severity)
    for finding in sorted(found, key=lambda f: order.index(f.severity)):
        say(rendered(finding, colour=sys.stderr.isatty() and "NO_COLOR" not in os.environ))
    if found:
        say(summary(found))


def summary(found: Sequence[Finding]) -> str:
    """Count findings in words: ``2 errors, 1 warning``."""
    counts = [(s.value, sum(f.severity is s for f in found)) for s in Severity]
    return ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts if n)


def rendered(finding: Finding, *, colour: bool = False) -> str:
    """One finding as text: what, where, notes, ways out (docs/rules.md has the long story)."""
    head = f"{finding.severity.value}[{finding.code}]"
    if colour:
        head = f"\x1b[1;{_COLOURS[finding.severity]}m{head}\x1b[0m"
    lines = [f"{head}: {safe(finding.message)}"]
    if finding.origin:
        lines.append(f"  --> {place(finding.origin)}")
    lines += [f"note: {safe(note)}" for note in finding.notes]
    lines += [f"help: {safe(way)}" for way in finding.help]
    return "\n".join(lines)


def place(origin: Origin) -> str:
    """A place as people write it: ``~/.claude.json:41:5  /mcpServers/linear``."""
    position = origin.position
    numbers = f":{position.line}:{position.column}" if position and origin.source.text else ""
    pointer = origin.json_pointer
    if len(pointer) > _LONGEST_POINTER:
        pointer = f"{pointer[:_LONGEST_POINTER]}…"
    pointer = f"  {safe(pointer)}" if pointer else ""
    return f"{shown_path(origin.source.path)}{numbers}{pointer}"


def shown_path(path: str) -> str:
    """Shorten a path for people: below the working directory, or below home."""
    for base, short in ((os.getcwd(), ""), (os.path.expanduser("~"), "~/")):
        if path.startswith(base.rstrip("/") + "/") and base != "/":
            return safe(short + path[len(base.rstrip("/")) + 1 :])
    return safe(path)


# --- failures ---------------------------------------------------------------------------------


def failure(broken: Failure) -> None:
    """Say that the world broke, with the way out."""
    word = "usage" if broken.exit is Exit.USAGE else "error"
    say(f"{word}: {safe(broken.message)}")
    if broken.note:
        say(f"note: {safe(broken.note)}")
    if broken.help:
        say(f"help: {safe(broken.help)}")


def bug(error: BaseException) -> None:
    """Say that we broke, with what to paste: no values of variables, they may be secrets."""
    say(f"bug: mcpconf {__version__} stopped with {type(error).__name__}")
    frame = error.__traceback__
    while frame:
        code = frame.tb_frame.f_code
        if "mcpconf" in code.co_filename:
            say(f"  {Path(code.co_filename).name}:{frame.tb_lineno} in {code.co_name}")
        frame = frame.tb_next
    say("note: this is a fault in mcpconf, not in your configuration")
    say("help: report it with the lines above; they hold no value of your files")


# --- list -------------------------------------------------------------------------------------


def survey(surveyed: Survey, found: Mapping[int, Classified]) -> None:
    """Print every definition as a table, then the findings."""
    if surveyed.resolved:
        table(
            ("name", "scope", "state", "kind", "written in"),
            [
                (
                    r.server.name or '""',
                    r.server.scope.value,
                    r.state.value,
                    _kind(r, found) or "-",
                    place(r.server.origin).partition("  ")[0],
                )
                for r in surveyed.resolved
            ],
        )
    else:
        say("no MCP servers are configured")
    findings(surveyed.findings)


def _kind(resolved: Resolved, found: Mapping[int, Classified]) -> str | None:
    classified = found.get(id(resolved.server))
    return classified.kind.value if classified else None
