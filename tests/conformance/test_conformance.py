"""The official suite reaches through bridge and gateway what it reaches directly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .install_suite import NODE, SUITE

PROXY = Path(__file__).parents[2] / "bench" / "proxy"
REACHED = {"2025-11-25": 30, "2026-07-28": 37}  # by the reference server, without a proxy
PATHS = ("bridge", "gw-stdio", "gw-http", "both-stdio", "both-http")

pytestmark = [pytest.mark.runtime, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if NODE.exists() and SUITE.exists():
        return
    why = "needs `python -m tests.conformance.install_suite`"
    if "CI" in os.environ:
        pytest.fail(why)
    pytest.skip(why)


def reached(peer: str, path: str, revision: str, home: Path) -> dict[str, Any]:
    words = ["--peers", peer, "--paths", path, "--revs", revision, "--out", str(home / "out.json")]
    env = {**os.environ, "BENCH_HOME": str(home), "BENCH_VENV": sys.prefix, "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, str(PROXY / "conformance.py"), *words],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.sample(3)
@pytest.mark.parametrize("revision", REACHED)
@pytest.mark.parametrize("path", PATHS)
def test_as_many_scenarios_as_directly(path: str, revision: str, tmp_path: Path) -> None:
    row = reached("mcpconf", path, revision, tmp_path)
    assert "error" not in row, row
    assert (row["scenarios_passed"], row["failed"]) == (REACHED[revision], [])
    assert row["checks_failed"] == 0


@pytest.mark.parametrize("revision", REACHED)
def test_the_yardstick(revision: str, tmp_path: Path) -> None:
    """The reference server reaches directly what the others are held to."""
    assert reached("direct", "http", revision, tmp_path)["scenarios_passed"] == REACHED[revision]
