"""A real MCP handshake with one server, through the very program that the container would start.

Whatever stands behind it, the other side is a process that speaks MCP over stdio: the bridge, or
the server itself.  It is greeted in the era of ``initialize``, and if it knows that no more in the
one of ``server/discover`` (2026-07-28); then it is asked for its tools.  What it says is hostile.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from mcpconf import __version__

_LEGACY, _MODERN = "2025-11-25", "2026-07-28"
_META = "io.modelcontextprotocol/"
_CLIENT = {"name": "mcpconf-wait", "version": __version__}
_PAUSE = 0.5  # seconds between two attempts
_LONGEST = 64 * 1024 * 1024  # bytes of a line
GRACE = 1.0
_LAST_WORDS = 400
_LONGEST_WORDS = 1000  # characters of an error
_UNKNOWN_METHOD = -32601  # JSON-RPC 2.0


class Outcome(NamedTuple):
    """How it went.  ``tools`` is None where the server did not answer; then ``message`` says why.

    ``late``: it may still come.  ``words`` is what a process wrote last to stderr, or instead of
    MCP to stdout; ``exit`` how it ended, None where it did not.  ``protocol`` is the version that
    it answered to ``initialize``, ``refused`` the error that it had instead of a list of tools.
    """

    tools: int | None = None
    code: str = ""
    message: str = ""
    late: bool = False
    words: str = ""
    exit: int | None = None
    protocol: str = ""
    refused: str = ""


class _Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """A JSON-RPC error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        said = str(error.get("message", "an error without words"))
        super().__init__(said[:_LONGEST_WORDS])
        data = error.get("data")
        ours = data.get("mcpconf") if isinstance(data, dict) else None
        self.unknown = error.get("code") == _UNKNOWN_METHOD
        self.ours: Mapping[str, Any] | None = ours if isinstance(ours, dict) else None


class Gone(Exception):  # noqa: N818
    """The process has ended, or speaks something else."""


