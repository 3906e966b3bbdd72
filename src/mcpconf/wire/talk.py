"""The conversation as the client holds it (facts 47 to 50), told request by request."""

from __future__ import annotations

from mcpconf.wire.caller import Caller, Outgoing, new_call
from mcpconf.wire.exchange import Answer
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.legacy import Stream
from mcpconf.wire.rpc import (
    ERAS,
    MODERN,
    answers,
    challenge_of,
    merged,
    modern,
    own_headers,
    rpc_notification,
    rpc_request,
    session_of,
    understood,
    wish,
)
from mcpconf.wire.schema import GREETING, misfit, tools_shape
from mcpconf.wire.target import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Station = dict[str, Any]

_DISCOVER_PATIENCE = 2.7  # as long as the client gives it (fact 53)
_FALLBACK_PATIENCE = 3.0
_END_PATIENCE = 1.0
_MOST_PAGES = 20
_NO_FALLBACK = (401, 403, 429)
_CLIENT_ERROR = range(400, 500)
_NOT_UNDERSTOOD = 400


class Talk:
    """One conversation.  ``told`` gets its stations, ``answer`` what came of it."""

    def __init__(
        self, caller: Caller, place: Place, clock: Clock, *, configured: bool = True
    ) -> None:
        self.told: list[Station] = caller.road.stations
        self.tools: int | None = None
        self.more = False
        self.transport = self.era = self.protocol = self.server = self.stopped = ""
        self.first_ms: float | None = None
        self.metadata_url = ""
        self._caller, self._place, self._clock = caller, place, clock
        self._client, self._brief = caller.target.client, caller.target.brief
        self._configured = configured
        self._headers: Mapping[str, str] = caller.target.headers if configured else {}
        self._session: dict[str, str] = {}
        self._stream: Stream | None = None
        self._has_tools = True
        self._count = -1

    def run(self) -> None:
        """Talk until something stops it or the tools are told; then end the session."""
        if self._caller.target.type == "sse":
            self._begin_stream()
        else:
            self._begin()
        if self._session:
            self._end()

    @property
    def unreached(self) -> bool:
        """Whether no connection came about."""
        return bool(self.told) and self.told[-1].get("fault") == "station"

    # --- the eras -------------------------------------------------------------------------

    def _begin(self) -> None:
        self.transport = "http"
        if self._configured and self._caller.target.discovers and not self._brief:
            if self._discover():
                return
            if self.unreached:
                return
        station = self._initialize()
        if self._brief and _knows_none(station):
            if self._discover():
                return
            self.stopped = "initialize"
        fallback = station["status"] in _CLIENT_ERROR and station["status"] not in _NO_FALLBACK
        if station["ok"]:
            self._go_on()
        elif fallback and station["fault"] == "status":
            self._begin_stream(otherwise=self.stopped)

    def _begin_stream(self, otherwise: str = "") -> None:
        """Begin as with the old transport; ``otherwise`` stopped the new one before."""
        stream = Stream(self._caller, self._place, self._headers)
        patience = _FALLBACK_PATIENCE if otherwise else self.remaining()
        station = stream.open(self._clock.within(patience))
        self._tell(station, stream.answer, main=not otherwise)
        if station["ok"]:
            self._stream, self.transport = stream, "sse"
            if not self._brief and self._initialize()["ok"]:
                self._go_on()
        elif self._brief:
            return
        elif not otherwise and station["fault"] in ("status", "media", "empty"):
            self.transport = "sse"
            if self._initialize()["ok"]:  # a server of the new transport, so it is said
                self._end_as("stream")
            self.stopped = "stream"

    def _end_as(self, stopped: str) -> None:
        self.transport, self.stopped = "http", stopped

    def _discover(self) -> bool:
        """Ask as for the stateless era; True if all of it was done there."""
        patience = min(_DISCOVER_PATIENCE, self.remaining() / 3)
        station, found = self._ask("discover", "server/discover", {}, modern_for=patience)
        versions = found.get("supportedVersions")
        self.stopped = ""
        known = self._brief or (isinstance(versions, list) and MODERN in versions)
        if not station["ok"] or not known:
            self.stopped = "discover" if station["fault"] == "station" else ""
            return False
        self._meet(found)
        self.era, self.protocol = "modern", MODERN
        if self._brief:
            return True
        self._list(stateless=True)
        if self.tools is None:
            self.era = self.protocol = self.stopped = ""
        return self.tools is not None

    def _initialize(self) -> Station:
        station, found = self._ask("initialize", "initialize", wish(self._client))
        if station["ok"]:
            self.era = "legacy"
            self._meet(found)
            version, able = found.get("protocolVersion"), found.get("capabilities")
            self._has_tools = isinstance(able, dict) and able.get("tools") is not None
            self.protocol = self._caller.target.mask.text(str(version), 40)
            self._fits(station, found, GREETING)
            if station["ok"] and version not in ERAS:
                station.update(ok=False, fault="protocol")
                self.stopped = "initialize"
            self._session["mcp-protocol-version"] = str(version)
        return station

    def _go_on(self) -> None:
        if self._brief:
            return
        station = new_call("initialized", "POST", configured=self._configured)
        self._post(station, rpc_notification("notifications/initialized"), None, self._clock)
        if station["ok"] and self._has_tools:
            self._list(stateless=False)
        elif station["ok"]:  # the client does not ask either
            self.tools = 0

    def _list(self, *, stateless: bool) -> None:
        """Ask for the tools, page by page."""
        count, cursor = 0, None
        for _ in range(_MOST_PAGES):
            params: dict[str, object] = {} if cursor is None else {"cursor": cursor}
            patience = self.remaining() if stateless else None
            station, found = self._ask("tools", "tools/list", params, modern_for=patience)
            listed = found.get("tools")
            self._fits(station, found, tools_shape(old=not self._caller.target.discovers))
            if not station["ok"]:
                return
            count, cursor = count + len(listed or ()), found.get("nextCursor")
            self.tools, self.more = count, bool(cursor)
            if not isinstance(cursor, str) or not cursor:
                return

    def _end(self) -> None:
        if "mcp-session-id" in self._session and self._stream is None:
            station = new_call("end", "DELETE", configured=self._configured)
            limit = self._clock.within(_END_PATIENCE)
            headers = merged(own_headers(self._client), self._headers, self._session)
            self._caller.call(station, Outgoing(self._place, "DELETE", headers), limit)
            self.told.append(station)

    def _fits(self, station: Station, found: Mapping[str, Any], shape: object) -> None:
        """Refuse a result that the client refuses."""
        at = misfit(dict(found), shape)
        if not station["ok"] or not at:
            return
        index = at.split(".")[1] if at.startswith("tools.") else ""
        whose = found["tools"][int(index)] if index else None
        name = whose.get("name") if isinstance(whose, dict) else None
        mask = self._caller.target.mask
        station["misfit"] = mask.text(at, 80)
        station["whose"] = mask.text(name, 60) if isinstance(name, str) else ""
        station.update(ok=False, fault="shape")
        self.stopped = station["call"]

    # --- one request ----------------------------------------------------------------------

    def _ask(
        self,
        name: str,
        method: str,
        params: Mapping[str, object],
        *,
        modern_for: float | None = None,
    ) -> tuple[Station, dict[str, Any]]:
        """Send a request; the station and the result, {} where there is none.

        ``modern_for``: it is one of the stateless era, and may take so many seconds.
        """
        self._count += 1
        identity: object = self._count if modern_for is None else f"mcpconf-{self._count}"
        station = new_call(name, "POST", configured=self._configured)
        extra: dict[str, str] = {}
        clock = self._clock.within(self.remaining())
        if modern_for is not None:
            params = modern(self._client, **params)
            extra = {"mcp-method": method, "mcp-protocol-version": MODERN}
            clock = self._clock.within(modern_for)
        answer = self._post(station, rpc_request(identity, method, params), identity, clock, extra)
        found = understood(station, answer, identity, self._caller.target.mask)
        if not station["ok"] and answer.length and station["rpc"] == "none":
            self._caller.tell_body(station, answer)
        self.stopped = "" if station["ok"] else name
        if name == "initialize" and station["ok"]:
            self.first_ms = station["first_ms"]
            session, station["session"] = session_of(answer)
            self._session.update({"mcp-session-id": session} if session else {})
        return station, found

    def _post(
        self,
        station: Station,
        body: bytes,
        identity: object,
        clock: Clock,
        extra: Mapping[str, str] = {},
    ) -> Answer:
        session = {} if extra else self._session
        headers = merged(own_headers(self._client), self._headers, session, extra)
        if self._stream is not None:
            self._stream.post(station, headers, body, clock)
            held = self._caller.held
            answer = held[2] if held and not station["fault"] else Answer(clock, None)
        else:
            wanted = answers(identity) if identity is not None else None
            asked = Outgoing(self._place, "POST", headers, body)
            answer = self._caller.call(station, asked, clock, wanted)
        self._tell(station, answer)
        return answer

    def _tell(self, station: Station, answer: Answer | None, *, main: bool = True) -> None:
        self.told.append(station)
        if main:
            self.stopped = "" if station["ok"] else station["call"]
        if answer is not None and station["status"] is not None:
            station["challenge"], url = challenge_of(answer, self._caller.target.mask)
            self.metadata_url = url or self.metadata_url

    def _meet(self, found: Mapping[str, Any]) -> None:
        info = found.get("serverInfo")
        if isinstance(info, dict):
            said = f"{info.get('name', '')} {info.get('version', '')}"
            self.server = self._caller.target.mask.text(said, 80)

    def remaining(self) -> float:
        try:
            return self._clock.left()
        except Fault:
            return 0.0


def _knows_none(station: Station) -> bool:
    """Whether a server may be one that knows no ``initialize`` any more (fact 47)."""
    return bool(station["status"] == _NOT_UNDERSTOOD or station["rpc"] == "error")
