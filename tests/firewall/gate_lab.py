"""The real gate in a network namespace: ``unshare -nmpf --kill-child python -m tests.firewall.gate_lab DIR``.

Addresses on ``lo`` are the outside.  Servers there say what reached them; the packet filter redirects
as the firewall's rules do.  Prints what was seen, as one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcpconf.firewall.gate import gate_config, gate_maps
from mcpconf.firewall.gatelists import gate_reload_commands, tell_gate
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import NameRow, Policy
from mcpconf.firewall.site import Site, User
from mcpconf.firewall.tokens import Domain

HAPROXY = os.environ.get("HAPROXY", "haproxy")
ONE, TWO, SHUT = "203.0.113.7", "203.0.113.8", "203.0.113.9"
ONE6, TWO6 = "2001:db8::7", "2001:db8::8"
GATE = User("nobody", "nogroup", 65534)
SITE = Site(gate=GATE)
LISTED = (
    *(NameRow(Domain(name), port) for name in ("good.test", "good2.test") for port in (80, 443)),
    NameRow(Domain("tls-only.test"), 443),
    NameRow(Domain("many.test"), 443),
    NameRow(Domain("inward.test"), 443),
    NameRow(Domain("wild.test", wild=True), 443),
    NameRow(Domain("wild.test", wild=True), 80),
)
DNS = f"""
no-resolv
no-hosts
bind-interfaces
listen-address=127.0.0.153
user=root
log-facility=-
host-record=good.test,{ONE6}
host-record=good2.test,{TWO6}
host-record=inward.test,::1
""" + "".join(f"host-record=many.test,2001:db8::1:{n}\n" for n in range(1, 101))
DNS += "".join(f"host-record=a{n}.wild.test,{ONE6}\n" for n in range(20))


def run(command: str, text: str = "") -> str:
    done = subprocess.run(command.split(), input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def outside() -> None:
    """Addresses, and the redirection of all but the gate's own connections."""
    run("ip link set lo up")
    for address in (ONE, TWO, SHUT):
        run(f"ip addr add {address}/32 dev lo")
    for address in (ONE6, TWO6, "2001:db8::1:1"):
        run(f"ip -6 addr add {address}/128 dev lo nodad")
    for family, near in (("", "127.0.0.0/8"), ("6", "::1/128")):
        reject = (
            f"-A OUTPUT -d {SHUT} -p tcp -m multiport --dports 80,443 -j REJECT --reject-with tcp-reset\n"
            if not family
            else ""
        )
        rules = (
            f"*filter\n{reject}COMMIT\n*nat\n-A OUTPUT -m owner --uid-owner {GATE.uid} -j RETURN\n"
        )
        rules += f"-A OUTPUT -d {near} -j RETURN\n"
        rules += "-A OUTPUT -p tcp --dport 443 -j REDIRECT --to-ports 3443\n"
        rules += "-A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 3080\nCOMMIT\n"
        run(f"ip{family}tables-restore --noflush", rules)


# The key and the answer of RFC 6455, 1.3; HAProxy looks at both.
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


AGAIN = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def record(content: bytes, kind: int = 22) -> bytes:
    return bytes((kind, 3, 3)) + len(content).to_bytes(2, "big") + content


def server_hello(random: bytes) -> bytes:
    body = b"\x03\x03" + random + b"\0\x13\x01\0\0\0"
    return b"\x02" + len(body).to_bytes(3, "big") + body


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


HELLO, RETRY, ALERT = server_hello(b"r" * 32), server_hello(AGAIN), b"\x02\x28"
ANSWERS = {
    "hello": [record(HELLO)],
    "hello, byte by byte": one_by_one(record(HELLO)),
    "hello, then much": [record(HELLO), *[record(b"x", 23)] * 50],
    "hello, late": [b"", record(HELLO)],
    "retry": [record(RETRY)],
    "retry, byte by byte": one_by_one(record(RETRY)),
    "retry, late": [b"", record(RETRY)],
    "retry in two records": [record(RETRY[:9]) + record(RETRY[9:])],
    "retry, then more": [record(RETRY) + record(b"\1", 20) + record(HELLO)],
    "alert": [record(ALERT, 21)],
    "half a hello": [record(HELLO)[:20]],
    "no TLS": [b"go away\n"],
}
"""What servers of TLS send, in pieces; an empty one is a second."""


