"""Who may make network namespaces."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def _namespaces() -> None:
    """Skip without root, but in CI that is a failure."""
    if os.geteuid() != 0:
        assert "CI" not in os.environ, "the tests of the firewall need root"
        pytest.skip("needs root, for network namespaces")
