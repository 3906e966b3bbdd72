"""Single tries from inside the container, as a user who may do nothing: a packet, a question.

Each runs in a process of its own that gives up every right before it begins, and says in one word
how it went.  Nothing here concludes anything; ``verify.py`` does.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from typing import NamedTuple

from mcpconf.firewall.site import EMBEDDED, SINK4, SINK6
from mcpconf.firewall.state import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROBE_NAME = "unlisted.mcpconf.invalid"
"""A name that nobody has (RFC 6761) and that no list can hold."""

NOBODY = {4: "192.175.48.1", 6: "2620:4f:8000::1"}
"""Public addresses that want nothing from anybody (AS112, RFC 7534)."""

DOCUMENTED = {4: "192.0.2.1", 6: "2001:db8::1"}  # RFC 5737, RFC 3849
DISCARD = 9  # a port that nobody opens

REFUSED, OPEN, SILENT, LATE, NO_ROUTE = "refused", "open", "silent", "late", "no-route"
_PROMPT = 0.05  # seconds; a refusal that takes longer came from somewhere else
_REFUSING = frozenset({errno.ECONNREFUSED, errno.EPERM, errno.EACCES})
_NO_ROUTES = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
)
_HTTPS = 443
_LATE_BY = 0.5  # seconds until a refused packet is written down
_MOST_ANSWER = 4096  # bytes
_TYPES = {"A": 1, "TXT": 16, "AAAA": 28}


class DnsReply(NamedTuple):
    """An answer: its code (0 is success), how many records it has or refers to, its addresses."""

    code: int
    records: int
    addresses: tuple[str, ...]


METADATA_PROBED = "169.254.169.254"


def is_probe(address: str, port: int) -> bool:
    """Tell whether a refused packet was one that only we send."""
    if address in {SINK4, SINK6}:
        return port == DISCARD
    return address in {*NOBODY.values(), *DOCUMENTED.values()}


class Tries:
    """What ``verify`` tried last that others try as well: when, as whom, where to."""

    def __init__(self, run: str) -> None:
        self._path = f"{run}/verified.json"
        self._places: list[list[object]] = []
        self._began = self._ended = 0.0
        self._uid = -1

    def write(self, began: float, uid: int, places: Sequence[tuple[str, int]]) -> None:
        """Note tries that have been made since ``began`` (Unix seconds).  Raises OSError."""
        write_file(self._path, json.dumps([began, time.time(), uid, places]) + "\n")

    def has(self, when: float, uid: int, address: str, port: int) -> bool:
        """Tell whether an attempt was one of them; each is that once."""
        if address not in {METADATA_PROBED, EMBEDDED}:
            return False
        try:
            began, ended, own, places = json.loads(read_file(self._path))
        except (ValueError, TypeError):
            return False
        if began != self._began:
            self._began, self._ended, self._uid, self._places = began, ended, own, places
        mine = uid == self._uid and self._began <= when <= self._ended + _LATE_BY
        if mine and [address, port] in self._places:
            self._places.remove([address, port])
            return True
        return False


def apart(jobs: Sequence[Callable[[], str]], uid: int, seconds: float) -> list[str]:
    """Run each job in a process of its own, as ``uid``, all at once; "" where one is too late."""
    children = [_child(job, uid) for job in jobs]
    end = time.monotonic() + seconds
    words = [_word(pipe, max(0.0, end - time.monotonic())) for _, pipe in children]
    for pid, pipe in children:
        os.close(pipe)
        os.kill(pid, signal.SIGKILL)  # it is ours, and not yet waited for
        os.waitpid(pid, 0)
    return words


def _child(job: Callable[[], str], uid: int) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        drop_rights(uid)
        os.write(writing, job().encode("ascii", "backslashreplace")[:_MOST_ANSWER])
    finally:
        os._exit(0)


def drop_rights(uid: int) -> None:
    """Become a user without groups and without a way back."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _word(pipe: int, seconds: float) -> str:
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    return os.read(pipe, _MOST_ANSWER).decode("ascii") if waiting.poll(seconds * 1000) else ""


def try_tcp(address: str, port: int, seconds: float = 1.0) -> str:
    """Connect."""
    with _socket(address, socket.SOCK_STREAM) as sock:
        return _connected(sock, address, port, seconds)


