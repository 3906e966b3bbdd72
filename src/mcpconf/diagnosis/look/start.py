"""Starts servers in a container as Claude Code there would, and greets them.

The entry is what the container's mcp.json is to have.  Its references are variables of the
container, so a Python there puts them in; nothing of them comes out.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from mcpconf.containers.agent import Agent, starts
from mcpconf.containers.running import Container
from mcpconf.diagnosis.container_facts import Tried, Wish
from mcpconf.diagnosis.evidence import Taken
from mcpconf.diagnosis.look.taking import taken
from mcpconf.model import BRIDGE, Json
from mcpconf.service.first_question import answers_discover
from mcpconf.service.handshake import Outcome, handshake

_FIRST_ANSWER = "MCP_TIMEOUT=2000"  # milliseconds: then the bridge says what it waits for
_NO_GATEWAY = "no gateway answers"  # as the bridge says it: nothing will come of waiting
_LAST = 1.0  # seconds
_PROBE = 3.0  # seconds that the client waits for an answer to its first question (fact 56)
_SILENT = ("timeout", "")
_AT_ONCE = 6
_LONGEST = 100_000  # characters; Linux takes 128 KiB in one argument

# As expand.py and the client do: one pass, the default ends at the first brace (facts 38-45).
_EXPANDS = r"""
import json, os, re, sys
entry = json.loads(sys.argv[1])
def put(found):
    name, default = found.group(1), found.group(2)
    value = os.environ.get(name)
    return value if value is not None else found.group() if default is None else default
def expand(text):
    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}", put, text)
words = [expand(word) for word in entry["words"]]
added = {name: expand(value) for name, value in entry["env"].items()}
try:
    os.execvpe(words[0], words, {**os.environ, **added})
except FileNotFoundError:
    sys.stderr.write("mcpconf: not found\n")
    sys.exit(127)
except OSError as error:
    sys.stderr.write("mcpconf: %s\n" % error.strerror)
    sys.exit(126)
"""


# The starter, what it starts as JSON, and the same as words for where there is no Python; with
# references and without a Python nothing is started.
_STARTS = r"""
starter=$1 entry=$2
shift 2
for python in /usr/bin/python3 /usr/local/bin/python3 /bin/python3; do
  [ ! -x "$python" ] || exec "$python" -I -c "$starter" "$entry"
done
[ $# -gt 0 ] || { echo "mcpconf: no python3 here" >&2; exit 96; }
exec "$@"
"""


def command_of(wish: Wish) -> list[str] | None:
    """What is started there for a server; None where its entry starts nothing.

    It is Python that starts it: like the client, and unlike a shell, it runs nothing as a script
    that does not say so itself.
    """
    command, args, env = (wish.entry.get(key) for key in ("command", "args", "env"))
    if not isinstance(command, str) or not command:
        return None
    words = [command, *(map(str, args) if isinstance(args, list) else ())]
    if command == BRIDGE:
        return [*words, "--cache", ""]  # or it would say what the server said last time
    added = {str(k): str(v) for k, v in env.items()} if isinstance(env, dict) else {}
    document: Json = {"words": list[Json](words), "env": dict[str, Json](added)}
    text = json.dumps(document)
    if len(text) > _LONGEST:
        return None
    plain = ["env", *(f"{k}={v}" for k, v in added.items())] if added else []
    plain = [] if "${" in text else [*plain, *words]
    return ["/bin/sh", "-c", _STARTS, "start", _EXPANDS, text, *plain]


def try_all(
    container: Container, agent: Agent, wishes: Sequence[Wish], seconds: float
) -> dict[str, Tried]:
    """Start and greet all of them at once; what has nothing to start is left out."""

    async def everybody() -> dict[str, Tried]:
        gate = asyncio.Semaphore(_AT_ONCE)
        chosen = [(w, c) for w in wishes if (c := command_of(w)) is not None]

        async def one(wish: Wish, command: list[str]) -> Tried:
            async with gate:
                return await _try(container, agent, wish, command, seconds)

        found = await asyncio.gather(*(one(w, c) for w, c in chosen))
        return {w.name: tried for (w, _), tried in zip(chosen, found, strict=True)}

    return asyncio.run(everybody())


async def _try(
    container: Container, agent: Agent, wish: Wish, command: Sequence[str], seconds: float
) -> Tried:
    heard: list[Outcome] = []
    if wish.entry.get("command") == BRIDGE:
        agent = agent._replace(given=(*agent.given, _FIRST_ANSWER))
    began, clock = time.monotonic(), time.time()
    words = starts(container, agent, command, seconds + 3)
    alarm = asyncio.Event()

    def hear(outcome: Outcome) -> None:
        heard.append(outcome)
        if _NO_GATEWAY in outcome.message:
            alarm.set()

    hands = asyncio.create_task(handshake(words, os.environ, "/", seconds, hear))
    ringing = asyncio.create_task(alarm.wait())
    await asyncio.wait({hands, ringing}, return_when=asyncio.FIRST_COMPLETED)
    ringing.cancel()
    if not hands.done():
        await asyncio.wait({hands}, timeout=_LAST)
        hands.cancel()
    outcome = heard[-1] if heard else Outcome()
    with suppress(asyncio.CancelledError):
        outcome = await hands
    seconds = time.monotonic() - began
    ended, own = time.time(), wish.entry.get("command") != BRIDGE
    probed, looked = await _looked_at(words, outcome, own=own)
    return Tried(
        tools=outcome.tools,
        code=outcome.code,
        words=outcome.words or ("" if outcome.code == "timeout" else outcome.message),
        exit=outcome.exit,
        seconds=seconds,
        began=clock,
        ended=ended,
        outcome=outcome,
        probed=probed,
        taken=looked,
    )


async def _looked_at(
    words: Sequence[str], outcome: Outcome, *, own: bool
) -> tuple[bool | None, Taken | None]:
    """Whether it answers the client's first question, and what the client makes of its answers."""
    works = outcome.tools is not None
    if not works and not (own and outcome.code in _SILENT):
        return None, None
    looking = asyncio.create_task(taken(words, os.environ, "/", _PROBE, old=False))
    probed = await answers_discover(words, os.environ, "/", _PROBE) if works and own else None
    return probed, await looking
