"""mcpconf's side: `mcpconf list` on a world, in this process when possible.

Managed files live in a private mount namespace, so a world that has some is read by a
subprocess inside that namespace.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from .oracle import Said, run
from .world import SYSTEM_FOLDER, World

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Report:
    """What mcpconf said about a world."""

    code: int
    servers: tuple[dict[str, Any], ...]
    findings: tuple[dict[str, Any], ...]
    err: str = ""

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Every definition of `name`, the deciding one last."""
        return [s for s in self.servers if s["name"] == name]

    def deciding(self) -> dict[str, dict[str, Any]]:
        """Name → the row that decides."""
        return {s["name"]: s for s in self.servers}

    def found_at(self, file: str, name: str | None = None) -> list[dict[str, Any]]:
        """Findings of a file, or of one server's entry in it."""
        here = [f for f in self.findings if (f.get("origin") or {}).get("file") == file]
        if name is None:
            return here
        wanted = "/mcpServers/" + name.replace("~", "~0").replace("/", "~1")
        return [f for f in here if f"{wanted}/" in f"{f['origin']['pointer']}/"]


def ask(world: World, version: str, mode: str) -> Report:
    """Run `mcpconf list` as the client would be run."""
    argv = ["list", "--format", "json", "--home", str(world.home), "--project", str(world.cwd)]
    argv += ["--client", version, "--mode", mode, "--reveal", "--offline"]
    argv += list(world.args) if mode == "session" else []
    if world.managed is not None or SYSTEM_FOLDER.exists():
        return _report(_in_namespace(world, argv))
    return _report(_in_process(world, argv))


def _in_process(world: World, argv: list[str]) -> Said:
    from mcpconf.cli import app_for  # noqa: PLC0415  only this side needs mcpconf
    from mcpconf.errors import Failure  # noqa: PLC0415

    with _surroundings(world):
        result = CliRunner().invoke(app_for(argv), argv)
    failure = result.exception
    if isinstance(failure, Failure):
        return Said(int(failure.exit), result.stdout, str(failure))
    if failure is not None and not isinstance(failure, SystemExit):
        return Said(3, "", "".join(traceback.format_exception(failure)[-3:]))
    return Said(result.exit_code, result.stdout, result.stderr)


def _in_namespace(world: World, argv: list[str]) -> Said:
    env = {**world.env, "PYTHONPATH": str(SOURCE)}
    return run(world, [sys.executable, "-m", "mcpconf", *argv], env, 60)


@contextmanager
def _surroundings(world: World) -> Iterator[None]:
    """The variables and the folder the client would have."""
    here = Path.cwd()
    env: Mapping[str, str] = world.env
    with mock.patch.dict(os.environ, env, clear=True):
        os.chdir(world.cwd)
        try:
            yield
        finally:
            os.chdir(here)


def _report(said: Said) -> Report:
    try:
        told = json.loads(said.out)
    except ValueError:
        return Report(said.code or 1, (), (), said.err or said.out)
    return Report(said.code, tuple(told["servers"]), tuple(told["findings"]), said.err)
