"""An open socket, with or without TLS."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys

from mcpconf.bridge.limits import LITTLE, MUCH
from mcpconf.bridge.text import plain
from mcpconf.bridge.trouble import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Any

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.loop import Delayed, Loop
    from mcpconf.bridge.reactor import Stream


HANDSHAKE_LIMIT = 5.0  # seconds
_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info (Linux 4.1)


def ignore(mask: int) -> None:
    """Nobody is called back."""
    del mask


class SocketTransport:
    """An open socket, with or without TLS."""

    def __init__(self, loop: Loop, sock: socket.socket, stream: Stream, endpoint: Endpoint) -> None:
        self._loop = loop
        self._sock: Any = sock
        self._stream = stream
        self._endpoint = endpoint
        self._fd = sock.fileno()
        self._out: list[bytes | memoryview] = []
        self._tls = endpoint.scheme == "https"
        self._room = LITTLE
        self._written = 0  # bytes that were asked for
        self._given = 0  # and those that the kernel took
        self._begun = 0  # where the last request begins
        self._marked = 0
        self._reset = False
        self._ended = False  # by the other side, in order
        self._open = True

    def begin(self) -> None:
        if not self._tls:
            self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)
            self._stream.opened(self)
            return
        try:
            context = self._loop.tls = self._loop.tls or tls_context()
            host = self._endpoint.host
            self._sock = context.wrap_socket(
                self._sock, server_hostname=host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            self._tls_failed(error)
            return
        self._fd = self._sock.fileno()
        timer = self._loop.after(HANDSHAKE_LIMIT, self._handshake_late)
        self._handshake(timer)

    def _handshake_late(self) -> None:
        if self._open:
            self.close()
            trouble = Trouble("tls", "it does not answer the TLS handshake", retry=True)
            self._stream.failed(trouble)

    def _handshake(self, timer: Delayed) -> None:
        import ssl  # noqa: PLC0415  5 ms that plain HTTP does not need

        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(self._fd, selectors.EVENT_READ, lambda _: self._handshake(timer))
            return
        except ssl.SSLWantWriteError:
            self._loop.watch(self._fd, selectors.EVENT_WRITE, lambda _: self._handshake(timer))
            return
        except (OSError, ValueError) as error:
            timer.cancel()
            self._tls_failed(error)
            return
        timer.cancel()
        self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)
        self._stream.opened(self)

    def _tls_failed(self, error: Exception) -> None:
        self.close()
        why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        reset = isinstance(error, ConnectionError)
        text = f"TLS with {self._endpoint.host} fails ({plain(str(why), 80)})"
        self._stream.failed(Trouble("tls", text, retry=reset, delivered=False))

    def mark(self) -> None:
        self._begun = self._written
        self._marked = self._acked() if self._tls else self._written

    def alive(self) -> bool:
        """Look whether the other side has closed it, before anything is written."""
        if not self._open:
            return False
        if self._tls:
            return not self._readable()
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False  # the end, or bytes that nobody asked for

    def _readable(self) -> bool:
        import select  # noqa: PLC0415  selectors has imported it

        return bool(select.select([self._fd], [], [], 0)[0])

    def undelivered(self) -> bool:
        """Whether the kernel of the other side has confirmed nothing since the mark.

        TCP: it ended the connection in order (FIN) and acknowledged no byte of it (RFC 4898
        tcpEStatsAppHCThruOctetsAcked).  A reset proves nothing: what was read is acknowledged up to
        200 ms later, and a reset comes without.  Nor does silence: only the acknowledgements may be
        lost.  Unix socket: it was closed with what we wrote unread.
        """
        if self._given <= self._begun:
            return True
        if self._sock.family == socket.AF_UNIX:
            return self._reset
        if not self._ended:
            return False
        acked = self._acked()
        return acked >= 0 and acked <= self._marked

    def _acked(self) -> int:
        """Bytes of ours that the other side has acknowledged; -1 where nobody tells."""
        if sys.platform != "linux":
            return -1
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        except OSError:
            return -1
        if len(info) < _ACKED + 8:
            return -1
        acked = int.from_bytes(info[_ACKED : _ACKED + 8], sys.byteorder)
        return max(0, acked - 1)  # the SYN counts as one

    def write(self, data: bytes) -> None:
        self._written += len(data)
        if self._out:
            self._out.append(data)
            return
        rest = self._send(data)
        if rest is not None:
            self._out.append(rest)
            self._loop.watch(self._fd, selectors.EVENT_READ | selectors.EVENT_WRITE, self._ready)

    def _send(self, data: bytes | memoryview) -> bytes | memoryview | None:
        """Send what fits; returns the rest.  An error shows when the socket is read."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return data
        except OSError as error:
            if self._tls and error.__class__.__name__.startswith("SSLWant"):
                return data
            self._reset = error.errno in (errno.EPIPE, errno.ECONNRESET)
            return None
        self._given += sent
        return memoryview(data)[sent:] if sent < len(data) else None

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ and self._open:
            self._read()

    def _flush(self) -> None:
        while self._out:
            rest = self._send(self._out[0])
            if rest is not None:
                self._out[0] = rest
                return
            del self._out[0]
        if self._open:
            self._loop.watch(self._fd, selectors.EVENT_READ, self._ready)

    def listen(self) -> None:
        """Call back when there is something to read, and when what waits can be sent."""
        if self._open:
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
            self._loop.watch(self._fd, mask, self._ready)

    def _read(self) -> None:
        if self._loop.full:
            self._loop.watch(self._fd, selectors.EVENT_WRITE if self._out else 0, self._ready)
            self._loop.hold(self)
            return
        try:
            data = self._sock.recv(self._room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if self._tls and error.__class__.__name__.startswith("SSLWant"):
                return
            self._reset = self._reset or error.errno == errno.ECONNRESET
            self._over()
            return
        if not data:
            self._ended = True
            self._over()
            return
        self._room = MUCH if len(data) == self._room else LITTLE
        self._stream.data(data)
        if self._tls and self._open and self._sock.pending():
            self._read()

    def _over(self) -> None:
        if self._open:
            self._loop.watch(self._fd, 0, ignore)
            self._stream.closed()
            self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.watch(self._fd, 0, ignore)
            self._sock.close()


def tls_context() -> SSLContext:
    """The system's certificates, and those that the client is told to trust as well."""
    import ssl  # noqa: PLC0415

    context = ssl.create_default_context()
    extra = os.environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        _trust(context, extra)
    return context


def _trust(context: SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError:  # Node goes on without it as well
        return
