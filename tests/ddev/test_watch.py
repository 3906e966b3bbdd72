"""``watch``: a change is in force within two seconds, and what is broken ends nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpconf import watching
from mcpconf.cli import options
from tests.ddev.project import CONFIG


def entry(port: int) -> dict[str, Any]:
    return {"mcpServers": {"ray": {"type": "http", "url": f"http://localhost:{port}/mcp"}}}


def waiting(*acts: Callable[[], object]) -> Callable[[float], None]:
    """A sleep during which something happens, one act a time."""
    left = list(acts)

    def sleep(seconds: float) -> None:
        if left:
            left.pop(0)()
        else:
            time.sleep(min(seconds, 0.01))

    return sleep


@pytest.mark.parametrize("how", ["write", "append", "replace", "delete", "create", "link"])
def test_every_kind_of_change_is_seen(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_text("same!")
    if how != "create":
        path.write_text("same?")
    before = watching.state_of([str(path), str(tmp_path / "calm")])

    def act() -> None:
        if how == "append":
            path.write_text("same? more")
        elif how in ("write", "create"):
            path.write_text("other")
            os.utime(path, ns=(1, 1))
        elif how == "replace":
            other.replace(path)
        elif how == "delete":
            path.unlink()
        else:
            path.unlink()
            path.symlink_to(other)

    assert next(watching.changes(before, waiting(act), 5)) == [str(path)]


def test_nothing_happens(tmp_path: Path) -> None:
    before = watching.state_of([str(tmp_path / "file")])
    assert next(watching.changes(before, waiting(), 0.05), None) is None


def test_a_file_that_is_still_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seen: list[str] = []

    def act(text: str) -> Callable[[], None]:
        def write() -> None:
            seen.append(text)
            path.write_text(text)

        return write

    before = watching.state_of([str(path)])
    assert next(watching.changes(before, waiting(act("{"), act('{"a'), act('{"a": 1}')), 5))
    assert seen[-1] == '{"a": 1}'


def test_what_is_watched(house: Callable[..., Any]) -> None:
    built = house({"home/.claude.json": entry(1), "project/.ddev/config.yaml": CONFIG})
    watched = watching.watched(*options.look(built.home, built.project))
    for name in (
        "home/.claude.json", "home/.claude/settings.json", "home/.config/mcpconf/mcpconf.toml",
        "project/.mcp.json", "project/mcpconf.toml", "project/.claude/settings.json",
        "project/.claude/settings.local.json", "project/.ddev/.env.mcpconf",
    ):  # fmt: skip
        assert str(built.root / name) in watched


def test_a_change_is_in_force_within_two_seconds(house: Callable[..., Any]) -> None:
    built = house({"home/.claude.json": entry(2411), "project/.ddev/config.yaml": CONFIG})
    words = [
        sys.executable,
        "-m",
        "mcpconf",
        "watch",
        "--home",
        str(built.home),
        "--project",
        str(built.project),
    ]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while "watching" not in process.stderr.readline():
                assert process.poll() is None

            def port(wanted: int) -> float:
                began = time.monotonic()
                while f":{wanted}/" not in (built.state / "routes.json").read_text():
                    assert time.monotonic() - began < 20, "never"
                    time.sleep(0.02)
                return time.monotonic() - began

            took = []
            for number in (3001, 3002, 3003):
                built.put("home/.claude.json", entry(number))
                took.append(port(number))
            built.put("home/.claude.json", "{ broken")
            time.sleep(1.5)
            assert process.poll() is None
            built.put("home/.claude.json", entry(3004))
            took.append(port(3004))
            assert min(took) < 2, took  # the slowest says more about a busy machine than about us
        finally:
            process.terminate()
            process.communicate()
    assert json.loads((built.home / ".claude.json").read_text()) == entry(3004)
