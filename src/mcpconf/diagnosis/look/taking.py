"""Greets a server once more, and looks at what it says with the eyes of Claude Code.

The first handshake takes what comes; the client refuses a greeting or a list of tools whose shape
it does not know (facts 72, 73), and shows no tools then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mcpconf.diagnosis.evidence import Taken
from mcpconf.service.handshake import Gone, Talk, end, last_words, started, wish
from mcpconf.wire.safe import printable
from mcpconf.wire.schema import GREETING, misfit, tools_shape

_MADE_UP = "not reached"  # the version in a greeting that the bridge gives for a server
_INITIALIZE, _TOOLS = "initialize", "tools/list"


async def taken(
    command: Sequence[str], environ: Mapping[str, str], cwd: str, seconds: float, *, old: bool
) -> Taken | None:
    """Greet a process and ask for its tools, in this time; None where it does not answer at all.

    ``old``: as 2.1.197 wants it.
    """
    try:
        process = await started(command, environ, cwd)
    except OSError:
        return None  # that is another cause

    words = asyncio.ensure_future(last_words(process))
    talk, said = Talk(process), dict[str, Any]()
    try:
        async with asyncio.timeout(seconds):
            await _ask(talk, _INITIALIZE, wish(), said)
            if _goes_on(said.get(_INITIALIZE)):
                talk.tell("notifications/initialized")
                await _ask(talk, _TOOLS, {}, said)
    except (TimeoutError, Gone, OSError):
        pass  # what it has said by then counts
    finally:
        await end(process)
        words.cancel()
    return _judged(said, old=old) if said else None


def _goes_on(hello: object) -> bool:
    """Whether the client asks for the tools after this greeting; a bridge's own is none."""
    if misfit(hello, GREETING) or not isinstance(hello, dict):
        return False
    return hello["serverInfo"]["version"] != _MADE_UP and "tools" in hello["capabilities"]


async def _ask(talk: Talk, method: str, params: Mapping[str, Any], said: dict[str, Any]) -> None:
    """Ask, and keep the result; an error keeps nothing, as it is looked at elsewhere."""
    talk.write({"jsonrpc": "2.0", "id": method, "method": method, "params": params})
    while True:
        message = await talk.next()
        if message.get("id") == method and "method" not in message:
            if "result" in message:
                said[method] = message["result"]
            return


def _judged(said: Mapping[str, Any], *, old: bool) -> Taken:
    shapes = ((_INITIALIZE, GREETING), (_TOOLS, tools_shape(old=old)))
    for method, shape in shapes:
        at = misfit(said[method], shape) if method in said else ""
        if at:
            return Taken(greets=True, call=method, misfit=printable(at, 80), whose=_whose(said, at))
    info = said[_INITIALIZE]["serverInfo"] if _INITIALIZE in said else {"version": _MADE_UP}
    return Taken(greets=info["version"] != _MADE_UP)


def _whose(said: Mapping[str, Any], at: str) -> str:
    """The name of the tool in which something is amiss."""
    kind, _, rest = at.partition(".")
    index = rest.partition(".")[0]
    if kind != "tools" or not index.isdigit():
        return ""
    tool = said[_TOOLS]["tools"][int(index)]
    name = tool.get("name") if isinstance(tool, dict) else None
    return printable(name, 60) if isinstance(name, str) else ""
