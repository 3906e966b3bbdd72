"""What the files have in common: how they are serialised, and how another shape is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from mcpconf.model import Json

VERSION = 1


class ContractError(ValueError):
    """A file is not what this version reads.  The message says which key, never its value."""


def dump(value: Mapping[str, Json]) -> str:
    """Serialise: sorted keys, two spaces, ASCII, a final line feed.  Same value, same bytes."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


_T = TypeVar("_T")


def is_a(kind: type[_T], value: object) -> _T:
    """Return the value if it is of that kind.  The error never shows the value."""
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise TypeError(f"not a {kind.__name__}")


def document(text: str) -> dict[str, Any]:
    """The document of a file, if it is JSON and of this version."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"it is not JSON: {error.__class__.__name__}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ContractError(f"it is not of version {VERSION}")
    return found
