"""Sockets that answer for every address (AnyIP and IP_TRANSPARENT, see ip(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

FAMILIES = (socket.AF_INET, socket.AF_INET6)
_TRANSPARENT = {
    socket.AF_INET: (socket.SOL_IP, 19),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 75),
}
_PKTINFO = {socket.AF_INET: (socket.SOL_IP, 8, 8), socket.AF_INET6: (socket.IPPROTO_IPV6, 49, 50)}
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_ROOM = 8 << 20
_BURST = 64
_Ancillary = list[tuple[int, int, bytes]]


class Datagram(NamedTuple):
    """A datagram, who sent it, and to which address; ``answer`` sends one back from there."""

    data: bytes
    source: str
    destination: str
    answer: Callable[[bytes], None]


def listening(family: int, port: int) -> socket.socket:
    """A listening socket; the protocol is named, or asyncio would not set TCP_NODELAY."""
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(made, family, port)
    made.listen(1024)
    return made


def receiving(family: int, port: int) -> socket.socket:
    """A socket for datagrams to any address."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    level, wanted, _ = _PKTINFO[family]
    made.setsockopt(level, wanted, 1)
    _bind(made, family, port)
    return made


def datagrams(sock: socket.socket, handle: Callable[[Datagram], None]) -> None:
    """Hand over what has arrived, at most a burst of it."""
    for _ in range(_BURST):
        try:
            data, ancillary, _, peer = sock.recvmsg(4096, 256)
        except OSError:
            return
        destination, control = _destination(ancillary)
        handle(Datagram(data, peer[0], destination, _answering(sock, control, peer)))


def _bind(sock: socket.socket, family: int, port: int) -> None:
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(*_TRANSPARENT[family], 1)
    sock.bind((_ANY[family], port))
    sock.setblocking(False)


def _destination(ancillary: _Ancillary) -> tuple[str, _Ancillary]:
    """Where a datagram went, and the control message that answers from there."""
    for level, _, data in ancillary:
        if level == socket.SOL_IP:
            where = data[8:12]
            back = struct.pack("=I4s4s", 0, where, bytes(4))
            return socket.inet_ntoa(where), [(level, 8, back)]
        if level == socket.IPPROTO_IPV6:
            back = data[:16] + struct.pack("=I", 0)
            return socket.inet_ntop(socket.AF_INET6, data[:16]), [(level, 50, back)]
    return "?", []


def _answering(
    sock: socket.socket, control: _Ancillary, peer: tuple[str, int]
) -> Callable[[bytes], None]:
    def answer(data: bytes) -> None:
        try:
            sock.sendmsg([data], control, 0, peer)
        except OSError:
            return  # whoever asked is gone

    return answer
