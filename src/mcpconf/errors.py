"""What can go wrong with the world, and the table of exit codes.

Mistakes of the user are findings (values, collected).  Exceptions are for a broken world, and
only ``__main__`` turns them into text and an exit code::

    Failure            the world broke: unreadable folder, no permission, no disk     exit 4
    Usage              a wrong option or argument                                     exit 2
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, the same for every command."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    BUG = 3
    WORLD = 4
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818  the world's failure, not an error of ours
    """The world broke.  ``help`` is something to do; ``note`` says the consequence."""

    exit = Exit.WORLD

    def __init__(self, message: str, *, note: str = "", help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.note = note
        self.help = help


class Usage(Failure):
    """The command line asks for something that does not exist."""

    exit = Exit.USAGE
