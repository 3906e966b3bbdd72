"""One entry of a whitelist: a name, a wildcard, an address or a network, and nothing else.

The reader is strict, and strict in one direction only: whoever pasted a URL, a port or a list
learns what to write instead, but nothing is taken apart silently, because a whitelist that guesses
opens what nobody wrote.  An entry opens hosts that are *out in the world*; what is near the user
is reached through the gateway, and a wildcard may not cover a domain under which strangers
register names (https://publicsuffix.org, its private section included).

A Unicode name becomes A-labels (UTS 46, IDNA2008).  It has to be written the way it is mapped:
full-width letters, ideographic dots, soft hyphens and zero-width characters are refused, although
clients would map them to something, because a reader would not see to what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from mcpconf.locality import (
    METADATA,
    NAMES,
    SUFFIXES,
    local_reason,
    reserved_reason,
    special_range,
)
from mcpconf.names import (
    LONGEST_INPUT,
    LONGEST_NAME,
    Host,
    Problem,
    a_labels,
    ends_in_number,
    looks_alike,
    name_fault,
    quote,
    read_ipv4,
    read_ipv4_inside,
    read_ipv6,
)
from mcpconf.pasted import LAST_PORT, fault_of_text, is_port, is_right_to_left, unwrap
from mcpconf.suffixes import is_suffix

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = (
    "Destination",
    "Host",
    "Problem",
    "looks_alike",
    "parse_destination",
    "parse_ports",
    "quote",
)

# A /16 is about the widest block that one provider publishes for one service; a /32 is what a
# registry gives to one provider (RIPE-738 §5.1).  Whatever is wider belongs to several.
WIDEST = {4: 16, 6: 32}
MOST_PORTS = 16

_EXAMPLE = "name a host, such as `api.example.com`"
_GATEWAY = "servers near you are reached through the gateway; they need no entry"


class Destination(NamedTuple):
    """One checked entry, in ASCII: ``api.example.com``, ``*.example.com``, ``2606:4700::/48``.

    A ``peer`` is the one form that is near the user: see ``peers.py``.
    """

    form: Literal["name", "wildcard", "address", "network", "peer"]
    host: str


def parse_destination(text: str) -> Destination | Problem:
    """Read one entry of a whitelist."""
    entry = text.strip()
    if not entry:
        return Problem("the entry is empty", _EXAMPLE)
    if len(entry) > LONGEST_INPUT:
        return Problem(f"the entry has {len(entry)} characters, more than any host", _EXAMPLE)
    fault = fault_of_text(entry)
    if fault:
        return fault
    core, port, wrapping = unwrap(entry)
    if entry != text:
        wrapping = wrapping or "has white space around it"
    found = _bare(core)
    if isinstance(found, Problem) or not wrapping:
        return found
    ports = f" and `ports = [{port}]`" if port else ""
    return Problem(f"{quote(found.host)} {wrapping}", f"write {quote(found.host)}{ports}")


def _bare(core: str) -> Destination | Problem:
    """Read an entry that has nothing around it."""
    if not core:
        return Problem("the entry names no host", _EXAMPLE)
    if "%" in core:
        zone = "a zone, which means something on one machine only" if ":" in core else "a `%`"
        return Problem(f"{quote(core)} has {zone}")
    if "/" in core:
        return _network(core)
    if ":" in core:
        return _ipv6(core)
    if "*" in core or core.startswith("."):
        return _wildcard(core)
    return _name(core)


def _name(core: str) -> Destination | Problem:
    """Read a name, or an IPv4 address."""
    if not core.isascii():
        return _unicode_name(core)
    name = core.lower().removesuffix(".")
    fault = name_fault(name)
    if fault:
        return Problem(f"{quote(core)} {fault}")
    if ends_in_number(name):
        return _ipv4(name)
    return _fault_of_name(name) or Destination("name", name)


def _fault_of_name(name: str) -> Problem | None:
    reserved = reserved_reason(name)
    if reserved:
        return Problem(f"{quote(name)} is {reserved}")
    near = local_reason(name)
    if near:
        help_ = "write the full name of a host" if _is_dotless(name) else _way_to(near)
        return Problem(f"{quote(name)} is {near}", help_)
    # RFC 2181 §11 lets the DNS carry any label, and some hosts have an underscore; but no registry
    # sells one (RFC 952), so in the two last labels it is a typing error.
    if "_" in ".".join(name.split(".")[-2:]):
        return Problem(f"{quote(name)} has a `_` where no registry allows one")
    return None


def _way_to(near: str) -> str:
    return "" if near == METADATA else _GATEWAY


def _is_dotless(name: str) -> bool:
    return "." not in name and name not in SUFFIXES and name not in NAMES


def _unicode_name(core: str) -> Destination | Problem:
    ascii_name = a_labels(core)
    if not ascii_name:
        return Problem(f"{quote(core)} is no international name (IDNA2008)")
    found = _name(ascii_name)
    if isinstance(found, Problem):
        return found
    written = f"write {quote(found.host)}"
    if any(is_right_to_left(char) for char in core):
        return Problem(f"{quote(core)} is read from right to left", written)
    if _changes(core, ascii_name):
        return Problem(f"{quote(core)} is spelled with characters that stand for others", written)
    return found


def _changes(core: str, ascii_name: str) -> bool:
    """Say whether mapping did more than lower the case and compose accents."""
    from unicodedata import normalize  # noqa: PLC0415

    lower = [char.lower() for char in core]
    if any(new.isascii() != old.isascii() for old, new in zip(core, lower, strict=True)):
        return True  # the Kelvin sign is a capital of `k`
    return (looks_alike(ascii_name) or ascii_name) != normalize("NFC", "".join(lower))


def _wildcard(core: str) -> Destination | Problem:
    """Read ``*.name``.  It covers every name below, at any depth, and not the name itself."""
    domain = core.rpartition("*")[2].removeprefix(".")
    if not domain:
        help_ = "write `*.` and a domain, as `*.example.com`"
        return Problem(f"{quote(core)} names no domain", help_)
    if _is_dotless(domain.lower()):
        return Problem(f"{quote(core)} opens every name below {quote(domain)}", "name each host")
    found = _name(domain)
    if isinstance(found, Problem):
        return found
    return _fault_of_wildcard(core, found) or Destination("wildcard", f"*.{found.host}")


def _fault_of_wildcard(core: str, domain: Destination) -> Problem | None:
    wild = f"*.{domain.host}"
    if domain.form == "address":
        help_ = "write a network, as `1.1.1.0/24`"
        return Problem(f"{quote(core)} is a wildcard of an address", help_)
    if len(wild) > LONGEST_NAME:
        return Problem(f"{quote(core)} leaves no room for a name")
    if core.partition(".")[0] != "*" or "*" in core[1:]:
        return Problem(f"{quote(core)} is no name and no wildcard", f"write {quote(wild)}")
    # A rule may also stand one level below: in `*.ck`, strangers share `x.ck` for every x.
    if is_suffix(domain.host) or is_suffix(f"x.{domain.host}"):
        strangers = f"anyone can have a name below {quote(domain.host)}"
        return Problem(f"{quote(wild)} covers strangers: {strangers}", "name each host")
    return None


def _ipv4(name: str) -> Destination | Problem:
    address = read_ipv4(name)
    if not address:
        return Problem(f"{quote(name)} ends in a number, but is no IPv4 address")
    if address == name:
        return _address(address)
    found = _address(address)
    if isinstance(found, Problem):
        return Problem(f"{quote(name)} is read as an address, and {found.message}", found.help)
    return Problem(f"{quote(name)} is read as {quote(address)}", f"write {quote(address)}")


def _ipv6(core: str) -> Destination | Problem:
    address = read_ipv6(core)
    if not address:
        return Problem(f"{quote(core)} is no IPv6 address")
    found = _address(address)
    inside = read_ipv4_inside(address)
    if inside and isinstance(_address(inside), Destination) and isinstance(found, Problem):
        return Problem(found.message, f"write {quote(inside)}")
    return found


def _address(address: str) -> Destination | Problem:
    from ipaddress import ip_network  # noqa: PLC0415

    row = special_range(ip_network(address))
    if row is None:
        return Destination("address", address)
    return Problem(f"{quote(address)} is {row.because}", _way_to(row.because) if row.near else "")


def _network(core: str) -> Destination | Problem:
    from ipaddress import ip_network  # noqa: PLC0415

    try:
        network = ip_network(core, strict=False)
    except ValueError:
        return Problem(f"{quote(core)} is no network", "write it as `1.1.1.0/24`")
    fault = _fault_of_network(core, network)
    if fault:
        return fault
    if network.prefixlen == network.max_prefixlen:
        return Destination("address", str(network.network_address))
    return Destination("network", str(network))


def _fault_of_network(core: str, network: IPv4Network | IPv6Network) -> Problem | None:
    text = quote(str(network))
    if not network.prefixlen:
        return Problem(f"{text} opens everything", "name each host")
    row = special_range(network)
    if row:
        return Problem(f"{text} holds {row.because}", _way_to(row.because) if row.near else "")
    widest = WIDEST[network.version]
    if network.prefixlen < widest:
        return Problem(f"{text} is wider than /{widest}, so it belongs to several owners")
    first, _, length = core.partition("/")
    if (read_ipv6(first) or first) != str(network.network_address):
        return Problem(f"{quote(core)} does not begin at its first address", f"write {text}")
    if "." in length:
        return Problem(f"{quote(core)} has a mask in place of a length", f"write {text}")
    return None


def parse_ports(value: object) -> tuple[int, ...] | Problem:
    """Read the ports of an entry: a number or a list of numbers, as JSON and TOML give them."""
    ports = [_port(port) for port in (value if isinstance(value, list | tuple) else [value])]
    if not ports:
        return Problem("the list of ports is empty", "leave it out for the usual ports")
    fault = next((port for port in ports if isinstance(port, Problem)), None)
    if fault:
        return fault
    found = sorted({port for port in ports if isinstance(port, int)})
    if len(found) > MOST_PORTS:
        return Problem(f"{len(found)} ports are listed, and {MOST_PORTS} is the most")
    return tuple(found)


def _port(port: object) -> int | Problem:
    if isinstance(port, str):
        help_ = f"write {port}, without quotes" if is_port(port) else "list each port"
        return Problem(f"the port {quote(port)} is a text", help_)
    if isinstance(port, bool) or not isinstance(port, int):
        return Problem("a port is something else than a whole number", "write it as `[443]`")
    if not 0 < port <= LAST_PORT:
        shown = quote(str(port)) if abs(port) < 10**9 else "a port"  # Python prints no giants
        return Problem(f"{shown} is not between 1 and {LAST_PORT}")
    return int(port)  # a plain one: TOML's numbers remember how they were written
