"""Twenty seconds of the soak: that it runs, and that nothing is lost, doubled or wrong in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "bench" / "soak.py"


@pytest.mark.runtime
@pytest.mark.xdist_group("runtime")
@pytest.mark.slow
@pytest.mark.sample(0)  # a matter of chance: it is for `make thorough`
def test_a_short_soak(tmp_path: Path) -> None:
    env = {**os.environ, "BENCH_HOME": str(tmp_path), "BENCH_VENV": sys.prefix}
    words = ["--minutes", "0.4", "--clients", "4", "--servers", "10"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        check=False,
        capture_output=True,
        text=True,
        env=env | {"HOME": str(tmp_path)},
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
