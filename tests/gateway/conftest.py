"""Gateways for tests: one that many share, and ones of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import rig


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory with a short path: the names of sockets have 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="mc-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Gateway]:
    """A gateway that nobody may break: the server ``s0``, and ``s1`` beside it."""
    folder = tmp_path_factory.mktemp("gateway")
    gateway = rig.start(folder, {"s0": rig.stdio("s0"), "s1": rig.stdio("s1")})
    yield gateway
    assert gateway.stop() == 0, gateway.stderr()
    assert "a bug" not in gateway.stderr(), gateway.stderr()
    assert "Traceback" not in gateway.stderr(), gateway.stderr()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., rig.Gateway]]:
    """Start gateways of the test's own."""
    running: list[rig.Gateway] = []

    def start(servers: dict[str, Any] | None, *words: str, **more: Any) -> rig.Gateway:
        running.append(rig.start(tmp_path, servers, *words, **more))
        return running[-1]

    yield start
    for one in running:
        one.stop()
        assert "Traceback" not in one.stderr(), one.stderr()
        assert "a bug" not in one.stderr(), one.stderr()


@pytest.fixture
def backend() -> Iterator[Callable[..., rig.Backend]]:
    running: list[rig.Backend] = []

    def start(*words: str, **faults: object) -> rig.Backend:
        running.append(rig.Backend(*words, **faults))
        return running[-1]

    yield start
    for one in running:
        one.stop()
