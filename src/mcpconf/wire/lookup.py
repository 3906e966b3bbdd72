"""Names: what the client's own call answers, and after a failure what each resolver says."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading

from mcpconf.wire.fault import Clock, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_RESOLV = "/etc/resolv.conf"
_MOST_SERVERS, _MOST_ADDRESSES = 3, 8
_RESOLVER_PATIENCE = 2.0
_HEADER, _DOMAIN = 12, 53
THIS_MACHINE = 2
_QUERY = b"\1\0\0\1\0\0\0\0\0\0"  # recursion desired, one question


def addresses_of(host: str, port: int, clock: Clock) -> list[tuple[int, Any]]:
    """Families and socket addresses, in the order of the system.  Raises Fault of the dns station.

    The call cannot be interrupted, so it has a thread that nobody waits for longer than allowed.
    """
    box: list[Any] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            box.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            box.append(error)
        done.set()

    threading.Thread(target=look_up, daemon=True).start()
    if not done.wait(clock.left()):
        raise Fault("timeout")
    if isinstance(box[0], Exception):
        raise Fault(_kind(box[0]))
    found = list(dict.fromkeys((family, address) for family, _, _, _, address in box[0]))
    return found[:_MOST_ADDRESSES]


def _kind(error: Exception) -> str:
    number = getattr(error, "errno", None)
    none = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    if number in none or isinstance(error, UnicodeError):
        return "no-name"
    return "no-answer" if number == socket.EAI_AGAIN else "failed"


_SUNK = frozenset({"198.18.0.1", "100::1"})  # firewall/site.py


def depth_of(addresses: list[str]) -> int:
    """How near the nearest address is: 0 in the world, 1 in a private network, 2 this machine.

    Addresses of one link count as this machine's: a cloud hands out its credentials there.  Where
    the container's firewall sends names that are not listed, there is nobody.
    """
    return max((_depth_of(address) for address in addresses), default=0)


def _depth_of(address: str) -> int:
    if address in _SUNK:
        return 0
    try:
        found: Any = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return 0
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback or found.is_link_local or found.is_unspecified:
        return THIS_MACHINE
    return 0 if found.is_global else 1


def is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError, ValueError):
            continue
        return True
    return False


def resolvers(path: str = _RESOLV) -> list[str]:
    """The resolvers that this machine asks; [] where that is not written down."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file.read(65536).splitlines()]
    except OSError:
        return []
    found = [line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1]
    return [address for address in found if is_literal(address)][:_MOST_SERVERS]


def asked_each(host: str, clock: Clock) -> list[dict[str, object]]:
    """Ask every resolver itself, at once: what it says and how fast."""
    answers: list[dict[str, object]] = []
    limit = clock.within(_RESOLVER_PATIENCE)

    def ask_one(entry: dict[str, object]) -> None:
        try:
            entry["rcode"] = _rcode(str(entry["address"]), host, limit)
            entry["ms"] = limit.ms()
        except (OSError, Fault, UnicodeError, ValueError):
            return

    threads = []
    for address in resolvers():
        entry: dict[str, object] = {"address": address, "rcode": "", "ms": None}
        answers.append(entry)
        threads.append(threading.Thread(target=ask_one, args=(entry,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(_RESOLVER_PATIENCE + 0.1)
    return [dict(entry) for entry in answers]


def _rcode(server: str, host: str, clock: Clock) -> str:
    """The answer of one resolver to a question for an IPv4 address (RFC 1035 §4.1)."""
    labels = [part.encode("ascii") for part in host.rstrip(".").split(".")]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    identity = os.urandom(2)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((server, _DOMAIN))
        sock.send(identity + _QUERY + name + b"\0\1\0\1")
        while True:
            sock.settimeout(clock.left())
            answer = sock.recv(4096)
            if len(answer) >= _HEADER and answer[:2] == identity and answer[2] & 0x80:
                number = answer[3] & 15
                return _RCODES[number] if number < len(_RCODES) else str(number)
