"""The official suite's OAuth scenarios for clients, all of them, through our login.

It needs ``python -m tests.conformance.install_suite``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.install_suite import NODE, SUITE

HOST = Path(__file__).with_name("conformance_host.py")
ROW = re.compile(r"^([✓✗]) (auth/[\w.-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
EXTENSION = re.compile(r"^\s+[✓✗] (auth/[\w.-]+) \(extension", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if NODE.exists() and SUITE.exists():
        return
    why = "needs `python -m tests.conformance.install_suite`"
    if "CI" in os.environ:
        pytest.fail(why)
    pytest.skip(why)


def run(*words: str) -> str:
    host = f"{sys.executable} {HOST}"
    done = subprocess.run(
        [str(NODE), str(SUITE), "client", "--command", host, "--timeout", "120000", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.sample(0)  # a minute of both cores; some of them are below
@pytest.mark.parametrize(("revision", "count"), [("2025-11-25", 14), ("2026-07-28", 25)])
def test_every_scenario(revision: str, count: int) -> None:
    said = run("--requirements", revision)
    rows = {name: mark == "✓" for mark, name, _, _ in ROW.findall(said)}
    asked = {name: fine for name, fine in rows.items() if name not in EXTENSION.findall(said)}
    assert [name for name, fine in asked.items() if not fine] == []
    assert len(asked) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        "2025-03-26-oauth-metadata-backcompat",
        "2025-03-26-oauth-endpoint-fallback",
        "metadata-var3",
        "token-endpoint-auth-basic",
        "scope-step-up",
        "authorization-server-migration",
        "iss-wrong-issuer",
    ],
)
def test_one_scenario(scenario: str) -> None:
    assert "OVERALL: PASSED" in run("--scenario", f"auth/{scenario}")
