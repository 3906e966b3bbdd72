"""What runs in the container for a measurement: ``dns``, ``https`` or ``bytes``, as the agent.

``python -S -m bench.firewall.client``, then one order a line on stdin, as JSON; each is answered
with a line of milliseconds, or of megabytes a second.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import time
from typing import Any

from tests.netns.lab.addresses import AGENT
from tests.netns.lab.dns_wire import query

_ROOM = 1 << 18
_PATIENCE = 5


def main() -> None:
    """Drop to the agent's user and obey."""
    context = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
    socket.getaddrinfo("localhost", 80)  # what it imports is read as root
    os.setgroups([])
    os.setresgid(AGENT, AGENT, AGENT)
    os.setresuid(AGENT, AGENT, AGENT)
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(json.dumps(_obey(order, context)) + "\n")
        sys.stdout.flush()


def _obey(order: dict[str, Any], context: ssl.SSLContext) -> list[float]:
    if order["what"] == "dns":
        return [_dns(order["server"], name) for name in order["names"]]
    if order["what"] == "https":
        return [_https(context, order["name"], "/")[0] * 1000 for _ in range(order["count"])]
    seconds, size = _https(context, order["name"], f"/bytes?{order['size']}")
    return [size / seconds / 1e6]


def _dns(server: str, name: str) -> float:
    """The milliseconds of one query."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_PATIENCE)
        sock.connect((server, 53))
        begin = time.perf_counter()
        sock.send(query(name, "A", 77))
        sock.recv(4096)
        return (time.perf_counter() - begin) * 1000


def _https(context: ssl.SSLContext, name: str, path: str) -> tuple[float, int]:
    """The seconds of one request on a connection of its own, its name looked up; the bytes."""
    begin = time.perf_counter()
    text = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    got = 0
    address = socket.getaddrinfo(name, 443, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    with socket.create_connection(address[:2], _PATIENCE) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname=name) as sock:
            sock.sendall(text.encode())
            while data := sock.recv(_ROOM):
                got += len(data)
    return time.perf_counter() - begin, got


if __name__ == "__main__":
    main()
