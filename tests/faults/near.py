"""A server on stdin and stdout that misbehaves as its first word says.  Standard library only."""

from __future__ import annotations

import json
import socket
import sys
import time

TOOL = {"name": "echo", "description": "echo", "inputSchema": {"type": "object"}}


def answer(kind: str, message: dict) -> dict:  # type: ignore[type-arg]
    match message["method"]:
        case "initialize":
            known = message["params"]["protocolVersion"]
            version = "1999-01-01" if kind == "old-version" else known
            about = {"name": "near", "version": "1"}
            return {
                "result": {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": about,
                }
            }
        case "tools/list" if kind != "no-tools":
            odd = {"name": "odd", "inputSchema": {"type": "string"}}
            return {"result": {"tools": [TOOL, odd] if kind == "odd-tool" else [TOOL]}}
        case "tools/list":
            return {"error": {"code": -32603, "message": "the database is away"}}
        case "ping":
            return {"result": {}}
    return {"error": {"code": -32601, "message": "method not found"}}


def begin(kind: str) -> None:
    """What it does before it listens."""
    if kind == "exits":
        sys.exit("Error: DATABASE_URL is not set")
    if kind == "fetches":
        host, port = sys.argv[2:4]
        socket.create_connection((host, int(port)), 5).close()
    if kind == "slow":
        time.sleep(3)


def main(kind: str) -> None:
    begin(kind)
    for line in sys.stdin:
        if kind == "silent":
            continue
        if kind == "garbage":
            print("ready to help!", flush=True)
            continue
        message = json.loads(line)
        if "id" not in message or (kind == "no-discover" and "discover" in message["method"]):
            continue
        reply = {"jsonrpc": "2.0", "id": message["id"], **answer(kind, message)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "")
