"""The plan as text: the container's mcp.json and egress.json, the host's routes.json."""

from __future__ import annotations

import json

from mcpconf.contract import dump, dump_egress, dump_routes
from mcpconf.emit import Artifact, Reader
from mcpconf.model import Json
from mcpconf.plan.terms import Plan
from mcpconf.secret import mask_entry


def emit(plan: Plan) -> tuple[Artifact, ...]:
    """Render every artifact.  Same plan, same bytes."""
    return (
        Artifact("mcp.json", mcp_json(plan), Reader.CONTAINER, shown_mcp_json),
        Artifact("egress.json", dump_egress(plan.egress), Reader.CONTAINER),
        Artifact("routes.json", dump_routes(plan.routes), Reader.HOST),
    )


def mcp_json(plan: Plan) -> str:
    """What Claude Code loads in the container."""
    servers: dict[str, Json] = {
        p.classified.server.name: p.entry for p in plan.servers if p.entry is not None
    }
    return dump({"mcpServers": servers})


def shown_mcp_json(text: str) -> str:
    """An mcp.json for people: the secrets that a policy let in are masked."""
    try:
        document = json.loads(text)
        servers: dict[str, Json] = {
            name: mask_entry(entry) for name, entry in document["mcpServers"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return "(not what mcpconf writes)\n"
    return dump({"mcpServers": servers})
