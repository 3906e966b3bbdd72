"""The internet's resolver, at every address, and the socket that changes its mind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.netns.lab import dns_wire
from tests.netns.lab.addresses import RESOLVER4, RESOLVER6
from tests.netns.lab.logs import Log
from tests.netns.lab.sockets import FAMILIES, Datagram, datagrams, listening, receiving
from tests.netns.lab.zone import Zone

_LARGEST_DATAGRAM = 1232
_WAIT = 10
_BROKEN = (ValueError, IndexError, struct.error)


class DnsServer:
    """Answers from a zone and logs every query as it arrived."""

    def __init__(self, state: Path) -> None:
        self._zone = Zone()
        self._log = Log(state / "dns.jsonl")
        self._control = state / "dns.sock"

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        for family in FAMILIES:
            sock = receiving(family, 53)
            loop.add_reader(sock, datagrams, sock, self._datagram)
            await asyncio.start_server(self._stream, sock=listening(family, 53))
        await asyncio.start_unix_server(self._orders, self._control)
        self._log.say(ready=True)
        await asyncio.Event().wait()

    def _datagram(self, got: Datagram) -> None:
        self._handle(got.data, ("udp", got.source, got.destination), got.answer)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queries may be pipelined; answers come as they are ready (RFC 7766)."""
        ends = writer.get_extra_info("peername")[0], writer.get_extra_info("sockname")[0]
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            while True:
                head = await asyncio.wait_for(reader.readexactly(2), _WAIT)
                packet = await reader.readexactly(struct.unpack(">H", head)[0])
                self._handle(packet, ("tcp", *ends), partial(_framed, writer))
        writer.close()

    def _handle(
        self, packet: bytes, way: tuple[str, str, str], answer: Callable[[bytes], None]
    ) -> None:
        try:
            asked = dns_wire.question(packet)
        except _BROKEN:
            return
        via, source, destination = way
        self._log.say(via=via, src=source, dst=destination, name=asked.name, qtype=asked.kind)
        if self._zone.down and destination in (RESOLVER4, RESOLVER6):
            return
        found = self._zone.answer(asked.name, asked.kind)
        if found.dropped:
            return
        limit = min(asked.size, _LARGEST_DATAGRAM) if via == "udp" else 0
        out = dns_wire.reply(packet, asked, found.code, found.records, limit)
        if found.delay:
            asyncio.get_running_loop().call_later(found.delay, answer, out)
        else:
            answer(out)

    async def _orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self._obey(json.loads(line))
            writer.write(b"ok\n")
            await writer.drain()
        writer.close()

    def _obey(self, order: dict[str, Any]) -> None:
        if "name" in order:
            self._zone.names[order["name"]] = order["behaviour"]
        self._zone.down = order.get("down", self._zone.down)
        self._zone.latency = order.get("latency", self._zone.latency)


def _framed(writer: asyncio.StreamWriter, out: bytes) -> None:
    if not writer.is_closing():
        writer.write(struct.pack(">H", len(out)) + out)
