"""The bridge's own file, as ``bundle.py`` makes it: text, and behind it its code for one Python."""

from __future__ import annotations

import os
import sys

CODE_MARK = b"\n\0code:"
TEXT_MARK = b"#--#"


def with_code(text: bytes) -> bytes:
    """Put the code for this Python behind a text whose program begins at its second mark."""
    import marshal  # noqa: PLC0415  not on the way to a start
    from importlib.util import MAGIC_NUMBER  # noqa: PLC0415

    source = text.split(TEXT_MARK, 2)[2]
    program = compile(source, "mcpconf-bridge", "exec", dont_inherit=True, optimize=2)
    return text + CODE_MARK + MAGIC_NUMBER + marshal.dumps(program)


def write_program(path: str, content: bytes) -> None:
    """Write an executable file in one step.  Raises OSError."""
    temporary = f"{path}.{os.getpid()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(temporary, flags, 0o755), "wb") as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def copy_itself(path: str) -> int:
    """Write this program to a path with code for the Python that runs; returns the exit code.

    For the build of an image: the file may have been made by another Python.
    """
    try:
        with open(sys.argv[0], "rb") as file:
            text = file.read().partition(CODE_MARK)[0]
        write_program(path, with_code(text))
    except IndexError:
        sys.stderr.write("mcpconf-bridge: only the program in one file can be compiled\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"mcpconf-bridge: {error}\n")
        return 4
    return 0
