"""A server on the host or its private network: inside the container that is another machine."""

from __future__ import annotations

from mcpconf.model import Classified, Reason
from mcpconf.plan.http import committed_secrets, unusable
from mcpconf.plan.terms import Planned, Terms, behind_gateway, nothing


def lower(classified: Classified, terms: Terms) -> Planned:
    """Plan a server of the host's: the gateway connects to it, to that one port."""
    fault = unusable(classified)
    if fault:
        return nothing(classified, fault.message, fault)
    assert classified.remote is not None
    reason = Reason("route.localhost", "it listens where only the host can reach it")
    warnings = tuple(committed_secrets(classified, classified.remote))
    return behind_gateway(classified, terms, (reason,), warnings)
