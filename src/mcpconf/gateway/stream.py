"""Streams of server-sent events that outlive their connection.

Every event has a number, ``STREAM-EVENT``.  A client whose connection was cut comes back with
``Last-Event-ID`` and gets what it has missed, the answer of a call included (Streamable HTTP,
*Resumability and Redelivery*).  What is kept for that is bounded: for one stream, and for all.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Protocol

_KEPT = 256 * 1024  # bytes of events that were sent; the newest is kept whatever its size
_KEPT_EVENTS = 500


class Wire(Protocol):
    """A connection that carries events."""

    def open_stream(self, fields: str) -> None: ...
    def send_event(self, line: bytes, number: bytes) -> None: ...
    def end_stream(self) -> None: ...


class Archive:
    """What all streams together keep for clients that may come back: 32 MB, oldest out."""

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._sizes: OrderedDict[Stream, int] = OrderedDict()

    def note(self, stream: Stream, size: int) -> None:
        self._size += size - self._sizes.pop(stream, 0)
        self._sizes[stream] = size
        while self._size > self._limit and len(self._sizes) > 1:
            oldest, kept = self._sizes.popitem(last=False)
            self._size -= kept
            oldest.forget()

    def drop(self, stream: Stream) -> None:
        self._size -= self._sizes.pop(stream, 0)


class Stream:
    """A numbered sequence of events for one client."""

    __slots__ = ("_archive", "_events", "_size", "_written", "finished", "number", "sent", "wire")

    def __init__(self, archive: Archive, number: int) -> None:
        self.number = number
        self.wire: Wire | None = None
        self.finished = False
        self.sent = 0  # the newest event that went out on some connection
        self._archive = archive
        self._written = 0
        self._events: deque[tuple[int, bytes]] = deque()
        self._size = 0

    def send(self, line: bytes) -> None:
        """Send an event now, or keep it for the connection that will come."""
        self._written += 1
        self._events.append((self._written, line))
        self._size += len(line)
        while len(self._events) > 1 and (self._size > _KEPT or len(self._events) > _KEPT_EVENTS):
            self._size -= len(self._events.popleft()[1])
        self._archive.note(self, self._size)
        if self.wire is not None:
            self.sent = self._written
            self.wire.send_event(line, self._id(self._written))

    def prime(self) -> None:
        """Give the client a number to come back with, before there is anything to say."""
        if self.wire is not None:
            self.wire.send_event(b"", self._id(self._written))

    def attach(self, wire: Wire, seen: int) -> None:
        """Go on over this connection, behind event ``seen``."""
        self.wire = wire
        for number, line in self._events:
            if number > seen:
                wire.send_event(line, self._id(number))
        self.sent = self._written
        if self.finished:
            self.wire = None
            wire.end_stream()

    def finish(self) -> None:
        self.finished = True
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.end_stream()

    def forget(self) -> None:
        self._events.clear()
        self._size = 0

    def drop(self) -> None:
        self.forget()
        self._archive.drop(self)

    def _id(self, number: int) -> bytes:
        return b"%d-%d" % (self.number, number)


def parse_event_id(text: bytes) -> tuple[int, int] | None:
    """Read ``Last-Event-ID``: the stream and the event; None if it is none of ours."""
    stream, dash, number = text.partition(b"-")
    if not dash or not stream.isdigit() or not number.isdigit() or len(text) > 40:  # noqa: PLR2004
        return None
    return int(stream), int(number)
