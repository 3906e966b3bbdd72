"""The client's subscription of 2026-07-28, which it waits for before it asks anything else.

A server that is late is spoken for: what the client subscribes to are changes of lists, and those
are announced by the bridge itself when the server has come.
"""

from __future__ import annotations

from mcpconf.bridge.request import META, Request
from mcpconf.bridge.text import compact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.conversation import Bridge
    from mcpconf.bridge.text import Message

LISTEN = "subscriptions/listen"
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_BEGINS = _ACKNOWLEDGED.encode()


class Subscription:
    """Acknowledges ``subscriptions/listen`` in time, and once."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._heard: Request | None = None

    def sent(self, request: Request) -> None:
        """The client subscribes; a server that was never seen has to answer for itself."""
        bridge = self._bridge
        if request.method != LISTEN or "server/discover" not in bridge.memory:
            return
        wait = 0.0 if bridge.start.absent else bridge.start.left()
        bridge.loop.after(wait, lambda: self._late(request))

    def is_told(self, line: bytes, request: Request | None) -> bool:
        """Whether this is an acknowledgement that the client has had."""
        if request is None or request.method != LISTEN or _BEGINS not in line:
            return False
        if request.tag == "late":
            return True
        self._heard = request
        return False

    def _late(self, request: Request) -> None:
        if request.answered or request.cancelled or request is self._heard:
            return
        request.tag = "late"
        params: Message = {"_meta": {META + "subscriptionId": request.id}}
        if "notifications" in request.params:
            params["notifications"] = request.params["notifications"]
        message = {"jsonrpc": "2.0", "method": _ACKNOWLEDGED, "params": params}
        self._bridge.write(compact(message))
