"""The few parts of DNS messages that the laboratory speaks (RFC 1035)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

A, CNAME, MX, TXT, AAAA, OPT = 1, 5, 15, 16, 28, 41
KINDS = {"A": A, "AAAA": AAAA, "TXT": TXT, "MX": MX, "CNAME": CNAME}
SERVFAIL, NXDOMAIN = 2, 3
_QUESTION_AT = 12
_SAME_NAME = b"\xc0\x0c"  # a pointer to the question's name


class Question(NamedTuple):
    """What was asked; ``end`` is where the question ends, ``size`` what UDP may carry."""

    name: str
    kind: int
    end: int
    size: int


class Record(NamedTuple):
    """One resource record; ``data`` is an address, a name or a text."""

    owner: str
    kind: int
    ttl: int
    data: str


def query(name: str, kind: str, number: int) -> bytes:
    """A recursive query; the case of ``name`` is kept."""
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0)
    return head + _name(name) + struct.pack(">HH", KINDS[kind], 1)


def question(packet: bytes) -> Question:
    """Raises ValueError, IndexError or struct.error where there is none."""
    at, labels = _QUESTION_AT, []
    while size := packet[at]:
        if size & 0xC0:
            raise ValueError("a pointer in a question")
        labels.append(packet[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    kind, _ = struct.unpack(">HH", packet[at + 1 : at + 5])
    return Question(".".join(labels).lower(), kind, at + 5, _udp_size(packet, at + 5))


def reply(
    packet: bytes, asked: Question, code: int, records: Iterable[Record] = (), limit: int = 0
) -> bytes:
    """The answer to a query; longer than ``limit`` (bytes, 0 for none) it is empty and truncated."""
    flags = 0x8180 | (struct.unpack(">H", packet[2:4])[0] & 0x0100) | code
    written = [_record(record, asked) for record in records]
    echoed = packet[_QUESTION_AT : asked.end]
    whole = _head(packet, flags, len(written)) + echoed + b"".join(written)
    if limit and len(whole) > limit:
        return _head(packet, flags | 0x0200, 0) + echoed
    return whole


def refused(packet: bytes) -> bytes:
    """SERVFAIL, as a resolver says that cannot reach its own."""
    return reply(packet, question(packet), SERVFAIL)


def code_and_count(packet: bytes) -> tuple[int, int]:
    """An answer's code and its number of records."""
    return packet[3] & 15, struct.unpack(">H", packet[6:8])[0]


def _head(packet: bytes, flags: int, answers: int) -> bytes:
    return packet[:2] + struct.pack(">HHHHH", flags, 1, answers, 0, 0)


def _udp_size(packet: bytes, at: int) -> int:
    extra = struct.unpack(">H", packet[10:12])[0]
    if not extra or len(packet) < at + 11 or packet[at] != 0:
        return 512
    kind, size = struct.unpack(">HH", packet[at + 1 : at + 5])
    return max(512, size) if kind == OPT else 512


def _record(record: Record, asked: Question) -> bytes:
    owner = _SAME_NAME if record.owner == asked.name else _name(record.owner)
    data = _data(record)
    return owner + struct.pack(">HHIH", record.kind, 1, record.ttl, len(data)) + data


def _data(record: Record) -> bytes:
    if record.kind == A:
        return socket.inet_aton(record.data)
    if record.kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, record.data)
    if record.kind == CNAME:
        return _name(record.data)
    return bytes([len(record.data)]) + record.data.encode()


def _name(name: str) -> bytes:
    labels = [label.encode("latin-1", "replace")[:63] for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
