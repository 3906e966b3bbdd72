"""Container engines by their command line: which there are, and what one answers in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence

from mcpconf.errors import Failure
from mcpconf.names import quote

ENGINES = ("docker", "podman")


class NoAnswer(Exception):  # noqa: N818  it becomes a Failure where nobody else answers
    """An engine does not answer; ``help`` is what to do.

    ``kind`` is ``silent``, ``denied`` (not to this user), ``down`` or ``refused``.
    """

    def __init__(self, message: str, help_: str, kind: str = "refused") -> None:
        super().__init__(message)
        self.help = help_
        self.kind = kind


def find_engines(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The engines' programs.  Raises Failure where there is none."""
    chosen = environ.get("MCPCONF_ENGINE", "")
    found = [
        shutil.which(name, path=environ.get("PATH")) for name in ([chosen] if chosen else ENGINES)
    ]
    # A PATH with `node_modules/.bin` in it would find a program of the project's.
    engines = tuple(path for path in found if path and (chosen or os.path.isabs(path)))
    if not engines and chosen:
        raise Failure(f"$MCPCONF_ENGINE is {quote(chosen)}, and there is no such program")
    if not engines:
        raise Failure(
            "no container engine was found: neither docker nor podman is on the PATH",
            help="name the program in MCPCONF_ENGINE, or run mcpconf-fw in the container itself",
        )
    return engines


def ask(engine: str, words: Sequence[str], deadline: float, *, partly: bool = False) -> str:
    """What the engine answers; ``partly``: a container that has gone meanwhile is no failure."""
    left = deadline - time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603  a list of words, no shell
            [engine, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(left, 0.001),
            check=False,
        )
    except subprocess.TimeoutExpired:
        help_ = f"see whether it hangs: {called(engine)} ps"
        raise NoAnswer(f"{called(engine)} did not answer in time", help_, "silent") from None
    except OSError as error:
        raise NoAnswer(f"{engine} could not be started: {error.strerror}", "") from None
    if done.returncode and not (partly and done.stdout.strip()):
        raise _refused(engine, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


def _refused(engine: str, said: str) -> NoAnswer:
    name, low = called(engine), said.lower()
    if "permission denied" in low:
        help_ = f"try it: {name} ps; on Linux your user has to be in the group of its socket"
        return NoAnswer(f"{name} does not let you ask it (permission denied)", help_, "denied")
    if any(
        sign in low for sign in ("cannot connect", "connection refused", "is the docker daemon")
    ):
        return NoAnswer(f"{name} does not run", f"start it, then look: {name} ps", "down")
    last = next(iter(reversed(said.strip().splitlines())), "it does not say why")
    return NoAnswer(f"{name} refuses: {last[:300]}", f"try it: {name} ps")


def called(engine: str) -> str:
    return os.path.basename(engine)
