"""Ends everything of ours that runs."""

from __future__ import annotations

from mcpconf.firewall.dns import end_other_resolvers
from mcpconf.firewall.engines import end_gate, end_recorder
from mcpconf.firewall.keeper import end_keeper
from mcpconf.firewall.paths import Paths


def end_engines(paths: Paths) -> None:
    """End the keeper first, which would bring the others back."""
    end_keeper(paths)
    end_other_resolvers(paths, 0)
    end_recorder(paths)
    end_gate(paths)