class Talk:
    """One conversation over the pipes of a process.

    ``seen``: it was the server itself that answered, as far as one can know.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._last = 0
        self.seen = True
        self.heard = False  # anything that is MCP
        self.noise = ""  # the first line that is none

    def tell(self, method: str) -> None:
        self.write({"jsonrpc": "2.0", "method": method})

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a request and await its answer; what else the server says is passed over."""
        self._last += 1
        self.write({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        while True:
            message = await self.next()
            if str(message.get("method")).endswith("/list_changed"):
                self.seen = True  # a bridge says so when the server has come
            if message.get("id") != self._last or "method" in message:
                continue
            error = message.get("error")
            if isinstance(error, dict):
                raise _Refused(error)
            result = message.get("result")
            return result if isinstance(result, dict) else {}

    async def next(self) -> Mapping[str, Any]:
        try:
            line = await self._out.readline()
        except ValueError:
            raise Gone("it sends a line without an end") from None
        if not line:
            raise Gone("it has ended")
        with suppress(ValueError, RecursionError):
            message = json.loads(line)
            if isinstance(message, dict):
                self.heard = self.heard or "jsonrpc" in message
                return message
        self.noise = self.noise or line[:_LAST_WORDS].decode("utf-8", "replace").strip()
        return {}

    def write(self, message: Mapping[str, Any]) -> None:
        self._in.write(json.dumps(message).encode() + b"\n")


async def handshake(
    command: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    seconds: float,
    heard: Callable[[Outcome], None],
) -> Outcome:
    """Start the program, greet the server, ask for its tools; ``heard`` is told of each failure."""
    said = Outcome(code="timeout", message=f"no answer within {seconds:g} s", late=True)

    def note(outcome: Outcome) -> None:
        nonlocal said
        said = outcome
        heard(outcome)

    try:
        process = await started(command, environ, cwd)
    except OSError as error:
        return Outcome(code="spawn-failed", message=f"it cannot be started: {error.strerror}")
    talk = Talk(process)
    words = asyncio.ensure_future(last_words(process))
    try:
        async with asyncio.timeout(seconds):
            return await _greeted(talk, note)
    except TimeoutError:
        if talk.noise and not talk.heard:
            text = "it writes something else than MCP to its output"
            return Outcome(code="server-garbage", message=text, words=talk.noise)
        words.cancel()
        return said._replace(words=await words) if said.code == "timeout" else said
    except (Gone, BrokenPipeError, ConnectionResetError) as gone:
        return await _ended(process, words, str(gone) or "it has ended", talk.noise)
    finally:
        await end(process)
        words.cancel()


async def _ended(
    process: asyncio.subprocess.Process, words: asyncio.Future[str], text: str, noise: str
) -> Outcome:
    """How a process ended that closed its output; one of its children may hold its stderr open."""
    last, code = "", None
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            code = await process.wait()
            last = await asyncio.shield(words)
    last = last or noise
    shown = last.splitlines()[-1][:_LAST_WORDS] if last else ""
    message = f"{text}{f': {shown}' if shown else ''}"
    return Outcome(code="server-exited", message=message, words=last, exit=code)


async def started(
    command: Sequence[str], environ: Mapping[str, str], cwd: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
        cwd=cwd,
        limit=_LONGEST,
        start_new_session=True,
    )


async def _greeted(talk: Talk, note: Callable[[Outcome], None]) -> Outcome:
    """Greet the server in the era that it knows, then ask for its tools."""
    try:
        hello = await talk.ask("initialize", wish())
    except _Refused as refused:
        if refused.ours is not None:
            return _outcome(refused)
        try:
            await talk.ask("server/discover", modern())
        except _Refused:
            return Outcome(code="protocol", message=f"it refuses the handshake: {refused}")
        return await _tools(talk, modern(), note)
    why = _made_up(hello)
    if why:
        talk.seen = False
        note(Outcome(code="unreachable", message=why, late=True))
    talk.tell("notifications/initialized")
    protocol = str(hello.get("protocolVersion", ""))[:_LAST_WORDS]
    return (await _tools(talk, {}, note))._replace(protocol="" if why else protocol)


async def _tools(talk: Talk, params: Mapping[str, Any], note: Callable[[Outcome], None]) -> Outcome:
    """Ask until the server itself has answered; a bridge may answer for it meanwhile."""
    while True:
        try:
            tools = (await talk.ask("tools/list", params)).get("tools")
            if tools or talk.seen:
                return Outcome(tools=len(tools) if isinstance(tools, list) else 0)
        except _Refused as refused:
            if refused.ours is None:  # it is there, and has no tools
                return Outcome(tools=0, refused="" if refused.unknown else str(refused))
            outcome = _outcome(refused)
            if not outcome.late:
                return outcome
            note(outcome)
        await asyncio.sleep(_PAUSE)


def _made_up(hello: Mapping[str, Any]) -> str:
    """Why the bridge introduces a server that it has not seen yet; "" if the server did itself."""
    server = hello.get("serverInfo")
    made_up = isinstance(server, dict) and server.get("version") == "not reached"
    text = str(hello.get("instructions", ""))[:_LONGEST_WORDS]
    return text.partition(". What it")[0] if made_up else ""


def wish() -> dict[str, Any]:
    return {"protocolVersion": _LEGACY, "capabilities": {}, "clientInfo": _CLIENT}


def modern() -> dict[str, Any]:
    told = {"protocolVersion": _MODERN, "clientInfo": _CLIENT, "clientCapabilities": {}}
    return {"_meta": {_META + name: value for name, value in told.items()}}


def _outcome(refused: _Refused) -> Outcome:
    ours = refused.ours or {}
    code = ours.get("code")
    return Outcome(
        code=code if isinstance(code, str) and len(code) < _LAST_WORDS else "protocol",
        message=str(refused),
        late=ours.get("retry") is True,
    )


async def last_words(process: asyncio.subprocess.Process) -> str:
    """What the process wrote last to stderr, of which only the end is kept, without blank lines."""
    assert process.stderr is not None
    kept = b""
    with suppress(asyncio.CancelledError):  # then it is what was there so far
        while piece := await process.stderr.read(4096):
            kept = (kept + piece)[-4096:]
    lines = kept.decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if line.strip())


async def end(process: asyncio.subprocess.Process) -> None:
    """Close its input, as a client does that leaves; who does not go then is made to.

    With all that it started, which would hold its pipes open.
    """
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await process.wait()
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  whoever is left holds its pipes
