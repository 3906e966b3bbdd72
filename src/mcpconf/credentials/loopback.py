"""Where the browser comes back to: a server on this machine that waits for one answer (RFC 8252).

Anything may connect to it, a hostile web page in the same browser among others.  So only a GET of
the one path with the state of this login counts; whatever else arrives is answered and forgotten.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from mcpconf.credentials.missing import Missing

PATH = "/callback"
_LONGEST = 16384  # bytes of a request
_PATIENCE = 10.0  # seconds for a request to arrive
_TRIES = 10

_PAGE = """<!doctype html><meta charset="utf-8"><title>mcpconf</title>
<p style="font: 1.2em sans-serif; margin: 3em">{text}</p>
"""
_DONE = "You may close this window and go back to the terminal."
_REFUSED = "The login was refused. The terminal says more."
_FOREIGN = "This does not belong to the login that is waiting."


class Answer(NamedTuple):
    """What an authorization server sends back (RFC 6749 §4.1.2, RFC 9207)."""

    code: str = ""
    state: str = ""
    issuer: str | None = None
    error: str = ""

    def __repr__(self) -> str:
        return "Answer(***)"


def read_answer(query: str) -> Answer:
    """Read the query of a redirect; the first value counts."""
    found = parse_qs(query, keep_blank_values=True, max_num_fields=50)
    values = {name: texts[0] for name, texts in found.items()}
    return Answer(
        values.get("code", ""), values.get("state", ""), values.get("iss"), values.get("error", "")
    )


class Callback:
    """A callback server that is open.  ``state`` is set when the address is known."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.state = ""
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def redirect_uri(self) -> str:
        """The address that the authorization server is told, as Claude Code spells it."""
        return f"http://localhost:{self.port}{PATH}"

    def is_ours(self, answer: Answer) -> bool:
        return bool(self.state) and hmac.compare_digest(answer.state.encode(), self.state.encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with suppress(
            OSError,
            ValueError,
            TimeoutError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                status, text = self._judge(head.split(b"\r\n", 1)[0].decode("ascii"))
                writer.write(_response(status, text))
                await writer.drain()
        writer.close()

    def _judge(self, line: str) -> tuple[str, str]:
        method, _, rest = line.partition(" ")
        parts = urlsplit(rest.partition(" ")[0])
        if method != "GET" or parts.path != PATH:
            return "404 Not Found", _FOREIGN
        answer = read_answer(parts.query)
        if not self.is_ours(answer) or not (answer.code or answer.error):
            return "400 Bad Request", _FOREIGN
        if not self.answer.done():
            self.answer.set_result(answer)
        return ("400 Bad Request", _REFUSED) if answer.error else ("200 OK", _DONE)


def _response(status: str, text: str) -> bytes:
    body = _PAGE.format(text=text).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        "Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; "
        "style-src 'unsafe-inline'\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def callback_server(port: int, *, or_any: bool) -> AsyncIterator[Callback]:
    """Listen on this machine's own addresses; ``port`` 0 takes any.

    ``or_any`` takes another port if that one is not free.

    Raises:
        Missing: ``unreachable``: the port is taken.

    """
    async with AsyncExitStack() as stack:
        try:
            sockets = _listen(port)
        except Missing:
            if not or_any:
                raise
            sockets = _listen(0)
        callback = Callback(sockets[0].getsockname()[1])
        for listening in sockets:
            server = await asyncio.start_server(callback.serve, sock=listening, limit=_LONGEST)
            stack.callback(server.close)
        yield callback


def _listen(port: int) -> list[socket.socket]:
    """Bind 127.0.0.1 and ::1 to one port: a browser takes either for ``localhost``."""
    for _ in range(_TRIES):
        first = _bind(socket.AF_INET, "127.0.0.1", port)
        chosen = first.getsockname()[1]
        try:
            return [first, _bind(socket.AF_INET6, "::1", chosen)]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]  # no IPv6 here
            first.close()
        except Missing:
            first.close()
        if port:
            break
    raise _taken(port)


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise _taken(port) from None
        raise
    return bound


def _taken(port: int) -> Missing:
    text = f"port {port} is taken, and the login has to come back to it; end what listens there"
    return Missing("unreachable", text)
