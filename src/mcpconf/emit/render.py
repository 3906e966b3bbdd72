"""The plan as text: the container's mcp.json and egress.json, the host's routes.json."""

from __future__ import annotations

from mcpconf.contract import dump, dump_egress, dump_routes
from mcpconf.emit import Artifact, Reader
from mcpconf.model import Json
from mcpconf.plan.terms import Plan


def emit(plan: Plan) -> tuple[Artifact, ...]:
    """Render every artifact.  Same plan, same bytes."""
    return (
        Artifact("mcp.json", mcp_json(plan), Reader.CONTAINER),
        Artifact("egress.json", dump_egress(plan.egress), Reader.CONTAINER),
        Artifact("routes.json", dump_routes(plan.routes), Reader.HOST),
    )


def mcp_json(plan: Plan) -> str:
    """What Claude Code loads in the container."""
    servers: dict[str, Json] = {
        p.classified.server.name: p.entry for p in plan.servers if p.entry is not None
    }
    return dump({"mcpServers": servers})
