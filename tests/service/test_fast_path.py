"""The two programs of the run-time load nothing that they do not use; both are in the help."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

HEAVY = {"typer", "click", "rich", "httpx", "tomlkit", "pydantic", "publicsuffixlist", "mcp",
         "keyring", "http.client", "email"}  # fmt: skip
OURS = {"mcpconf.cli", "mcpconf.report", "mcpconf.compiler", "mcpconf.resolve", "mcpconf.plan"}


def loaded(code: str) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps([*sys.modules]))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(said.stdout.splitlines()[-1]))


def test_the_gateway_starts_without_the_command_line() -> None:
    code = "import mcpconf.__main__, mcpconf.service.foreground, mcpconf.gateway.server"
    assert not loaded(code) & (HEAVY | OURS)


def test_the_gateway_is_reached_that_way() -> None:
    code = """
import sys
sys.argv = ["mcpconf", "gateway", "run", "--port", "0", "--home", "/nonexistent"]
from unittest import mock
from mcpconf.__main__ import run
with mock.patch("mcpconf.service.foreground.run", return_value=7) as called:
    assert run() == 7
assert called.call_args.args[0].ports == (0,)
"""
    assert not loaded(code) & OURS


def test_the_bridge_starts_without_anything_of_ours() -> None:
    code = """
import sys
sys.argv = ["mcpconf", "bridge"]
from mcpconf.__main__ import run
assert run() == 2
"""
    names = loaded(code)
    assert not names & (HEAVY | OURS | {"asyncio"})
    ours = {n for n in names if n.split(".")[0] == "mcpconf" and ".bridge" not in n}
    assert ours <= {"mcpconf", "mcpconf.__main__", "mcpconf.errors"}


@pytest.mark.parametrize("words", [["bridge"], ["gateway", "run"], ["gateway"]])
def test_their_help_is_the_command_lines(program: Any, words: list[str]) -> None:
    said = program(*words, "--help")
    assert said.code == 0
    usage = said.out.splitlines()[0]
    assert f"mcpconf {' '.join(words)} " in usage


def test_the_help_names_all_commands(program: Any) -> None:
    out = program("--help").out
    assert all(f"\n  {name} " in out for name in ("bridge", "gateway", "wait", "clean"))
