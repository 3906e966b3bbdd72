"""What the container is like, as far as rules depend on it; and the two files that say it.

Everything here is a value or a pure function of text.  ``look.py`` reads the files.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mcpconf.firewall.paths import RUN
from mcpconf.firewall.tokens import Network, read_network

STUB = "127.0.0.153"
"""What resolv.conf points to.  Docker's own rules match 127.0.0.11 only, so no order of rules
decides who gets the question (Docker 29 has them in a table that iptables does not see)."""

EMBEDDED = "127.0.0.11"
"""Docker's resolver in user-defined networks; it listens on another port than 53."""

DNS_PORT, GATE_TLS, GATE_HTTP = 5355, 3443, 3080
"""Where resolver and gate listen in a text for readers.  An apply takes free ports that nobody can
foresee: one that is known could be taken first."""

SINK4, SINK6 = "198.18.0.1", "100::1"
"""What unlisted names resolve to (RFC 2544, RFC 6666): nothing is there, and the attempt itself
meets the packet filter, which knows its port."""

_HEAD = "# The container's firewall answers names: mcpconf-fw status"
_KEPT = "#mcpconf# "
_MOST_SERVERS = 3  # as the C library (MAXNS)


class User(NamedTuple):
    """A system user, under which an engine runs."""

    name: str
    group: str
    uid: int


class Site(NamedTuple):
    """Where the firewall is.

    ``nameservers`` are the resolvers that were there before ours.  ``forwarders`` are those that
    Docker's embedded resolver asks from inside this namespace, as root; None where it does not say
    which.  ``hosts`` are the names of /etc/hosts with their addresses.  ``connected`` are the
    networks on the container's own links.  ``dns_port`` is where the resolver listens, ``dnsmasq``
    its version; ``gate_tls`` and ``gate_http`` are where the gate listens, if there is a ``gate``.
    ``epoch`` (1 to 255) is the mark of the flows that are accepted; it changes whenever a policy
    opens less than the one before.
    """

    nameservers: tuple[Network, ...] = ()
    forwarders: tuple[Network, ...] | None = ()
    hosts: tuple[tuple[str, Network], ...] = ()
    ipv6: bool = True
    dns: User = User("dnsmasq", "nogroup", 990)
    gate: User | None = None
    dns_port: int = DNS_PORT
    gate_tls: int = GATE_TLS
    gate_http: int = GATE_HTTP
    dnsmasq: tuple[int, int] = (2, 90)
    connected: tuple[Network, ...] = ()
    run: str = RUN
    epoch: int = 1

    @property
    def embedded(self) -> bool:
        """Whether Docker's embedded resolver is the one to ask."""
        return any(str(server.network_address) == EMBEDDED for server in self.nameservers)

    def addresses_of(self, name: str) -> tuple[Network, ...]:
        """The addresses that /etc/hosts gives a name."""
        return tuple(address for known, address in self.hosts if known == name)


def original_resolv(text: str) -> str:
    """A resolv.conf as it was before :func:`rewritten_resolv`."""
    if not text.startswith(_HEAD):
        return text
    kept = [line[len(_KEPT) :] for line in _lines(text) if line.startswith(_KEPT)]
    return "".join(f"{line}\n" for line in kept)


def _lines(text: str) -> list[str]:
    """Lines as the C library has them; Python knows nine more ends of lines."""
    return text.removesuffix("\n").split("\n") if text else []


def rewritten_resolv(text: str) -> str:
    """A resolv.conf that asks our resolver, with the original in comments.

    Search lists and ``ndots`` are left out: the sinkhole would answer under them.
    """
    original = _lines(original_resolv(text))
    options = " ".join(
        word
        for line in original
        if line.split()[:1] == ["options"]
        for word in line.split()[1:]
        if not word.startswith("ndots:") and re.fullmatch(r"[a-z0-9-]+(?::[0-9]+)?", word)
    )
    lines = [_HEAD, f"nameserver {STUB}"]
    lines += [f"options {options}"] if options else []
    return "\n".join([*lines, *(_KEPT + line for line in original)]) + "\n"


def read_resolv(text: str) -> tuple[tuple[Network, ...], tuple[Network, ...] | None]:
    """The nameservers of a resolv.conf, and Docker's forwarders (see :class:`Site`)."""
    servers: list[Network] = []
    forwarders: tuple[Network, ...] | None = None
    for line in _lines(original_resolv(text)):
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            servers += _addresses(words[1:2])
        ext = re.match(r"#\s*ExtServers: \[(.*)\]", line)
        if ext:
            forwarders = tuple(_addresses(w for w in ext[1].split() if not w.startswith("host(")))
    kept = tuple(s for s in dict.fromkeys(servers) if str(s.network_address) != STUB)
    embedded = any(str(s.network_address) == EMBEDDED for s in kept)
    return kept[:_MOST_SERVERS], forwarders if embedded else ()


def _addresses(words: object) -> list[Network]:
    found = (read_network(str(word).partition("%")[0]) for word in words)  # type: ignore[attr-defined]
    return [n for n in found if n is not None and n.prefixlen == n.max_prefixlen]


def read_routes(four: str, six: str) -> tuple[Network, ...]:
    """The networks on the container's own links, out of /proc/net/route and ipv6_route.

    Loopback, link-local and multicast ones are left out, and the default route.
    """
    found = [_route4(line.split()) for line in four.splitlines()[1:]]
    found += [_route6(line.split()) for line in six.splitlines()]
    near = (n for n in found if n is not None and n.prefixlen)
    return tuple(dict.fromkeys(n for n in near if not (n.is_loopback or n.is_multicast)))


def _route4(words: list[str]) -> Network | None:
    """A line of /proc/net/route: device, destination, gateway, …, mask; numbers are swapped."""
    try:
        target, gateway, mask = (bytes.fromhex(words[i])[::-1].hex() for i in (1, 2, 7))
        prefix = bin(int(mask, 16)).count("1")  # noqa: FURB161  Python 3.9
    except (ValueError, IndexError):
        return None
    if int(gateway, 16):
        return None
    dotted = ".".join(str(int(target[i : i + 2], 16)) for i in range(0, 8, 2))
    return read_network(f"{dotted}/{prefix}")


def _route6(words: list[str]) -> Network | None:
    """A line of /proc/net/ipv6_route: destination, length, source, length, gateway, …, device."""
    try:
        target, prefix, gateway = words[0], int(words[1], 16), int(words[4], 16)
    except (ValueError, IndexError):
        return None
    if gateway or words[-1] == "lo" or target.startswith("fe8"):
        return None
    colons = ":".join(target[i : i + 4] for i in range(0, 32, 4))
    return read_network(f"{colons}/{prefix}")


def read_hosts(text: str) -> tuple[tuple[str, Network], ...]:
    """The names of a hosts file, in lower case, each with an address."""
    found: list[tuple[str, Network]] = []
    for line in _lines(text):
        words = line.partition("#")[0].split()
        address = read_network(words[0].partition("%")[0]) if words else None
        if address is not None and address.prefixlen == address.max_prefixlen:
            found += [(name.lower(), address) for name in words[1:]]
    return tuple(found)
