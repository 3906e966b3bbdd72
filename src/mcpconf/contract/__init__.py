"""The versioned files in which compile time and run-time meet, and nothing else they share.

``egress.json`` is read in the container: what may leave, and why.  ``bridge.json`` is read there
too: where the gateway is.  ``routes.json`` is read by the gateway on the host (0600).
"""

from mcpconf.contract.bridge import Bridge, dump_bridge, is_token, load_bridge
from mcpconf.contract.egress import (
    GATEWAY,
    GRACE,
    Because,
    Egress,
    EgressRow,
    GatewayAddress,
    dump_egress,
    load_egress,
)
from mcpconf.contract.routes import Ref, Route, Routes, dump_routes, load_routes
from mcpconf.contract.shape import VERSION, ContractError, dump

__all__ = [
    "GATEWAY",
    "GRACE",
    "VERSION",
    "Because",
    "Bridge",
    "ContractError",
    "Egress",
    "EgressRow",
    "GatewayAddress",
    "Ref",
    "Route",
    "Routes",
    "dump",
    "dump_bridge",
    "dump_egress",
    "dump_routes",
    "is_token",
    "load_bridge",
    "load_egress",
    "load_routes",
]
