"""Makes one executable file of the bridge: ``python -m mcpconf.bridge.bundle DEST``."""

from __future__ import annotations

import sys
from pathlib import Path

from mcpconf import onefile
from mcpconf.bridge.itself import with_code, write_program

_TITLE = "The bridge of mcpconf, Apache-2.0.  Made from src/mcpconf/bridge/: change it there."
# Later modules use earlier ones.
_ORDER = """
    limits text trouble endpoint responses events request reactor tools heads verdict connection
    pool questions session listening delivery replies link sockets race loop memory target start
    lists subscription pipes conversation itself command
""".split()


def bundle() -> bytes:
    """Return the one file: the text, and its code for this Python."""
    return with_code(text())


def text() -> bytes:
    """Return it without the code: the same from every Python."""
    return (onefile.header() + source()).encode()


def source() -> str:
    """Return all modules as one.  Raises ValueError where two modules share a name."""
    return onefile.one_source(_TITLE, [f"mcpconf.bridge.{name}" for name in _ORDER])


def write(destination: Path) -> None:
    """Write the file, executable for everybody, in one step.  Raises OSError."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_program(str(destination), bundle())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
