"""What newer clients ask first: ``server/discover``, of processes too; who ignores it costs 3 s."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from mcpconf.service.handshake import GRACE, Gone, Talk, end, last_words, modern, started, wish

_DISCOVER, _INITIALIZE = "server/discover", "initialize"


async def answers_discover(
    command: Sequence[str], environ: Mapping[str, str], cwd: str, seconds: float
) -> bool | None:
    """Whether a process answers ``server/discover`` within the time, be it by an error (fact 47).

    False only where it then answers ``initialize`` at once, so that it had started: None otherwise.
    """
    try:
        process = await started(command, environ, cwd)
    except OSError:
        return None  # that is another cause
    words = asyncio.ensure_future(last_words(process))
    talk = Talk(process)
    try:
        if await _first_answer(talk, _DISCOVER, modern(), seconds):
            return True
        return (
            False if await _first_answer(talk, _INITIALIZE, wish(), GRACE) == _INITIALIZE else None
        )
    except (Gone, OSError):
        return None
    finally:
        await end(process)
        words.cancel()


async def _first_answer(
    talk: Talk, method: str, params: Mapping[str, object], seconds: float
) -> str:
    """Ask, and return which question is answered first; "" for none in time."""
    talk.write({"jsonrpc": "2.0", "id": method, "method": method, "params": params})
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                answered = (await talk.next()).get("id")
                if answered in (_DISCOVER, _INITIALIZE):
                    return str(answered)
    return ""
