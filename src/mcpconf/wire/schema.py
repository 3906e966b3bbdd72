"""What the client takes as a greeting and as a list of tools, as measured on both versions.

It refuses the whole list for one tool that is not as it should be (fact 72), and asks for none
where the greeting declares no tools (fact 73).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Shape = Any

_LISTS = {"listChanged": bool, "subscribe": bool}
# A dict: these keys, with `!` they must be there; a list: each element; a tuple: one of these;
# a set of one: each value of an object; a type: of that type.
GREETING: Shape = {
    "protocolVersion!": str,
    "capabilities!": {
        "tools": _LISTS, "prompts": _LISTS, "resources": _LISTS, "logging": dict,
        "completions": dict, "experimental": dict,
    },
    "serverInfo!": {"name!": str, "version!": str, "title": str},
    "instructions": str,
}  # fmt: skip
_SCHEMA: Shape = {"type!": ("object",), "properties": dict, "required": [str]}
_OLD_SCHEMA: Shape = {**_SCHEMA, "properties": frozenset((dict,))}
_HINTS = {
    "title": str, "readOnlyHint": bool, "destructiveHint": bool, "idempotentHint": bool,
    "openWorldHint": bool,
}  # fmt: skip
_TOOL: Shape = {
    "name!": str, "title": str, "description": str, "inputSchema!": _SCHEMA, "outputSchema": dict,
    "annotations": _HINTS, "_meta": dict, "icons": [{"src!": str}],
    "execution": {"taskSupport": ("required", "optional", "forbidden")},
}  # fmt: skip
_OLD_TOOL: Shape = {**_TOOL, "inputSchema!": _OLD_SCHEMA, "outputSchema": _OLD_SCHEMA}


def tools_shape(*, old: bool) -> Shape:
    """The shape of a result of ``tools/list``; ``old``: as 2.1.197 wants it."""
    return {"tools!": [_OLD_TOOL if old else _TOOL], "nextCursor": str}


def misfit(value: object, shape: Shape, at: str = "") -> str:
    """Say where a value is not of a shape, as ``tools.0.inputSchema``; "" if it is."""
    here = at.lstrip(".") or "result"
    if isinstance(shape, type):
        return "" if isinstance(value, shape) else here
    if isinstance(shape, tuple):
        return "" if value in shape else here
    if isinstance(shape, list):
        inside = enumerate(value) if isinstance(value, list) else None
        parts = [(part, shape[0], f"{at}.{i}") for i, part in inside] if inside else None
    elif not isinstance(value, dict):
        parts = None
    elif isinstance(shape, frozenset):
        parts = [(part, next(iter(shape)), f"{at}.{key}") for key, part in value.items()]
    else:
        parts = _members(value, shape, at)
    if parts is None:
        return here
    return next((found for part in parts if (found := misfit(*part))), "")


def _members(value: dict[str, Any], shape: Shape, at: str) -> list[tuple[object, Shape, str]]:
    """The members that are looked at; one that must be there and is not fits nothing."""
    found = []
    for key, inner in shape.items():
        name = key.rstrip("!")
        if name in value:
            found.append((value[name], inner, f"{at}.{name}"))
        elif key != name:
            found.append((None, (), f"{at}.{name}"))
    return found
