"""Where a host is: out in the world, or near the user.

A name or an address tells this without being looked up, and nothing here looks anything up.  The
evidence is a noun phrase, made to follow “`localhost` is …”.

*Near* is what only the user's own machine or network reaches: loopback, private and link-local
addresses, the names that container engines give to their host, and the top-level domains that are
kept out of the public DNS.  *Reserved* is what nobody reaches: documentation, multicast, the rest
of IANA's special-purpose registries.

The registries are written out instead of asking :attr:`ipaddress.IPv4Address.is_global`, whose
answers changed between patch releases of Python, and which judges a network by its two ends only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

METADATA = "the metadata service of a cloud machine, which hands out its credentials"
_MACHINE = "a name of this machine (RFC 6761)"

NAMES = {
    "localhost.localdomain": _MACHINE,
    "localhost4.localdomain4": _MACHINE,
    "localhost6.localdomain6": _MACHINE,
    "localhost4": _MACHINE,
    "localhost6": _MACHINE,
    "ip6-localhost": _MACHINE,
    "ip6-loopback": _MACHINE,
    "host.docker.internal": "Docker's name for the machine it runs on",
    "gateway.docker.internal": "Docker's name for the machine it runs on",
    "kubernetes.docker.internal": "Docker Desktop's name for its own cluster",
    "docker.for.mac.host.internal": "Docker's name for the machine it runs on",
    "docker.for.mac.localhost": "Docker's name for the machine it runs on",
    "docker.for.win.host.internal": "Docker's name for the machine it runs on",
    "docker.for.win.localhost": "Docker's name for the machine it runs on",
    "host.containers.internal": "Podman's name for the machine it runs on",
    "host.lima.internal": "Lima's name for the machine it runs on",
    "host.orb.internal": "OrbStack's name for the machine it runs on",
    "metadata.google.internal": METADATA,
    "metadata.goog": METADATA,
    "metadata": METADATA,
    "instance-data": METADATA,
}

# These and everything below them.  `lan` to `private` are reserved by nobody, but delegated to
# nobody either: RFC 6762 appendix G lists them as what private networks use.
SUFFIXES = {
    "localhost": _MACHINE,
    "local": "a multicast DNS name of the user's own network (RFC 6762)",
    "internal": "below `internal`, which is kept for private networks (ICANN, 2024)",
    "home.arpa": "below `home.arpa`, which is kept for home networks (RFC 8375)",
    "test": "below `test`, which only the user's own machine answers (RFC 6761)",
    "lan": "below `lan`, which only private networks use (RFC 6762 G)",
    "home": "below `home`, which only private networks use (RFC 6762 G)",
    "corp": "below `corp`, which only private networks use (RFC 6762 G)",
    "intranet": "below `intranet`, which only private networks use (RFC 6762 G)",
    "private": "below `private`, which only private networks use (RFC 6762 G)",
    "ddev.site": "below `ddev.site`, which DDEV points to 127.0.0.1",
    "lndo.site": "below `lndo.site`, which Lando points to 127.0.0.1",
    "localtest.me": "below `localtest.me`, which points to 127.0.0.1",
    "lvh.me": "below `lvh.me`, which points to 127.0.0.1",
}

# Names that no resolver may answer.  One of them marks generations in the firewall's resolver.
NEVER = {
    "invalid": "below `invalid`, which never exists (RFC 6761)",
    "onion": "below `onion`, which only Tor reaches (RFC 7686)",
    "alt": "below `alt`, which is not in the DNS (RFC 9476)",
}


# IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).  The first match counts, and
# what is near counts before what is reserved.
NEAR = {
    "168.63.129.16/32": METADATA,  # Azure
    "100.100.100.200/32": METADATA,  # Alibaba Cloud
    "169.254.170.2/32": METADATA,  # Amazon ECS
    "169.254.170.23/32": METADATA,  # Amazon EKS
    "169.254.0.23/32": METADATA,  # Tencent Cloud
    "169.254.42.42/32": METADATA,  # Scaleway
    "fd00:42::42/128": METADATA,
    "fd00:ec2::23/128": METADATA,
    "fd20:ce::254/128": METADATA,  # Google Cloud
    "fd00:c1::a9fe:a9fe/128": METADATA,  # Oracle Cloud
    "fe80::a9fe:a9fe/128": METADATA,  # OpenStack
    "0.0.0.0/32": "the unspecified address, which reaches this machine (RFC 1122)",
    "10.0.0.0/8": "a private address (RFC 1918)",
    "100.64.0.0/10": "a shared address, as carriers and Tailscale use (RFC 6598)",
    "127.0.0.0/8": "a loopback address (RFC 1122)",
    "169.254.169.254/32": METADATA,
    "169.254.0.0/16": "a link-local address (RFC 3927)",
    "172.16.0.0/12": "a private address (RFC 1918)",
    "192.168.0.0/16": "a private address (RFC 1918)",
    "::/128": "the unspecified address, which reaches this machine (RFC 4291)",
    "::1/128": "a loopback address (RFC 4291)",
    "fd00:ec2::254/128": METADATA,
    "fc00::/7": "a private address (RFC 4193)",
    "fe80::/10": "a link-local address (RFC 4291)",
    "fec0::/10": "a site-local address (RFC 3879)",
}
RESERVED = {
    "0.0.0.0/8": "an address of “this network” (RFC 791)",
    "192.0.0.0/24": "an address kept for protocols (RFC 6890)",
    "192.0.2.0/24": "an address for documentation (RFC 5737)",
    "192.88.99.0/24": "an address of the old 6to4 relays (RFC 7526)",
    "198.18.0.0/15": "an address for benchmarks (RFC 2544)",
    "198.51.100.0/24": "an address for documentation (RFC 5737)",
    "203.0.113.0/24": "an address for documentation (RFC 5737)",
    "224.0.0.0/4": "a multicast address (RFC 5771)",
    "255.255.255.255/32": "the broadcast address (RFC 919)",
    "240.0.0.0/4": "a reserved address (RFC 1112)",
    "::ffff:0:0/96": "an IPv4 address in IPv6 clothes (RFC 4291)",
    "64:ff9b::/96": "an IPv4 address behind a translator (RFC 6052)",
    "ff00::/8": "a multicast address (RFC 4291)",
    "2001::/23": "an address kept for protocols (RFC 2928)",
    "2001:db8::/32": "an address for documentation (RFC 3849)",
    "2002::/16": "an IPv4 address behind 6to4 (RFC 3056)",
    "3fff::/20": "an address for documentation (RFC 9637)",
    # What is left outside 2000::/3, the only block from which IPv6 addresses are given out.
    "::/3": "a reserved address (RFC 4291)",
    "4000::/2": "a reserved address (RFC 4291)",
    "8000::/1": "a reserved address (RFC 4291)",
}


class Range(NamedTuple):
    """A row of the registries.  ``near``: the user's own machine or network reaches it."""

    block: IPv4Network | IPv6Network
    near: bool
    because: str


