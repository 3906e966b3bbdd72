"""The border: text of ``egress.json`` becomes typed tokens here, or a problem.

Rules, sets and configurations are written from these tokens alone.  The compiler on the host
checks hosts far more strictly (``mcpconf.hosts``); but the file lies where others may write, so
nothing is believed.  Odd spellings whose meaning is beyond doubt are taken, and said.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple, Union

from mcpconf.locality import METADATA, NEAR, RESERVED, special_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

Network = Union[IPv4Network, IPv6Network]  # noqa: UP007  Python 3.9

LONGEST_DOMAIN = 253
LONGEST_ENTRY = 2048
WIDEST_NETWORK = {4: 16, 6: 32}  # what one owner publishes for one service (mcpconf.hosts)
SHOWN = 80  # characters of foreign text in a message

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PLAIN = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{0,62}[a-z]")
_SCHEME = re.compile(r"(?:https?|wss?)://", re.IGNORECASE)
_LOCAL = ("localhost", "ip6-localhost", "ip6-loopback")
_BELOW_LOCAL = tuple(f".{name}" for name in _LOCAL)


class Domain(NamedTuple):
    """A name in ASCII, lower case, without a last dot; ``wild``: the names below it instead."""

    name: str
    wild: bool = False

    def covers(self, name: str) -> bool:
        """Tell whether a name is this one, or, for a wildcard, below it."""
        return name.endswith("." + self.name) if self.wild else name == self.name

    def __str__(self) -> str:
        return f"*.{self.name}" if self.wild else self.name


class Entry(NamedTuple):
    """What one text means: a name or a network, perhaps with a port of its own."""

    what: Domain | Network
    port: int | None = None
    odd: str = ""  # how the text differs from what it means; "" if it does not


class Refusal(ValueError):  # noqa: N818  it is no error of the program
    """Why a text stays closed, to follow the text itself."""


def shown(text: object) -> str:
    """Foreign text for a message: ASCII, escaped, short, between backticks."""
    plain = ascii(str(text))[1:-1]
    return f"`{plain[:SHOWN]}…`" if len(plain) > SHOWN else f"`{plain}`"


def is_port(value: object) -> TypeGuard[int]:
    """Tell whether a value is a port number."""
    return type(value) is int and 0 < value <= 0xFFFF  # noqa: PLR2004


def is_plain(text: str) -> bool:
    """Tell whether a text is a name as it should be, which most are."""
    return (
        _PLAIN.fullmatch(text) is not None
        and len(text) <= LONGEST_DOMAIN
        and "-." not in text
        and ".-" not in text
        and text[0] != "-"
        and not text.endswith(_BELOW_LOCAL)
    )


def read_entry(text: str) -> Entry:
    """Read the host of a row of form name, wildcard, address or network.

    Raises Refusal, which says why it stays closed.
    """
    if is_plain(text):
        return Entry(Domain(text))
    if len(text) > LONGEST_ENTRY:
        raise Refusal(f"has {len(text)} characters, more than any host")
    core, port, odd = _unwrapped(text)
    network = read_network(core)
    if network is not None:
        fault = fault_of_network(network)
        if fault:
            raise Refusal(fault)
        if "/" in core and str(network) != core:
            odd = odd or "is written otherwise"
        return Entry(network, port, odd)
    domain = _domain(core)
    if str(domain) != text:
        odd = odd or "is written otherwise"
    return Entry(domain, port, odd)


def _unwrapped(text: str) -> tuple[str, int | None, str]:
    """What stands inside a URL, before a port and between white space."""
    core = text.strip(" \t\r\n\ufeff")
    odd = "has white space around it" if core != text else ""
    if any(ord(c) <= 0x20 or 0x7F <= ord(c) < 0xA0 for c in core):  # noqa: PLR2004
        raise Refusal("has white space or a control character inside")
    if _SCHEME.match(core):
        core = re.split(r"[/?#\\]", core.split("://", 1)[1], maxsplit=1)[0]
        odd = "is written as a URL"
    if "@" in core:
        raise Refusal("has an `@`, before which a user name stands and no host")
    head, colon, tail = core.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")):
        return core.strip("[]") if core.startswith("[") else core, None, odd
    if not re.fullmatch(r"[0-9]{1,5}", tail) or not is_port(int(tail)):
        raise Refusal("has something behind the colon that is no port")
    return head.strip("[]") if head.startswith("[") else head, int(tail), odd or "has a port"


def read_network(text: str) -> Network | None:
    """Read an address or a network; None where the text is neither."""
    if not re.fullmatch(r"[0-9a-fA-F:./]{2,49}", text):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def fault_of_network(network: Network) -> str:
    """Why a network of the outside world stays closed; "" if it may be opened."""
    special = special_range(network)
    if special is not None:
        return f"is or holds {special.because}"
    widest = WIDEST_NETWORK[network.version]
    return f"is wider than /{widest}" if network.prefixlen < widest else ""


def fault_of_near(network: Network) -> str:
    """Why an address on the container's own side stays closed; "" if it may be opened."""
    if network.prefixlen != network.max_prefixlen:
        return "is a network; a peer is one host"
    address = network.network_address
    if is_metadata(network):
        return f"is {METADATA}"
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return "is an address of no other host"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return "is an IPv4 address in IPv6 clothes"
    if isinstance(address, IPv4Address) and int(address) == 0xFFFFFFFF:  # noqa: PLR2004
        return "is the broadcast address"
    return ""


