"""One client's session with one server, in the era of ``initialize`` (until 2025-11-25).

Answers find their request by its id.  What the server sends by itself goes where the
specification wants it: progress onto the stream of its call, requests and log messages onto the
newest call that waits, everything else onto the GET stream, where it is kept until one is there.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from mcpconf.gateway import messages
from mcpconf.gateway.exchange import Exchange
from mcpconf.gateway.front import Connection
from mcpconf.gateway.http import PATIENT, Head
from mcpconf.gateway.listener import Listener
from mcpconf.gateway.ports import Message, Upstream
from mcpconf.gateway.stream import Stream, parse_event_id
from mcpconf.gateway.trouble import Trouble, plain_error, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service

PRIME_AFTER = 0.5  # seconds after which a call's answer becomes a stream that can be resumed
PRIMED_SINCE = "2025-11-25"  # older clients do not know events without data
AWAY = 60.0  # seconds in which a client may come back for the answer of a call
DESERTED = 15.0  # seconds after which a client whose GET stream broke is taken for dead
MOST_WAITING = 1000
MOST_FINISHED = 16


class Session:
    """Ends with DELETE, after an hour without traffic, or with its route."""

    def __init__(self, service: Service) -> None:
        self.id = secrets.token_hex(16).encode()
        self.service = service
        self.version = ""
        self.capabilities: Message = {}
        self.used = service.loop.time()
        self.waiting: dict[bytes, Exchange] = {}
        self._tokens: dict[bytes, bytes] = {}
        self._upstream: Upstream = service.upstream(self)
        self._streams: dict[int, Stream] = {}
        self._count = 0
        self._main = Stream(service.archive, 0)
        self._listener: Listener | None = None
        self._deaf_since = (
            0.0  # when the client's GET stream was lost; 0: it has none, or never had
        )
        self._slow: set[Exchange] = set()
        self.closed = False

    # --- from the client ------------------------------------------------------------------

    def post(self, connection: Connection, head: Head, body: bytes, message: Message) -> None:
        """Take a message that the client has posted."""
        self.used = self.service.loop.time()
        method = message.get("method")
        if method is None or "id" not in message:
            if method == "notifications/cancelled":
                self._forget(message)
            self._upstream.send(body, message, None)
            connection.respond(202)
            return
        key = messages.key_of(message["id"])
        if key in self.waiting or len(self.waiting) >= MOST_WAITING:
            text = "that id is in use" if key in self.waiting else "1000 requests wait already"
            connection.respond(200, plain_error(-32600, text, key))
            return
        exchange = Exchange(self, connection, key, method, self.used)
        exchange.may_stream = _takes_events(head)
        exchange.size = len(body)
        self._register(exchange, message)
        self._upstream.hasty = PATIENT in head.headers
        self._upstream.send(body, message, key)

    def _register(self, exchange: Exchange, message: Message) -> None:
        self.waiting[exchange.key] = exchange
        if exchange.method == "initialize":
            exchange.may_stream = False
            exchange.fields = f"Mcp-Session-Id: {self.id.decode()}\r\n"
            return
        token = messages.meta_of(message).get("progressToken")
        if token is not None:
            self._tokens[messages.key_of(token)] = exchange.key

    def prime(self, now: float) -> None:
        """Make the answers of calls that take long resumable.  Called often."""
        if self.version < PRIMED_SINCE:
            return
        for exchange in self.waiting.values():
            if (
                not exchange.streaming
                and exchange.may_stream
                and now - exchange.since > PRIME_AFTER
            ):
                self._begin(exchange)
                assert exchange.stream is not None
                exchange.stream.prime()

    def _begin(self, exchange: Exchange) -> None:
        self._count += 1
        stream = self._streams[self._count] = Stream(self.service.archive, self._count)
        exchange.begin(stream)
        finished = [s for s in self._streams.values() if s.finished]
        for old in finished[:-MOST_FINISHED]:
            self._streams.pop(old.number).drop()

    def _forget(self, message: Message) -> None:
        """The client has cancelled: a well-behaved server does not answer any more."""
        params = message.get("params") or {}
        exchange = self.waiting.get(messages.key_of(params.get("requestId")))
        if exchange is None or exchange.method == "initialize":
            return
        self._drop(exchange)
        if exchange.streaming:
            exchange.end()
        else:
            exchange.reply(plain_error(-32800, "the request was cancelled", exchange.key))

    def listen(self, connection: Connection, head: Head) -> None:
        """The client opens its GET stream, or comes back to a stream that was cut."""
        self.used = self.service.loop.time()
        seen = parse_event_id(head.headers.get(b"last-event-id", b""))
        stream = self._streams.get(seen[0]) if seen else None
        if seen is not None and stream is not None:
            self._resume(connection, stream, seen[1])
            return
        if self._listener is not None:
            self._listener.replace()
        self._listener = Listener(self, connection)
        self._deaf_since = 0.0
        connection.open_stream("")
        known = seen is not None and seen[0] == 0
        self._main.attach(connection, seen[1] if known and seen else self._main.sent)

    def _resume(self, connection: Connection, stream: Stream, seen: int) -> None:
        for exchange in self.waiting.values():
            if exchange.stream is stream:
                exchange.go_on(connection, seen)
                return
        connection.open_stream("")
        stream.attach(connection, seen)

    # --- from the server ------------------------------------------------------------------

    def answered(self, key: bytes, line: bytes) -> None:
        self.used = self.service.loop.time()
        exchange = self.waiting.get(key)
        if exchange is None:
            return
        self._drop(exchange)
        self.service.count(exchange, self.used, line)
        if exchange.method == "initialize" and not self._initialized(line):
            exchange.fields = ""
            exchange.reply(line)
            self.close()
            return
        exchange.reply(line)

    def _initialized(self, line: bytes) -> bool:
        try:
            result = json.loads(line).get("result")
        except (ValueError, AttributeError):
            return False
        if not isinstance(result, dict):
            return False
        version = result.get("protocolVersion")
        self.version = version if isinstance(version, str) else ""
        capabilities = result.get("capabilities")
        self.capabilities = capabilities if isinstance(capabilities, dict) else {}
        self.service.admit(self)
        return True

    def deliver(self, line: bytes, key: bytes | None) -> None:
        self.used = self.service.loop.time()
        exchange = self.waiting.get(key) if key is not None else self._related(line)
        if exchange is None or not exchange.may_stream:
            self._main.send(line)
            return
        if not exchange.streaming:
            self._begin(exchange)
        exchange.tell(line)

    def _related(self, line: bytes) -> Exchange | None:
        message = json.loads(line)
        params = message.get("params")
        token = params.get("progressToken") if isinstance(params, dict) else None
        if token is not None:
            return self.waiting.get(self._tokens.get(messages.key_of(token), b""))
        if "id" in message or message.get("method") == "notifications/message":
            return next((e for e in reversed(self.waiting.values()) if e.may_stream), None)
        return None

    def failed(self, key: bytes, cause: Trouble) -> None:
        exchange = self.waiting.get(key)
        if exchange is None:
            return
        self._drop(exchange)
        exchange.fields = ""
        exchange.reply(self.service.error(exchange, cause))
        if exchange.method == "initialize":
            self.close()

    def restarted(self) -> None:
        for what in ("tools", "resources", "prompts"):
            offered = self.capabilities.get(what)
            if isinstance(offered, dict) and offered.get("listChanged"):
                method = f"notifications/{what}/list_changed"
                self._main.send(b'{"jsonrpc":"2.0","method":"' + method.encode() + b'"}')

    # --- the exchange's waiter ------------------------------------------------------------

    def left(self, exchange: Exchange) -> None:
        self._slow.discard(exchange)
        if exchange.stream is not None:
            exchange.left_at = self.service.loop.time()
            self._flow()
        else:
            self._abandon(exchange)

    def _abandon(self, exchange: Exchange) -> None:
        self._drop(exchange)
        if exchange.method == "initialize":
            self.close()
        else:
            self._upstream.abandon(exchange.key)

    def _drop(self, exchange: Exchange) -> None:
        self.waiting.pop(exchange.key, None)
        self._slow.discard(exchange)
        self._flow()
        if self._tokens:
            for token in [t for t, key in self._tokens.items() if key == exchange.key]:
                del self._tokens[token]

    def slowed(self, exchange: Exchange, *, stalled: bool) -> None:
        if stalled and self.waiting.get(exchange.key) is exchange:  # its answer may be the cause
            self._slow.add(exchange)
        else:
            self._slow.discard(exchange)
        self._flow()

    def _flow(self) -> None:
        if self._slow:
            self._upstream.pause()
        else:
            self._upstream.resume()

    def sweep(self, now: float) -> None:
        """Cancel calls whose client has not come back."""
        for exchange in tuple(self.waiting.values()):
            if exchange.connection is None and now - exchange.left_at > AWAY:
                self._abandon(exchange)

    def deserted(self, now: float) -> bool:
        """Tell whether the client is gone: its stream broke, and nothing came since then.

        Clients that keep a GET stream open it again within seconds.
        """
        since = max(self._deaf_since, self.used) if self._deaf_since else now
        return not self.waiting and now - since > DESERTED

    @property
    def listening(self) -> bool:
        return self._listener is not None

    def unlisten(self, listener: Listener) -> None:
        if self._listener is listener:
            self._listener = None
            self._main.wire = None
            self._deaf_since = self.service.loop.time()

    def close(self, cause: Trouble | None = None) -> None:
        """End the session: its upstream ends, what waits gets an answer."""
        if self.closed:
            return
        self.closed = True
        for key in tuple(self.waiting):
            self.failed(key, cause or trouble("session-lost", "the session has ended", retry=False))
        if self._listener is not None:
            self._main.finish()
            self._listener.connection.waiting = None
            self._listener = None
        for stream in (self._main, *self._streams.values()):
            stream.drop()
        self._upstream.close()
        self.service.forget(self)


def _takes_events(head: Head) -> bool:
    accept = head.headers.get(b"accept", b"*/*")
    return b"text/event-stream" in accept or b"*/*" in accept or b"text/*" in accept
