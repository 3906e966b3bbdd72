"""headersHelper: a command of the user's that prints headers (fact 46).

It runs in a shell with a limit of ten seconds, in a process group of its own, so that nothing of it
outlives the limit.  What it prints is kept for five minutes, or until the server refuses it.  The
client goes on without the headers when it fails; we say so instead, without its output.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.contract import Route
from mcpconf.credential import secret_name
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.routes import is_header
from mcpconf.credentials.spawn import Program, printed_by
from mcpconf.origin import refuse_constant

LIMIT = 10.0  # seconds
KEPT = 300.0
_KEPT_FAILURE = 5.0  # so that a bridge that tries again does not start it each time
_JUST_NOW = 2.0  # answers to requests that were under way together
_LARGEST = 256 * 1024  # bytes


class Command(NamedTuple):
    """What to run: a shell line, where, and with which variables."""

    line: str
    cwd: str
    env: Mapping[str, str]

    def __repr__(self) -> str:
        return "Command(***)"


class _Answer(NamedTuple):
    at: float
    command: Command
    task: asyncio.Task[dict[str, str]]


class Helpers:
    """The helpers' answers, by server.  One of each runs at a time."""

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._answers: dict[tuple[str, str], _Answer] = {}

    def __repr__(self) -> str:
        return f"Helpers({len(self._answers)} answers)"

    async def headers(
        self, key: tuple[str, str], command: Command, *, refused: bool = False
    ) -> dict[str, str]:
        """Return the headers; ``refused`` says that the server refused the last ones.

        Raises:
            Missing: ``helper-failed``.

        """
        answer = self._answers.get(key)
        if answer is None or answer.command != command or self._stale(answer, refused=refused):
            task = asyncio.create_task(run(command, self._limit))
            task.add_done_callback(_seen)
            answer = _Answer(_now(), command, task)
            self._answers[key] = answer
        return await asyncio.shield(answer.task)

    def _stale(self, answer: _Answer, *, refused: bool) -> bool:
        if not answer.task.done():
            return False
        failed = answer.task.cancelled() or answer.task.exception() is not None
        limit = _KEPT_FAILURE if failed else _JUST_NOW if refused else KEPT
        return _now() - answer.at > limit


def command_of(route: Route, line: str, url: str, inherited: Mapping[str, str]) -> Command:
    """Return how the client would run a helper: where, and with which variables.

    A user's helper runs in the configuration directory, others in the launch directory.  One that
    came with the project does not see variables that are called like credentials.
    """
    project = inherited.get("CLAUDE_PROJECT_DIR", "")
    env = dict(inherited)
    name = os.path.basename(route.entry.file)
    if name in (".claude.json", ".config.json"):
        own = inherited.get("CLAUDE_CONFIG_DIR") or os.path.dirname(route.entry.file)
        config = own if name == ".config.json" else _beside(own)
        cwd = config if route.entry.pointer.startswith("/mcpServers/") else project
    else:
        env = {name: value for name, value in env.items() if not secret_name(name)}
        cwd = project
    env |= {"CLAUDE_CODE_MCP_SERVER_NAME": route.name, "CLAUDE_CODE_MCP_SERVER_URL": url}
    return Command(line, cwd or os.sep, env)


def _beside(directory: str) -> str:
    """``~/.claude``, which stands beside ``~/.claude.json``; else the directory itself."""
    default = os.path.join(directory, ".claude")
    return default if os.path.isdir(default) else directory


async def run(command: Command, limit: float) -> dict[str, str]:
    """Run a helper once and read what it prints.

    Raises:
        Missing: ``helper-failed``: it cannot start, takes too long, fails or prints no headers.

    """
    program = Program(("/bin/sh", "-c", command.line), command.cwd, command.env)
    try:
        printed = await printed_by(program, limit, _LARGEST)
    except TimeoutError:
        raise _failed(f"took longer than {limit:g} seconds") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its text cannot be an argument"
        raise _failed(f"cannot be started: {why}") from None
    if printed.cut:
        raise _failed(f"printed more than {_LARGEST} bytes")
    if printed.status != 0:
        raise _failed(f"ended with status {printed.status}")
    return read_headers(printed.text)


def read_headers(printed: bytes) -> dict[str, str]:
    """Read the JSON object of a helper.

    Raises:
        Missing: ``helper-failed``.

    """
    try:
        value = json.loads(printed.decode("utf-8-sig"), parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise _failed("printed something that is not JSON") from None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _failed("printed something else than an object of texts")
    headers = {name: text.strip(" \t\r\n") for name, text in value.items()}
    if not all(is_header(name, text) for name, text in headers.items()):
        raise _failed("printed a header that HTTP forbids")
    return headers


def _failed(how: str) -> Missing:
    return Missing("helper-failed", f"its headersHelper {how}; run it by hand to see why")


def _seen(task: asyncio.Task[dict[str, str]]) -> None:
    """Take the outcome, so that asyncio does not report one that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
