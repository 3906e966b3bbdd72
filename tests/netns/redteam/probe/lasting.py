"""What goes on while something else happens: streams, loops of requests, a server, commands."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time

from tests.netns.redteam.probe.connecting import Found, Order, connected, received, request

_MOST_TIMES = 20000
_streams: dict[str, Found] = {}
_loops: dict[str, Found] = {}
_kept: list[socket.socket] = []


def hold(order: Order) -> Found:
    """Open a stream that ticks ten times a second, and go on reading it."""
    stream = _streams[order["id"]] = {"n": 0, "last": 0.0, "closed": None, "ok": False}
    threading.Thread(target=_read, args=(order, stream), daemon=True).start()
    time.sleep(order.get("wait", 0.6))
    return dict(stream)


def held(order: Order) -> Found:
    """How a stream is: ``age`` is the time since its last tick."""
    stream = _streams[order["id"]]
    return {**stream, "age": round(time.time() - stream["last"], 2)}


def loop(order: Order) -> Found:
    """Send requests without a pause; a hit is an answer of the far server."""
    running = _loops[order["id"]] = {"go": True, "hits": [], "miss": []}
    for _ in range(order.get("threads", 2)):
        threading.Thread(target=_request, args=(order, running), daemon=True).start()
    return {"ok": True}


def looped(order: Order) -> Found:
    """Stop a loop; the times at which its requests began."""
    running = _loops.pop(order["id"])
    running["go"] = False
    time.sleep(order.get("timeout", 0.4) + 0.1)
    hits, miss = running["hits"], running["miss"]
    return {"n": len(hits) + len(miss), "hits": hits[-_MOST_TIMES:], "miss": miss[-_MOST_TIMES:]}


def listen(order: Order) -> Found:
    """Serve on a port of the container."""
    server = socket.create_server(("0.0.0.0", order["port"]))

    def serve() -> None:
        while True:
            client, _ = server.accept()
            with contextlib.suppress(OSError), client:
                client.settimeout(3)
                client.recv(1000)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nLAB-ECHO!")

    threading.Thread(target=serve, daemon=True).start()
    return {"ok": True}


def occupy(order: Order) -> Found:
    """Take a port of the loopback for good, for datagrams and streams; datagrams are counted."""
    got = _streams[order["id"]] = {"n": 0, "last": 0.0, "closed": None, "ok": True}
    stream = socket.create_server(("127.0.0.1", order["port"]))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", order["port"]))

    def count() -> None:
        while sock.recv(2048):
            got["n"] += 1

    threading.Thread(target=count, daemon=True).start()
    _kept.append(stream)
    return dict(got)


def echo(order: Order) -> Found:
    """Answer every datagram to a port of the container with the token."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", order["port"]))

    def answer() -> None:
        while True:
            _, peer = sock.recvfrom(2048)
            with contextlib.suppress(OSError):
                sock.sendto(order["tok"].encode(), peer)

    threading.Thread(target=answer, daemon=True).start()
    return {"ok": True}


def run(order: Order) -> Found:
    """Run a command line."""
    done = subprocess.run(
        ["bash", "-c", order["line"]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
        timeout=order.get("timeout", 20),
        env=dict(os.environ),
    )
    return {"rc": done.returncode, "out": done.stdout[-3000:], "err": done.stderr[-2000:]}


def _read(order: Order, stream: Found) -> None:
    try:
        name = order.get("name", order.get("dst"))
        address = order.get("dst") or socket.gethostbyname(order["name"])
        with connected(address, order["port"], 3) as sock:
            sock.sendall(f"GET /ticks HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            sock.settimeout(30)
            while data := sock.recv(4096):
                stream["n"] += data.count(b"tick")
                if stream["n"]:
                    stream.update(ok=True, last=time.time())
        stream["closed"] = "eof"
    except OSError as error:
        stream["closed"] = f"{type(error).__name__}: {error}"


def _request(order: Order, running: Found) -> None:
    timeout = order.get("timeout", 0.4)
    sent = request({**order, "tok": "loop"}, order["dst"])
    while running["go"]:
        begin = time.time()
        good = False
        with contextlib.suppress(OSError), connected(order["dst"], order["port"], timeout) as sock:
            sock.sendall(sent)
            good = b'"lab"' in received(sock, timeout)
        running["hits" if good else "miss"].append(begin)
        if not good:
            time.sleep(0.002)
