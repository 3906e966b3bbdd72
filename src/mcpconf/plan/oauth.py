"""A server that wants an OAuth login: the login lives on the host, in the gateway."""

from __future__ import annotations

from mcpconf.model import Classified, Reason
from mcpconf.plan.http import committed_secrets, unusable
from mcpconf.plan.terms import Planned, Terms, behind_gateway, nothing


def lower(classified: Classified, terms: Terms) -> Planned:
    """Plan an OAuth server."""
    fault = unusable(classified)
    if fault:
        return nothing(classified, fault.message, fault)
    assert classified.remote is not None
    reason = Reason("route.oauth", "the login lives on the host, where the browser is")
    warnings = tuple(committed_secrets(classified, classified.remote))
    return behind_gateway(classified, terms, (reason,), warnings)
