"""Runs a program for what it prints, within a limit of time and of length."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import NamedTuple

_REAPED = 2.0  # seconds that a killed process may take to be gone


class Program(NamedTuple):
    """What to run, where, with which variables, and what it reads on stdin."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    stdin: bytes = b""

    def __repr__(self) -> str:
        return "Program(***)"


class Printed(NamedTuple):
    """How it ended.  ``cut`` says that it printed more than it may."""

    status: int
    text: bytes
    cut: bool = False

    def __repr__(self) -> str:
        return f"Printed({self.status})"


class _Listening(asyncio.SubprocessProtocol):
    """Collects stdout, until there is too much of it or the process and its pipe are closed."""

    def __init__(self, largest: int) -> None:
        self._room = largest
        self._pieces: list[bytes] = []
        loop = asyncio.get_running_loop()
        self.enough: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        del fd
        self._room -= len(data)
        if not self.cut:
            self._pieces.append(data)
        else:
            _settle(self.enough)

    def process_exited(self) -> None:
        _settle(self.exited)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        _settle(self.enough)

    @property
    def cut(self) -> bool:
        return self._room < 0

    @property
    def text(self) -> bytes:
        return b"".join(self._pieces)


async def printed_by(program: Program, limit: float, largest: int) -> Printed:
    """Run a program in a process group of its own and return what it printed.

    A group that is not done within ``limit`` seconds, or prints more than ``largest`` bytes, is
    killed.  What a program that has ended well leaves running is its own business.

    Raises:
        TimeoutError: it took longer.
        OSError, ValueError: it cannot be started.

    """
    loop = asyncio.get_running_loop()
    transport, listening = await loop.subprocess_exec(
        lambda: _Listening(largest),
        *program.argv,
        stdin=PIPE if program.stdin else DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=program.cwd,
        env=dict(program.env),
        start_new_session=True,
    )
    done = False
    try:
        _feed(transport, program.stdin)
        async with asyncio.timeout(limit):
            await listening.enough
        done = not listening.cut
    finally:
        if not done:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await asyncio.wait([listening.exited], timeout=_REAPED)
        transport.close()
    return Printed(transport.get_returncode() or 0, listening.text, listening.cut)


def _feed(transport: asyncio.SubprocessTransport, text: bytes) -> None:
    if text:
        pipe = transport.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)
        pipe.write(text)
        pipe.close()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
