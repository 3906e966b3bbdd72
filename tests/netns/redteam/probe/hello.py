"""A TLS client whose first message is cut up, or long."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from typing import NamedTuple

_PAUSE = 0.002
_HEAD = 5  # of a TLS record


def context() -> ssl.SSLContext:
    """A client that believes every certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


TLS = context()


class Cut(NamedTuple):
    """Segments of ``piece`` bytes (0: one), ``records`` TLS records, ``alpn`` names of protocols."""

    piece: int = 0
    records: int = 1
    alpn: int = 0


def in_pieces(sock: socket.socket, sni: str, request: bytes, cut: Cut) -> bytes:
    """Shake hands with a ClientHello that is cut, then send the request; returns the answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = context()
    if cut.alpn:
        client.set_alpn_protocols([f"protocol-{number}" for number in range(cut.alpn)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.wrap_bio(incoming, outgoing, server_hostname=sni or None)
    hello = True
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = outgoing.read()
            send(sock, _records(data, cut.records) if hello else data, cut.piece if hello else 0)
            hello = False
            incoming.write(_some(sock))
    tls.write(request)
    send(sock, outgoing.read())
    return _answer(sock, tls, incoming)


def send(sock: socket.socket, data: bytes, piece: int = 0) -> None:
    """Send, in segments of ``piece`` bytes where that is not 0."""
    if not piece:
        sock.sendall(data)
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(data), piece):
        sock.sendall(data[start : start + piece])
        time.sleep(_PAUSE)


def _records(record: bytes, number: int) -> bytes:
    """One TLS record as several (RFC 8446, 5.1)."""
    kind, body = record[:3], record[_HEAD:]
    size = -(-len(body) // number)
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(kind + struct.pack(">H", len(part)) + part for part in parts)


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
