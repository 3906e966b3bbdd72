"""The firewall's program in a container, or in this one."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread, Timer
from typing import IO

from mcpconf.containers import inside
from mcpconf.containers.inside import PROGRAM
from mcpconf.containers.running import Container
from mcpconf.errors import Failure
from mcpconf.names import quote

RUN = "/run/mcpconf-fw"

_ANSWER = 20.0  # seconds, for a program in a container
_MOST = 16_000_000  # characters
_MOST_COMPLAINTS = 100  # pieces
_DYING = 0.5  # seconds


def is_inside() -> bool:
    """Whether this is a container that has the firewall itself."""
    return os.path.isdir(RUN) and _here() is not None


def _here() -> str | None:
    return next((path for path in inside.PLACES if os.access(path, os.X_OK)), None)


def command_in(container: Container | None, words: Sequence[str]) -> list[str]:
    """How to run the firewall's program in a container, or (None) here."""
    if container is not None:
        return inside.program(container, words)
    sudo = [] if os.geteuid() == 0 or not shutil.which("sudo") else ["sudo", "-n"]
    return [*sudo, _here() or inside.PLACES[0], *words]


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
    if container is not None:
        _check(code, container)
    return code


def answer_of(container: Container | None, words: Sequence[str]) -> str:
    """What it writes to stdout, whole.  Raises Failure."""
    who = quote(container.name) if container else "this container"
    code, out, err = whole(command_in(container, words), who)
    if container is not None:
        _check(code, container)
    if code:
        why = err.strip().splitlines()
        raise Failure(f"{who}: {why[0][:300] if why else f'exit code {code}'}")
    return out


def files_of(container: Container, paths: Sequence[str]) -> dict[str, str]:
    """The texts of files in a container; "" for one that cannot be read.  Raises Failure."""
    found = {}
    for path in paths:
        code, out, _ = whole(inside.read(container, path), quote(container.name))
        found[path] = out if code == 0 else ""
    if not any(found.values()):
        raise Failure(f"no file of {quote(container.name)} can be read; does it run?")
    return found


def _check(code: int, container: Container) -> None:
    """Raises Failure where an exit code says that the program is not there, or not root's."""
    who = quote(container.name)
    if code == inside.NOT_THERE:
        raise Failure(
            f"the container {who} has no {PROGRAM} where it is looked for",
            help=f"put it into the image, as {inside.PLACES[0]}: mcpconf firewall --install "
            f"{PROGRAM}; see docs/firewall.md",
        )
    if code == inside.NOT_ROOTS:
        raise Failure(
            f"{PROGRAM} of the container {who} is not root's alone, so it was not run",
            note="file and directories have to belong to root, and nobody else may write to them",
            help=f"in the image: install -o root -m 755 {PROGRAM} {inside.PLACES[0]}",
        )


def whole(
    command: list[str], who: str, patience: float = _ANSWER, told: bytes | None = None
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; ``told`` is what it gets to read.

    Raises Failure where it takes too long or says too much.
    """
    said: list[str] = []
    complaints: list[str] = []

    def add(piece: str) -> None:
        said.append(piece)
        if sum(map(len, said)) > _MOST:
            raise Failure(f"{who} says more than anybody reads")

    def complain(piece: str) -> None:
        if len(complaints) < _MOST_COMPLAINTS:
            complaints.append(piece)

    code = _run(command, add, complain, patience, told)
    if code < 0:
        raise Failure(f"{who} did not answer within {patience:g} seconds")
    return code, "".join(said), "".join(complaints)


def _run(
    command: list[str],
    out: Callable[[str], None],
    err: Callable[[str], None],
    patience: float | None = None,
    told: bytes | None = None,
) -> int:
    """Run a program and carry what it says; it is ended where that takes longer than ``patience``.

    Returns its exit code, below 0 where it was ended.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  a list of words, no shell
            command,
            stdin=subprocess.DEVNULL if told is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise Failure(f"{command[0]} could not be started: {error.strerror}") from error
    watch = Timer(patience or 0, process.kill)
    until = time.monotonic() + patience + _DYING if patience else None
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        beside = Thread(target=_carry, args=(process.stderr, err, until), daemon=True)
        beside.start()
        if process.stdin is not None:
            Thread(target=_tell, args=(process.stdin, told), daemon=True).start()
        if patience:
            watch.start()
        try:
            _carry(process.stdout, out, until)
            beside.join(_ANSWER)
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()


def _tell(stream: IO[bytes], told: bytes) -> None:
    with suppress(OSError, ValueError), stream:  # who does not read to the end has gone
        stream.write(told)


def _carry(stream: IO[bytes], to: Callable[[str], None], until: float | None) -> None:
    """Carry to the end, or to a time: what the program started may outlive it, and holds on."""
    decoder = getincrementaldecoder("utf-8")("replace")
    while until is None or _comes(stream, until):
        chunk = os.read(stream.fileno(), 65_536)
        if not chunk:
            return
        to(decoder.decode(chunk))


def _comes(stream: IO[bytes], until: float) -> bool:
    left = until - time.monotonic()
    return left > 0 and bool(select.select([stream], [], [], left)[0])
