"""The main path: from what the user wrote to what the container gets.

:func:`survey` finds out what there is, :func:`compile_project` decides what follows.  Both touch
nothing: everything they need was read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.classify import classify
from mcpconf.contract import GatewayAddress
from mcpconf.emit import Artifact
from mcpconf.emit.render import emit
from mcpconf.findings import Finding
from mcpconf.model import Classified, Resolved, Server, State
from mcpconf.plan import plan
from mcpconf.plan.egress import Layers, chosen_stacks
from mcpconf.plan.terms import Plan, Site, Terms
from mcpconf.readers.around import Surroundings, Target
from mcpconf.readers.declared import Declared, declare
from mcpconf.readers.facts import Facts
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.policy import Policy, read_policy
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


class Compilation(NamedTuple):
    """What the container gets and why, with every finding on the way."""

    survey: Survey
    plan: Plan
    stacks: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]


def compile_project(surveyed: Survey, around: Surroundings, target: Target) -> Compilation:
    """What the user wrote, in; what the container gets, out.  Touches nothing."""
    configuration = surveyed.configuration
    policy, policy_findings = read_policy(
        around.user_policy, around.project_policy, configuration.key, around.policy_path
    )
    facts = around.facts
    site = Site(
        project=configuration.cwd,
        roots=tuple(dict.fromkeys((configuration.cwd, configuration.key))),
        home=str(configuration.request.home),
        client=configuration.request.client.version,
        programs=target.programs | policy.commands,
        gateway=_gateway(policy, target.gateway),
    )
    terms = Terms(site, policy, facts.catalogue, surveyed.declared.variables)
    layers = Layers(around.shipped, policy, around.stacks)
    planned = plan([classify(s, facts) for s in surveyed.active()], terms, layers)
    findings = (*surveyed.findings, *policy_findings, *planned.findings)
    return Compilation(surveyed, planned, chosen_stacks(layers), emit(planned), findings)


def _gateway(policy: Policy, default: GatewayAddress) -> GatewayAddress:
    host, colon, port = policy.gateway.rpartition(":")
    return GatewayAddress(host, int(port)) if colon and port.isdigit() else default


def kinds(surveyed: Survey, facts: Facts) -> dict[int, Classified]:
    """Classify every definition that has a transport, keyed by the identity of its server."""
    servers = (r.server for r in surveyed.resolved)
    return {id(s): classify(s, facts) for s in servers if isinstance(s, Server)}
