"""Makes one executable file of the bridge: ``python -m mcpconf.bridge.bundle DEST``.

The modules stand in it one after the other, readable, without the imports of each other.  In front
is a line that both ``sh`` and Python accept, so that any python3 on the PATH runs it, isolated
(``-I``) and without ``site`` (``-S``): nothing in the environment or beside it can be loaded.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_HEADER = """\
#!/bin/sh
'''exec' python3 -IS "$0" "$@" # '''
# The bridge of mcpconf, Apache-2.0.  Made from src/mcpconf/bridge/: change it there.
"""
# Later modules use earlier ones.
_ORDER = """
    limits text trouble endpoint responses events request reactor tools heads verdict connection
    pool session listening link sockets race loop memory target start lists pipes conversation
    command
""".split()
_OWN_IMPORT = re.compile(
    r"^[ ]*from mcpconf\.bridge\.\w+ import (?:\([^)]*\)|[^\n(]*)\n", re.MULTILINE
)
_FUTURE = "from __future__ import annotations\n"
_TYPES = re.compile(
    r"^TYPE_CHECKING = False\nif TYPE_CHECKING:\n(?:(?:[ ]{4}[^\n]*)?\n)+", re.MULTILINE
)
_TOP_LEVEL = re.compile(r"^(?:def|class) (\w+)|^(\w+)(?::[^=\n]*)? = ", re.MULTILINE)


def bundle() -> str:
    """Return the text of the one file.  Raises ValueError where two modules share a name."""
    folder = Path(__file__).parent
    sources = {name: (folder / f"{name}.py").read_text() for name in _ORDER}
    _refuse_doubles(sources)
    parts = [_HEADER, _FUTURE]
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
    """Write the file, executable for everybody, in one step."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(bundle())
    os.chmod(temporary, 0o755)  # noqa: S103  a program
    os.replace(temporary, destination)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
