"""Makes one executable file of the bridge: ``python -m mcpconf.bridge.bundle DEST``.

The file is text first: a line for ``sh``, and the modules one after the other, readable, without
the imports of each other.  Any python3 on the PATH runs it, isolated (``-I``) and without ``site``
(``-S``), so nothing in the environment or beside it can be loaded.  Behind the text stands the same
as code of the Python that made the file: compiling would be half of a bridge's start
(bench/startup).  Another Python compiles the text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mcpconf.bridge.itself import with_code, write_program

# What sh runs.  ``marshal`` and the magic number are what an import would use (PEP 552).
_LOADER = """\
import sys, marshal, _frozen_importlib_external as boot
path = sys.argv[0] = sys.argv.pop(1)
with open(path, "rb") as file:
    text = file.read()
text, _, code = text.partition(b"\\n\\0code:")
made = marshal.loads(code[4:]) if code[:4] == boot.MAGIC_NUMBER else None
exec(made or compile(text.split(b"#--#", 2)[2], path, "exec"))
"""
_HEADER = f'#!/bin/sh\nexec python3 -IS -c \'{_LOADER}\' "$0" "$@"\n#--#\n'
_TITLE = "# The bridge of mcpconf, Apache-2.0.  Made from src/mcpconf/bridge/: change it there.\n"
# Later modules use earlier ones.
_ORDER = """
    limits text trouble endpoint responses events request reactor tools heads verdict connection
    pool session listening delivery replies link sockets race loop memory target start lists pipes
    conversation itself command
""".split()
_OWN_IMPORT = re.compile(
    r"^[ ]*from mcpconf\.bridge\.\w+ import (?:\([^)]*\)|[^\n(]*)\n", re.MULTILINE
)
_FUTURE = "from __future__ import annotations\n"
_TYPES = re.compile(
    r"^TYPE_CHECKING = False\nif TYPE_CHECKING:\n(?:(?:[ ]{4}[^\n]*)?\n)+", re.MULTILINE
)
_TOP_LEVEL = re.compile(r"^(?:def|class) (\w+)|^(\w+)(?::[^=\n]*)? = ", re.MULTILINE)


def bundle() -> bytes:
    """Return the one file: the text, and its code for this Python."""
    return with_code((_HEADER + source()).encode())


def source() -> str:
    """Return all modules as one.  Raises ValueError where two modules share a name."""
    folder = Path(__file__).parent
    sources = {name: (folder / f"{name}.py").read_text() for name in _ORDER}
    _refuse_doubles(sources)
    parts = [_TITLE, _FUTURE]
    parts += [f"# --- {name} ---\n\n{_stripped(text)}" for name, text in sources.items()]
    parts.append('if __name__ == "__main__":\n    sys.exit(main())\n')
    return "\n".join(parts)


def _stripped(text: str) -> str:
    """A module without its text, its imports of other modules, and what only types need."""
    text = text.partition('"""\n')[2] if text.startswith('"""') else text
    return _OWN_IMPORT.sub("", _TYPES.sub("", text)).replace(_FUTURE, "").strip("\n") + "\n\n"


def _refuse_doubles(sources: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for module, text in sources.items():
        for name in _names(_TYPES.sub("", text)):
            if seen.setdefault(name, module) != module:
                raise ValueError(f"{name} is in both {seen[name]}.py and {module}.py")


def _names(text: str) -> Iterator[str]:
    for found in _TOP_LEVEL.finditer(text):
        yield found[1] or found[2]


def write(destination: Path) -> None:
    """Write the file, executable for everybody, in one step.  Raises OSError."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    write_program(str(destination), bundle())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
