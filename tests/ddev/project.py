"""A project of DDEV's to try things on, and what DDEV and compose would make of its files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from mcpconf._resources import data

ADDON = data("addon", "ddev")
FIXTURES = Path(__file__).parent / "fixtures"
STUB = (ADDON / "docker-compose.mcpconf.yaml").read_text()
CONFIG = "name: bakery\ntype: php\ndocroot: public\n"


def files(root: Path) -> dict[str, tuple[str, int]]:
    """Every file, link and folder below a path: what is in it, and its mode."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        what = (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes().hex()
            if path.is_file()
            else "/"
        )
        found[name] = (what, path.lstat().st_mode)
    return found


def compose(path: Path, approot: str, name: str = "bakery") -> dict[str, Any]:
    """The services of a compose file with its variables replaced, volumes in their long form."""
    values = {
        "DDEV_APPROOT": approot,
        "DDEV_SITENAME": name,
        "DDEV_UID": "1000",
        "DDEV_GID": "1000",
    }
    document = _replaced(yaml.safe_load(path.read_text()), values)
    for service in document["services"].values():
        service["volumes"] = [_long(v, approot) for v in service.get("volumes", ())]
    return document


def _replaced(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _replaced(v, values) for k, v in value.items()}
    if isinstance(value, list):
        return [_replaced(v, values) for v in value]
    if not isinstance(value, str):
        return value
    return re.sub(
        r"\$(?:(\$)|\{(\w+)(?::-[^}]*)?\}|(\w+))",
        lambda found: "$" if found[1] else values[found[2] or found[3]],
        value,
    )


def _long(volume: Any, approot: str) -> dict[str, Any]:
    if isinstance(volume, str):
        source, target, *mode = volume.split(":")
        volume = {
            "type": "bind" if source[0] in "./" else "volume",
            "source": source,
            "target": target,
        }
        volume |= {"read_only": True} if mode == ["ro"] else {}
    if volume["source"].startswith("."):
        volume = {**volume, "source": os.path.normpath(f"{approot}/.ddev/{volume['source']}")}
    return volume
