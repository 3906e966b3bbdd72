"""Session starts of the real Claude Code with bridge and gateway, each with another fault.

The long form is `bench/real_client.py -n 300`; here each fault comes once, or six of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "bench" / "real_client.py"
CLIENT = ROOT / ".clients/2.1.328/node_modules/.bin/claude"
SESSIONS = 6


@pytest.mark.client
@pytest.mark.xdist_group("runtime")
@pytest.mark.runtime
@pytest.mark.slow
def test_every_session_has_every_server(tmp_path: Path) -> None:
    if not CLIENT.exists():
        why = "needs `python -m tests.parity.install_clients`"
        if "CI" in os.environ:
            pytest.fail(why)
        pytest.skip(why)
    out = tmp_path / "rows.json"
    env = {**os.environ, "BENCH_HOME": str(tmp_path), "BENCH_VENV": sys.prefix}
    words = ["-n", str(SESSIONS), "--jobs", "2", "--mode", "bridge", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        check=False,
        capture_output=True,
        text=True,
        env=env | {"HOME": str(tmp_path)},
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(out.read_text())) == SESSIONS
