"""Datagrams, echo requests and raw DNS queries."""

from __future__ import annotations

import contextlib
import random
import socket
import struct

from tests.netns.lab.dns_wire import code_and_count, query
from tests.netns.redteam.probe.connecting import Found, Order, connected, family_of
from tests.netns.redteam.probe.hello import TLS


def udp(order: Order) -> Found:
    """Send the token ``times`` over to ``dst``:``port``.

    ``protocol``: another than UDP; ``options``: an IPv6 destination options header, in hexadecimal.
    """
    address, protocol = order["dst"], order.get("protocol", 0)
    with socket.socket(family_of(address), socket.SOCK_DGRAM, protocol) as sock:
        sock.settimeout(order.get("timeout", 0.8))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if "options" in order:
            header = bytes.fromhex(order["options"])
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, header)
        sock.connect(_place(address, order["port"]))
        sock.send(order["tok"].encode() * order.get("times", 1))
        return {"ok": b"LAB-ECHO" in sock.recv(2048)}


def icmp(order: Order) -> Found:
    """Send the token in an echo request."""
    six = ":" in order["dst"]
    family, protocol, kind = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128)
        if six
        else (socket.AF_INET, socket.IPPROTO_ICMP, 8)
    )
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        sock.settimeout(order.get("timeout", 0.8))
        sock.connect((order["dst"], 0))
        sock.send(struct.pack("!BBHHH", kind, 0, 0, 0, 1) + order["tok"].encode() * 4)
        return {"ok": order["tok"].encode() in sock.recv(2048)}


def dns(order: Order) -> Found:
    """Ask ``server`` for ``name`` (over UDP, ``tcp`` or ``tls``); ``ok`` if it had an answer."""
    wire = query(order["name"], order.get("qtype", "A"), random.randrange(65536))
    server, port, timeout = order["server"], order.get("port", 53), order.get("timeout", 1.2)
    if order.get("tcp") or order.get("tls"):
        answer = _by_stream(wire, order, timeout)
    else:
        with socket.socket(family_of(server), socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.connect((server, port))
            sock.send(wire)
            answer = sock.recv(4096)
    code, count = code_and_count(answer)
    return {"ok": code == 0 and count > 0, "rcode": code, "n": count}


def pipeline(order: Order) -> Found:
    """Send queries for ``names`` in one segment; ``codes`` is the answer's code of each."""
    numbers = dict(enumerate(order["names"], 1))
    wires = [query(name, "A", number) for number, name in numbers.items()]
    codes: dict[str, int] = {}
    with connected(order["server"], 53, order.get("timeout", 3)) as sock:
        sock.sendall(b"".join(struct.pack(">H", len(wire)) + wire for wire in wires))
        stream = sock.makefile("rb")
        while len(codes) < len(wires) and (head := stream.read(2)):
            answer = stream.read(struct.unpack(">H", head)[0])
            name = numbers[struct.unpack(">H", answer[:2])[0]]
            codes[name] = code_and_count(answer)[0]
    return {"ok": len(codes) == len(wires), "codes": codes}


def resolve(order: Order) -> Found:
    """What the container's own resolver says."""
    found = socket.getaddrinfo(order["name"], 443)
    return {"ok": True, "addrs": sorted({address[4][0] for address in found})}


def flood(order: Order) -> Found:
    """Ask ``server`` for ``count`` names as fast as it goes, without waiting for an answer."""
    with socket.socket(family_of(order["server"]), socket.SOCK_DGRAM) as sock:
        sock.connect((order["server"], 53))
        for number in range(order["count"]):
            with contextlib.suppress(OSError):
                sock.send(query(f"n{number}.{order['name']}", "A", number & 0xFFFF))
    return {"ok": True}


def _place(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """An address for connect, also one with a zone (``fe80::1%eth0``)."""
    host, _, zone = address.partition("%")
    return (host, port, 0, socket.if_nametoindex(zone)) if zone else (host, port)


def _by_stream(wire: bytes, order: Order, timeout: float) -> bytes:
    with connected(order["server"], order.get("port", 53), timeout) as plain:
        sock = TLS.wrap_socket(plain, server_hostname="dns.example") if "tls" in order else plain
        sock.sendall(struct.pack(">H", len(wire)) + wire)
        return sock.recv(4096)[2:]
