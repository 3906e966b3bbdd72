"""Ends everything of ours that runs."""

from __future__ import annotations

from mcpconf.firewall.dns import end_resolver
from mcpconf.firewall.engines import end_gate, end_recorder
from mcpconf.firewall.keeper import end_keeper
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.site import DNS_PORTS


def end_engines(paths: Paths) -> None:
    """End the keeper first, which would bring the others back."""
    end_keeper(paths)
    for port in DNS_PORTS:
        end_resolver(paths, port)
    end_recorder(paths)
    end_gate(paths)
