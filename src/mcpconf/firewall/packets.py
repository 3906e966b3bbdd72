"""What the packet filter refused, as the recorder wrote it down: a JSON object a line (ulogd2).

Of each packet count its time, where it was to go, and who sent it.  The filter hands over at most
20 packets a second, so many attempts at once are more than are written down.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from mcpconf.firewall.dnslog import is_address
from mcpconf.firewall.tokens import is_port

PREFIX = "mcpconf"
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_TCP = 6
_MOST_UID = 0xFFFFFFFF


class Packet(NamedTuple):
    """A refused packet.  ``time``: Unix seconds; ``port`` 0 and ``uid`` -1 where there is none.

    ``begins``: it does not belong to a TCP stream that was open already.
    """

    time: float
    address: str
    port: int
    protocol: str
    uid: int
    begins: bool = True


def read_packet(line: str) -> Packet | None:
    """One line of the record; None where it is none of ours or is not whole."""
    try:
        found: Any = json.loads(line)
        if found["oob.prefix"] != PREFIX:
            return None
        seconds, fraction = found["oob.time.sec"], found.get("oob.time.usec", 0)
        address = found["dest_ip"]
        protocol = int(found["ip.protocol"])
        begins = protocol != _TCP or (bool(found.get("tcp.syn", 1)) and not found.get("tcp.ack", 0))
        port, uid = found.get("dest_port", 0), found.get("oob.uid", -1)
        when = float(seconds) + float(fraction) / 1e6
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if not isinstance(address, str) or not is_address(address):
        return None
    return Packet(
        when,
        address,
        port if is_port(port) else 0,
        _PROTOCOLS.get(protocol, f"protocol {protocol & 0xFF}"),
        uid if isinstance(uid, int) and 0 <= uid <= _MOST_UID else -1,
        begins,
    )
