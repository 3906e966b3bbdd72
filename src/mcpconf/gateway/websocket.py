"""A server behind a WebSocket: one text frame a message, subprotocol ``mcp``.

That is what Claude Code's ``type: ws`` speaks.  The framing is the ``websockets`` library's.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mcpconf.gateway.pipes import LONGEST_LINE
from mcpconf.gateway.ports import Owner
from mcpconf.gateway.revival import Revival, Talk
from mcpconf.gateway.source import Missing
from mcpconf.gateway.trouble import Trouble, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service

_OPEN = 10.0
_UNAUTHORIZED = (401, 403)
_MOST_QUEUED = 64 * 1024 * 1024


def web_socket(service: Service, owner: Owner) -> Revival:
    """The way to a server behind a WebSocket."""
    return Revival(service, owner, partial(_start, service))


def _start(
    service: Service, line: Callable[[bytes], None], ended: Callable[[Trouble], None]
) -> Talk:
    return Socket(service, line, ended)


class Socket:
    """One connection, which may still be on its way to be opened."""

    def __init__(
        self, service: Service, line: Callable[[bytes], None], ended: Callable[[Trouble], None]
    ) -> None:
        self._service = service
        self._line = line
        self._ended = ended
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queued = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._task = asyncio.ensure_future(self._run())

    def write(self, line: bytes) -> bool:
        if self._queued + len(line) > _MOST_QUEUED:
            return False
        self._queued += len(line)
        self._queue.put_nowait(line)
        return True

    def stop(self) -> None:
        self._task.cancel()

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    async def _run(self) -> None:
        try:
            cause = await self._talk()
        except asyncio.CancelledError:
            cause = trouble("session-lost", "the connection was closed")
        except Missing as missing:
            cause = trouble(missing.code, missing.text, retry=missing.retry)
        self._ended(cause)

    async def _talk(self) -> Trouble:
        reach = await self._service.reach()
        # a tenth of a second, once: not in the loop, where everybody would wait
        client = await asyncio.to_thread(importlib.import_module, "websockets.asyncio.client")
        errors = importlib.import_module("websockets.exceptions")
        try:
            opening = client.connect(
                reach.url,
                additional_headers=[*reach.headers],
                subprotocols=["mcp"],
                max_size=LONGEST_LINE,
                open_timeout=_OPEN,
                compression=None,
                proxy=None,
            )
            # the library would follow a redirect, to another server too and with our headers
            opening.process_redirect = _as_it_is
            socket = await opening
        except errors.InvalidStatus as refused:
            return _refusal(refused.response.status_code)
        except TimeoutError:
            return trouble("timeout", "its WebSocket did not open in time", delivered=False)
        except (OSError, errors.WebSocketException, ValueError) as error:
            return _unreachable(error)
        return await self._exchange(socket, errors)

    async def _exchange(self, socket: Any, errors: Any) -> Trouble:  # noqa: ANN401  lazily imported
        writing = asyncio.ensure_future(self._send(socket, errors))
        try:
            async for frame in socket:
                await self._flowing.wait()
                line = frame.encode() if isinstance(frame, str) else frame
                self._line(line.replace(b"\n", b" "))
        except errors.ConnectionClosed:
            pass
        finally:
            writing.cancel()
            await socket.close()
        return trouble("server-exited", "the server closed the WebSocket before it answered")

    async def _send(self, socket: Any, errors: Any) -> None:  # noqa: ANN401
        while True:
            line = await self._queue.get()
            self._queued -= len(line)
            try:
                await socket.send(line.decode("utf-8", "replace"))
            except errors.ConnectionClosed:
                return


def _as_it_is(error: Exception) -> Exception:
    return error


def _refusal(status: int) -> Trouble:
    if status in _UNAUTHORIZED:
        return trouble("refused-login", f"it refuses the request (HTTP {status})")
    if status // 100 == 3:  # noqa: PLR2004
        text = f"it redirects its WebSocket elsewhere (HTTP {status}); write that address in"
        return trouble("redirected", text)
    return trouble("http-status", f"it answered the opening of a WebSocket with HTTP {status}")


def _unreachable(error: Exception) -> Trouble:
    if type(error).__name__ == "gaierror":
        return trouble("dns")
    if isinstance(error, OSError):
        return trouble("unreachable", f"nothing answers at its address ({error.strerror})")
    return trouble("not-mcp", "what answers at its address is not a WebSocket")
