"""What the gate of strict mode refused: the lines of its ring (``gate.py`` says what they hold)."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from mcpconf.firewall.gate import GATE_RING
from mcpconf.firewall.tokens import read_network

_GATE_LINE = re.compile(
    r"(?:<[0-9]{1,3}>)?([0-9]{10,16}) (name|none|form|again|loop|lost|-) ([A-Za-z-]{2})"
    r" ([0-9a-f.:]{2,45}) (443|80) ([a-z0-9.:_?-]{1,300})"
)
_MOST = 4_000_000  # bytes read at once; the ring has 64 KiB
_RING_PATIENCE = 2.0  # seconds


class GateLine(NamedTuple):
    """A refusal.  ``time``: Unix seconds; ``name`` and ``address`` may be ""."""

    time: float
    why: str
    address: str
    port: int
    name: str


def read_gate_line(line: str) -> GateLine | None:
    """One line of the ring; None where it refuses nothing."""
    found = _GATE_LINE.fullmatch(line.strip())
    if not found:
        return None
    why = found[2]
    if why == "-":
        if found[3] != "PR":
            return None  # it went through, or the packet filter has written it down
        why = "form"
    address = read_network(found[4])
    if address is None:
        return None
    known = not address.network_address.is_loopback or why == "loop"
    name = "" if found[6] == "-" else found[6]
    return GateLine(int(found[1]) / 1000, why, found[4] if known else "", int(found[5]), name)


class Ring:
    """The gate's ring: what it has, and with ``follow`` what comes.  No gate: nothing comes."""

    def __init__(self, path: str, *, follow: bool = False) -> None:
        self._path, self._follow = path, follow
        self._door: socket.socket | None = None
        self._rest = b""

    def text(self) -> str:
        """What has come since the last call, whole lines."""
        if self._door is None:
            self._door = self._opened()
        if self._door is None:
            return ""
        whole, newline, self._rest = self._received(self._door).rpartition(b"\n")
        return (whole + newline).decode("ascii", "backslashreplace")

    def close(self) -> None:
        if self._door is not None:
            self._door.close()
        self._door, self._rest = None, b""

    def _opened(self) -> socket.socket | None:
        door = socket.socket(socket.AF_UNIX)
        door.settimeout(_RING_PATIENCE)
        try:
            door.connect(self._path)
            door.sendall(f"show events {GATE_RING}{' -w' if self._follow else ''}\n".encode())
        except OSError:
            door.close()
            return None
        door.settimeout(0.02 if self._follow else _RING_PATIENCE)
        return door

    def _received(self, door: socket.socket) -> bytes:
        parts, count = [self._rest], 0
        try:
            while count < _MOST:
                part = door.recv(1 << 16)
                if not part:
                    self.close()  # a gate that has gone may come back
                    break
                parts.append(part)
                count += len(part)
        except OSError:
            pass  # nothing more for now
        return b"".join(parts)
