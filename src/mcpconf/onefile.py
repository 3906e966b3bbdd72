"""Makes one executable file of several modules: for programs that ship without pip.

The file is text first: a header for ``sh``, and the modules one after the other, readable, without
the imports of each other.  Any python3 on the PATH runs it, isolated (``-I``) and without ``site``
(``-S``), so nothing in the environment or beside it can be loaded.  Behind the text stands the same
as code of the Python that made the file: compiling would be half of a start (bench/startup).
Another Python compiles the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

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
_OWN_IMPORT = re.compile(
    r"^[ ]*from (mcpconf\.[\w.]+) import (?:\([^)]*\)|[^\n(]*)\n", re.MULTILINE
)
_FUTURE = "from __future__ import annotations\n"
_TYPES = re.compile(
    r"^TYPE_CHECKING = False\nif TYPE_CHECKING:\n(?:(?:[ ]{4}[^\n]*)?\n)+", re.MULTILINE
)
_TOP_LEVEL = re.compile(r"^(?:def|class) (\w+)|^(\w+)(?::[^=\n]*)? = ", re.MULTILINE)
_ROOT = Path(__file__).parents[1]


def header(first: str = "") -> str:
    """What stands before the modules: ``first`` is what the shell does before Python starts."""
    return f'#!/bin/sh\n{first}exec python3 -IS -c \'{_LOADER}\' "$0" "$@"\n#--#\n'


def one_source(title: str, modules: list[str]) -> str:
    """All modules as one text; later ones use earlier ones, and the last has ``main``.

    Raises ValueError where two share a name, or one is left out that another uses.
    """
    sources = {name: _path(name).read_text() for name in modules}
    _refuse_doubles(sources)
    parts = [f"# {title}\n", _FUTURE]
    parts += [f"# --- {_short(name)} ---\n\n{_stripped(text)}" for name, text in sources.items()]
    parts.append('if __name__ == "__main__":\n    sys.exit(main())\n')
    return "\n".join(parts)


def in_order(last: str) -> list[str]:
    """A module and all those of ours that it uses, each behind what it uses itself."""
    found: list[str] = []

    def visit(name: str) -> None:
        if name not in found:
            text = _TYPES.sub("", _path(name).read_text())
            for imported in _OWN_IMPORT.finditer(text):
                visit(imported[1])
            found.append(name)

    visit(last)
    return found


def _path(module: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _short(module: str) -> str:
    return module.rpartition(".")[2]


def _stripped(text: str) -> str:
    """A module without its text, its imports of other modules, and what only types need."""
    text = text.partition('"""\n')[2] if text.startswith('"""') else text
    return _OWN_IMPORT.sub("", _TYPES.sub("", text)).replace(_FUTURE, "").strip("\n") + "\n\n"


def _refuse_doubles(sources: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for module, text in sources.items():
        for imported in _OWN_IMPORT.finditer(_TYPES.sub("", text)):
            if imported[1] not in sources:
                raise ValueError(f"{module} uses {imported[1]}, which is left out")
        for name in _names(_TYPES.sub("", text)):
            if seen.setdefault(name, module) != module:
                raise ValueError(f"{name} is in both {seen[name]} and {module}")


def _names(text: str) -> Iterator[str]:
    for found in _TOP_LEVEL.finditer(text):
        yield found[1] or found[2]
