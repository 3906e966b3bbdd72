"""The address plan of the laboratory.

The internet's addresses are globally routable ones: dnsmasq's rebinding filter and Python's
``is_global`` take documentation ranges for private.  The namespaces have no way out.
"""

from __future__ import annotations

import ipaddress

BOX4, BOX6 = "10.88.0.10", "fd88::10"  # the container under test
GATEWAY4, GATEWAY6 = "10.88.0.1", "fd88::1"  # its host
NEIGHBOUR4, NEIGHBOUR6 = "10.88.0.20", "fd88::20"  # another container, never listed
WEB4, WEB6 = "10.88.0.30", "fd88::30"  # another container, `web`
METADATA4, METADATA6 = "169.254.169.254", "fd00:ec2::254"
UPLINK4, UPLINK6 = ("10.99.0.1", "10.99.0.2"), ("fd99::1", "fd99::2")  # host, internet
RESOLVER4, RESOLVER6 = "45.66.77.53", "2a0b:4142:18::53"
OTHER_RESOLVER4, OTHER_RESOLVER6 = "45.66.77.99", "2a0b:4142:18::99"  # the attacker's
EVIL4, EVIL6 = "45.66.77.66", "2a0b:4142:18::66"
CDN4, CDN6 = "45.66.77.20", "2a0b:4142:18::20"  # two names, one address
BLOCKED4, BLOCKED6 = "45.66.77.68", "2a0b:4142:18::68"

AGENT = 1000  # the uid of whoever is to be kept in


def host4(number: int) -> str:
    """One of the internet's hosts."""
    return f"45.66.77.{number}"


def host6(number: int) -> str:
    """The same by IPv6; the digits are read as hexadecimal ones."""
    return f"2a0b:4142:18::{number}"


def bulk4(number: int) -> str:
    """One of 65,000 more."""
    return str(ipaddress.ip_address("45.71.0.0") + (number % 65000) + 1)


def bulk6(number: int) -> str:
    return str(ipaddress.ip_address("2a0b:4142:19::") + number + 1)
