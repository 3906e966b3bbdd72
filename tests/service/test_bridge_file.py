"""``mcpconf bridge --install``: one file that needs nothing but python3."""

from __future__ import annotations

import ast
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpconf.bridge.bundle import source


@pytest.fixture
def installed(tmp_path: Path, program: Any) -> Path:
    path = tmp_path / "bin/mcpconf-bridge"
    said = program("bridge", "--install", str(path))
    assert said.code == 0, said.err
    return path


def test_it_runs_with_nothing_around_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the working directory')")
    assert stat.S_IMODE(installed.stat().st_mode) == 0o755
    said = subprocess.run([installed], env={}, cwd=tmp_path, capture_output=True, check=False)
    assert said.returncode == 2
    assert said.stderr.startswith(b"usage: mcpconf-bridge NAME")
    assert [p.name for p in installed.parent.iterdir()] == ["mcpconf-bridge"]


def test_it_speaks_to_a_server(installed: Path, serve: Any) -> None:
    url = f"http://127.0.0.1:{serve().server_address[1]}/mcp"
    hello = (
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":'
        '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}'
    )
    command = [str(installed), "--url", url, "--cache", ""]
    with subprocess.Popen(command, env={}, stdin=-1, stdout=-1, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(hello + "\n")
        running.stdin.flush()
        assert '"name": "test"' in running.stdout.readline()
        running.stdin.close()
    assert running.returncode == 0


def test_it_is_python_3_9() -> None:
    ast.parse(source(), feature_version=(3, 9))


def test_it_uses_nothing_newer_than_python_3_9(tmp_path: Path) -> None:
    vermin = shutil.which("vermin", path=str(Path(sys.executable).parent))
    if vermin is None:
        pytest.skip("vermin is not installed")
    (tmp_path / "bridge.py").write_text(source())
    said = subprocess.run(
        [vermin, "-t=3.9-", "--no-tips", "--violations", str(tmp_path / "bridge.py")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout


def test_where_it_cannot_be_written_is_said(tmp_path: Path, program: Any) -> None:
    (tmp_path / "file").write_text("")
    said = program("bridge", "--install", str(tmp_path / "file/bridge"))
    assert said.code == 4
    assert "could not be written" in said.err
