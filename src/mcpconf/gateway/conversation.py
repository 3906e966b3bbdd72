"""What is kept of a session so that a server that was started again can go on with it."""

from __future__ import annotations

import json

from mcpconf.gateway import messages
from mcpconf.gateway.ports import Message

AGAIN = b'"mcpconf-initialize-again"'
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
_MOST_SUBSCRIPTIONS = 256


class Conversation:
    """What a new server has to be told so that it can go on for the old one."""

    def __init__(self) -> None:
        self._initialize: tuple[bytes, Message] | None = None
        self._level: bytes | None = None
        self._subscribed: dict[str, bytes] = {}
        self._asked = 0
        self.result = b""

    def hear(self, line: bytes, message: Message, key: bytes | None) -> None:
        """Remember what the client has set up."""
        method = message.get("method")
        if method == "initialize" and key is not None:
            self._initialize = line, message
            self._level = None
            self._subscribed.clear()
        elif method == "logging/setLevel":
            self._level = line
        elif method == "resources/subscribe" and len(self._subscribed) < _MOST_SUBSCRIPTIONS:
            self._subscribed[str(message.get("params", {}).get("uri"))] = line
        elif method == "resources/unsubscribe":
            self._subscribed.pop(str(message.get("params", {}).get("uri")), None)

    def again(self) -> bytes | None:
        """The client's initialize under an id of ours; None if it was never answered."""
        if self._initialize is None or not self.result:
            return None
        line, message = self._initialize
        return messages.with_id(messages.one_line(line), message, AGAIN)

    def replayed(self) -> list[bytes]:
        """What follows the answer to initialize."""
        lines = [line for line in (self._level, *self._subscribed.values()) if line is not None]
        renamed = [
            messages.with_id(
                messages.one_line(line), messages.read(line), b'"mcpconf-again-%d"' % n
            )
            for n, line in enumerate(lines)
        ]
        return [_INITIALIZED, *renamed]

    def differs(self, message: Message) -> bool:
        """Tell whether the new server offers something else than the old one."""
        try:
            before = json.loads(self.result)
        except ValueError:
            return True
        return bool(before.get("result") != message.get("result"))
