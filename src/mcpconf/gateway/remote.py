"""A server behind HTTP, Streamable or with the transport of 2024-11-05, by the relay engine.

The engine (:mod:`mcpconf.bridge`) hides restarts, lost sessions, stale connections and cut streams.
Here its requests get their secrets, each time anew, and its troubles their words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from mcpconf.bridge.endpoint import Endpoint, parse_endpoint
from mcpconf.bridge.link import Link
from mcpconf.bridge.request import Request
from mcpconf.bridge.trouble import Trouble as LinkTrouble
from mcpconf.gateway import messages
from mcpconf.gateway.ports import Message, Owner
from mcpconf.gateway.reactor import AsyncioLoop
from mcpconf.gateway.source import Headers, Missing, Reach
from mcpconf.gateway.trouble import CODES, Trouble, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service

_FRESH = 1.0  # seconds for which credentials are used without asking for them again
_PATIENCE = 25.0  # seconds for which a message waits for a server that is not there
_HASTE = 1.0  # the same for a client that tries again by itself
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal",  # noqa: S104
                 "gateway.docker.internal", "docker.for.mac.localhost"}  # fmt: skip
_loops: dict[asyncio.AbstractEventLoop, AsyncioLoop] = {}


def _engine_loop() -> AsyncioLoop:
    running = asyncio.get_running_loop()
    if running not in _loops:
        _loops.clear()
        _loops[running] = AsyncioLoop()
    return _loops[running]


class _Held(NamedTuple):
    """A message until the address and the secrets are there."""

    line: bytes
    message: Message
    key: bytes | None
    hasty: bool


class HttpUpstream:
    """One link to a remote server.  In the old transport all answers come on one stream."""

    probe_patience = 2.0

    def __init__(self, service: Service, owner: Owner) -> None:
        self.shares_ids = service.route.transport == "sse"
        self._service = service
        self._owner = owner
        self._link: Link | None = None
        self._headers: Headers = ()
        self._url = ""
        self._reached = 0.0
        self.hasty = False
        self._held: list[_Held] = []
        self._requests: dict[bytes, Request] = {}
        self._renewed: set[Request] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- to the server --------------------------------------------------------------------

    def send(self, line: bytes, message: Message, key: bytes | None) -> None:
        if self._closed:
            return
        now = self._service.loop.time()
        if self._link is not None and not self._held and now - self._reached < _FRESH:
            self._send(self._link, _Held(line, message, key, self.hasty))
            return
        self._held.append(_Held(line, message, key, self.hasty))
        if len(self._held) == 1:
            self._begin(self._reach())

    def _send(self, link: Link, held: _Held) -> None:
        request = link.send(held.line, held.message)
        request.tag = held.key
        if held.hasty:
            request.haste = self._service.loop.time() + _HASTE
        if held.key is not None:
            self._requests[held.key] = request

    async def _reach(self) -> None:
        """Get the address and the secrets as they are now, then send what waits."""
        try:
            link = self._linked(await self._service.reach())
        except Missing as missing:
            self._fail_held(trouble(missing.code, missing.text, retry=missing.retry))
            return
        except ValueError as error:
            self._fail_held(trouble("unreachable", f"its URL cannot be used: {error}", retry=False))
            return
        self._reached = self._service.loop.time()
        held, self._held = self._held, []
        for waiting in held:
            if not self._closed:
                self._send(link, waiting)

    def _linked(self, reach: Reach) -> Link:
        self._take(reach)
        if self._link is None:
            transport = "sse" if self._service.route.transport == "sse" else "auto"
            endpoint = address(reach.url)
            self._link = Link(
                _engine_loop(), endpoint, self, transport=transport, patience=_PATIENCE
            )
            self._service.starting()
        elif reach.url != self._url:
            self._link.move(address(reach.url))
        self._url = reach.url
        return self._link

    def _take(self, reach: Reach) -> None:
        if reach.headers != self._headers:  # the engine knows by identity that they are the same
            self._headers = reach.headers

    def _fail_held(self, cause: Trouble) -> None:
        held, self._held = self._held, []
        for waiting in held:
            if waiting.key is not None and not self._closed:
                self._owner.failed(waiting.key, cause._replace(delivered=False))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abandon(self, key: bytes) -> None:
        self._held = [item for item in self._held if item.key != key]
        request = self._requests.pop(key, None)
        if request is not None and self._link is not None:
            self._link.abandon(request)

    def pause(self) -> None:
        """Nothing: the front ends a connection that does not read."""

    def resume(self) -> None:
        """Nothing, as for :meth:`pause`."""

    def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._held.clear()
        self._requests.clear()
        if self._link is not None:
            self._link.close()

    # --- the engine's owner ---------------------------------------------------------------

    def deliver(self, line: bytes, request: Request | None) -> None:
        if not self._closed:
            self._owner.deliver(line, request.tag if request is not None else None)

    def answered(self, request: Request, line: bytes) -> None:
        key = self._done(request)
        if key is None:
            return
        if messages.is_answer(line):
            self._owner.answered(key, line)
        else:
            text = "its answer has neither a result nor an error"
            self._owner.failed(key, trouble("server-garbage", text))

    def failed(self, request: Request, cause: LinkTrouble) -> None:
        key = self._done(request)
        if key is not None:
            self._owner.failed(key, _worded(cause))

    def _done(self, request: Request) -> bytes | None:
        self._renewed.discard(request)
        key: bytes | None = request.tag
        if key is None or self._closed or self._requests.get(key) is not request:
            return None
        del self._requests[key]
        return key

    def accepted(self, request: Request) -> None:
        """The client was told already."""

    def headers(self, request: Request) -> Headers:  # noqa: ARG002  the same for all
        return self._headers

    def refused(self, request: Request, status: int, challenge: str) -> bool:
        """401 or 403: try once more with other credentials, if there are any."""
        if request in self._renewed or self._closed:
            return False
        self._renewed.add(request)
        self._begin(self._renew(request, status, challenge))
        return True

    async def _renew(self, request: Request, status: int, challenge: str) -> None:
        link = self._link
        assert link is not None
        try:
            reach = await self._service.refused(status, challenge, self._headers)
        except Missing as missing:
            cause = LinkTrouble(missing.code, missing.text, retry=missing.retry, delivered=False)
            link.give_up(request, cause)
            return
        self._take(reach)
        link.again(request)

    def reopened(self) -> None:
        if not self._closed:
            self._owner.restarted()


def address(url: str) -> Endpoint:
    """Where a URL leads.  Servers of this machine are told the ``Host`` that they expect."""
    endpoint = parse_endpoint(url)
    if endpoint.host not in _THIS_MACHINE or endpoint.scheme == "unix":
        return endpoint
    known = endpoint.host in {"127.0.0.1", "::1"}
    return Endpoint(
        endpoint.scheme,
        endpoint.host if known else "localhost",
        endpoint.port,
        endpoint.path,
        authority=f"localhost:{endpoint.port}",
    )


def _worded(cause: LinkTrouble) -> Trouble:
    code = cause.code if cause.code in CODES else "unreachable"
    return Trouble(code, cause.text, cause.retry, cause.delivered)
