"""The stateless era (2026-07-28): one upstream for all clients of a server in a project.

Nothing ties a request to the ones before it, so one process serves everybody.  Two clients may
use the same id, the same progress token; both are replaced on the way in and put back on the way
out.  A client cancels by closing its connection.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mcpconf.gateway import headers, messages
from mcpconf.gateway.exchange import Exchange
from mcpconf.gateway.front import Connection
from mcpconf.gateway.http import PATIENT, Head
from mcpconf.gateway.messages import META
from mcpconf.gateway.ports import Message
from mcpconf.gateway.trouble import Trouble, plain_error, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service

MOST_WAITING = 4000
_STATUS = {
    -32700: 400,
    -32600: 400,
    -32602: 400,
    -32601: 404,
    -32020: 400,
    -32021: 400,
    -32022: 400,
}
_OLDER = {"http-status", "session-lost", "protocol"}  # how older servers fail at the probe
_OTHER_VERSION = -32022  # of the new era: the server says which it speaks
_SUBSCRIPTION = META + "subscriptionId"
_TOO_MUCH = 16 * 1024 * 1024  # bytes that a client may leave untaken


class Shared:
    """The conversation that all clients of the stateless era share with one server."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.used = service.loop.time()
        self.waiting: dict[bytes, Exchange] = {}
        self._tokens: dict[bytes, bytes] = {}
        self._upstream = service.upstream(self)
        self._count = 0

    def post(self, connection: Connection, head: Head, body: bytes, message: Message) -> None:
        """Take a message that a client has posted."""
        self.used = self.service.loop.time()
        if "method" not in message:
            text = "answers are not posted in this version of the protocol"
            connection.respond(400, plain_error(-32600, text))
            return
        if "id" not in message:
            connection.respond(202)  # whom a notification is meant for, nobody can tell
            return
        own = messages.key_of(message["id"])
        wrong = headers.fault(head, message, self.service.mirrored)
        if wrong is not None:
            connection.respond(_STATUS[wrong[0]], plain_error(*wrong, own))
        elif len(self.waiting) >= MOST_WAITING:
            connection.respond(429, plain_error(-32600, "too many requests wait", own))
        elif message["method"] == "server/discover" and self.service.legacy_only:
            connection.respond(400, _refusal(own))
        else:
            self._ask(connection, head, body, message)

    def _ask(self, connection: Connection, head: Head, body: bytes, message: Message) -> None:
        self._count += 1
        key = b"%d" % self._count
        exchange = Exchange(self, connection, key, message["method"], self.used)
        exchange.message_id = messages.key_of(message["id"])
        exchange.size = len(body)
        exchange.may_stream = b"event-stream" in head.headers.get(b"accept", b"*/*, event-stream")
        self.waiting[key] = exchange
        if exchange.method == "server/discover":
            patience = self._upstream.probe_patience
            self.service.loop.call_later(patience, self._probe_timed_out, key)
        self._upstream.hasty = PATIENT in head.headers
        if self._upstream.shares_ids:
            body, message = self._renamed(body, message, key), {**message, "id": self._count}
        self._upstream.send(body, message, key)

    def _renamed(self, body: bytes, message: Message, key: bytes) -> bytes:
        """The request with an id and a progress token that only we use."""
        token = messages.meta_of(message).get("progressToken")
        if token is not None:
            body = messages.replaced(body, ("params", "_meta", "progressToken"), key)
            self._tokens[key] = messages.key_of(token)
        return messages.with_id(body, message, key)

    def _probe_timed_out(self, key: bytes) -> None:
        """A server from before this era ignores the probe; that is refused in its place."""
        exchange = self.waiting.pop(key, None)
        if exchange is None:
            return
        self.service.legacy_only = True
        exchange.reply(_refusal(exchange.message_id), 400)

    # --- from the server ------------------------------------------------------------------

    def answered(self, key: bytes, line: bytes) -> None:
        self.used = self.service.loop.time()
        exchange = self.waiting.pop(key, None)
        if exchange is None:
            self._late(line)
            return
        self._tokens.pop(key, None)
        code = self._error_code(line)
        self.service.count(exchange, self.used, line)
        if exchange.method == "server/discover" and code not in {0, _OTHER_VERSION}:
            self.service.legacy_only = True
            exchange.reply(_refusal(exchange.message_id), 400)
            return
        if self._upstream.shares_ids:
            line = self._own_id(line, exchange)
        exchange.reply(line, _STATUS.get(code, 200))

    def _late(self, line: bytes) -> None:
        """An answer that nobody waits for: the server knows the probe after all."""
        if b'"supportedVersions"' in line:
            self.service.legacy_only = False

    @staticmethod
    def _own_id(line: bytes, exchange: Exchange) -> bytes:
        found = messages.answer_id(line)
        if found is not None and found[0] == exchange.key:
            start, end = found[1]
            return line[:start] + exchange.message_id + line[end:]
        return messages.replaced(line, ("id",), exchange.message_id)

    @staticmethod
    def _error_code(line: bytes) -> int:
        """The JSON-RPC code of an error; 0 for a result, which need not be parsed."""
        if b'"error"' not in line[:200] and b'"error"' not in line[-2000:]:
            return 0
        try:
            error = json.loads(line).get("error")
        except ValueError:
            return 0
        code = error.get("code") if isinstance(error, dict) else 0
        return code if isinstance(code, int) else 0

    def deliver(self, line: bytes, key: bytes | None) -> None:
        message = json.loads(line)
        if "id" in message:
            self._refuse(message)
            return
        exchange = self.waiting.get(key) if key is not None else None
        if exchange is None:
            exchange, line = self._related(line, message)
        if exchange is None or not exchange.may_stream:
            return
        if exchange.connection is not None and exchange.connection.backlog > _TOO_MUCH:
            exchange.connection.abort()
            return
        if not exchange.streaming:
            exchange.begin(None)
        exchange.tell(line)

    def _related(self, line: bytes, message: Message) -> tuple[Exchange | None, bytes]:
        """Whose notification it is, with the numbers put back that this client knows."""
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        subscription = messages.meta_of(message).get(_SUBSCRIPTION)
        if subscription is not None:
            exchange = self.waiting.get(messages.key_of(subscription))
            if exchange is None:
                return None, line
            path = ("params", "_meta", _SUBSCRIPTION)
            return exchange, messages.replaced(line, path, exchange.message_id)
        token = params.get("progressToken")
        if token is not None:
            key = messages.key_of(token)
            own = self._tokens.get(key, key)
            return self.waiting.get(key), messages.replaced(line, ("params", "progressToken"), own)
        calls = [e for e in self.waiting.values() if e.method != "subscriptions/listen"]
        return (calls[0] if len(calls) == 1 else None), line  # never to the wrong client

    def _refuse(self, message: Message) -> None:
        """No request goes from server to client in this era."""
        key = messages.key_of(message["id"])
        line = plain_error(-32601, "a server asks in its result, with `inputRequests`", key)
        self._upstream.send(line, {"id": message["id"], "error": {}}, None)

    def failed(self, key: bytes, cause: Trouble) -> None:
        exchange = self.waiting.pop(key, None)
        if exchange is None:
            return
        self._tokens.pop(key, None)
        if exchange.method == "subscriptions/listen" and exchange.streaming:
            exchange.end()
            return
        if exchange.method == "server/discover" and cause.code in _OLDER:
            self.service.legacy_only = True
            exchange.reply(_refusal(exchange.message_id), 400)
            return
        exchange.reply(self.service.error(exchange, cause))

    def restarted(self) -> None:
        """Nothing to say: nobody has a session."""

    # --- the exchange's waiter ------------------------------------------------------------

    def left(self, exchange: Exchange) -> None:
        if self.waiting.pop(exchange.key, None) is not None:
            self._tokens.pop(exchange.key, None)
            self._upstream.abandon(exchange.key)

    def slowed(self, exchange: Exchange, *, stalled: bool) -> None:
        """Nothing: one slow client must not stop the others.  ``deliver`` ends it."""

    def close(self, cause: Trouble | None = None) -> None:
        for key in tuple(self.waiting):
            self.failed(key, cause or trouble("session-lost", "the connection has ended"))
        self._upstream.close()


def _refusal(key: bytes) -> bytes:
    return plain_error(-32601, "Method not found: the server speaks older versions only", key)