def is_metadata(network: Network) -> bool:
    """Tell whether a metadata service of a cloud is in a network."""
    return any(
        network.version == block.version and network.overlaps(block)
        for block in metadata_networks()
    )


def metadata_networks() -> tuple[Network, ...]:
    """Every address at which clouds hand out credentials."""
    return tuple(ip_network(text) for text, why in NEAR.items() if why == METADATA)


@cache
def never_networks() -> tuple[Network, ...]:
    """Every range that no name of the outside world may open; none is inside another."""
    found = [ip_network(text) for text in (*NEAR, *RESERVED, "224.0.0.0/3")]
    return tuple(n for n in found if not any(_is_inside(n, other) for other in found))


def _is_inside(inner: Network, outer: Network) -> bool:
    return (
        inner != outer
        and inner.version == outer.version
        and outer.prefixlen < inner.prefixlen
        and inner.overlaps(outer)
    )


def names_above(name: str) -> list[str]:
    """The names that a name is below, the nearest first."""
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(1, len(labels))]


def private_networks() -> tuple[Network, ...]:
    """Where a peer may be whose address only its name tells (RFC 1918, 6598, 3927, 4193, 4291)."""
    return tuple(ip_network(text) for text in _PRIVATE)


_PRIVATE = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


def read_peer(text: str) -> Domain | Network:
    """Read a host on the container's own networks: a service's name, or an address.

    Raises Refusal.
    """
    network = read_network(text)
    if network is not None:
        fault = fault_of_near(network)
        if fault:
            raise Refusal(fault)
        return network
    return _checked(text.lower(), fewest=1)


def _domain(core: str) -> Domain:
    """A name or a wildcard.  Raises Refusal."""
    wild = core.startswith("*.")
    name = core[2:] if wild else core
    return _checked(_ascii(name.lower().removesuffix(".")), wild=wild)


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise Refusal("is no international name") from None


def _checked(name: str, *, wild: bool = False, fewest: int = 2) -> Domain:
    labels = name.split(".")
    if len(name) > LONGEST_DOMAIN:
        raise Refusal(f"has {len(name)} characters, and a name has at most {LONGEST_DOMAIN}")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise Refusal("is no name of a host")
    if len(labels) < fewest:
        below = "opens every name below a top-level domain"
        raise Refusal(below if wild else "is a name without a dot")
    if labels[-1] in _LOCAL:
        raise Refusal("is this container itself")
    return Domain(name, wild)
