"""A line to one origin: name, proxy, connection, TLS, in turn; each leaves a station behind."""

from __future__ import annotations

import base64
import contextlib
import socket
from urllib.parse import unquote, urlsplit

from mcpconf.wire.dial import Dial
from mcpconf.wire.fault import Clock, Fault
from mcpconf.wire.lookup import THIS_MACHINE, addresses_of, asked_each, depth_of, is_literal
from mcpconf.wire.target import Place, place_of
from mcpconf.wire.tls import Trust, secured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcpconf.wire.safe import Mask

    Station = dict[str, Any]

_HEAD_LIMIT = 16 * 1024
_LONGEST_HOST = 253
_OK, _LOGIN = 200, 407
_NOTHING, _FAULTS, _ALL = range(3)  # what of a connection the report tells


class Proxy:
    """An HTTP proxy.  Raises Fault ``kind`` where it is no such thing."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise Fault("kind") from None
        if parts.scheme not in ("http", "https"):
            raise Fault("kind")
        try:
            self.place = place_of(url)
        except Fault:
            raise Fault("kind") from None
        self.secure = parts.scheme == "https"
        self.authorization = ""
        if parts.username or parts.password:
            pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
            self.authorization = "Basic " + base64.b64encode(pair.encode()).decode()


class Road:
    """How origins are reached; remembers addresses and tells each station once an origin."""

    def __init__(self, proxy: str, trust: Trust, clock: Clock, *, brief: bool = False) -> None:
        self.clock = clock
        self.brief = brief
        self.trust = trust
        self.stations: list[Station] = []
        self.home: Place | None = None  # the server's own
        self.mask: Mask | None = None
        self._proxy_url = proxy
        self._proxy: Proxy | None = None
        self._addresses: dict[tuple[str, int], list[tuple[int, Any]]] = {}
        self._told: set[tuple[str, str, int]] = set()

    def fork(self) -> Road:
        """The same roads, told elsewhere: for another thread."""
        other = Road(self._proxy_url, self.trust, self.clock, brief=self.brief)
        other._addresses, other._proxy = dict(self._addresses), self._proxy
        other.home, other.mask = self.home, self.mask
        return other

    def proxied(self, place: Place) -> Proxy | None:
        """The proxy, where it takes plain requests itself."""
        if self._proxy is None and self._proxy_url:
            with contextlib.suppress(Fault):
                self._proxy = Proxy(self._proxy_url)
        return self._proxy if place.scheme == "http" else None

    def leads_inward(self, place: Place, clock: Clock) -> bool:
        """Whether a server names a place nearer to this machine than it is itself.

        A server out in the world has no say in what is asked on this machine or in its network.
        Where a proxy looks names up, only what is written as an address is known.
        """
        return self.home is not None and self._depth(place, clock) > self._depth(self.home, clock)

    def _depth(self, place: Place, clock: Clock) -> int:
        if is_literal(place.host):
            return depth_of([place.host])
        if place.host == "localhost" or place.host.endswith(".localhost"):
            return THIS_MACHINE
        if self._proxy_url:
            return 0
        key = place.host, place.port
        if key not in self._addresses:
            try:
                self._addresses[key] = addresses_of(*key, clock)
            except Fault:
                return 0  # nothing will be asked there
        return depth_of([str(address[0]) for _, address in self._addresses[key]])

    def open(self, place: Place, clock: Clock) -> socket.socket:
        """A connection over which HTTP can be spoken.  Raises Fault ``station`` after telling."""
        tell = _FAULTS if place.origin in self._told else _ALL
        self._told.add(place.origin)
        if self._proxy_url:
            sock = self._through(place, clock, tell=tell)
        else:
            sock = self._direct(place, clock, tell=tell)
        if place.scheme != "https":
            return sock
        station = self._station("tls", place)
        return self._secured(sock, place, clock, station, tell=tell)

    def again(self, place: Place, clock: Clock) -> socket.socket:
        """Another connection to the same place, without a word in the report, before TLS."""
        if self._proxy_url:
            return self._through(place, clock, tell=_NOTHING)
        return self._direct(place, clock, tell=_NOTHING)

    # --- stations -------------------------------------------------------------------------

    def _station(self, name: str, place: Place) -> Station:
        """A new one; a host that the server names may be a secret that it was told."""
        own = self.mask is None or self.home is None or place.host == self.home.host
        host = place.host if own or self.mask is None else self.mask.text(place.host, _LONGEST_HOST)
        return {
            "station": name, "ok": True, "ms": None, "host": host, "port": place.port, "fault": ""
        }  # fmt: skip

    def _tell(self, station: Station, began: Clock, fault: Fault | None, *, tell: int) -> None:
        station["ms"] = began.ms()
        if fault is not None:
            station["ok"], station["fault"] = False, fault.kind
            station.update(fault.facts)
        if tell == _ALL or (tell == _FAULTS and fault is not None):
            self.stations.append(station)

    def _direct(self, place: Place, clock: Clock, *, tell: int) -> socket.socket:
        addresses = self._resolved(place, clock, tell=tell)
        station, began = self._station("tcp", place), clock.within(clock.left())
        dial = Dial(addresses, clock)
        station["tries"] = dial.tries
        try:
            sock = dial.connect()
        except Fault as fault:
            self._tell(station, began, fault, tell=tell)
            raise Fault("station") from None
        self._tell(station, began, None, tell=tell)
        return sock

    def _resolved(self, place: Place, clock: Clock, *, tell: int) -> list[tuple[int, Any]]:
        key = place.host, place.port
        if key in self._addresses:
            return self._addresses[key]
        station, began = self._station("dns", place), clock.within(clock.left())
        station.update(literal=is_literal(place.host), addresses=[], servers=[])
        try:
            found = addresses_of(place.host, place.port, clock)
        except Fault as fault:
            self._tell(station, began, fault, tell=tell)
            if not self.brief:
                station["servers"] = asked_each(place.host, self.clock.within(3.0))
            raise Fault("station") from None
        station["addresses"] = [str(address[0]) for _, address in found]
        self._tell(station, began, None, tell=tell)
        self._addresses[key] = found
        return found

    def _secured(
        self, sock: socket.socket, place: Place, clock: Clock, station: Station, *, tell: int
    ) -> socket.socket:
        began = clock.within(clock.left())
        try:
            secure, facts = secured(
                sock, place.host, self.trust, clock, lambda: self.again(place, clock)
            )
        except Fault as fault:
            self._tell(station, began, fault, tell=tell)
            raise Fault("station") from None
        station.update(facts)
        self._tell(station, began, None, tell=tell)
        return secure

    # --- proxies --------------------------------------------------------------------------

    def _through(self, place: Place, clock: Clock, *, tell: int) -> socket.socket:
        station, began = self._station("proxy", place), clock.within(clock.left())
        station["status"] = None
        try:
            self._proxy = self._proxy or Proxy(self._proxy_url)
            station["host"], station["port"] = self._proxy.place.host, self._proxy.place.port
            sock = self._to_proxy(self._proxy, clock)
            if place.scheme == "https":
                station["status"] = _connect(sock, place, self._proxy, clock)
        except Fault as fault:
            unknown = fault.kind == "kind"
            self._tell(station, began, fault, tell=tell)
            if unknown:
                station["ok"] = None
            raise Fault("station") from None
        self._tell(station, began, None, tell=tell)
        return sock

    def _to_proxy(self, proxy: Proxy, clock: Clock) -> socket.socket:
        key = proxy.place.host, proxy.place.port
        if key not in self._addresses:
            self._addresses[key] = addresses_of(*key, clock)
        dial = Dial(self._addresses[key], clock)
        sock = dial.connect()
        if not proxy.secure:
            return sock
        return secured(
            sock, proxy.place.host, self.trust, clock, lambda: self._to_proxy(proxy, clock)
        )[0]


def _connect(sock: socket.socket, place: Place, proxy: Proxy, clock: Clock) -> int:
    """Ask a proxy for a tunnel (RFC 9110 §9.3.6); its status.  Raises Fault."""
    head = f"CONNECT {place.with_port} HTTP/1.1\r\nHost: {place.with_port}\r\n"
    if proxy.authorization:
        head += f"Proxy-Authorization: {proxy.authorization}\r\n"
    try:
        sock.sendall(head.encode("latin-1") + b"\r\n")
        answer = _head_of(sock, clock)
    except OSError as error:
        raise Fault("timeout" if isinstance(error, socket.timeout) else "closed") from None
    if not answer:
        raise Fault("closed")
    if not answer.startswith(b"HTTP/1.") or not answer[9:12].isdigit():
        raise Fault("not-http")
    status = int(answer[9:12])
    if status != _OK:
        sock.close()
        raise Fault("login" if status == _LOGIN else "status", status=status)
    return status


def _head_of(sock: socket.socket, clock: Clock) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _HEAD_LIMIT:
        sock.settimeout(clock.left())
        piece = sock.recv(1)  # what follows the head is TLS already
        if not piece:
            break
        answer += piece
    return answer
