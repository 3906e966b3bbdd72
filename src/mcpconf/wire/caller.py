"""Requests as the client sends them, redirects as it follows them (facts 48, 51); all is told."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from email.utils import parsedate_to_datetime

from mcpconf.bridge.responses import ResponseReader
from mcpconf.wire.exchange import Answer, read, send
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.line import Road
from mcpconf.wire.target import Place, Target, onward, sendable
from mcpconf.wire.tls import speaks_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mcpconf.wire.exchange import Wanted

_REDIRECTS = (301, 302, 303, 307, 308)
_BECOMES_GET = (301, 302, 303)
_MOST_HOPS = 20
_DROPPED = ("authorization", "cookie", "proxy-authorization")
_OWN = ("host", "content-length", "connection", "transfer-encoding")
_NO_ANSWER = ("closed", "reset", "not-http")
_BAD_REQUEST = 400
_TLS = re.compile(rb"(?i)https|ssl|tls")
_MOST_EXCERPT = 160


class Outgoing:
    """A request that is to be sent."""

    __slots__ = ("body", "headers", "method", "place")

    def __init__(
        self, place: Place, method: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> None:
        self.place, self.method, self.headers, self.body = place, method, headers, body

    @property
    def key(self) -> object:
        """What is the same when it is sent once more."""
        return self.method, self.place.origin, self.place.wanted


class Caller:
    """Sends requests and keeps the connections.  One thread each."""

    def __init__(self, target: Target, road: Road) -> None:
        self.target = target
        self.road = road
        self._kept: dict[tuple[str, str, int], socket.socket] = {}
        self.holds = False  # whether a stream stays open of which something was wanted
        self.held: tuple[socket.socket, ResponseReader, Answer] | None = None

    def close(self) -> None:
        for sock in (*self._kept.values(), *(self.held or ())[:1]):
            sock.close()
        self._kept.clear()

    def call(
        self,
        station: dict[str, Any],
        asked: Outgoing,
        clock: Clock,
        wanted: Wanted | None = None,
    ) -> Answer:
        """Send, follow, and tell in ``station``; the last answer.

        Raises nothing: the station's ``fault`` says what failed below HTTP.
        """
        began = clock.within(3600.0)
        answer = Answer(began, wanted, self.target.most)
        try:
            self._exchange(asked, answer, clock)
            seen = {asked.key}
            while answer.status in _REDIRECTS:
                asked = self._hop(answer, asked, station["hops"], seen, clock)
                answer = Answer(began, wanted, self.target.most)
                self._exchange(asked, answer, clock)
        except Fault as fault:
            station.update(fault.facts, fault=fault.kind)
        station["method"], station["ms"] = asked.method, began.ms()
        self._tell(station, answer)
        if asked.place.scheme == "http" and _wants_tls(station, answer):
            self._look_for_tls(station, asked.place, clock)
        return answer

    # --- redirects ------------------------------------------------------------------------

    def _hop(
        self,
        answer: Answer,
        asked: Outgoing,
        hops: list[dict[str, object]],
        seen: set[object],
        clock: Clock,
    ) -> Outgoing:
        """The request with which it goes on; ``hops`` tells it.  Raises Fault."""
        location = answer.headers.get("location", "")
        there = _there(asked.place, location)
        cross = there.origin != asked.place.origin
        if cross and not self.target.brief and self.road.leads_inward(there, clock):
            raise Fault("redirect-inward")
        own = {name.lower() for name in self.target.headers} if self.target.own_origin else set()
        stay = own.union(_DROPPED)
        dropped = [name for name in asked.headers if cross and name.lower() in stay]
        kept = {name: value for name, value in asked.headers.items() if name not in dropped}
        further = Outgoing(there, asked.method, kept, asked.body)
        if answer.status in _BECOMES_GET and asked.method == "POST":
            further.method, further.body = "GET", None
        mask = self.target.mask
        shown = f"{there.scheme}://{mask.text(there.authority, 120)}{mask.path(there.path)}"
        hops.append({
            "status": answer.status, "method": further.method, "to": shown, "cross": cross,
            "dropped": [mask.text(name, 60) for name in dropped],
            "relation": _relation(asked.place, there),
        })  # fmt: skip
        if cross and self.target.brief:
            raise Fault("redirect-away")
        if further.key in seen or len(hops) >= _MOST_HOPS:
            raise Fault("redirect-loop")
        seen.add(further.key)
        return further

    # --- one request ----------------------------------------------------------------------

    def _exchange(self, asked: Outgoing, answer: Answer, clock: Clock) -> None:
        request = self._request(asked)
        kept = self._kept.pop(asked.place.origin, None)
        if kept is not None:
            try:
                self._over(kept, asked.place, request, answer, clock)
            except Fault as fault:
                if answer.status is not None or fault.kind not in ("closed", "reset"):
                    raise
            else:
                return
        self._over(self.road.open(asked.place, clock), asked.place, request, answer, clock)

    def _over(
        self, sock: socket.socket, place: Place, request: bytes, answer: Answer, clock: Clock
    ) -> None:
        reader = ResponseReader(answer)
        reader.expect()
        try:
            with contextlib.suppress(Fault):  # an early answer closes the way in
                send(sock, request, clock)
            read(sock, reader, answer, clock)
        except BaseException:
            sock.close()
            raise
        if self.holds and answer.found is not None and not answer.complete:
            self.held = sock, reader, answer
        elif answer.complete and reader.reusable:
            self._kept[place.origin] = sock
        else:
            sock.close()

    def _request(self, asked: Outgoing) -> bytes:
        place, proxy = asked.place, self.road.proxied(asked.place)
        wanted = f"http://{place.authority}{place.wanted}" if proxy else place.wanted
        lines = [f"{asked.method} {wanted} HTTP/1.1", f"Host: {place.authority}"]
        lines += [f"{k}: {v}" for k, v in sendable(asked.headers) if k.lower() not in _OWN]
        if proxy and proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        body = asked.body or b""
        if asked.body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    # --- telling --------------------------------------------------------------------------

    def _tell(self, station: dict[str, Any], answer: Answer) -> None:
        mask, heads = self.target.mask, answer.headers
        station.update(
            status=answer.status,
            media=mask.text(answer.media, 60),
            length=answer.length,
            server=mask.text(heads.get("server", ""), 60),
            retry_after=mask.text(heads.get("retry-after", ""), 40),
            allow=mask.text(heads.get("allow", ""), 60),
            skew=_skew(heads.get("date", "")),
            first_ms=answer.first_ms,
        )
        if not station["fault"] and answer.status is not None and not 200 <= answer.status < 300:  # noqa: PLR2004
            station["fault"] = "status"
        if not station["fault"]:
            station["ok"] = True

    def tell_body(self, station: dict[str, Any], answer: Answer) -> None:
        """Show the beginning of a body that is no answer."""
        text = answer.content()[: _MOST_EXCERPT * 8].decode("utf-8", "replace")
        start = text.lstrip().lower()
        station["page"] = start.startswith(("<!doctype html", "<html")) or (
            answer.media == "text/html" and bool(start)
        )
        station["excerpt"] = self.target.mask.text(text, _MOST_EXCERPT)

    def _look_for_tls(self, station: dict[str, Any], place: Place, clock: Clock) -> None:
        """See whether a port that is asked without TLS, and does not like it, wants TLS."""
        if self.road.proxied(place) is None:
            with contextlib.suppress(Fault):
                if speaks_tls(place.host, clock, lambda: self.road.again(place, clock)):
                    station.update(fault="tls-port", ok=False)


def new_call(name: str, method: str, *, configured: bool = True) -> dict[str, Any]:
    """A station for a request that has not been sent."""
    return {
        "station": "call", "call": name, "with": "configured" if configured else "nothing",
        "method": method, "ok": False, "ms": None, "fault": "", "status": None, "media": "",
        "length": 0, "hops": [], "rpc": "", "error": None, "excerpt": "", "server": "",
        "retry_after": "", "allow": "", "challenge": None, "skew": None, "first_ms": None,
        "page": False, "odd": "", "session": "",
    }  # fmt: skip


def _there(here: Place, location: str) -> Place:
    try:
        if location:
            return onward(here, location)
    except Fault:
        pass
    raise Fault("redirect-bad")


def _wants_tls(station: Mapping[str, Any], answer: Answer) -> bool:
    """Whether a port that was asked without TLS may want it; servers say so in a 400."""
    told = station["status"] == _BAD_REQUEST and answer.media != "application/json"
    return station["fault"] in _NO_ANSWER or (told and bool(_TLS.search(answer.content()[:4096])))


def _relation(here: Place, there: Place) -> str:
    if here.host != there.host:
        return "host"
    if here.scheme != there.scheme:
        return "https" if there.scheme == "https" else "http"
    if there.path == here.path + "/":
        return "slash"
    return "same" if here.wanted == there.wanted else "path"


def _skew(date: str) -> int | None:
    try:
        return round(parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
