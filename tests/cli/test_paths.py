"""Paths that are typed: relative ones, with ``..`` and links in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mcpconf.cli.options import located

SERVER = {"mcpServers": {"docs": {"type": "http", "url": "https://docs.example.com/mcp"}}}


@pytest.mark.parametrize("command", ["list", "plan", "sync", "remove"])
def test_a_relative_home_and_project_with_dots(
    house: Any, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = house({"home/.claude.json": SERVER, "project/.ddev/config.yaml": "name: x\n"})
    monkeypatch.chdir(built.project)
    words = (
        "--home",
        f"../{built.home.name}",
        "--project",
        f"../{built.project.name}/../{built.project.name}",
    )
    said = built.run(command, *words)
    assert said.code == 0, said.err


def test_out_may_have_dots_too(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    built = house({"home/.claude.json": SERVER})
    monkeypatch.chdir(built.project)
    assert built.run("sync", "--out", "../there/../beside").code == 0
    assert (built.project / "../beside/mcp.json").exists()


def test_dots_are_where_the_file_system_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far/below").mkdir(parents=True)
    (tmp_path / "near").symlink_to("far/below")
    monkeypatch.chdir(tmp_path)
    assert located(Path("near/../x")) == Path(os.path.realpath(tmp_path)) / "far/x"
    assert located(Path("near/x")) == tmp_path / "near/x"
    assert located(None) is None
