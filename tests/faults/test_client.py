"""What the real Claude Code prints for a fault is what is recorded: a part of them in every run.

MCPCONF_PARITY=full asks about all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import at_home, certificates, over_http
from tests.faults.asking import SAID
from tests.faults.scene import Fault, Scene
from tests.parity.oracle import VERSIONS, client_path

pytestmark = pytest.mark.client

FULL = os.environ.get("MCPCONF_PARITY") == "full"
_EVERY = 1 if FULL else 6
_WAITS = {"hangs", "silent-socket", "silent", "garbage", "starved", "proxied"}  # for minutes


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    if client_path(found) is None and "CI" not in os.environ:
        pytest.skip("make parity installs the clients")
    assert client_path(found) is not None
    return found


def some(faults: Sequence[Fault]) -> list[Fault]:
    asked = [f for f in faults if f.heard and (FULL or f.name not in _WAITS)]
    return asked[::_EVERY]


def compare(faults: list[Fault], version: str, tmp_path: Path) -> None:
    """List them, in one home, and in another one begin a session."""
    said = json.loads(SAID.read_text())
    for kind in ("list", "session"):
        with Scene(faults, root=tmp_path / kind) as scene:
            (tmp_path / kind).mkdir(exist_ok=True)
            scene.env |= certificates.trusted(scene.root)
            scene.build()
            found = scene.listed(version) if kind == "list" else scene.session(version)
        for fault in faults:
            assert found.get(fault.name, "(absent)") == said[fault.name][kind][version], fault.name


def test_remote_servers(version: str, tmp_path: Path) -> None:
    compare(some(over_http.FAULTS), version, tmp_path)


@pytest.mark.parametrize("fault", some(at_home.FAULTS), ids=lambda fault: fault.name)
def test_at_home(fault: Fault, version: str, tmp_path: Path) -> None:
    compare([fault], version, tmp_path)
