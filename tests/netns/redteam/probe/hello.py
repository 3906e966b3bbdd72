"""A TLS client whose first message arrives in pieces."""

from __future__ import annotations

import socket
import ssl
import time

_PAUSE = 0.002


def in_pieces(
    sock: socket.socket, context: ssl.SSLContext, sni: str, request: bytes, piece: int
) -> bytes:
    """Send the ClientHello in segments of ``piece`` bytes, then the request; returns the answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=sni or None)
    first = True
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            _send(sock, outgoing.read(), piece if first else 0)
            first = False
            incoming.write(_some(sock))
    tls.write(request)
    _send(sock, outgoing.read(), 0)
    return _answer(sock, tls, incoming)


def _send(sock: socket.socket, data: bytes, piece: int) -> None:
    if not piece:
        sock.sendall(data)
        return
    for start in range(0, len(data), piece):
        sock.sendall(data[start : start + piece])
        time.sleep(_PAUSE)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ConnectionResetError("closed in the handshake")
    return data


def _answer(sock: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO) -> bytes:
    heard = b""
    while b"}" not in heard:
        try:
            data = tls.read(4096)
        except ssl.SSLWantReadError:
            incoming.write(_some(sock))
            continue
        if not data:
            break
        heard += data
    return heard
