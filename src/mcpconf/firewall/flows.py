"""Flows that the kernel keeps to a resolver which ends, and makes it forget.

A question of a socket that has asked before follows its flow, whatever the rules say since: until
the flow is forgotten, 30 to 120 s later, it would go to a port where nobody is.  Linux tells flows
and takes them by netlink (``linux/netfilter/nfnetlink_conntrack.h``); one that does not is let be.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress

_NETFILTER = 12  # NETLINK_NETFILTER
_GET, _DELETE = 0x101, 0x102  # the subsystem of flows, and what it is to do
_REQUEST, _DUMP = 1, 0x300
_END, _ERROR = 3, 2
_ORIGINAL, _REPLY, _ZONE = 1, 2, 18
_PROTOCOL_PART, _FROM_PORT, _TO_PORT = 2, 2, 3
_DNS = 53
_PATIENCE = 1.0  # seconds for the kernel
_LARGEST_PART = 1 << 16  # bytes of one part of its answer

Attributes = dict[int, bytes]


def forget_flows(ports: Collection[int]) -> None:
    """Make the kernel forget who asked the resolvers on these ports."""
    if not ports:
        return
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.bind((0, 0))
        kernel.send(_message(_GET, _DUMP, 0, b""))
        led = [(family, flow) for family, flow in _flows(kernel) if _leads_to(flow, ports)]
        for family, flow in led:
            kept = {kind: flow[kind] for kind in (_ORIGINAL, _ZONE) if kind in flow}
            parts = b"".join(_attribute(kind, value) for kind, value in kept.items())
            kernel.send(_message(_DELETE, 0, family, parts))


def _leads_to(flow: Attributes, ports: Collection[int]) -> bool:
    """Whether a flow asked for a name, and one of these ports answers."""
    asked = _ports(flow.get(_ORIGINAL, b""))
    answers = _ports(flow.get(_REPLY, b""))
    return asked[1] == _DNS and answers[0] in ports


def _ports(addresses: bytes) -> tuple[int, int]:
    """The ports from and to which the packets of one direction go; 0 where there is none."""
    protocol = dict(_attributes(dict(_attributes(addresses)).get(_PROTOCOL_PART, b"")))
    found = (protocol.get(kind, b"") for kind in (_FROM_PORT, _TO_PORT))
    from_, to = (int.from_bytes(port, "big") for port in found)
    return from_, to


def _flows(kernel: socket.socket) -> Iterator[tuple[int, Attributes]]:
    """Each flow that the kernel tells of, with its family, until it says that this is all."""
    while True:
        data = kernel.recv(_LARGEST_PART)
        for kind, body in _messages(data):
            if kind in (_END, _ERROR):
                return
            yield body[0], dict(_attributes(body[4:]))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The kernel's messages: what each is, and what is in it."""
    while len(data) >= 20:  # noqa: PLR2004  a head, and the family of what is in it
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:  # noqa: PLR2004
            return
        yield kind, data[16:length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:  # noqa: PLR2004
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:  # noqa: PLR2004
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[_aligned(length) :]


def _attribute(kind: int, value: bytes) -> bytes:
    nested = 0x8000 if kind == _ORIGINAL else 0
    head = struct.pack("=HH", 4 + len(value), kind | nested)
    return (head + value).ljust(_aligned(4 + len(value)), b"\0")


def _message(kind: int, flags: int, family: int, parts: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + parts
    return struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, 0, 0) + body


def _aligned(length: int) -> int:
    return (length + 3) & ~3
