"""Joins what was refused with the names that were asked for.  Pure.

A name that is not listed resolves to the sinkhole, and the attempt itself meets the packet filter,
which knows address and port, and the resolver's log knows the names.  They belong together by time
and order: of the names asked for in the last seconds, the one that nothing was sent to yet.  Where
several remain and their number does not fit, the attempt was to one of them, and that is said.
"""

from __future__ import annotations

from typing import NamedTuple

from mcpconf.firewall.dnslog import ANSWER, REBIND, SUNK, DnsEvent
from mcpconf.firewall.listed import Listed
from mcpconf.firewall.packets import Packet
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.site import EMBEDDED, SINK4, SINK6
from mcpconf.firewall.sunk import MOST_CANDIDATES, MOST_KEPT, Asked, Pair, agreed
from mcpconf.firewall.tokens import Network, is_metadata, names_above, read_network
from mcpconf.locality import special_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mcpconf.firewall.gatelog import GateLine

_MOST_ADDRESSES = 60_000
_RESOLVER_PORTS = (53, 853)
_FAMILIES = {SINK4: "A", SINK6: "AAAA"}
_ARPA = (".in-addr.arpa", ".ip6.arpa")


class Attempt(NamedTuple):
    """Something that was refused.  Times are Unix seconds.

    ``names``: none known, the name, or one of these.  ``address`` is "" for the sinkhole and where
    nothing was sent.  ``port`` 0: none.  ``protocol`` ``dns``: the resolver refused a question, of
    the type ``record``.  ``uid`` -1: not known.  ``reason`` is a key of ``REASONS``.
    """

    first: float
    last: float
    names: tuple[str, ...]
    address: str
    port: int
    protocol: str
    reason: str
    uid: int = -1
    record: str = ""
    times: int = 1


