"""What the host does before each start of a dev container, within bounds."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcpconf.devcontainer import files
from mcpconf.devcontainer.find import FOLDER, roots_of

_FOLDER = f"{FOLDER}/mcpconf"
EXPECTED = f"{_FOLDER}/expected"
_SAYS = b"mcpconf has run on this host: without egress.json the container stays closed.\n"


class TooLate(BaseException):
    """The time is up.  No error: nothing on the way is to catch it."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TooLate in the block when the time is up.  For the main thread."""

    def ring(*_: object) -> None:
        raise TooLate

    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)


def mark(project: Path) -> None:
    """Let the container know that a policy is to be expected.  Raises Failure.

    Before anything else: where the rest fails, the container stays closed.
    """
    for root in roots_of(project):
        if os.path.isdir(root / _FOLDER):
            if files.read(root, EXPECTED) != _SAYS:
                files.write(root, EXPECTED, _SAYS)
            return


def unmark(root: Path) -> None:
    """Take that back."""
    if files.read(root, EXPECTED) == _SAYS:
        files.remove(root, EXPECTED)
