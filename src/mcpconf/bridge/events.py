"""Server-sent events from bytes (HTML §9.2)."""

from __future__ import annotations

from mcpconf.bridge.limits import LONGEST
from mcpconf.bridge.trouble import Malformed

_LINE = 40  # bytes that Python needs to hold a line, however short


class Event:
    """One server-sent event; ``id`` and ``retry`` (seconds) are None where it has none."""

    __slots__ = ("data", "id", "kind", "retry")

    def __init__(self) -> None:
        self.kind = b"message"
        self.data = b""
        self.id: bytes | None = None
        self.retry: float | None = None


class EventReader:
    """Server-sent events from bytes (HTML §9.2): every line end, data over several lines."""

    __slots__ = ("_data", "_event", "_held", "_parts", "_size", "_skip")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._skip = False
        self._event = Event()
        self._data: list[bytes] = []
        self._size = 0  # of the data

    def feed(self, data: bytes) -> list[Event]:
        """Take a piece; returns the events that it completes.  Raises Malformed."""
        if self._skip and data.startswith(b"\n"):
            data = data[1:]
        self._skip = data.endswith(b"\r")
        if b"\n" not in data and b"\r" not in data:
            self._hold(data)
            return []
        text = b"".join((*self._parts, data))
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._parts, self._held = [], self._size
        self._hold(rest)
        events: list[Event] = []
        for line in lines:
            if line:
                self._field(line)
            elif self._data or self._event.id is not None or self._event.retry is not None:
                event, self._event = self._event, Event()
                event.data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data, self._size, self._held = [], 0, len(rest)
                events.append(event)
            else:  # an event without data has no effect, nor has its name
                self._event.kind = b"message"
        return events

    def _hold(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._held += len(data)
            if self._held > LONGEST:
                raise Malformed("too-big", f"one of its events is longer than {LONGEST >> 20} MiB")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self._size += len(value) + _LINE
            if self._size > LONGEST:
                raise Malformed("too-big", f"one of its events is longer than {LONGEST >> 20} MiB")
        elif name == b"event":
            self._event.kind = value or b"message"
        elif name == b"id" and b"\0" not in value:
            self._event.id = value
        elif name == b"retry" and value.isdigit():
            self._event.retry = min(int(value[:6]) / 1000, 60.0)