class Join:
    """Takes events as they are read and gives attempts.  What it remembers is bounded."""

    def __init__(
        self, policy: Policy, learned: Mapping[str, Iterable[str]], gate_uid: int = -1
    ) -> None:
        self.listed = Listed(policy)
        self._gate_uid = gate_uid
        self._asked = {record: Asked() for record in _FAMILIES.values()}
        self._untried: dict[str, DnsEvent] = {}
        self._tried: dict[str, None] = {}
        self._names: dict[str, dict[str, None]] = {}
        for name, addresses in learned.items():
            for address in addresses:
                self._learn(address, name)

    def feed(
        self, events: Iterable[DnsEvent], packets: Iterable[Packet], gate: Iterable[GateLine] = ()
    ) -> list[Attempt]:
        """The attempts in what has been read: packets first, then the log, so none is too early."""
        found: list[Attempt] = []
        for event in events:
            found += self._event(event)
        sunk: dict[str, list[Packet]] = {sink: [] for sink in _FAMILIES}
        for packet in packets:
            if not packet.begins and packet.uid < 0:
                continue  # the kernel ends a stream that nobody has any more
            if packet.address in sunk:
                sunk[packet.address].append(packet)
            else:
                found.append(self._packet(packet))
        pairs: list[Pair] = []
        for sink, refused in sunk.items():
            refused.sort()
            names = self._asked[_FAMILIES[sink]].named([packet.time for packet in refused])
            pairs += zip(refused, names)  # noqa: B905  Python 3.9
        found += [self._sunk(packet, names) for packet, names in agreed(pairs)]
        found += [self._gate(line) for line in gate]
        return sorted(found, key=lambda attempt: attempt.last)

    def untried(self, before: float) -> list[Attempt]:
        """The names that were asked for before a time, and that nothing was sent to."""
        due = [event for event in self._untried.values() if event.time < before]
        for event in due:
            del self._untried[event.name]
        return [_dns(event, "name") for event in due if event.name not in self._tried]

    def _learn(self, address: str, name: str) -> None:
        names = self._names.setdefault(address, {})
        names.pop(name, None)
        names[name] = None
        if len(self._names) > _MOST_ADDRESSES:
            del self._names[next(iter(self._names))]

    def _event(self, event: DnsEvent) -> Iterator[Attempt]:
        if event.kind == ANSWER:
            self._learn(event.what, event.name)
        elif event.kind == REBIND:
            yield _dns(event, "rebind")
        elif event.kind == SUNK and event.what in self._asked:
            self._asked[event.what].add(event.time, event.name)
            self._untried[event.name] = event
            if len(self._untried) > MOST_KEPT:
                del self._untried[next(iter(self._untried))]
        elif self._is_below_listed(event.name):
            yield _dns(event, "subdomain")
        elif not event.name.endswith(_ARPA) and event.what not in {"HTTPS", "SVCB"}:
            yield _dns(event, "record")  # of the others, the question for an address says it

    def _is_below_listed(self, name: str) -> bool:
        above = any(self.listed.ports_of(one) for one in names_above(name))
        return above and not self.listed.ports_of(name)

    def _sunk(self, packet: Packet, names: tuple[str, ...]) -> Attempt:
        for name in names:
            self._tried[name] = None
            if len(self._tried) > MOST_KEPT:
                del self._tried[next(iter(self._tried))]
        reason = "name" if names else "sinkhole"
        return _sent(packet, names, "", reason)

    def _packet(self, packet: Packet) -> Attempt:
        names = tuple(self._names.get(packet.address, ()))
        listed = [name for name in names if self.listed.ports_of(name)]
        reason = self._reason(packet, names, listed)
        return _sent(packet, tuple(listed or names)[-MOST_CANDIDATES:], packet.address, reason)

    def _reason(self, packet: Packet, names: tuple[str, ...], listed: list[str]) -> str:
        network = read_network(packet.address)
        assert network is not None
        special = special_range(network)
        if packet.address == EMBEDDED or not packet.begins:
            return "resolver" if packet.begins else "cut"
        if special is not None:
            near = "metadata" if is_metadata(network) else "peer"
            return near if special.near else "reserved"
        if packet.uid == self._gate_uid >= 0:
            return "elsewhere"
        if packet.port in _RESOLVER_PORTS:
            return "resolver"
        return self._open_reason(packet, network, listed) or ("name" if names else "address")

    def _open_reason(self, packet: Packet, network: Network, listed: list[str]) -> str:
        """Why it was refused although something of it is listed; "" where nothing is."""
        ports = self.listed.ports_at(network).union(*map(self.listed.ports_of, listed))
        if not ports:
            return ""
        if packet.protocol != "tcp":
            return "protocol"
        return "expired" if packet.port in ports else "port"

    def _gate(self, line: GateLine) -> Attempt:
        known = tuple(self._names.get(line.address, ()))[-MOST_CANDIDATES:]
        names, reason = (line.name,) if line.name else known, f"gate-{line.why}"
        network = read_network(line.name)
        if network is not None:  # said instead of a name
            special = special_range(network)
            near = "metadata" if is_metadata(network) else "peer"
            reason = "address" if special is None else near if special.near else "reserved"
            names = ()
        address = line.address or (line.name if network is not None else "")
        return Attempt(line.time, line.time, names, address, line.port, "tcp", reason)


def _sent(packet: Packet, names: tuple[str, ...], address: str, reason: str) -> Attempt:
    when = packet.time
    return Attempt(when, when, names, address, packet.port, packet.protocol, reason, packet.uid)


def _dns(event: DnsEvent, reason: str) -> Attempt:
    record = "A" if event.what == "AAAA" else event.what  # a client asks for both
    return Attempt(event.time, event.time, (event.name,), "", 0, "dns", reason, -1, record)


def collected(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The same attempts as one with their number; the newest comes last."""
    found: dict[tuple[object, ...], Attempt] = {}
    for attempt in attempts:
        key = (
            attempt.names,
            attempt.address,
            attempt.port,
            attempt.protocol,
            attempt.reason,
            attempt.record,
        )
        known = found.pop(key, None)
        if known is not None:
            attempt = attempt._replace(  # noqa: PLW2901
                first=min(known.first, attempt.first),
                last=max(known.last, attempt.last),
                times=known.times + attempt.times,
            )
        found[key] = attempt
    return sorted(found.values(), key=lambda attempt: attempt.last)
