# ruff: noqa: INP001, S103
"""Puts code for this image's Python behind a program of mcpconf: compile.py PROGRAM DEST.

#ddev-generated
"""

import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER

program, destination = sys.argv[1:]
with open(program, "rb") as file:
    text = file.read().partition(b"\n\0code:")[0]
source = text.split(b"#--#", 2)[2]
code = compile(source, os.path.basename(destination), "exec", dont_inherit=True, optimize=2)
with open(destination, "wb") as file:
    file.write(text + b"\n\0code:" + MAGIC_NUMBER + marshal.dumps(code))
os.chmod(destination, 0o755)
