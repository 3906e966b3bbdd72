"""The benchmark's scenarios as tests: one process runs those that are selected, several at a time."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROXY = Path(__file__).parents[2] / "bench" / "proxy"
JOBS = 4  # most of a scenario is waiting
LONGEST = 600


class Matrix:
    """The rows of ``scenarios.py``, as they come."""

    def __init__(self, wanted: list[tuple[str, str]], home: Path) -> None:
        chosen = home / "chosen.json"
        chosen.write_text(json.dumps(wanted))
        words = ["--peers", "mcpconf", "--chosen", str(chosen), "--jobs", str(JOBS), "--lines"]
        env = {**os.environ, "BENCH_HOME": str(home), "BENCH_VENV": sys.prefix, "HOME": str(home)}
        self._log = (home / "log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(PROXY / "scenarios.py"),
                *words,
                "--out",
                str(home / "matrix.json"),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=env,
            text=True,
        )
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._arrived.put(json.loads(line))
        self._arrived.put(None)

    def row(self, direction: str, name: str) -> dict[str, Any]:
        while (direction, name) not in self._rows:
            row = self._arrived.get(timeout=LONGEST)
            assert row is not None, f"scenarios.py ended early: {self.said()}"
            self._rows[row["dir"], row["scenario"]] = row
        return self._rows[direction, name]

    def said(self) -> str:
        return Path(self._log.name).read_text(errors="replace")[-2000:]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reader.join(30)
        self._log.close()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture(scope="session")
def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """Every scenario that this run of pytest has selected."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [
        (x["direction"], x["scenario"]) for x in calls if {"scenario", "direction"} <= x.keys()
    ]
    running = Matrix(wanted, tmp_path_factory.mktemp("matrix"))
    yield running
    running.close()
