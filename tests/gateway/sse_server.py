"""A server of the official SDK with the old transport: it knows the stateless era on it as well.

``python sse_server.py PORT``; what it was asked to cancel is what ``cancelled`` says.
"""

from __future__ import annotations

import sys
import warnings

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer

made = MCPServer("old", log_level="ERROR")
cancelled: list[str] = []


@made.tool()
async def progress(n: int, ms: int, ctx: Context) -> str:
    for number in range(n):
        await anyio.sleep(ms / 1000)
        await ctx.report_progress(number + 1, n)
    return f"{n} of them"


@made.tool()
async def wait(seconds: float) -> str:
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        cancelled.append("wait")
        raise
    return "over"


@made.tool()
def who_was_cancelled() -> str:
    return " ".join(cancelled) or "nobody"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    uvicorn.run(made.sse_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
