"""Robustness: every scenario of bench/proxy, through bridge, gateway, and both together.

A failure is run alone with what its message says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOT_THERE = ("n/a HTTP servers answer",)  # a fault that servers of this kind cannot have
PROXY = Path(__file__).parents[2] / "bench" / "proxy"


def _marks(kind: str, direction: str) -> list[pytest.MarkDecorator]:
    """Both together are in every run; each alone, and what takes its time, as a sample."""
    if kind != "quick":
        return [pytest.mark.slow, pytest.mark.sample(6)]
    return [] if direction.startswith("both") else [pytest.mark.sample(3)]


def _cases() -> list[Any]:
    words = [sys.executable, str(PROXY / "scenarios.py"), "--peers", "mcpconf", "--list"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, timeout=60).stdout)
    return [
        pytest.param(
            direction,
            name,
            id=f"{direction}-{name}",
            marks=_marks(kind, direction),
        )
        for kind, direction, name in found
    ]


@pytest.mark.runtime
@pytest.mark.xdist_group("runtime")
@pytest.mark.parametrize(("direction", "scenario"), _cases())
def test_scenario(matrix: Any, direction: str, scenario: str) -> None:
    row = matrix.row(direction, scenario)
    if row["verdict"] in NOT_THERE:
        return
    if row["verdict"].startswith("n/a"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(row["verdict"])
    again = f"bench/proxy/scenarios.py --peers mcpconf --dirs {direction} --only {scenario}"
    assert row["verdict"] == "pass", f"{row['verdict']} {row['note']}\nagain: {again}"


@pytest.mark.runtime
def test_the_reference_server_passes_what_needs_no_proxy(tmp_path: Path) -> None:
    """The scenarios are right: most of them pass with nothing between client and server."""
    quick = "sampling,progress,cancellation,unknown_fields_kept,big_integers_kept,modern_calls"
    words = [sys.executable, str(PROXY / "scenarios.py"), "--peers", "direct", "--strict", "direct"]
    done = subprocess.run(
        [*words, "--only", quick, "--jobs", "6", "--out", str(tmp_path / "matrix.json")],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
