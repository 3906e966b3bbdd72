"""A TCP connection from several addresses: all get their chance, the first that answers wins."""

from __future__ import annotations

import errno
import selectors
import socket
import time

from mcpconf.wire.fault import Clock, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEXT = 0.25  # seconds until the next address gets its chance (RFC 8305)
_GRACE = 0.05  # for the others, when one has answered
LONGEST_DIAL = 7.0  # a connection that takes longer is none
_BUSY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)
_KINDS = {
    "ECONNREFUSED": "refused",
    "ETIMEDOUT": "timeout",
    "EACCES": "forbidden",
    "EPERM": "forbidden",
    "ENETUNREACH": "unreachable",
    "EHOSTUNREACH": "unreachable",
    "EADDRNOTAVAIL": "unreachable",
    "EAFNOSUPPORT": "unreachable",
    "ENETDOWN": "unreachable",
    "EHOSTDOWN": "unreachable",
}
# What is told of several: the first of these that occurred.  A dead route of one family says
# less than an answer of the other.
_RANK = ("refused", "forbidden", "timeout", "unreachable", "failed")


class Dial:
    """Connects to one of the addresses; ``tries`` says how each went."""

    def __init__(self, addresses: list[tuple[int, Any]], clock: Clock) -> None:
        self._clock = clock.within(LONGEST_DIAL)
        self._left = list(addresses)
        self._selector = selectors.DefaultSelector()
        self._pending: dict[socket.socket, tuple[dict[str, object], float]] = {}
        self.tries: list[dict[str, object]] = []

    def connect(self) -> socket.socket:
        """The first connection.  Raises Fault of the tcp station."""
        won: socket.socket | None = None
        try:
            while won is None and (self._left or self._pending):
                won = self._start() if self._left else None
                won = won or self._wait(_NEXT if self._left else None)
            end = self._clock.within(_GRACE)
            while won is not None and self._pending and end.end > time.monotonic():
                late = self._settle(self._selector.select(max(0.0, end.end - time.monotonic())))
                if late is not None:
                    late.close()
        except Fault:
            won = None
        finally:
            for sock, (entry, _) in self._pending.items():
                entry["errno"] = "PENDING" if won else "ETIMEDOUT"
                sock.close()
            self._selector.close()
        if won is None:
            raise Fault(self._verdict())
        return won

    def _start(self) -> socket.socket | None:
        family, address = self._left.pop(0)
        entry: dict[str, object] = {"address": address[0], "errno": "", "ms": None}
        self.tries.append(entry)
        began = time.monotonic()
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(0)
            number = sock.connect_ex(address)
        except (OSError, OverflowError) as error:
            entry["errno"] = _word(getattr(error, "errno", None))
            return None
        if number in _BUSY:
            self._pending[sock] = entry, began
            self._selector.register(sock, selectors.EVENT_WRITE)
            return None
        return self._ended(sock, entry, began, number)

    def _wait(self, seconds: float | None) -> socket.socket | None:
        """Wait for an answer, or until the next address is due."""
        due = self._clock.left()
        return self._settle(self._selector.select(due if seconds is None else min(seconds, due)))

    def _settle(self, ready: list[Any]) -> socket.socket | None:
        first: socket.socket | None = None
        for key, _ in ready:
            sock = key.fileobj
            entry, began = self._pending.pop(sock)
            self._selector.unregister(sock)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            found = self._ended(sock, entry, began, number)
            if first is None:
                first = found
            elif found is not None:
                found.close()
        return first

    @staticmethod
    def _ended(
        sock: socket.socket, entry: dict[str, object], began: float, number: int
    ) -> socket.socket | None:
        entry["ms"] = round((time.monotonic() - began) * 1000, 1)
        entry["errno"] = _word(number) if number else ""
        if number:
            sock.close()
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _verdict(self) -> str:
        kinds = {_KINDS.get(str(entry["errno"]), "failed") for entry in self.tries}
        return next((kind for kind in _RANK if kind in kinds), "failed")


def _word(number: int | None) -> str:
    return errno.errorcode.get(number or 0, "EUNKNOWN")
