"""One connection from several addresses: the first that answers wins (RFC 8305)."""

from __future__ import annotations

import errno
import os
import selectors
import socket

from mcpconf.bridge.sockets import SocketTransport, ignore
from mcpconf.bridge.trouble import Trouble, unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.loop import Delayed, Loop
    from mcpconf.bridge.reactor import Stream


_CONNECTING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)
_CONNECT_LIMIT = 5.0
_NEXT_ADDRESS = 0.25  # seconds until the next address gets its chance (RFC 8305)


def numeric(host: str, port: int) -> list[Any]:
    """Addresses that need no look-up; ``localhost`` is this machine whatever a resolver says."""
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return [(family, (host, port) if family == socket.AF_INET else (host, port, 0, 0))]
    return []


class Race:
    """One connection from several addresses: the first that answers wins (RFC 8305)."""

    def __init__(self, loop: Loop, endpoint: Endpoint, stream: Stream) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._stream = stream
        self._left: list[Any] = []
        self._trying: dict[socket.socket, Any] = {}
        self._error = 0
        self._over = False
        self._timer: Delayed | None = None
        self._limit: Delayed | None = None

    def start(self) -> None:
        if self._endpoint.scheme == "unix":
            self._found([(socket.AF_UNIX, self._endpoint.socket)])
        else:
            self._loop.addresses(self._endpoint, self._found)

    def _found(self, addresses: list[Any] | OSError) -> None:
        if isinstance(addresses, OSError):
            host = self._endpoint.host
            why = addresses.strerror or "no such name"
            text = f"the name {host} cannot be looked up ({why})"
            self._stream.failed(Trouble("dns", text, retry=True, delivered=False))
            return
        self._left = self._loop.lucky(self._endpoint, addresses)
        self._limit = self._loop.after(_CONNECT_LIMIT, self._too_late)
        self._next()

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._over:
            return
        if not self._left:
            if not self._trying:
                self._lose(unreachable(self._endpoint, self._error))
            return
        family, address = self._left.pop(0)
        try:
            sock = open_socket(family)
        except OSError as fault:  # a kernel without IPv6, too many open files
            self._error = self._error or fault.errno or 0
            self._next()
            return
        self._trying[sock] = address
        error = _connected(sock, address)
        if error not in _CONNECTING:
            self._drop(sock, error)
        elif error == 0:
            self._ready(sock)
        else:
            self._loop.watch(sock.fileno(), selectors.EVENT_WRITE, lambda _: self._ready(sock))
            self._timer = self._loop.after(_NEXT_ADDRESS, self._next)

    def _ready(self, sock: socket.socket) -> None:
        if sock not in self._trying:
            return  # another address won in the same turn
        self._loop.watch(sock.fileno(), 0, ignore)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._drop(sock, error)
            return
        address = self._trying.pop(sock)
        self._end()
        if self._endpoint.scheme != "unix":
            self._loop.worked(self._endpoint, (sock.family, address))
        SocketTransport(self._loop, sock, self._stream, self._endpoint).begin()

    def _drop(self, sock: socket.socket, error: int) -> None:
        self._error = self._error or error
        self._trying.pop(sock, None)
        self._loop.watch(sock.fileno(), 0, ignore)
        sock.close()
        self._next()

    def _too_late(self) -> None:
        if not self._over:
            self._lose(unreachable(self._endpoint, errno.ETIMEDOUT))

    def _lose(self, trouble: Trouble) -> None:
        self._end()
        self._stream.failed(trouble)

    def _end(self) -> None:
        self._over = True
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()
        for sock in self._trying:
            self._loop.watch(sock.fileno(), 0, ignore)
            sock.close()
        self._trying.clear()


def _connected(sock: socket.socket, address: Any) -> int:  # noqa: ANN401  by its family
    try:
        error = sock.connect_ex(address)
    except OSError as fault:  # the path of a Unix socket is too long
        return fault.errno or errno.ENAMETOOLONG
    full = sock.family == socket.AF_UNIX and error == errno.EAGAIN
    return errno.ECONNREFUSED if full else error  # a Unix socket never connects later


def open_socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    os.set_blocking(sock.fileno(), False)
    if family == socket.AF_UNIX:
        return sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 20_000)
    ):  # fmt: skip
        option = getattr(socket, name, None)
        if option is not None:  # a connection that died silently is noticed in 20 to 35 s
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock
