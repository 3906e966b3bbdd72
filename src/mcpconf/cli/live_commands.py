"""``explain --live``: looks, prints one verdict a server, and mends what is safe to mend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project
from mcpconf.clients import NEWEST
from mcpconf.errors import Exit, Usage
from mcpconf.names import quote

if TYPE_CHECKING:
    from mcpconf.diagnosis.ladder import Asked
    from mcpconf.diagnosis.model import Diagnosis, Remedy

_MOST = 4  # commands that one --fix runs


class Where(NamedTuple):
    """Whose configuration is meant."""

    home: Path | None = None
    project: Path = o.HERE
    client: str = NEWEST
    out: Path | None = None
    home_mcp_json: bool = False


class Wishes(NamedTuple):
    """What is wanted beside a look; ``container`` is "" where it is to be found.

    ``svg`` is where a picture of it goes.
    """

    format: o.Format = o.Format.TEXT
    fix: bool = False
    container: str = ""
    start_here: bool = False
    svg: Path | None = None


def explain_live(names: Sequence[str], where: Where, wishes: Wishes) -> NoReturn:
    """Diagnose the servers of these names, or all; exits 1 where a cause was found."""
    from mcpconf.report import given_file, live

    given_file.check_all((wishes.svg, "--svg"))
    found = _look(names, where, wishes)
    if wishes.fix:
        found = _mend(found, names, where, wishes)
    if wishes.svg is not None:
        from mcpconf.cli.doctor_command import draw

        draw(asked_of(names, where, wishes), found, wishes.svg)
    if wishes.format is o.Format.JSON:
        report.as_json(live.as_document(found))
    elif not wishes.fix:
        live.diagnoses(found)
    raise typer.Exit(Exit.FINDINGS if any(d.verdicts for d in found) else Exit.DONE)


def asked_of(names: Sequence[str], where: Where, wishes: Wishes) -> Asked:
    """What is to be diagnosed.  Raises Usage for a name that nothing has."""
    from mcpconf.diagnosis.ladder import Asked

    looked = o.look(where.home, where.project, where.client, home_mcp_json=where.home_mcp_json)
    compiled, target, _ = compiled_project(*looked, where.out)
    asked = Asked(
        *looked, compiled, target, os.environ, tuple(names), wishes.container, wishes.start_here
    )
    _check(asked)
    return asked


def _check(asked: Asked) -> None:
    from difflib import get_close_matches

    from mcpconf.diagnosis.judge import config as judge_config

    names = list(dict.fromkeys(r.server.name for r in asked.compiled.survey.resolved))
    for name in asked.names:
        judged = judge_config.judge_config(name, asked.compiled)
        if judge_config.definitions(name, asked.compiled) or judged.causes:
            continue
        near = get_close_matches(name, names, 1)
        way = f"did you mean {quote(near[0])}?" if near else "`mcpconf list` shows what there is"
        raise Usage(f"no server is called {quote(name)}", help=way)


def _look(names: Sequence[str], where: Where, wishes: Wishes) -> tuple[Diagnosis, ...]:
    from mcpconf.diagnosis.judge import config as judge_config
    from mcpconf.diagnosis.ladder import diagnose
    from mcpconf.report import live

    asked = asked_of(names, where, wishes)
    progress = live.Progress(len(judge_config.known(asked.names, asked.compiled)))
    return diagnose(asked, progress)


# --- --fix ------------------------------------------------------------------------------------


def _mend(
    found: tuple[Diagnosis, ...], names: Sequence[str], where: Where, wishes: Wishes
) -> tuple[Diagnosis, ...]:
    """Show, mend, look again, until nothing safe is left to be done."""
    from mcpconf.report import live

    done: set[str] = set()
    text = wishes.format is o.Format.TEXT
    while True:
        if text:
            live.diagnoses(found)
        remedy = next((r for r in _safe(found) if r.command not in done), None)
        if remedy is None or len(done) == _MOST:
            break
        done.add(remedy.command)
        live.mending(remedy)
        if not run(remedy, where):
            return found
        found = _look(names, where, wishes)
    if text:
        live.not_mended(found)
    return found


def _safe(found: Sequence[Diagnosis]) -> Iterator[Remedy]:
    for diagnosis in found:
        remedy = diagnosis.verdicts[0].remedy if diagnosis.verdicts else None
        if remedy is not None and remedy.safe and remedy.argv:
            yield remedy


def run(remedy: Remedy, where: Where) -> bool:
    """Run a command of ours, as this very program; what it prints is talk."""
    from mcpconf.service.process import program

    words: list[str] = []
    for word in (*remedy.argv, "&&"):
        if word != "&&":
            words.append(word)
            continue
        command = [*program(), *words, *_options(words, where)]
        done = subprocess.run(  # noqa: S603  ourselves
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        sys.stderr.write(done.stdout.decode(errors="replace"))
        if done.returncode:
            report.say(f"that did not work: {report.safe(remedy.command)}")
            return False
        words = []
    return True


def _options(words: Sequence[str], where: Where) -> list[str]:
    """The options that say whose configuration is meant."""
    home = ["--home", str(where.home.absolute())] if where.home else []
    if words[0] == "gateway":
        return home
    out = ["--out", str(where.out)] if where.out and words[0] == "sync" else []
    return [*home, "--project", str(where.project.absolute()), *out]
