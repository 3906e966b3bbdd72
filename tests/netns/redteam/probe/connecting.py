"""Connections, and requests over them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from tests.netns.redteam.probe.hello import TLS, Cut, in_pieces, send

Order = dict[str, Any]
Found = dict[str, Any]
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_LIMIT = 4096


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connected(address: str, port: int, timeout: float, protocol: int = 0) -> socket.socket:
    sock = socket.socket(family_of(address), socket.SOCK_STREAM, protocol)
    sock.settimeout(timeout)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def tcp(order: Order) -> Found:
    """Connect to ``dst`` or to ``name`` (of family ``v``), say something, and look who answers.

    ``kind``: ``http``, ``tls`` (HTTP in TLS) or ``raw``; ``protocol``: another than TCP.  ``ok`` only when the laboratory's own server
    answered.
    """
    timeout, token = order.get("timeout", 1.5), order["tok"].encode()
    with _first(_targets(order), order, timeout) as sock:
        heard = _TALKS[order.get("kind", "http")](sock, order, timeout)
    good = token in heard or b'"lab"' in heard or b"LAB-" in heard
    return {"ok": good, "heard": heard[-200:].decode("latin-1")}


def request(order: Order, name: str) -> bytes:
    """The request of an order: ``request`` as it is, or an ordinary one."""
    if "request" in order:
        return order["request"].replace("{tok}", order["tok"]).encode("latin-1")
    host, path = order.get("host", name), order.get("path", "/")
    lines = f"GET {path} HTTP/1.1", f"Host: {host}", f"X-Token: {order['tok']}", "Connection: close"
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def received(sock: socket.socket, timeout: float, answers: int = 1) -> bytes:
    """What comes until an answer is complete, the peer closes, or the time is over."""
    sock.settimeout(timeout)
    heard = b""
    try:
        while len(heard) < _LIMIT and (data := sock.recv(_LIMIT)):
            heard += data
            if heard.count(b"}") >= answers or b"LAB-ECHO" in heard:
                break
    except OSError:
        pass
    return heard


def _targets(order: Order) -> list[str]:
    if "dst" in order:
        return [order["dst"]]
    family = _FAMILIES.get(order.get("v", 0), 0)
    found = socket.getaddrinfo(order["name"], order["port"], family, socket.SOCK_STREAM)
    return [address[4][0] for address in found]


def _first(targets: list[str], order: Order, timeout: float) -> socket.socket:
    port, protocol = order["port"], order.get("protocol", 0)
    for target in targets[:-1]:
        try:
            return connected(target, port, timeout, protocol)
        except OSError:
            continue
    return connected(targets[-1], port, timeout, protocol)


def _http(sock: socket.socket, order: Order, timeout: float) -> bytes:
    """Send the request, in segments of ``piece`` bytes; ``idle`` seconds later the second."""
    send(sock, request(order, order.get("name", order.get("dst", ""))), order.get("piece", 0))
    heard = received(sock, timeout, order.get("answers", 1))
    if "second" in order:
        time.sleep(order.get("idle", 0))
        sock.sendall(request({**order, "request": order["second"]}, ""))
        heard = received(sock, timeout)
    return heard


def _tls(sock: socket.socket, order: Order, timeout: float) -> bytes:
    sni = order.get("sni", order.get("name", ""))
    sock.settimeout(timeout)
    if "piece" in order or "records" in order or "alpn" in order:
        cut = Cut(order.get("piece", 0), order.get("records", 1), order.get("alpn", 0))
        return in_pieces(sock, sni, request(order, sni), cut)
    with TLS.wrap_socket(sock, server_hostname=sni or None) as wrapped:
        wrapped.sendall(request(order, sni or "x"))
        return received(wrapped, timeout, order.get("answers", 1))


def _raw(sock: socket.socket, order: Order, timeout: float) -> bytes:
    sock.sendall(order["tok"].encode() + b"\n")
    return received(sock, timeout)


_TALKS: dict[str, Callable[[socket.socket, Order, float], bytes]] = {
    "http": _http,
    "tls": _tls,
    "raw": _raw,
}
