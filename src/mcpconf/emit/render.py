"""The plan as text: mcp.json, egress.json, bridge.json (container) and routes.json (host)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mcpconf.contract import Bridge, dump, dump_bridge, dump_egress, dump_routes
from mcpconf.emit import Artifact, Reader
from mcpconf.model import Json, Text
from mcpconf.plan.terms import Plan
from mcpconf.secret import mask_entry

UNMADE = Text("(made by the first sync)")
"""What stands for the token of a project that has none yet."""


def emit(plan: Plan, project: str, token: Text | None) -> tuple[Artifact, ...]:
    """Render every artifact.  Same plan, same bytes.

    ``project`` is the project's id, ``token`` its credential at the gateway, None until a sync
    makes it.
    """
    return (
        Artifact("mcp.json", mcp_json(plan), Reader.CONTAINER, shown_mcp_json),
        Artifact("egress.json", dump_egress(plan.egress), Reader.CONTAINER),
        Artifact("routes.json", dump_routes(plan.routes), Reader.HOST),
        *_bridge(plan, project, token),
    )


def _bridge(plan: Plan, project: str, token: Text | None) -> Iterator[Artifact]:
    gateway = plan.egress.gateway
    if gateway is not None:
        text = dump_bridge(Bridge(project, token or UNMADE, gateway))
        yield Artifact("bridge.json", text, Reader.CONTAINER, shown_bridge_json)


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


def shown_bridge_json(text: str) -> str:
    """A bridge.json for people: the token is masked."""
    try:
        document = json.loads(text)
        unmade = document["token"] == UNMADE.reveal()
        return dump({**document, "token": UNMADE.reveal() if unmade else "***"})
    except (ValueError, KeyError, TypeError, RecursionError):
        return "(not what mcpconf writes)\n"
