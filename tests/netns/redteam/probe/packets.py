"""Datagrams, echo requests and raw DNS queries."""

from __future__ import annotations

import random
import socket
import struct

from tests.netns.lab.dns_wire import code_and_count, query
from tests.netns.redteam.probe.connecting import TLS, Found, Order, connected, family_of


def udp(order: Order) -> Found:
    """Send the token to ``dst``:``port``."""
    with socket.socket(family_of(order["dst"]), socket.SOCK_DGRAM) as sock:
        sock.settimeout(order.get("timeout", 0.8))
        sock.connect((order["dst"], order["port"]))
        sock.send(order["tok"].encode())
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
        if "options" in order:
            sock.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes.fromhex(order["options"])
            )
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


def _by_stream(wire: bytes, order: Order, timeout: float) -> bytes:
    with connected(order["server"], order.get("port", 53), timeout) as plain:
        sock = TLS.wrap_socket(plain, server_hostname="dns.example") if "tls" in order else plain
        sock.sendall(struct.pack(">H", len(wire)) + wire)
        return sock.recv(4096)[2:]
