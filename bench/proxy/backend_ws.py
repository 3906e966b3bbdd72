#!/usr/bin/env python3
"""The reference server over WebSocket: one text frame a message, subprotocol ``mcp``; needs `websockets`.

backend_ws.py --port 9000 [--name w0]
"""

from __future__ import annotations

import argparse
import asyncio
import json

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import backend
import backend_extra


class Stream:
    """The connection in the role of a session's GET stream."""

    def __init__(self, socket):
        self.socket, self.queue = socket, asyncio.Queue()

    def sse(self, message, eid=None):
        data = message if isinstance(message, bytes) else backend.dumps(message)
        self.queue.put_nowait(data.decode())

    async def pump(self):
        while True:
            await self.socket.send(await self.queue.get())


async def connection(server, socket):
    session = backend.Session(server, "ws")
    session.headers = dict(socket.request.headers)
    stream = session.get_stream = Stream(socket)
    pump = asyncio.ensure_future(stream.pump())
    try:
        async for text in socket:
            message = json.loads(text)
            if not server.incoming(session, message):
                backend_extra.answer(server, session, message, stream.sse)
    except ConnectionClosed:
        pass
    finally:
        pump.cancel()
        for task in session.running.values():
            task.cancel()


async def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--name", default="w0")
    a = ap.parse_args()
    server = backend.Server(a.name)
    async with serve(
        lambda s: connection(server, s), "127.0.0.1", a.port, subprotocols=["mcp"], max_size=1 << 27
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
