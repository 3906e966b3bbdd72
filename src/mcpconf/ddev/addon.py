"""The add-on's files without ``ddev add-on get``, and all of it away again.

``install`` copies what ``addon/ddev/install.yaml`` lists; a sync fills it.  ``remove`` leaves the
project byte for byte as it was: files by DDEV's own rule (signed or empty), folders only where
they were made here and are empty.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf import write as writing
from mcpconf._resources import data
from mcpconf.ddev import record as records
from mcpconf.ddev.look import COMPOSE, CONFIG, MANIFEST, look
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.origin import Source
from mcpconf.readers.around import Target
from mcpconf.readers.world import read
from mcpconf.write import project_files
from mcpconf.write.changes import Change
from mcpconf.write.project_files import ProjectFile

INIT = "ddev-init.json"
_OURS = ".ddev/mcpconf"
_OTHERS = (".gitignore", "empty", "preferences.json")
_HALF = re.compile(r"\.(.+)\.[0-9]+")
_PROGRAMS = ("mcpconf-bridge", "mcpconf-fw")


class Installed(NamedTuple):
    """What ``install`` did: nothing where there is a finding that stops it."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    stopped: bool = False


def install(
    root: Path, state: Path, environ: Mapping[str, str], *, write: bool = True
) -> Installed:
    """Put the add-on's files into a project of DDEV's; ``state`` is its directory on the host.

    Without ``write`` it only says what it would do.

    Raises Failure where there is no such project, or the files cannot be written.
    """
    _refuse_link(root)
    if not os.path.isfile(root / ".ddev/config.yaml"):
        above = next((p for p in root.parents if os.path.isfile(p / ".ddev/config.yaml")), None)
        way = "ddev config    (DDEV asks what the project is), then run it again"
        raise Failure(
            f"{root} is no project of DDEV's: it has no .ddev/config.yaml",
            note="nothing was written",
            help=f"cd {shlex.quote(str(above))}    (that one is), then run it again"
            if above
            else way,
        )
    from mcpconf.ddev.decide import decide  # noqa: PLC0415  YAML

    decision = decide(look(root, environ), str(root / ".ddev"))
    if decision.stops:
        return Installed((), decision.findings, stopped=True)
    rendered = [f for f in (COMPOSE, CONFIG) if _is_rendered(root, f)]
    files = [f for f in _files() if os.path.basename(f.path) not in rendered]
    changes = project_files.compare(files, root)
    made = _missing_folders(files, root)
    if write and made:
        _remember(made, state)
    if write:
        project_files.write(files, changes, root)
    return Installed(changes, project_files.in_the_way(changes))


def remove(target: Target) -> tuple[Finding, ...]:
    """Take away everything that install and sync wrote; returns what was left, and why.

    Where the add-on itself is DDEV's (``ddev add-on get``), its files stay, empty, for DDEV to
    remove: a service that nothing builds would break the next start.
    """
    root = target.root
    assert root is not None
    _refuse_link(root)
    by_ddev = os.path.lexists(root / ".ddev" / MANIFEST)
    ours = _written(target.host)
    stubs = _files()
    away = ours - {f.path for f in stubs} if by_ddev else ours | {f.path for f in stubs}
    left = project_files.remove(sorted(away), root)
    project_files.remove(_halves(away, root), root)
    if by_ddev:
        emptied = [f for f in stubs if os.path.basename(f.path) in (COMPOSE, CONFIG)]
        project_files.write(emptied, project_files.compare(emptied, root), root)
    made = _made(target.host)
    records.forget(target.host)
    (target.host / INIT).unlink(missing_ok=True)
    left += writing.remove(writing.Target(target.container, target.host, root))
    folders = [_OURS, f"{_OURS}/build", f"{_OURS}/container", *(() if by_ddev else made)]
    project_files.remove_empty(folders, root)
    return left


def is_here(root: Path) -> bool:
    """Whether there is anything of ours in a project's ``.ddev``."""
    names = (COMPOSE, CONFIG, "mcpconf")
    return any(os.path.lexists(root / ".ddev" / name) for name in names)


def listed() -> list[str]:
    """The files that the add-on lists, relative to ``.ddev``."""
    import yaml  # noqa: PLC0415  80 ms

    table = yaml.safe_load(data("addon", "ddev", "install.yaml").read_text())
    return [str(name) for name in table["project_files"]]


def _files() -> list[ProjectFile]:
    """Those files, as they are shipped."""
    shipped = [(name, data("addon", "ddev", *name.split("/"))) for name in listed()]
    return [
        ProjectFile(f".ddev/{n}", p.read_bytes(), 0o755 if n.startswith("commands/") else 0o644)
        for n, p in shipped
    ]


def _is_rendered(root: Path, name: str) -> bool:
    """Whether a sync has filled that stub already: a second ``init`` changes nothing."""
    file = read(root / ".ddev" / name)
    return isinstance(file, Source) and "#ddev-generated" in file.text


def _written(state: Path) -> set[str]:
    """The files that a sync of this version writes, or of an older one wrote."""
    last = records.load(state)
    build = sorted(p.name for p in data("templates", "ddev", "build").iterdir() if p.is_file())
    names = [*_OTHERS, *(f"build/{name}" for name in (*build, *_PROGRAMS))]
    here = {f"{_OURS}/{name}" for name in names} | {f".ddev/{COMPOSE}", f".ddev/{CONFIG}"}
    return here | {path for path, _, _ in (last.files if last else ())}


def _refuse_link(root: Path) -> None:
    if os.path.islink(root / ".ddev"):
        raise Failure(
            f"{root / '.ddev'} is a link, and mcpconf writes through none of a project's",
            note="nothing was written",
            help="make it a directory of its own",
        )


def _halves(paths: Iterable[str], root: Path) -> list[str]:
    """What a kill left of files while they were written: `.NAME.PID`."""
    found = []
    for folder in {os.path.dirname(path) for path in paths}:
        names = {os.path.basename(p) for p in paths if os.path.dirname(p) == folder}
        with suppress(OSError):
            here = (_HALF.fullmatch(name) for name in os.listdir(root / folder))
            found += [f"{folder}/{half[0]}" for half in here if half and half[1] in names]
    return sorted(found)


def _missing_folders(files: list[ProjectFile], root: Path) -> list[str]:
    """The folders that have to be made for them."""
    above = {str(p) for f in files for p in Path(f.path).parents} - {".", ".ddev"}
    return sorted(path for path in above if not os.path.isdir(root / path))


def _remember(folders: list[str], state: Path) -> None:
    known = sorted({*folders, *_made(state)})
    with suppress(OSError):
        state.mkdir(parents=True, mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(state / INIT, flags, 0o600), "w") as stream:
            json.dump({"version": 1, "folders": known}, stream)


def _made(state: Path) -> list[str]:
    file = read(state / INIT)
    try:
        table = json.loads(file.text) if isinstance(file, Source) else {}
        folders = [str(f) for f in table.get("folders", ())]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []
    return [f for f in folders if f.startswith(".ddev/") and ".." not in f.split("/")]
