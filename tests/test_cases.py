"""Golden folders: ``cases/NAME/given`` is a house, ``expect`` is everything that follows from it.

``BLESS=1`` rewrites ``expect``; the diff is then read like code.  In ``given``, ``<HOME>`` and
``<PROJECT>`` stand for the paths of the house.  ``options.json`` may name ``env``, ``client``,
``mode``, ``home_mcp_json``, and more questions for ``explain``.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from mcpconf import report, view
from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.compiler import Compilation, compile_project
from mcpconf.explain import explain
from mcpconf.model import mint
from mcpconf.readers.inputs import Request
from mcpconf.readers.places import find_places
from mcpconf.readers.surroundings import look_around
from mcpconf.readers.target import find_target
from mcpconf.readers.world import read_configuration
from mcpconf.report import plans
from mcpconf.survey import kinds, survey

CASES = Path(__file__).with_name("cases")


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda p: p.name)
def test_case(case: Path, builder: Callable[..., Any], tmp_path: Path) -> None:
    actual = compiled(case / "given", builder(tmp_path, {}))
    if "BLESS" in os.environ:
        rewrite(case / "expect", actual)
    assert {p.name: p.read_text() for p in (case / "expect").iterdir()} == actual


def compiled(given: Path, house: Any) -> dict[str, str]:
    """Everything that follows from a folder of files, by the name of the file that expects it."""
    for path in filter(Path.is_file, given.rglob("*")):
        house.put(str(path.relative_to(given)), path.read_text())
    options = json.loads((given / "options.json").read_text() or "{}")
    request = Request(
        home=house.home,
        project=house.project,
        environ=options.get("env", {}),
        client=CLIENTS[options.get("client", NEWEST)],
        interactive=options.get("mode", "interactive") == "interactive",
        home_mcp_json=options.get("home_mcp_json", False),
        managed=house.root / "managed",
    )
    texts = dict(_texts(request, options.get("explain", [])))
    project = mint(os.path.realpath(house.project))
    return {
        name: house.normalised(text.replace(f'"{project}"', '"<ID OF PROJECT>"'))
        for name, text in texts.items()
    }


def _texts(request: Request, questions: list[str]) -> Iterator[tuple[str, str]]:
    surveyed = survey(read_configuration(request))
    places = find_places(request.home)
    around = look_around(surveyed.configuration, places)
    target = find_target(surveyed.configuration.cwd, surveyed.configuration.key, places)
    whole = compile_project(surveyed, around, target)
    yield from ((a.name, a.text) for a in whole.artifacts)
    found = kinds(surveyed, around.facts)
    yield "list.json", json.dumps(view.survey_json(surveyed, found), indent=2) + "\n"
    names = dict.fromkeys(r.server.name for r in surveyed.resolved)
    answers = (explain(q, whole, found) for q in (*names, *questions))
    yield "explain.txt", "\n".join(map(_printed, answers))
    yield "findings.txt", _findings(whole)


def _printed(answer: Any) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        plans.explanation(answer)
    return out.getvalue()


def _findings(whole: Compilation) -> str:
    err = io.StringIO()
    with redirect_stderr(err):
        report.findings(whole.findings)
    return err.getvalue()


def rewrite(expect: Path, actual: dict[str, str]) -> None:
    shutil.rmtree(expect, ignore_errors=True)
    expect.mkdir()
    for name, text in actual.items():
        (expect / name).write_text(text)
