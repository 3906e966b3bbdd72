"""An address to listen on, as people write it: ``172.17.0.1:8811``, ``[fd00::1]:8811``."""

from __future__ import annotations

from typing import NamedTuple

_PORTS = range(1, 65536)


class ListenAddress(NamedTuple):
    """A literal IP address; ``port`` is None where it is not said."""

    host: str
    port: int | None = None

    @property
    def everywhere(self) -> bool:
        """Whether it stands for all addresses of the machine."""
        from ipaddress import IPv6Address, ip_address  # noqa: PLC0415  costs 5 ms

        address = ip_address(self.host)
        inside = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return (inside or address).is_unspecified


def read_listen(text: str) -> ListenAddress | None:
    """Read such an address; None when it is none.  A name is none: it may change its meaning."""
    from ipaddress import ip_address  # noqa: PLC0415

    host, port = _split(text)
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1  # noqa: PLR2004
    if port and number not in _PORTS:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.is_multicast or "%" in host:
        return None
    return ListenAddress(str(address), number if port else None)


def _split(text: str) -> tuple[str, str]:
    """Host and port of a text; two empty ones if it has a colon and nothing behind it."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return (host, rest[1:]) if rest[:1] == ":" and rest[1:] else (host * (text[-1] == "]"), "")
    if text.count(":") > 1:
        return text, ""
    host, colon, port = text.partition(":")
    return (host, port) if port or not colon else ("", "")
