"""Docker's embedded resolver, as it behaves.

Its sockets are in the container's network namespace, its process is not: what it asks upstream
passes the container's own OUTPUT chain as uid 0, exactly as dockerd's does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from pathlib import Path

from tests.netns.lab import dns_wire
from tests.netns.lab.addresses import RESOLVER4, WEB4, WEB6
from tests.netns.lab.dns_wire import AAAA, A, Question, Record

ADDRESS = "127.0.0.11"
_CONTAINERS = {("web", A): WEB4, ("web", AAAA): WEB6}
_PATIENCE = 4
_BURST = 64
_RULES = """*nat
:DOCKER_OUTPUT - [0:0]
:DOCKER_POSTROUTING - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:{tcp}
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:{udp}
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp -m tcp --sport {tcp} -j SNAT --to-source :53
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp -m udp --sport {udp} -j SNAT --to-source :53
COMMIT
"""
_TABLE = """table ip docker-dns {{
 chain dns-dnat {{ type nat hook output priority -100; policy accept;
  ip daddr 127.0.0.11 udp dport 53 counter dnat to 127.0.0.11:{udp}
  ip daddr 127.0.0.11 tcp dport 53 counter dnat to 127.0.0.11:{tcp}
 }}
 chain dns-snat {{ type nat hook postrouting priority 100; policy accept;
  ip saddr 127.0.0.11 udp sport {udp} counter snat to :53
  ip saddr 127.0.0.11 tcp sport {tcp} counter snat to :53
 }}
}}
"""


class Ports(dict[str, int]):
    """Where the resolver really listens."""

    @property
    def rules(self) -> str:
        """What Docker gives to iptables-restore."""
        return _RULES.format_map(self)

    @property
    def table(self) -> str:
        """What Docker 29 and later give to nft."""
        return _TABLE.format_map(self)


class DockerDns:
    """Answers for its own containers and forwards everything else."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((ADDRESS, 0))
        self._udp.setblocking(False)

    async def serve(self) -> None:
        asyncio.get_running_loop().add_reader(self._udp, self._arrived)
        server = await asyncio.start_server(self._stream, ADDRESS, 0)
        ports = {
            "udp": self._udp.getsockname()[1],
            "tcp": server.sockets[0].getsockname()[1],
        }
        ready = self._state / "docker_dns.new"
        ready.write_text(json.dumps(ports))
        ready.rename(self._state / "docker_dns.json")
        await asyncio.Event().wait()

    def _arrived(self) -> None:
        for _ in range(_BURST):
            try:
                packet, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            with contextlib.suppress(ValueError, IndexError, struct.error):
                asked = dns_wire.question(packet)
                if own := _own(packet, asked):
                    self._udp.sendto(own, peer)
                else:
                    self._forward(packet, peer)

    def _forward(self, packet: bytes, peer: tuple[str, int]) -> None:
        """Ask upstream; what the container's own firewall refuses becomes SERVFAIL."""
        loop = asyncio.get_running_loop()
        upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        upstream.setblocking(False)

        def end() -> None:
            if upstream.fileno() >= 0:
                loop.remove_reader(upstream)
                upstream.close()

        def back() -> None:
            self._udp.sendto(_received(upstream, packet), peer)
            end()

        try:
            upstream.connect((RESOLVER4, 53))
            upstream.send(packet)
        except OSError:
            upstream.close()
            self._udp.sendto(dns_wire.refused(packet), peer)
            return
        loop.add_reader(upstream, back)
        loop.call_later(_PATIENCE, end)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError, IndexError):
            while True:
                packet = await _message(reader)
                own = _own(packet, dns_wire.question(packet))
                answer = own or await _ask_by_stream(packet)
                writer.write(struct.pack(">H", len(answer)) + answer)
                await writer.drain()
        writer.close()


def _own(packet: bytes, asked: Question) -> bytes | None:
    """The answer for another container's name."""
    if not any(name == asked.name for name, _ in _CONTAINERS):
        return None
    address = _CONTAINERS.get((asked.name, asked.kind))
    records = [Record(asked.name, asked.kind, 600, address)] if address else []
    return dns_wire.reply(packet, asked, 0, records)


def _received(upstream: socket.socket, packet: bytes) -> bytes:
    try:
        return upstream.recv(8192)
    except OSError:
        return dns_wire.refused(packet)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readexactly(2), _PATIENCE)
    return await reader.readexactly(struct.unpack(">H", head)[0])


async def _ask_by_stream(packet: bytes) -> bytes:
    connecting = asyncio.open_connection(RESOLVER4, 53)
    reader, writer = await asyncio.wait_for(connecting, _PATIENCE)
    writer.write(struct.pack(">H", len(packet)) + packet)
    answer = await _message(reader)
    writer.close()
    return answer