def local_reason(host: str) -> str:
    """Return why a host is near the user, to follow “… is”; "" when it is out in the world.

    ``host`` is a :data:`~mcpconf.names.Host`; brackets, case and a last dot are forgiven.
    """
    plain = host.strip("[]").lower().removesuffix(".")
    if ":" in plain or plain[-1:].isdigit():
        found = _range_of(plain)
        if found is not None:
            return found.because if found.near else ""
    if "." not in plain and plain not in SUFFIXES and plain not in NAMES:
        single = plain and ":" not in plain
        return "a name without a dot, which only the user's own network resolves" if single else ""
    return NAMES.get(plain) or _below(plain, SUFFIXES)


def reserved_reason(host: str) -> str:
    """Return why no host of the public internet has this name; "" when one may."""
    return _below(host, NEVER)


def special_range(network: IPv4Network | IPv6Network) -> Range | None:
    """Return the first row of the registries that a network touches."""
    for row in _ranges():
        if network.version == row.block.version and network.overlaps(row.block):
            return row
    return None


def _range_of(address: str) -> Range | None:
    """Return the row of an address; one for the IPv4 address inside an IPv4-mapped one."""
    from ipaddress import IPv6Network, ip_network  # noqa: PLC0415

    try:
        network = ip_network(address)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        network = ip_network(network.network_address.ipv4_mapped)
    return special_range(network)


@cache
def _ranges() -> tuple[Range, ...]:
    from ipaddress import ip_network  # noqa: PLC0415

    near = [Range(ip_network(text), near=True, because=why) for text, why in NEAR.items()]
    reserved = [Range(ip_network(text), near=False, because=why) for text, why in RESERVED.items()]
    return (*near, *reserved)


def _below(name: str, table: dict[str, str]) -> str:
    labels = name.split(".")
    suffixes = (".".join(labels[index:]) for index in range(max(0, len(labels) - 2), len(labels)))
    return next((table[suffix] for suffix in suffixes if suffix in table), "")
