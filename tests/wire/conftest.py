from __future__ import annotations

import pytest

from mcpconf.wire import lookup


@pytest.fixture(autouse=True)
def _no_resolvers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks this machine's own resolvers."""
    monkeypatch.setattr(lookup, "resolvers", list)