def name_for(what: str) -> str:
    return f"a{[*ANSWERS].index(what)}.wild.test"


class Server(threading.Thread):
    """Remembers the heads of requests and answers; one for each address and port."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.name = f"{address} {port}"
        self.heads: list[str] = []
        self.connections = 0
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        self.start()

    def run(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        data = b""
        while True:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                connection.close()
                return
            data += more
            for what, pieces in ANSWERS.items():
                if data[:1] == b"\x16" and name_for(what).encode() in data:
                    play(connection, pieces)
                    return
            if data[:1] == b"\x16":  # TLS, which only has to arrive
                connection.sendall(f"tls at {self.name}\n".encode())
                data = b""
                continue
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                self.heads.append(head.decode("latin-1"))
                self.answer(connection, head.lower())

    def answer(self, connection: socket.socket, head: bytes) -> None:
        if b"upgrade: websocket" in head:
            connection.sendall(SWITCHING)
            while data := connection.recv(4096):
                connection.sendall(data)
        elif b"get /stream" in head:
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for number in range(1000):
                connection.sendall(b"9\r\ndata: %d\n\n\r\n" % (number % 10))
                time.sleep(0.02)
        else:
            body = f"http at {self.name}".encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )


def play(connection: socket.socket, pieces: list[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):
        for piece in pieces:
            time.sleep(0.003 if piece else 1)
            connection.sendall(piece)
    connection.close()


def hello(name: str | None) -> bytes:
    """A client's first message."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def named(raw: str) -> bytes:
    """A first message with a name that no library would send: as long as ``raw``."""
    stand_in = "x" * (len(raw) - 5) + ".test"
    return hello(stand_in).replace(stand_in.encode(), raw.encode())


def ask(address: str, port: int, data: bytes, seconds: float = 3, pieces: int = 1) -> str:
    """Send, and return what comes back in the first answer; "closed" or "reset" for nothing."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            size = -(-len(data) // pieces)
            for start in range(0, len(data), size):
                connection.sendall(data[start : start + size])
                if pieces > 1:
                    time.sleep(0.01)
            return connection.recv(65536).decode("latin-1") or "closed"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silent"


def answer_to(name: str, address: str) -> list[str]:
    """All that comes back over TLS, in hexadecimal digits, and in how many pieces."""
    found = []
    with socket.create_connection((address, 443), timeout=3) as connection:
        connection.sendall(hello(name))
        try:
            while more := connection.recv(65536):
                found.append(more)
        except ConnectionResetError:
            pass
    return [b"".join(found).hex(), str(len(found))]


def answers() -> dict[str, list[str]]:
    """All of ANSWERS at once, over IPv4 and IPv6."""
    asked = {
        f"{what}{mark}": (name_for(what), address)
        for what in ANSWERS
        for mark, address in (("", ONE), (" 6", ONE6))
    }
    with ThreadPoolExecutor(len(asked)) as pool:
        found = pool.map(lambda one: answer_to(*one), asked.values())
        return dict(zip(asked, found, strict=True))


def two_records(data: bytes, first: int) -> bytes:
    """The same message of TLS in two records; ``first`` bytes of it are in the first."""
    content = data[5:]
    return record(content[:first]) + record(content[first:])


def get(
    host: str, target: str = "/", *more: str, method: str = "GET", version: str = "1.1"
) -> bytes:
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Cli:
    """One connection to the socket, with a prompt."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.say("prompt\n")

    def say(self, command: str) -> str:
        self.socket.sendall(command.encode())
        answer = b""
        while not answer.endswith(b"\n> "):
            more = self.socket.recv(65536)
            assert more, (command[:80], answer)
            answer += more
        return answer[:-3].decode()


def rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


