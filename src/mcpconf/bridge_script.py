"""The bridge as one executable file, for images that have nothing but python3.

    python -m mcpconf.bridge_script FILE        (or: mcpconf bridge --install FILE)

It is what ``bridge/bundle.py`` puts together, behind a head of a few lines that a shell and Python
both can read.  The shell starts the first ``python3`` there is, isolated and without ``site``.
Python would compile the whole file at every start, which takes longer than everything else
together, so the head keeps the compiled form as for any module: beside the file, if an image has it
there (``python3 -m py_compile FILE`` as root), else in the user's cache.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from mcpconf import bridge
from mcpconf.bridge.bundle import bundle
from mcpconf.errors import Failure

# No single quotes, no backslashes: this stands in single quotes of a shell, in a string of Python.
_LAUNCHER = """\
import os, sys
from _frozen_importlib_external import SourceFileLoader, cache_from_source
del sys.argv[0]
file = sys.argv[0]
if not os.path.exists(cache_from_source(file)):
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if home[:1] == "/":
        sys.pycache_prefix = home + "/mcpconf/bytecode"
    else:
        sys.dont_write_bytecode = True
code = SourceFileLoader("__main__", file).get_code("__main__")
sys.pycache_prefix = None
__file__ = file
exec(code)
"""
_HEAD = f"""\
#!/bin/sh
''':'
command -v python3 >/dev/null || {{ echo "mcpconf-bridge: python3 is not here" >&2; exit 127; }}
exec python3 -I -S -c '{_LAUNCHER}' "$0" "$@"
'''
"""


def script() -> str:
    """The text of the file.  Its docstring is a comment: the head has to be the only string."""
    _, future, body = bundle().partition("from __future__ import annotations\n")
    about = "".join(f"# {line}".rstrip() + "\n" for line in (bridge.__doc__ or "").splitlines())
    return f"{_HEAD}{about}\n{future}{body}"


def install(path: Path) -> None:
    """Write the file, executable by everybody; whoever starts the old one meanwhile gets it whole.

    Raises:
        Failure: it cannot be written there.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(script())
                os.fchmod(file.fileno(), 0o755)
            os.replace(new, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
    except OSError as error:
        raise Failure(
            f"the bridge could not be written to {path}: {error.strerror or error}",
            help="name a file in a directory that you may write to",
        ) from error


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: python -m mcpconf.bridge_script FILE")
    try:
        install(Path(sys.argv[1]))
    except Failure as failure:
        sys.exit(f"error: {failure.message}")
