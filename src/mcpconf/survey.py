"""What there is: every definition, and what became of it.  ``list`` needs no more than this."""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.classify import classify
from mcpconf.findings import Finding
from mcpconf.model import Classified, Resolved, Server, State
from mcpconf.readers.declared import Declared, declare
from mcpconf.readers.facts import Facts
from mcpconf.readers.inputs import Configuration
from mcpconf.remarks import remark
from mcpconf.resolve import Rules, resolve


class Survey(NamedTuple):
    """Every definition that was found, what became of it, and what there is to say."""

    configuration: Configuration
    declared: Declared
    resolved: tuple[Resolved, ...]
    findings: tuple[Finding, ...]

    def active(self) -> tuple[Server, ...]:
        """The servers that the client would start."""
        return tuple(
            r.server
            for r in self.resolved
            if r.state is State.ACTIVE and isinstance(r.server, Server)
        )


def survey(configuration: Configuration) -> Survey:
    """Resolve the configuration as the client does."""
    request = configuration.request
    rules = Rules(request.client, request.interactive)
    declared = declare(configuration)
    resolved = resolve(declared, rules)
    remarks = remark(resolved, declared, request.client)
    return Survey(configuration, declared, resolved, (*declared.findings, *remarks))


def kinds(surveyed: Survey, facts: Facts) -> dict[int, Classified]:
    """Classify every definition that has a transport, keyed by the identity of its server."""
    servers = (r.server for r in surveyed.resolved)
    return {id(s): classify(s, facts) for s in servers if isinstance(s, Server)}
