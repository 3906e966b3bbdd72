"""Of the command line only what a command needs is loaded, and nothing is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.main import get_command

from mcpconf.cli import MODULES, app_for


@pytest.mark.parametrize("module", MODULES)
def test_the_table_names_what_a_module_registers(module: str) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    import_module(f"mcpconf.cli.{module}").register(app)
    assert set(get_command(app).commands) == {*MODULES[module]}  # type: ignore[attr-defined]


def test_whatever_is_no_command_has_all_of_them() -> None:
    every = {name for commands in MODULES.values() for name in commands}
    for words in ([], ["--help"], ["lst"], ["--version"], [""]):
        assert set(get_command(app_for(words)).commands) == every  # type: ignore[attr-defined]


def test_list_loads_no_more_than_it_needs() -> None:
    code = (
        "import sys; from mcpconf.cli import app_for; app_for(['list']);"
        "print(sorted(m for m in sys.modules if m.startswith('mcpconf.')))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "mcpconf.cli.compile_commands" in said
    for other in ("mcpconf.plan", "mcpconf.cli.doctor_command", "mcpconf.gateway"):
        assert f"'{other}" not in said
