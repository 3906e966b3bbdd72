"""The local Feature: what ``addon/devcontainer`` ships, with the programs of this very mcpconf.

The programs are text only, without code for one Python: the same for all who run ``init``.
``python -m mcpconf.devcontainer.feature DEST`` writes a whole Feature, as it is published.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mcpconf._resources import data
from mcpconf.bridge.itself import CODE_MARK

FOLDER = ".devcontainer/mcpconf-feature"
_SHIPPED = (
    ("devcontainer-feature.json", 0o644),
    ("install.sh", 0o755),
    ("entrypoint.sh", 0o755),
    ("mcpconf-container", 0o755),
)


class Content(NamedTuple):
    """A file: its bytes and its mode."""

    content: bytes
    mode: int = 0o644


def files() -> dict[str, Content]:
    """Every file of the Feature by its name."""
    source = data("addon", "devcontainer", "src", "mcpconf")
    found = {name: Content((source / name).read_bytes(), mode) for name, mode in _SHIPPED}
    lines = Content(b"* text eol=lf\n")  # a script that Git gave other line ends does not run
    return {".gitattributes": lines, **found, **_programs()}


@cache
def _programs() -> dict[str, Content]:
    from mcpconf.bridge import bundle as bridge  # noqa: PLC0415  both read their own sources
    from mcpconf.firewall import bundle as firewall  # noqa: PLC0415

    made = {"mcpconf-bridge": bridge.bundle(), "mcpconf-fw": firewall.bundle()}
    return {name: Content(whole.partition(CODE_MARK)[0], 0o755) for name, whole in made.items()}


def write(destination: Path) -> None:
    """Write the Feature as it is published, into ``DEST`` (its last part is to be ``mcpconf``)."""
    destination.mkdir(parents=True, exist_ok=True)
    notes = data("addon", "devcontainer", "src", "mcpconf", "NOTES.md")
    (destination / notes.name).write_bytes(notes.read_bytes())
    for name, file in files().items():
        (destination / name).write_bytes(file.content)
        (destination / name).chmod(file.mode)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
