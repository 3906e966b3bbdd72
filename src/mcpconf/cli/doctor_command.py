"""``doctor``: everything at once; and the picture, which ``explain`` draws as well."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf import report
from mcpconf.cli import live_commands
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project
from mcpconf.clients import NEWEST
from mcpconf.errors import Exit

if TYPE_CHECKING:
    from mcpconf.diagnosis.checks.check import Beside, Checkup, Given
    from mcpconf.diagnosis.ladder import Asked
    from mcpconf.diagnosis.model import Diagnosis
    from mcpconf.readers.around import Target
    from mcpconf.readers.inputs import Configuration

_MOST = 4  # commands that one --fix runs

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Only these servers (default: all in force)."),
]
Fix = Annotated[
    bool, typer.Option("--fix", help="Run the commands that mend something, if they are safe.")
]
Inside = Annotated[
    str | None,
    typer.Option("--container", help="Look into this one (default: found).", metavar="NAME"),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="Write a text to attach to an issue.", metavar="FILE"),
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with a picture.", metavar="FILE")
]


def doctor(
    names: Names = None,
    fix: Fix = False,
    report_file: Report = None,
    html: Html = None,
    container: Inside = None,
    home: o.Home = None,
    project: o.Project = o.HERE,
    client: o.ClientVersion = NEWEST,
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
    out: o.Out = None,
    home_mcp_json: o.HomeMcpJson = False,
) -> None:
    """Check everything: servers, installation, files, gateway, container, clocks, certificates."""
    from mcpconf.report import doctor as shown
    from mcpconf.report import given_file, live

    given_file.check_all((report_file, "--report"), (html, "--html"))
    where = live_commands.Where(home, project, client, out, home_mcp_json)
    given, found = _examine(names or [], where, container or "")
    if fix:
        given, found = _mend(found, given, names or [], where, container or "")
    if report_file is not None:
        given_file.put(report_file, _issue(found, given), "--report")
    if html is not None:
        given_file.put(html, _page(found, given), "--html")
    if format is o.Format.JSON:
        servers = list(map(live.diagnosis_json, found.servers))
        report.as_json(shown.checkup_json(found, servers))
    else:
        shown.checkup(found)
    _say_where((report_file, "the report"), (html, "the page"))
    raise typer.Exit(Exit.DONE if found.sound else Exit.FINDINGS)


def _examine(
    names: Sequence[str], where: live_commands.Where, container: str
) -> tuple[Given, Checkup]:
    from mcpconf.diagnosis.checks.check import Given
    from mcpconf.diagnosis.doctor import examine
    from mcpconf.diagnosis.ladder import diagnose
    from mcpconf.report import doctor as shown

    wishes = live_commands.Wishes(container=container)
    asked = live_commands.asked_of(names, where, wishes)
    if not names:
        active = tuple(server.name for server in asked.compiled.survey.active())
        asked = asked._replace(names=active)
    looked = asked.configuration, asked.places
    compiled, target, _ = compiled_project(*looked, where.out, with_token=True)
    place = o.place_of(asked.configuration, target)
    beside = None if where.out else _of_ddev(asked.configuration, target)
    given = Given(*looked, compiled, target, place, os.environ, container, beside)
    progress = shown.Progress()
    try:
        return given, examine(given, lambda: diagnose(asked) if asked.names else (), progress)
    finally:
        progress.end()


def _of_ddev(configuration: Configuration, target: Target) -> Callable[[], Beside] | None:
    """Looks at what a sync writes into ``.ddev``; None in other projects."""
    if target.kind != "ddev":
        return None

    def look() -> Beside:
        from mcpconf.ddev.prepare import prepare
        from mcpconf.diagnosis.checks.check import Beside

        prepared = prepare(configuration, target, os.environ)
        return Beside(prepared.changes, prepared.findings)

    return look


def _mend(
    found: Checkup,
    given: Given,
    names: Sequence[str],
    where: live_commands.Where,
    container: str,
) -> tuple[Given, Checkup]:
    """Run what is safe, one after the other, and look again after each."""
    from mcpconf.report import doctor as shown
    from mcpconf.report import live

    done: set[str] = set()
    while len(done) < _MOST:
        remedy = next((r for r in shown.remedies(found) if r.command not in done), None)
        if remedy is None:
            break
        done.add(remedy.command)
        live.mending(remedy)
        if not live_commands.run(remedy, where):
            break
        given, found = _examine(names, where, container)
    if not done:
        report.say("--fix: nothing here is mended by a command that is safe to run unasked")
    return given, found


def _say_where(*written: tuple[Path | None, str]) -> None:
    for path, what in written:
        if path is not None:
            report.say(f"{what} is in {report.shown_path(str(path.absolute()))}")


def _issue(found: Checkup, given: Given) -> str:
    from mcpconf.report import issue

    return issue.markdown(found, given)


# --- pictures ---------------------------------------------------------------------------------


def draw(asked: Asked, found: Sequence[Diagnosis], path: Path) -> None:
    """Write the ways to these servers as SVG: ``explain --svg FILE``."""
    from mcpconf.diagnosis.checks.check import Given
    from mcpconf.diagnosis.checks.known_secrets import scrubber
    from mcpconf.report import drawing, given_file
    from mcpconf.report.chain import chains

    place = o.place_of(asked.configuration, asked.target)
    given = Given(
        asked.configuration, asked.places, asked.compiled, asked.target, place, asked.environ
    )
    clean = scrubber(given)
    text = drawing.svg(chains(found, asked.compiled, clean), _project(given))
    given_file.put(path, text, "--svg")
    _say_where((path, "the picture"))


def _page(found: Checkup, given: Given) -> str:
    from mcpconf import __version__
    from mcpconf.diagnosis.checks.known_secrets import scrubber
    from mcpconf.diagnosis.checks.scrub import cleaned
    from mcpconf.report import drawing
    from mcpconf.report.chain import chains

    clean = scrubber(given)
    about = (
        f"mcpconf {__version__}",
        f"for Claude Code {given.configuration.request.client.version}",
        time.strftime("%Y-%m-%d %H:%M"),
    )
    drawn = chains(found.servers, given.compiled, clean)
    return drawing.page(drawn, cleaned(found.checks, clean), _project(given), about)


def _project(given: Given) -> str:
    return os.path.basename(given.configuration.cwd) or "/"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)