def _connected(sock: socket.socket, address: str, port: int, seconds: float) -> str:
    """Connect a socket.  A reset of our own packet filter is there when the kernel comes back."""
    sock.setblocking(False)  # noqa: FBT003
    code = sock.connect_ex((address, port))
    if code in _NO_ROUTES:
        return NO_ROUTE
    if code not in {0, errno.EINPROGRESS}:
        return REFUSED if code in _REFUSING else LATE
    waiting = select.poll()
    waiting.register(sock, select.POLLOUT)
    for span, word in ((_PROMPT, REFUSED), (seconds, LATE)):
        if waiting.poll(span * 1000):
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            sock.settimeout(seconds)
            refused = word if code in _REFUSING else LATE
            return refused if code else OPEN
    return SILENT


def try_udp(address: str, port: int, seconds: float = 0.5) -> str:
    """Send a datagram; what leaves and gets no answer is SILENT."""
    with _socket(address, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect((address, port))
            sock.send(b"\0" * 8)  # here our own packet filter refuses; what comes later is remote
        except OSError as error:
            return NO_ROUTE if error.errno in _NO_ROUTES else REFUSED
        try:
            sock.recv(_MOST_ANSWER)
        except socket.timeout:  # noqa: UP041  Python 3.9
            return SILENT
        except OSError:
            return LATE
        return OPEN


def _socket(address: str, kind: int) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)


def ask(
    server: str, name: str, record: str, port: int = 53, seconds: float = 2.0
) -> DnsReply | None:
    """Ask one resolver one question over UDP; None: no answer.

    Raises OSError where it is refused.
    """
    number = os.urandom(2)
    query = number + b"\1\0\0\1\0\0\0\0\0\0" + _wire(name) + struct.pack(">HH", _TYPES[record], 1)
    end = time.monotonic() + seconds
    with _socket(server, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.connect((server, port))
        sock.send(query)
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                answer = sock.recv(_MOST_ANSWER)
            except OSError:
                return None
            if answer[:2] == number:
                return _reply(answer)
    return None


def _wire(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _reply(answer: bytes) -> DnsReply:
    try:
        _, flags, _, answers, authorities, _ = struct.unpack(">6H", answer[:12])
        at = _after_name(answer, 12) + 4
        addresses = []
        for _ in range(answers):
            at = _after_name(answer, at)
            kind, _, _, length = struct.unpack(">HHIH", answer[at : at + 10])
            data = answer[at + 10 : at + 10 + length]
            at += 10 + length
            family = {(1, 4): socket.AF_INET, (28, 16): socket.AF_INET6}.get((kind, len(data)))
            addresses += [socket.inet_ntop(family, data)] if family is not None else []
    except (struct.error, IndexError):
        return DnsReply(-1, 0, ())
    return DnsReply(flags & 0xF, answers + authorities, tuple(addresses))


def _after_name(answer: bytes, at: int) -> int:
    while answer[at]:
        if answer[at] >= 0xC0:  # noqa: PLR2004  a pointer (RFC 1035, 4.1.4)
            return at + 2
        at += answer[at] + 1
    return at + 1


def say(address: str, port: int, name: str, seconds: float = 3.0) -> str:
    """Say a name as a client does, TLS on 443 and HTTP else, and return the first of the answer.

    Characters are those of Latin-1; a word of :func:`try_tcp` where there is no connection, and ""
    where it ends without an answer.
    """
    request = f"HEAD / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    hello = tls_hello(name) if port == _HTTPS else request.encode("ascii")
    with _socket(address, socket.SOCK_STREAM) as sock:
        word = _connected(sock, address, port, seconds)
        if word != OPEN:
            return word
        try:
            sock.sendall(hello)
            return "answer:" + sock.recv(64).decode("latin-1")
        except socket.timeout:  # noqa: UP041
            return SILENT
        except OSError:
            return "answer:"


def tls_hello(name: str) -> bytes:
    """The first message of TLS with a name in it (RFC 8446, RFC 6066)."""
    import ssl  # noqa: PLC0415  slow to load

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outward = ssl.MemoryBIO()
    stream = context.wrap_bio(ssl.MemoryBIO(), outward, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        stream.do_handshake()
    return outward.read()
