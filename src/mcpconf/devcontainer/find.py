"""Which devcontainer.json a project has, in the order in which the tools look."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from mcpconf.devcontainer import files
from mcpconf.errors import Usage
from mcpconf.names import quote

FOLDER = ".devcontainer"
USUAL = f"{FOLDER}/devcontainer.json"
_AT_ROOT = ".devcontainer.json"


class Found(NamedTuple):
    """A project and its file; ``there`` is False where that is still to be made."""

    root: Path
    name: str
    there: bool


def find(project: Path, config: Path | None = None) -> Found:
    """Find the file, in the directory or in the root of its repository.

    Raises:
        Usage: there are several and none is named, or the one that is named is not one of these.

    """
    if not os.path.isdir(project):
        raise Usage(f"{quote(str(project), 120)} is not a directory", help="give --project DIR")
    roots = roots_of(project)
    if config is not None:
        return _named(roots, Path(os.path.abspath(config)))
    for root in roots:
        names = candidates(root)
        if len(names) > 1:
            several = ", ".join(quote(n) for n in names[:5])
            raise Usage(
                f"this project has {len(names)} dev containers: {several}",
                help=f"say which: mcpconf init devcontainer --config {shlex.quote(names[0])}",
            )
        if names:
            return Found(root, names[0], there=True)
    return Found(roots[0], USUAL, there=False)


def roots_of(project: Path) -> list[Path]:
    """Where a project's files may be: in the directory, or in the root of its repository."""
    project = Path(os.path.abspath(project))
    return list(dict.fromkeys((project, _repository(project))))


def candidates(root: Path) -> list[str]:
    """Every devcontainer.json below a root, the usual places first."""
    named = [f"{FOLDER}/{folder}/devcontainer.json" for folder in files.folders(root, FOLDER)]
    return [n for n in (USUAL, _AT_ROOT, *named) if os.path.lexists(root / n)]


def is_config(name: str) -> bool:
    """Whether the tools look for a dev container there."""
    parts = name.split("/")
    below = parts[0] == FOLDER and parts[-1] == "devcontainer.json" and len(parts) in (2, 3)
    return name == _AT_ROOT or (below and files.is_plain(name))


def _named(roots: list[Path], config: Path) -> Found:
    for root in roots:
        if config.is_relative_to(root):
            name = config.relative_to(root).as_posix()
            if is_config(name):
                return Found(root, name, there=os.path.lexists(config))
    raise Usage(
        f"{quote(str(config), 120)} is no devcontainer.json of this project",
        help=f"it is {USUAL}, {_AT_ROOT} or {FOLDER}/NAME/devcontainer.json",
    )


def _repository(project: Path) -> Path:
    return next((p for p in (project, *project.parents) if (p / ".git").exists()), project)