class Lab:
    def __init__(self, folder: str) -> None:
        self.paths = Paths(folder)
        self.policy = Policy(mode="strict", names=LISTED)
        self.maps = gate_maps(self.policy, self.paths)
        outside()
        places = [(a, p) for a in (ONE, TWO, SHUT, ONE6, TWO6, "2001:db8::1:1") for p in (80, 443)]
        self.servers = {place: Server(*place) for place in places}
        Path(folder, "dns").write_text(DNS)
        self.dns = subprocess.Popen(["dnsmasq", "-k", "-C", f"{folder}/dns"])
        Path(self.paths.gate_conf).write_text(gate_config(self.policy, SITE, self.paths))
        for path, text in self.maps.items():
            Path(path).write_text(text)
        self.gate = subprocess.Popen(
            [HAPROXY, "-db", "-f", self.paths.gate_conf], stderr=subprocess.PIPE, text=True
        )
        while not os.path.exists(self.paths.gate_socket) or not self.listens():
            assert self.gate.poll() is None, self.gate.stderr and self.gate.stderr.read()
            time.sleep(0.01)

    def listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", 3443), timeout=1).close()
        except OSError:
            return False
        return True

    def cli(self) -> Cli:
        return Cli(self.paths.gate_socket)

    def once(self, command: str) -> str:
        """A command over a connection of its own."""
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(self.paths.gate_socket)
            door.sendall(command.encode())
            door.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: door.recv(65536), b"")).decode()

    def refused(self) -> list[list[str]]:
        return [
            line.split() for line in self.cli().say("show events refused\n").splitlines() if line
        ]


ODD = (
    ":80",
    ":",
    "/",
    ", x",
    "#",
    "@x",
    "\t",
    " ",
    "?",
    "\\",
    "\0",
    "\x7f",
    "\xe9",
    "%2f",
    ";",
    "*",
)
"""What a server may take for the end of a name."""


def tls_checks() -> dict[str, str]:
    """SNI: what answers at an address of IPv4."""
    return {
        "listed": ask(ONE, 443, hello("good.test")),
        "other address": ask(TWO, 443, hello("good.test")),
        "in pieces": ask(ONE, 443, hello("good.test"), pieces=7),
        "upper case": ask(ONE, 443, named("GOOD.TEST")),
        "last dot": ask(ONE, 443, named("good.test.")),
        "two dots": ask(ONE, 443, named("good.test..")),
        "below wildcard": ask(ONE, 443, hello("a.b.wild.test")),
        "wildcard's apex": ask(ONE, 443, hello("wild.test")),
        "only looks like it": ask(ONE, 443, hello("evilwild.test")),
        "unlisted": ask(ONE, 443, hello("evil.test")),
        "below a name": ask(ONE, 443, hello("a.good.test")),
        "longer": ask(ONE, 443, hello("good.test.evil.test")),
        "no name": ask(ONE, 443, hello(None)),
        "zero byte": ask(ONE, 443, named("good.test\0.evil")),
        "port in it": ask(ONE, 443, named("good.test:443")),
        "a space": ask(ONE, 443, named("good test")),
        "in two records": ask(ONE, 443, two_records(hello("good.test"), 400)),
        "name in second record": ask(ONE, 443, two_records(hello("good.test"), 80)),
        "more in the record": ask(ONE, 443, record(hello("good.test")[5:] + b"\0" * 4)),
        "odd below wildcard": ask(ONE, 443, named("evil.test/a.wild.test")),
        "zero byte below wildcard": ask(ONE, 443, named("evil.test\0a.wild.test")),
        "new line below wildcard": ask(ONE, 443, named("evil.test\na.wild.test")),
        "new line last": ask(ONE, 443, named("good.test\n")),
        "plain": ask(ONE, 443, get("good.test")),
        "garbage": ask(ONE, 443, b"\x00\x01\x02" * 10),
        "itself": ask("127.0.0.1", 3443, hello("good.test")),
        "itself 6": ask("::1", 3443, hello("good.test")),
        "closed by the packet filter": ask(SHUT, 443, hello("good.test")),
        "listed 6": ask(ONE6, 443, hello("good.test")),
        "goes to where the name is 6": ask(TWO6, 443, hello("good.test")),
        "unlisted 6": ask(ONE6, 443, hello("evil.test")),
        "no address 6": ask(ONE6, 443, hello("x.wild.test")),
        "hundred addresses 6": ask(ONE6, 443, hello("many.test")),
        "leads inward 6": ask(ONE6, 443, hello("inward.test")),
    }


