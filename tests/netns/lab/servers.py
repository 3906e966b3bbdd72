"""What answers beyond the container: HTTP, TLS, streams with a banner, and datagrams.

Every request is logged with the address that it was sent to, the server name that TLS carried, and
what was said.  That log is what a verdict rests on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from pathlib import Path
from typing import Any

from tests.netns.lab.logs import Log
from tests.netns.lab.sockets import FAMILIES, Datagram, datagrams, listening, receiving

PORTS = {
    "internet": {
        "http": (80, 8080),
        "tls": (443, 8443, 853),
        "raw": (22, 5432, 9999),
        "udp": (443, 123, 9999, 51820),
    },
    "host": {"http": (80, 9003, 8811), "tls": (443,), "raw": (22, 2375, 6379), "udp": (9999,)},
    "neighbours": {"http": (80, 8080), "tls": (443,), "raw": (22, 3306), "udp": (9999,)},
}
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n"
_PAGES = {
    "/meta": {"web": ["45.66.77.64/31"], "api": ["45.66.77.70/32"], "git": ["45.66.77.72/30"]}
}
"""What public scripts ask of api.github.com."""
_TICKS_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_SWITCH = (
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",  # of the key in RFC 6455, 1.3
    "\r\n",
)
_TICK = b"5\r\ntick\n\r\n"
_CHUNK = bytes(65536)
_IDLE = 120
_LARGEST_BODY = 1 << 20


class Servers:
    """All servers of one role."""

    def __init__(self, state: Path, role: str) -> None:
        self._role = role
        self._log = Log(state / f"{role}.jsonl")
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(state / "server.pem")
        self._tls.sni_callback = _remember_name

    async def serve(self) -> None:
        ports = PORTS[self._role]
        starts = {"http": self._http, "tls": self._http, "raw": self._raw}
        for family in FAMILIES:
            for kind, start in starts.items():
                tls = self._tls if kind == "tls" else None
                for port in ports[kind]:
                    await asyncio.start_server(start, sock=listening(family, port), ssl=tls)
            for port in ports["udp"]:
                self._datagrams(family, port)
        self._log.say(ready=True)
        await asyncio.Event().wait()

    def _datagrams(self, family: int, port: int) -> None:
        def echo(got: Datagram) -> None:
            text = got.data[:200].decode("latin-1")
            self._log.say(kind="udp", src=got.source, dst=got.destination, dport=port, data=text)
            got.answer(b"LAB-ECHO " + got.data)

        sock = receiving(family, port)
        asyncio.get_running_loop().add_reader(sock, datagrams, sock, echo)

    async def _raw(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = _ends(writer)
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(b"LAB-BANNER\r\n")
            data = await asyncio.wait_for(reader.read(2048), _IDLE)
            self._log.say(**ends, data=data[:200].decode("latin-1"))
            writer.write(b"LAB-ECHO " + data)
            await writer.drain()
        writer.close()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = _ends(writer)
        with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError):
            while line := await asyncio.wait_for(reader.readline(), _IDLE):
                if b"HTTP/" not in line:
                    self._log.say(**ends, data=line[:200].decode("latin-1"))
                    writer.write(b"LAB-ECHO " + line)
                    break
                request = await _request(line, reader)
                self._log.say(**ends, **request)
                if not await _respond(writer, ends, request):
                    break
        with contextlib.suppress(OSError):
            writer.close()


def _remember_name(tls: Any, name: str | None, _context: ssl.SSLContext) -> None:
    tls.server_name_sent = name


def _ends(writer: asyncio.StreamWriter) -> dict[str, Any]:
    destination, port = writer.get_extra_info("sockname")[:2]
    source = writer.get_extra_info("peername")[0]
    tls = writer.get_extra_info("ssl_object")
    sni = getattr(tls, "server_name_sent", None)
    return {"src": source, "dst": destination, "dport": port, "sni": sni}


async def _request(line: bytes, reader: asyncio.StreamReader) -> dict[str, Any]:
    """One request; of a header that comes twice the last counts, ``hosts`` has all of Host."""
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    hosts = []
    while header := (await reader.readline()).decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
        if name.strip().lower() == "host":
            hosts.append(value.strip())
    length = min(int(headers.get("content-length", "0")), _LARGEST_BODY)
    body = await reader.readexactly(length)
    return {
        "method": method,
        "path": path,
        "host": headers.get("host", ""),
        "hosts": hosts,
        "tok": headers.get("x-token"),
        "body": body[:200].decode("latin-1"),
        "upgrade": headers.get("upgrade") == "websocket",
        "keep": headers.get("connection", "").lower() == "keep-alive",
    }


async def _respond(
    writer: asyncio.StreamWriter, ends: dict[str, Any], request: dict[str, Any]
) -> bool:
    """Answer; true if the connection goes on."""
    path, _, number = request["path"].partition("?")
    if path == "/ticks":
        await _tick(writer)
    if path == "/bytes":
        await _pour(writer, int(number))
        return False
    keep = request["keep"]
    if request["upgrade"]:
        writer.write("\r\n".join(_SWITCH).encode())
        return True
    shown = {**ends, **{key: request[key] for key in ("host", "path", "tok")}, "lab": True}
    body = json.dumps(_PAGES.get(path, shown))
    writer.write((_HEAD.format(len(body), "keep-alive" if keep else "close") + body).encode())
    await writer.drain()
    return keep


async def _tick(writer: asyncio.StreamWriter) -> None:
    """A stream that ends when nobody takes it any more."""
    writer.write(_TICKS_HEAD)
    while True:
        writer.write(_TICK)
        await writer.drain()
        await asyncio.sleep(0.1)


async def _pour(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(_HEAD.format(size, "close").encode())
    for start in range(0, size, len(_CHUNK)):
        writer.write(_CHUNK[: size - start])
        await writer.drain()
