"""The verbs of ``firewall``: the container's firewall, from the host.

It lives in the container (``mcpconf-fw``); these find the container and ask there, or show as text
what would be put into force.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.errors import Exit, Failure, Usage

if TYPE_CHECKING:
    from mcpconf.containers.running import Container


class SiteKind(StrEnum):
    """Which site to render for."""

    AUTO = "auto"
    DEFAULT = "default"


Install = Annotated[
    Path | None,
    typer.Option(
        "--install",
        help="Write mcpconf-fw, the program for the container, as one executable file.",
        metavar="FILE",
    ),
]
RenderOut = Annotated[
    Path | None, typer.Option("--out", help="Write files into DIR instead.", metavar="DIR")
]
SiteOption = Annotated[
    SiteKind,
    typer.Option("--site", help="The running container's resolver and hosts, or a usual one."),
]
InContainer = Annotated[
    str,
    typer.Option("--container", help="This container.", metavar="NAME", show_default=False),
]
Host = Annotated[
    str, typer.Argument(metavar="[HOST]", help="Only attempts at it.", show_default=False)
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new attempts.")]
Since = Annotated[
    float | None, typer.Option("--since", help="Only the last seconds.", metavar="SECONDS")
]

firewall = typer.Typer(
    name="firewall",
    help="The container's firewall: what it would be, whether it holds, what it blocked.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@firewall.callback()
def root(context: typer.Context, install: Install = None) -> None:
    """The container's firewall: what it would be, whether it holds, what it blocked."""
    if install is not None:
        _install(install)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.USAGE)


def _install(path: Path) -> None:
    from mcpconf.firewall import bundle

    try:
        bundle.write(path.absolute())
    except OSError as error:
        raise Failure(
            f"the program could not be written to {path}: {error.strerror or error}",
            help="name a file in a directory that you may write to",
        ) from error
    report.say(f"written: {report.shown_path(str(path))}")


@firewall.command()
def render(
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: RenderOut = None,
    site: SiteOption = SiteKind.DEFAULT,
    container: InContainer = "",
) -> None:
    """Show the texts that the packet filter, the resolver and the gate would get, to be read."""
    from mcpconf import firewall_view
    from mcpconf.cli.compile_commands import compiled_project

    looked = o.look(home, project)
    compiled, target, _ = compiled_project(*looked)
    place = firewall_view.usual()
    if site is SiteKind.AUTO or container:
        from mcpconf.containers import program, running

        found = (
            running.named(container, os.environ)
            if container
            else running.one_of(
                running.running(o.place_of(looked[0], target), os.environ),
                "firewall render --site auto",
            )
        )
        place = firewall_view.seen(program.files_of(found, firewall_view.SEEN))
    rendered = firewall_view.rendered(compiled.plan.egress, place)
    for notice in rendered.notices:
        report.say(f"note: {report.safe(notice)}")
    if out is None:
        for name, text in rendered.files.items():
            report.out(f"# ===== {name} =====\n{text}")
        return
    _write(out, rendered.files)


def _write(out: Path, files: dict[str, str]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text)
    except OSError as error:
        raise Failure(f"{out} could not be written: {error.strerror or error}") from error
    for name in files:
        report.out(report.shown_path(str(out.absolute() / name)))


@firewall.command()
def status(
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: o.Out = None,
    container: InContainer = "",
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
) -> None:
    """Show what is open, for which server, by which addresses, and how much went through."""
    words = _words("status", format)
    _leave(words, _asked(words, home, project, out, container, one=format is o.Format.JSON))


@firewall.command()
def blocked(
    host: Host = "",
    follow: Follow = False,
    since: Since = None,
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: o.Out = None,
    container: InContainer = "",
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
) -> None:
    """Show what was refused, with time, name, port and why; `mcpconf allow --blocked` opens it."""
    if host.startswith("-"):
        raise Usage("a host does not begin with `-`")
    words = _words("blocked", format)
    words += ["--since", f"{since:g}"] if since is not None else []
    words += [*(["--follow"] if follow else []), *([host] if host else [])]
    one = follow or format is o.Format.JSON
    _leave(words, _asked(words, home, project, out, container, one=one))


@firewall.command()
def verify(
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: o.Out = None,
    container: InContainer = "",
    format: o.AsFormat = o.Format.TEXT,  # noqa: A002
) -> None:
    """Prove from inside that a listed name opens and an unlisted one does not."""
    words = _words("verify", format)
    _leave(words, _asked(words, home, project, out, container, one=format is o.Format.JSON))


@firewall.command()
def refresh(
    home: o.Home = None,
    project: o.Project = o.HERE,
    out: o.Out = None,
    container: InContainer = "",
) -> None:
    """Put the newest egress.json into force now (a running container does so by itself)."""
    words = ["refresh"]
    _leave(words, _asked(words, home, project, out, container, one=True))


def _words(verb: str, format: o.Format) -> list[str]:  # noqa: A002
    return [verb, *(["--format", "json"] if format is o.Format.JSON else [])]


def _asked(
    words: list[str],
    home: Path | None,
    project: Path,
    out: Path | None,
    container: str,
    *,
    one: bool,
) -> list[Container | None]:
    """Whom to ask: the container that is named, this one, or those that run for the project."""
    from mcpconf.containers import program, running
    from mcpconf.readers.target import find_target

    if container:
        return [running.named(container, os.environ)]
    if program.is_inside():
        return [None]
    configuration, places = o.look(home, project)
    target = find_target(configuration.cwd, configuration.key, places, out)
    found = running.running(o.place_of(configuration, target), os.environ)
    if one or not found:
        return [running.one_of(found, f"firewall {' '.join(words)}")]
    return [*found]


def _leave(words: list[str], containers: list[Container | None]) -> None:
    from mcpconf.containers import program
    from mcpconf.report import firewall as shown

    codes = []
    for container in containers:
        if container is not None and len(containers) > 1:
            report.say(f"container {report.safe(container.name)}:")
        out, err = shown.piece(sys.stdout.write), shown.piece(sys.stderr.write)
        codes.append(program.passed_through(container, words, out, err))
    raise typer.Exit(max(codes))
