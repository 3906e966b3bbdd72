"""``.devcontainer/mcpconf/init.json``: what ``init`` did, for whoever takes it back.

It is committed with the project, so it may come from anywhere: nothing in it is a path that we
would not use ourselves, and a text in it only counts where it stands in the file already.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from mcpconf import jsonc
from mcpconf.devcontainer.edits import Step
from mcpconf.jsonc import Inserted

NAME = ".devcontainer/mcpconf/init.json"
ABOUT = b"written by `mcpconf init devcontainer`, read by `mcpconf remove`"
_VERSION = 1


class Config(NamedTuple):
    """What was done to one devcontainer.json; ``made`` is the text that init began with, or "".

    ``unsure``: something of init was in it already, and nothing told what was before that.
    """

    steps: tuple[Step, ...] = ()
    made: str = ""
    unsure: bool = False


class Record(NamedTuple):
    """``configs`` by name; ``files``: the sha256 of each file of ours; ``folders`` that we made."""

    configs: dict[str, Config]
    files: dict[str, str]
    folders: tuple[str, ...] = ()


EMPTY = Record({}, {})


def dump(record: Record) -> bytes:
    """Write it; the same record gives the same bytes."""
    configs = {
        name: {"made": config.made, "steps": [_step(s) for s in config.steps]}
        | ({"unsure": True} if config.unsure else {})
        for name, config in record.configs.items()
    }
    document = {
        "about": ABOUT.decode(),
        "configs": configs,
        "files": record.files,
        "folders": list(record.folders),
        "version": _VERSION,
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def load(content: bytes | None) -> Record | None:
    """Read it; None where there is none, or none that can be used."""
    try:
        found = json.loads((content or b"").decode())
        if found["version"] != _VERSION:
            return None
        configs = {
            str(name): Config(
                tuple(map(_loaded, c["steps"])), _text(c["made"]), c.get("unsure") is True
            )
            for name, c in found["configs"].items()
        }
        names = {str(k): _text(v) for k, v in found["files"].items()}
        return Record(configs, names, tuple(map(_text, found["folders"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, jsonc.JsoncError):
        return None


def _step(step: Step) -> dict[str, Any]:
    if step.put is None:
        return {"path": list(step.path), "old": step.old, "new": step.new}
    return {"path": list(step.path), "put": list(step.put)}


def _loaded(found: dict[str, Any]) -> Step:
    path = tuple(map(_text, found["path"]))
    if not 1 <= len(path) <= 2:  # noqa: PLR2004
        raise ValueError
    if "put" not in found:
        old, new = _text(found["old"]), _text(found["new"])
        jsonc.parse(old)
        return Step(path, None, old, new)
    before, item, after, comma = found["put"]
    if before.strip() or after.strip(" ,"):
        raise ValueError
    put = Inserted(_text(before), _text(item), _text(after), bool(comma))
    member = put.item.startswith(f"{jsonc.quoted(path[-1])}: ")
    jsonc.parse(f"{{{put.item}}}" if member else f"[{put.item}]")
    return Step(path, put)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