def http_checks(lab: Lab) -> dict[str, str]:
    h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    seen = {
        "listed": ask(ONE, 80, get("good.test")),
        "with port": ask(ONE, 80, get("good.test:80")),
        "upper case": ask(ONE, 80, get("GOOD.Test")),
        "last dot": ask(ONE, 80, get("good.test.")),
        "both": ask(ONE, 80, get("good.test.:80")),
        "below wildcard": ask(ONE, 80, get("a.wild.test")),
        "1.0": ask(ONE, 80, get("good.test", version="1.0")),
        "in pieces": ask(ONE, 80, get("good.test"), pieces=5),
        "post": ask(ONE, 80, get("good.test", "/", "Content-Length: 4", method="POST") + b"abcd"),
        "unlisted": ask(ONE, 80, get("evil.test")),
        "on 443 only": ask(ONE, 80, get("tls-only.test")),
        "no host": ask(ONE, 80, get("")),
        "no host 1.0": ask(ONE, 80, get("", version="1.0")),
        "empty host": ask(ONE, 80, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        "two hosts": ask(ONE, 80, get("good.test", "/", "Host: evil.test")),
        "two hosts turned": ask(ONE, 80, get("evil.test", "/", "Host: good.test")),
        "same host twice": ask(ONE, 80, get("good.test", "/", "Host: good.test")),
        "list of hosts": ask(ONE, 80, get("evil.test, good.test")),
        "user in host": ask(ONE, 80, get("good.test@evil.test")),
        **{f"odd: {odd!r}": ask(ONE, 80, get(f"evil.test{odd}.wild.test")) for odd in ODD},
        "address in brackets": ask(ONE, 80, get("[2001:db8::7].wild.test")),
        "port of nothing": ask(ONE, 80, get("good.test:")),
        "space before the colon": ask(ONE, 80, get("good.test", "/", "Host : evil.test")),
        "folded first": ask(
            ONE, 80, b"GET / HTTP/1.1\r\n Host: evil.test\r\nHost: good.test\r\n\r\n"
        ),
        "folded on the next line": ask(ONE, 80, get("\r\n evil.test:80.wild.test")),
        "folded": ask(ONE, 80, get("good.test\r\n evil.test")),
        "absolute": ask(ONE, 80, get("good.test", "http://good.test/")),
        "absolute other": ask(ONE, 80, get("good.test", "http://evil.test/")),
        "absolute turned": ask(ONE, 80, get("evil.test", "http://good.test/")),
        "connect": ask(ONE, 80, get("good.test:443", "good.test:443", method="CONNECT")),
        "star": ask(ONE, 80, get("good.test", "*", method="OPTIONS")),
        "h2 begun": ask(ONE, 80, h2),
        "garbage": ask(ONE, 80, b"\x16\x03\x01\r\n\r\n"),
        "0.9": ask(ONE, 80, b"GET /\r\n\r\n"),
        "itself": ask("127.0.0.1", 3080, get("good.test")),
        "closed by the packet filter": ask(SHUT, 80, get("good.test")),
        "listed 6": ask(ONE6, 80, get("good.test")),
        "unlisted 6": ask(ONE6, 80, get("evil.test")),
    }
    server = lab.servers[ONE, 80]
    server.heads.clear()
    ask(
        ONE,
        80,
        get(
            "good.test",
            "/up",
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        ),
    )
    ask(
        ONE,
        80,
        get("good.test", "/two", KEY, "Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"),
    )
    ask(ONE, 80, get("good.test", "/list", KEY, "Connection: Upgrade", "Upgrade: websocket, h2c"))
    seen["upgrades that arrived"] = "\n".join(server.heads)
    return seen


def kept_alive(address: str) -> list[str]:
    """Several requests on one connection, each judged for itself."""
    found = []
    with socket.create_connection((address, 80), timeout=3) as connection:
        for host in ("good.test", "good2.test", "good.test", "evil.test", "good.test"):
            try:
                connection.sendall(get(host))
                found.append(connection.recv(65536).decode() or "closed")
            except OSError:
                found.append("closed")
    return found


def pipelined() -> str:
    data = get("good.test") + get("evil.test") + get("good.test")
    with socket.create_connection((ONE, 80), timeout=1) as connection:
        connection.sendall(data)
        found = b""
        try:
            while more := connection.recv(65536):
                found += more
        except TimeoutError:
            pass
    return found.decode()


def streams(lab: Lab) -> dict[str, Any]:
    """What is open while the lists are replaced by 10,000 names without the ones in use."""
    socket_ = socket.create_connection((ONE, 80), timeout=3)
    socket_.sendall(get("good.test", "/ws", KEY, "Connection: Upgrade", "Upgrade: websocket"))
    switched = socket_.recv(4096).decode()
    events = socket.create_connection((ONE, 80), timeout=3)
    events.sendall(get("good.test", "/stream"))
    events.recv(4096)
    first = time.monotonic()
    for _ in range(10):
        events.recv(4096)
    pace = (time.monotonic() - first) / 10
    tls = socket.create_connection((ONE, 443), timeout=3)
    tls.sendall(hello("good.test"))
    tls.recv(4096)
    names = tuple(NameRow(Domain(f"n{n}.example.com"), 443) for n in range(10_000))
    fewer = gate_maps(Policy(names=(*names, NameRow(Domain("later.test"), 443))), lab.paths)
    commands = gate_reload_commands(lab.maps, fewer)
    memory = rss(lab.gate.pid)
    start = time.monotonic()
    fault = tell_gate(commands, lab.cli().say)
    seconds = time.monotonic() - start
    socket_.sendall(b"still")
    tls.sendall(b"\x16")
    seen = {
        "seconds": seconds,
        "fault": fault,
        "wrong": tell_gate(["add map @77 /nowhere <<\nx 1\n\n"], lab.cli().say),
        "longest command": max(map(len, commands)),
        "switched": switched,
        "websocket": socket_.recv(64).decode(),
        "events": events.recv(64).decode(),
        "pace": pace,
        "tls": tls.recv(64).decode(),
        "removed": ask(ONE, 443, hello("good.test")),
        "removed wildcard": ask(ONE, 443, hello("a.wild.test")),
        "removed on 80": ask(ONE, 80, get("good.test")),
        "added": ask(ONE, 443, hello("later.test")),
        "one of many": ask(ONE, 443, hello("n9999.example.com")),
        "rss before": memory,
        "rss with 10,000": rss(lab.gate.pid),
    }
    back = gate_reload_commands(fewer, lab.maps)
    start = time.monotonic()
    seen["fault back"] = tell_gate(back, lab.once)
    seen["seconds back"] = time.monotonic() - start
    seen["again"] = ask(ONE, 443, hello("good.test"))
    seen["rss back"] = rss(lab.gate.pid)
    return seen


def main() -> None:
    lab = Lab(sys.argv[1])
    seen: dict[str, Any] = {"tls": tls_checks(), "http": http_checks(lab)}
    seen["answers"] = answers()
    seen["kept alive"] = kept_alive(ONE)
    seen["kept alive 6"] = kept_alive(ONE6)
    seen["pipelined"] = pipelined()
    seen["connections"] = lab.servers[ONE, 80].connections
    time.sleep(0.1)
    seen["refused"] = lab.refused()
    seen["streams"] = streams(lab)
    seen["mode"] = oct(os.stat(lab.paths.gate_socket).st_mode & 0o777)
    status = Path(f"/proc/{lab.gate.pid}/status").read_text()
    seen["uid"] = re.search(r"Uid:\s+(\d+)", status)[1]  # type: ignore[index]
    seen["threads"] = re.search(r"Threads:\s+(\d+)", status)[1]  # type: ignore[index]
    lab.gate.terminate()
    json.dump(seen, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
