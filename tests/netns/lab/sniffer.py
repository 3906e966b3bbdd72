"""The wire's log: every IP packet that leaves the container, and every one that the host forwards."""

from __future__ import annotations

import select
import socket
import struct
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.netns.lab.addresses import BOX4, BOX6
from tests.netns.lab.logs import Log

_IPV4, _IPV6, _EVERYTHING = 0x0800, 0x86DD, 3
_TCP, _UDP, _ICMP6 = 6, 17, 58
_PROTOCOLS = {_TCP: "tcp", _UDP: "udp", 1: "icmp", _ICMP6: "icmp6"}
_DISCOVERY = (133, 134, 135, 136, 143)  # routers, neighbours, multicast listeners
_OPTIONS = (0, 43, 44, 60)  # hop-by-hop, routing, fragment, destination (RFC 8200)
_OUTGOING = 4  # PACKET_OUTGOING
_ROOM = 64 << 20
_FLUSHED = 0.05
_KEPT = 600


class Watched(NamedTuple):
    """An interface of the host; ``leaving`` for what goes out there, not what comes in."""

    name: str
    interface: str
    leaving: bool


WATCHED = (Watched("wire", "vbox", leaving=False), Watched("uplink", "up0", leaving=True))


def watch(state: Path, what: Watched) -> None:
    """Log until the process ends."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_EVERYTHING))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    sock.bind((what.interface, 0))
    log = Log(state / f"{what.name}.jsonl")
    log.say(ready=True)
    flushed = time.monotonic()
    while True:
        waiting, _, _ = select.select([sock], [], [], _FLUSHED)
        if waiting:
            packet, address = sock.recvfrom(65535)
            found = read(packet) if (address[2] == _OUTGOING) == what.leaving else None
            if found and (found["src"] in (BOX4, BOX6) or not what.leaving):
                log.add(**found, wire=what.name)
        if not waiting or time.monotonic() - flushed > _FLUSHED:
            log.flush()
            flushed = time.monotonic()


def read(frame: bytes) -> dict[str, Any] | None:
    """What an Ethernet frame says, None if it is not IP or is only neighbour discovery."""
    kind = struct.unpack(">H", frame[12:14])[0]
    packet = frame[14:]
    if kind == _IPV4:
        protocol, body = packet[9], packet[(packet[0] & 15) * 4 :]
        ends = [socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16)]
    elif kind == _IPV6:
        protocol, body = _behind_options(packet[6], packet[40:])
        ends = [socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24)]
    else:
        return None
    if protocol == _ICMP6 and body and body[0] in _DISCOVERY:
        return None
    name = _PROTOCOLS.get(protocol, str(protocol))
    return {"src": ends[0], "dst": ends[1], "p": name, **_transport(protocol, body)}


def _behind_options(protocol: int, body: bytes) -> tuple[int, bytes]:
    """The transport behind an IPv6 packet's extension headers."""
    while protocol in _OPTIONS and len(body) >= 8:
        size = 8 if protocol == 44 else (body[1] + 1) * 8
        protocol, body = body[0], body[size:]
    return protocol, body


def _transport(protocol: int, body: bytes) -> dict[str, Any]:
    if protocol not in (_TCP, _UDP) or len(body) < 8:
        return {"ty": body[0] if body else -1, "pl": body[8:_KEPT].decode("latin-1")}
    source, destination = struct.unpack(">HH", body[:4])
    head = (body[12] >> 4) * 4 if protocol == _TCP and len(body) > 12 else 8
    return {"sp": source, "dp": destination, "pl": body[head:_KEPT].decode("latin-1")}
