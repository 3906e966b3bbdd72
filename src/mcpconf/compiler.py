"""The main path: from what the user wrote to what the container gets.

``survey.py`` found out what there is; this decides what follows.  It touches nothing: everything
that it needs was read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.classify import classify
from mcpconf.emit import Artifact
from mcpconf.emit.render import emit
from mcpconf.findings import Finding
from mcpconf.model import Text
from mcpconf.plan import plan
from mcpconf.plan.egress import Layers, chosen_stacks
from mcpconf.plan.terms import Plan, Site, Terms
from mcpconf.readers.around import Surroundings, Target
from mcpconf.readers.policy import gateway_address, read_policy
from mcpconf.survey import Survey


class Compilation(NamedTuple):
    """What the container gets and why, with every finding on the way."""

    survey: Survey
    plan: Plan
    stacks: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]


def compile_project(
    surveyed: Survey, around: Surroundings, target: Target, token: Text | None = None
) -> Compilation:
    """What the user wrote, in; what the container gets, out.  Touches nothing.

    ``token`` is the project's credential at the gateway; None: it has none yet.
    """
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
        gateway=gateway_address(policy, target.gateway),
    )
    terms = Terms(
        site,
        policy,
        facts.catalogue,
        surveyed.declared.variables,
        around.accepted,
        configuration.project_plugins,
    )
    layers = Layers(around.shipped, policy, around.stacks)
    planned = plan([classify(s, facts) for s in surveyed.active()], terms, layers)
    findings = (*surveyed.findings, *facts.findings, *policy_findings, *planned.findings)
    if (
        planned.routes.routes
        and target.doubt
        and not (policy.gateway.rpartition(":")[0] or policy.gateway_listen)
    ):
        findings = (*findings, _doubt(target))
    artifacts = emit(planned, target.project, token)
    return Compilation(surveyed, planned, chosen_stacks(layers), artifacts, findings)


def _doubt(target: Target) -> Finding:
    where = target.gateway.host
    named = (
        "`gateway` (where the container finds it), `gateway_listen` (what it listens on besides)"
    )
    ways = (
        "start the container, then try it from inside: mcpconf wait",
        f"or name what works in your own mcpconf.toml: {named}",
    )
    message = f"the gateway may be out of reach at {where}: {target.doubt}"
    return Finding("MC127", message, None, (target.why,), ways)


def with_token(compiled: Compilation, target: Target, token: Text) -> Compilation:
    """The same with the token that was made for it."""
    return compiled._replace(artifacts=emit(compiled.plan, target.project, token))
