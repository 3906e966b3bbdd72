"""JSON with comments, changed in place: what is not changed keeps every byte.

``parse.py`` reads a text to values with offsets; ``change.py`` puts something in, and takes exactly
that out again.  Comments, layout, line ends, a byte order mark and trailing commas stay.
"""

from mcpconf.jsonc.change import (
    Inserted,
    Raw,
    append,
    cut,
    cut_anyhow,
    quoted,
    raw,
    replace,
    replaced,
)
from mcpconf.jsonc.parse import Item, JsoncError, Value, parse, place

__all__ = [
    "Inserted",
    "Item",
    "JsoncError",
    "Raw",
    "Value",
    "append",
    "cut",
    "cut_anyhow",
    "parse",
    "place",
    "quoted",
    "raw",
    "replace",
    "replaced",
]
