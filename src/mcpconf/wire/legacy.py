"""The transport of 2024-11-05: a stream from a GET, whose first event names the way back."""

from __future__ import annotations

from mcpconf.bridge.text import parsed
from mcpconf.wire.caller import Caller, Outgoing, new_call
from mcpconf.wire.exchange import Answer, read
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.rpc import answers, merged, own_headers
from mcpconf.wire.target import Place, onward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Stream:
    """A stream that stays open, and the way back that it names."""

    def __init__(self, caller: Caller, place: Place, headers: Mapping[str, str]) -> None:
        self._caller = caller
        self._place = place
        own = own_headers(caller.target.client)
        del own["Content-Type"]
        self._headers = merged(own, {"Accept": "text/event-stream"}, headers)
        self._back: Place | None = None
        self.answer: Answer | None = None

    def open(self, clock: Clock) -> dict[str, Any]:
        """Open it; the station tells how that went."""
        station = new_call("stream", "GET")
        caller = self._caller
        caller.holds = True
        asked = Outgoing(self._place, "GET", self._headers)
        answer = caller.call(station, asked, clock, lambda kind, _: kind == b"endpoint")
        caller.holds, self.answer = False, answer
        if station["fault"]:
            caller.tell_body(station, answer)
        elif answer.media != "text/event-stream":
            station.update(ok=False, fault="media" if answer.length else "empty")
            caller.tell_body(station, answer)
        elif answer.found is None:
            station.update(ok=False, fault="not-mcp")
        else:
            self._find_back(station, answer.found)
        return station

    def _find_back(self, station: dict[str, Any], data: bytes) -> None:
        try:
            back = onward(self._place, data.decode("utf-8", "replace").strip())
        except Fault:
            station.update(ok=False, fault="not-mcp")
            return
        if back.origin != self._place.origin:
            station.update(ok=False, fault="elsewhere")
            return
        self._back = back

    def post(
        self, station: dict[str, Any], headers: Mapping[str, str], body: bytes, clock: Clock
    ) -> None:
        """Post a message and wait for the answer in the stream, if it is a request."""
        assert self._back is not None
        posted = self._caller.call(station, Outgoing(self._back, "POST", headers, body), clock)
        if station["fault"]:
            self._caller.tell_body(station, posted)
            return
        identity = parsed(body).get("id")
        if identity is None or self._caller.held is None:
            return
        sock, reader, answer = self._caller.held
        answer.found, answer.wanted = None, answers(identity)
        try:
            read(sock, reader, answer, clock)
        except Fault as fault:
            station.update(ok=False, fault=fault.kind)
        station["ms"] = station["first_ms"] = clock.ms()
