"""The bridge itself: the client's stdin and stdout around one link."""

from __future__ import annotations

import json

from mcpconf.bridge.endpoint import Endpoint
from mcpconf.bridge.link import Link
from mcpconf.bridge.lists import Lists
from mcpconf.bridge.loop import Loop
from mcpconf.bridge.memory import Memory
from mcpconf.bridge.pipes import Pipes
from mcpconf.bridge.start import Start
from mcpconf.bridge.subscription import Subscription
from mcpconf.bridge.text import compact, error_line, is_id
from mcpconf.bridge.trouble import of_gateway

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcpconf.bridge.request import Request
    from mcpconf.bridge.target import Target
    from mcpconf.bridge.text import Message
    from mcpconf.bridge.trouble import Trouble

_NO_JSON, _NO_MESSAGE, _TROUBLE = -32700, -32600, -32000
_UNAUTHORIZED = 401
_FAREWELL = 0.6  # seconds
_LEAST_PATIENCE = 2.0
_GATEWAY_LIMIT = 150.0
_NOWHERE = Endpoint("unix", "localhost", 80, "/", socket="/nonexistent/mcpconf")


class Bridge:
    """Passes messages both ways, and answers itself where the server is late."""

    def __init__(self, target: Target, memory: Memory, *, patience: float = 30.0) -> None:
        self.loop = Loop()
        self.target = target
        self.memory = memory
        self.link = Link(self.loop, target.endpoint or _NOWHERE, self, patience=patience)
        if target.gateway:  # which says by itself what keeps a server from answering
            self.link.opening_limit = _GATEWAY_LIMIT
        self.start = Start(self)
        self.lists = Lists(self)
        self.subscription = Subscription(self)
        self._pipes = Pipes(self.loop, self.client, self.leave)
        self.write = self._pipes.write
        self._patience = patience
        self._leaving = False

    def run(self) -> None:
        """Until the client leaves."""
        self._pipes.open()
        self.loop.run()
        self.memory.save()

    def leave(self) -> None:
        """The client is gone: end the session, and wait for that no longer than it is worth."""
        if not self._leaving:
            self._leaving = True
            self.memory.save()  # nobody has to wait for our end
            self.loop.after(_FAREWELL, self.loop.stop)
            self.link.close(self.loop.stop)

    # what the client says

    def client(self, line: bytes) -> None:
        """One line of stdin."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self.write(error_line(None, _NO_JSON, "this line is not JSON"))
            return
        if isinstance(message, list):
            for part in message:  # a batch of 2025-03-26: the answers come one by one
                self._message(compact(part), part)
        else:
            self._message(line, message)

    def _message(self, line: bytes, message: object) -> None:
        if not isinstance(message, dict) or not is_id(message.get("id")):
            self.write(error_line(None, _NO_MESSAGE, "this is no JSON-RPC message"))
            return
        method = message.get("method")
        if method is not None and not isinstance(method, str):
            self.write(error_line(message.get("id"), _NO_MESSAGE, "its method is no text"))
        elif method is None or method == "tools/call":  # most messages: straight on
            self.send(line, message)
        elif method == "initialize":
            self.start.initialize(line, message)
        elif method == "server/discover":
            self.start.discover(line, message)
        elif method == "notifications/cancelled":
            self._cancel(line, message)
        elif method == "ping" and self.start.away and "id" in message:
            self.write(compact({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
        else:
            request = self.send(line, message)
            self.lists.sent(request)
            self.subscription.sent(request)

    def send(self, line: bytes, message: Message) -> Request:
        """Pass a message on; one that meets a long absence waits for less."""
        if self.target.gateway:
            self.look_again()
        request = self.link.send(line, message)
        if self.link.trouble is not None and request.wants_answer:
            somewhere = self.target.endpoint is not None
            left = self.link.away_since + self._patience if somewhere else 0.0
            request.deadline = max(self.loop.now() + _LEAST_PATIENCE, left)
        return request

    def _cancel(self, line: bytes, message: Message) -> None:
        params = message.get("params")
        identity = params.get("requestId") if isinstance(params, dict) else None
        request = self.link.find(identity)
        if request is None:
            if self.link.session_open:
                self.send(line, message)
        elif request.version is not None or not request.sent:
            self.link.abandon(request)  # closing its stream is how 2026-07-28 cancels
        elif request.method != "initialize":  # which cannot be cancelled
            request.cancelled = True
            self.send(line, message)
            if self.link.listening.old:
                self.link.forget(request)  # there is no stream of its own that would end

    # the link's owner

    def headers(self, request: Request) -> Sequence[tuple[str, str]]:
        del request
        return self.target.headers

    def deliver(self, line: bytes, request: Request | None) -> None:
        if not self.subscription.is_told(line, request):
            self.write(line)

    def accepted(self, request: Request) -> None:
        """Stdio knows no acknowledgement."""

    def answered(self, request: Request, line: bytes) -> None:
        """The server answered."""
        question = Memory.question(request)
        if question is None:
            self.write(line)
        elif request.method == "initialize":
            self.start.answered(line)
        elif request.method == "server/discover":
            self.memory.keep(question, line)
            if request.tag is None:
                self.write(line)
        else:
            self.lists.answered(question, request, line)

    def failed(self, request: Request, trouble: Trouble) -> None:
        """No answer will come."""
        question = Memory.question(request)
        if request.method == "initialize":
            self.start.failed(request, trouble)
        elif request.method == "server/discover":
            if request.tag is None:
                self.start.refuse_probe(request.id)
        elif question is not None:
            self.lists.failed(question, request, trouble)
        elif request.wants_answer:
            self.error(request.id, trouble)

    def refused(self, request: Request, status: int, challenge: str) -> bool:
        """Our gateway does not know the token: a sync may have changed it."""
        del challenge
        before = self.target.headers
        if not self.target.gateway or status != _UNAUTHORIZED:
            return False
        self.look_again()
        if self.target.headers is before:
            return False
        self.link.again(request)
        return True

    def reopened(self) -> None:
        """There is a new session: perhaps of another server, with other tools."""
        self.memory.keep("initialize", self.link.session.answer)
        if self.start.away:
            self.start.arrived()
        else:
            self.lists.compare()

    # where the server is

    def look_again(self) -> None:
        """A sync may have moved the gateway."""
        self.target.load()
        endpoint = self.target.endpoint
        if endpoint is not None and not endpoint.same(self.link.endpoint):
            self.link.move(endpoint)

    # words

    def error(self, identity: object, trouble: Trouble) -> None:
        """Say honestly what is wrong, and what explains it."""
        if trouble.said:  # the gateway has found the words
            error = json.loads(trouble.said)["error"]
            self.write(compact({"jsonrpc": "2.0", "id": identity, "error": error}))
            return
        name = self.target.name
        if self.target.endpoint is None and self.target.trouble is not None:
            trouble = self.target.trouble  # nobody knows where it is
        text = f"{name}: {self.cause(trouble)}"
        if "run `mcpconf " not in text:  # else it says already what to do
            text += f". To see why, run `mcpconf explain {name}` on the host"
        data = {"code": trouble.code, "retry": trouble.retry, "delivered": trouble.delivered}
        self.write(error_line(identity, _TROUBLE, text, {"mcpconf": data}))

    def cause(self, trouble: Trouble) -> str:
        """What is wrong: behind our gateway, or with the way to it."""
        return of_gateway(trouble) if self.target.gateway else trouble.text
