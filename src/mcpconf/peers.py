"""A host on the container's own networks, which the container reaches without the gateway.

``db`` in DDEV, a service of a compose file, a machine with a private address.  A whitelist opens
what is out in the world (``hosts.py``); a peer is near, and so it is named apart: by the user, by
port, and never as a range.  Not a peer is the container itself (loopback), the machine that it
runs on (the gateway's business: there are the user's other services), and whatever hands out
credentials.
"""

from __future__ import annotations

from mcpconf.hosts import Destination
from mcpconf.locality import METADATA, NAMES, NEVER, special_range
from mcpconf.names import Problem, ends_in_number, name_fault, quote, read_ipv4, read_ipv6

_EXAMPLE = "name a service, such as `db`, or a private address"
_GATEWAY = "what listens there is reached through the gateway"
_PRIVATE = frozenset({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})
_LONGEST = 253


def parse_peer(text: str) -> Destination | Problem:
    """Read a peer: a name as services have it, or a private address in its usual spelling."""
    entry = text.strip()
    if not entry or len(entry) > _LONGEST:
        return Problem("a peer has no name" if not entry else "a peer's name is too long", _EXAMPLE)
    if not entry.isascii():
        return Problem(f"{quote(entry)} has letters outside ASCII, as no service has", _EXAMPLE)
    name = entry.lower()
    if ":" in name or ends_in_number(name):
        return _address(name)
    fault = name_fault(name)
    if fault:
        return Problem(f"{quote(entry)} {fault}", _EXAMPLE)
    return _fault_of_name(name) or Destination("peer", name)


def _fault_of_name(name: str) -> Problem | None:
    labels = name.split(".")
    above = [".".join(labels[index:]) for index in range(len(labels))]
    if "localhost" in above:
        return Problem(f"{quote(name)} is the container itself, which needs no row")
    near = next((NAMES[part] for part in above if part in NAMES), "")
    if near:
        return Problem(f"{quote(name)} is {near}", "" if near == METADATA else _GATEWAY)
    return Problem(f"{quote(name)} is {NEVER[labels[-1]]}") if labels[-1] in NEVER else None


def _address(text: str) -> Destination | Problem:
    from ipaddress import ip_network  # noqa: PLC0415  costs 5 ms

    address = read_ipv6(text) if ":" in text else read_ipv4(text)
    if not address:
        ported = text.rpartition(":")[0] if text.count(":") == 1 else ""
        help_ = f"write {quote(ported)} and its port apart" if ported else _EXAMPLE
        return Problem(f"{quote(text)} is neither a name nor an address", help_)
    if address != text:
        return Problem(f"{quote(text)} is read as {quote(address)}", f"write {quote(address)}")
    row = special_range(ip_network(address))
    if row is None:
        return Problem(f"{quote(address)} is out in the world", "it is no peer: `[[allow]]`")
    if str(row.block) not in _PRIVATE:
        return Problem(f"{quote(address)} is {row.because}", "" if METADATA in row else _EXAMPLE)
    return Destination("peer", address)
