"""The firewall's program in a container, or in this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from threading import Thread, Timer
from typing import IO

from mcpconf.containers.engine import NoAnswer, ask
from mcpconf.containers.running import Container
from mcpconf.errors import Failure
from mcpconf.names import quote

PROGRAM = "mcpconf-fw"
RUN = "/run/mcpconf-fw"

_ANSWER = 20.0  # seconds, for a program in a container
_MOST = 16_000_000  # characters
_MOST_COMPLAINTS = 100  # pieces
_NOT_THERE = (126, 127)  # what an engine's exec leaves with where the program is missing


def is_inside() -> bool:
    """Whether this is a container that has the firewall itself."""
    return os.path.isdir(RUN) and shutil.which(PROGRAM) is not None


def command_in(container: Container | None, words: Sequence[str]) -> list[str]:
    """How to run the firewall's program in a container, or (None) here."""
    if container is not None:
        return [container.engine, "exec", "-u", "0", container.name, PROGRAM, *words]
    sudo = [] if os.geteuid() == 0 or not shutil.which("sudo") else ["sudo", "-n"]
    return [*sudo, PROGRAM, *words]


def passed_through(
    container: Container | None,
    words: Sequence[str],
    out: Callable[[str], None],
    err: Callable[[str], None],
) -> int:
    """Run it, hand on what it says piece by piece, and return its exit code.

    Raises Failure where the container does not have it.
    """
    code = _run(command_in(container, words), out, err)
    if code in _NOT_THERE and container is not None:
        raise _lacks(container)
    return code


def answer_of(container: Container | None, words: Sequence[str]) -> str:
    """What it writes to stdout, whole.  Raises Failure."""
    who = quote(container.name) if container else "this container"
    code, out, err = _whole(command_in(container, words), who)
    if code in _NOT_THERE and container is not None:
        raise _lacks(container)
    if code:
        why = err.strip().splitlines()
        raise Failure(f"{who}: {why[0][:300] if why else f'exit code {code}'}")
    return out


def files_of(container: Container, paths: Sequence[str]) -> dict[str, str]:
    """The texts of files in a container; "" for one that cannot be read.  Raises Failure."""
    found = {}
    for path in paths:
        words = [container.engine, "exec", "-u", "0", container.name, "cat", path]
        code, out, _ = _whole(words, quote(container.name))
        found[path] = out if code == 0 else ""
    if not any(found.values()):
        raise Failure(f"no file of {quote(container.name)} can be read; does it run?")
    return found


def has_firewall(container: Container, patience: float) -> bool:
    """Whether a firewall is in force there; False where that takes too long to find out."""
    try:
        words = ["exec", "-u", "0", container.name, "test", "-e", f"{RUN}/state.json"]
        ask(container.engine, words, time.monotonic() + patience)
    except NoAnswer:
        return False
    return True


def _lacks(container: Container) -> Failure:
    return Failure(
        f"the container {quote(container.name)} has no {PROGRAM}",
        help=f"put it into the image: mcpconf firewall --install {PROGRAM}; see docs/firewall.md",
    )


def _whole(command: list[str], who: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr.  Raises Failure where it takes too long or says too much."""
    said: list[str] = []
    complaints: list[str] = []

    def add(piece: str) -> None:
        said.append(piece)
        if sum(map(len, said)) > _MOST:
            raise Failure(f"{who} says more than anybody reads")

    def complain(piece: str) -> None:
        if len(complaints) < _MOST_COMPLAINTS:
            complaints.append(piece)

    code = _run(command, add, complain, _ANSWER)
    if code < 0:
        raise Failure(f"{who} did not answer within {_ANSWER:g} seconds")
    return code, "".join(said), "".join(complaints)


def _run(
    command: list[str],
    out: Callable[[str], None],
    err: Callable[[str], None],
    patience: float | None = None,
) -> int:
    """Run a program and carry what it says; it is ended where that takes longer than ``patience``.

    Returns its exit code, below 0 where it was ended.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  a list of words, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise Failure(f"{command[0]} could not be started: {error.strerror}") from error
    watch = Timer(patience or 0, process.kill)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        beside = Thread(target=_carry, args=(process.stderr, err), daemon=True)
        beside.start()
        if patience:
            watch.start()
        try:
            _carry(process.stdout, out)
            beside.join(_ANSWER)
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()


def _carry(stream: IO[bytes], to: Callable[[str], None]) -> None:
    decoder = getincrementaldecoder("utf-8")("replace")
    while chunk := os.read(stream.fileno(), 65_536):
        to(decoder.decode(chunk))
