"""A tiny MCP server on stdin/stdout that first records how it was started.

One JSON line (tag, argv, cwd, env) is appended to `--log`, or to the file $PROBE_LOG names.
Only flags that a case needs exist; everything else on the command line is kept in `argv`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

TOOL = {"name": "echo", "description": "echo", "inputSchema": {"type": "object"}}


def value_of(flag: str) -> str | None:
    """What follows the first `flag` on the command line."""
    rest = sys.argv[1:]
    at = rest.index(flag) + 1 if flag in rest else len(rest)
    return rest[at] if at < len(rest) else None


def record(path: str) -> None:
    """Append how this process was started."""
    line = {
        "tag": value_of("--tag") or "",
        "argv": sys.argv[1:],
        "cwd": os.getcwd(),
        "env": dict(os.environ),
    }
    with open(path, "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The member of the reply beside its id."""
    match method:
        case "initialize":
            time.sleep(float(value_of("--delay") or 0))
            version = params.get("protocolVersion", "2025-06-18")
            info = {"name": "probe", "version": "1"}
            known = {"protocolVersion": version, "capabilities": {"tools": {}}}
            return {"result": {**known, "serverInfo": info}}
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "ping":
            return {"result": {}}
    return {"error": {"code": -32601, "message": f"method not found: {method}"}}


def serve() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if "id" not in message or "method" not in message:
            continue
        reply = answer(message["method"], message.get("params") or {})
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}), flush=True)


if __name__ == "__main__":
    if log_path := value_of("--log") or os.environ.get("PROBE_LOG"):
        record(log_path)
    serve()
