"""The bridge: stdio on the client's side, MCP over HTTP on the server's, and nothing lost between.

Claude Code starts one of these for each server.  It is shipped as one file (``bundle.py`` makes it)
that needs nothing but python3, 3.9 or newer.  So this package imports the standard library alone,
of that only what starts fast, and nothing else of mcpconf.  The gateway uses its relay.

Messages pass as bytes: only ``id``, ``method`` and what becomes an HTTP header are looked at.

From the bottom up::

    text, trouble, endpoint, limits    the words of everything else
    responses, events                  bytes → responses, events: no socket, no clock
    request, tools, heads, verdict     a message, the bytes it becomes, what a response means
    connection, pool                   HTTP connections
    session, listening, delivery,
    replies, link                      a client's conversation with a server, and what it survives
    sockets, race, loop                sockets and timers for a process of its own
    memory, target                     what the server said last time; where it is
    start, lists, subscription,
    pipes, conversation                the bridge: the client never waits, and is told the truth
    command                            its command line
"""

from mcpconf.bridge.connection import Connection
from mcpconf.bridge.endpoint import Endpoint, parse_endpoint, same_origin_path
from mcpconf.bridge.events import Event, EventReader
from mcpconf.bridge.heads import header_value, mirrored
from mcpconf.bridge.limits import LONGEST
from mcpconf.bridge.link import Link
from mcpconf.bridge.request import Request
from mcpconf.bridge.responses import ResponseReader
from mcpconf.bridge.sockets import tls_context
from mcpconf.bridge.text import ANSWER, compact, error_line, one_line, parsed, plain
from mcpconf.bridge.trouble import Malformed, Trouble, refusal, unreachable

__all__ = [
    "ANSWER",
    "LONGEST",
    "Connection",
    "Endpoint",
    "Event",
    "EventReader",
    "Link",
    "Malformed",
    "Request",
    "ResponseReader",
    "Trouble",
    "compact",
    "error_line",
    "header_value",
    "mirrored",
    "one_line",
    "parse_endpoint",
    "parsed",
    "plain",
    "refusal",
    "same_origin_path",
    "tls_context",
    "unreachable",
]
