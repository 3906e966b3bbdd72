"""A sync's part in ``.ddev``: look, decide, render, compare; then write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.ddev import record as records
from mcpconf.ddev.look import is_installed, look
from mcpconf.ddev.preferences import preferences
from mcpconf.findings import Finding
from mcpconf.origin import Source
from mcpconf.readers.around import Target
from mcpconf.readers.inputs import Configuration
from mcpconf.write import project_files
from mcpconf.write.changes import Change, Kind
from mcpconf.write.manifest import digest
from mcpconf.write.project_files import ProjectFile

_OURS = ".ddev/mcpconf"
GITIGNORE = ProjectFile(f"{_OURS}/.gitignore", b"#ddev-generated\n*\n")


class Prepared(NamedTuple):
    """What a sync would do to the files of the project, and what there is to say about it.

    ``installed`` is False where DDEV does not know of mcpconf: then there is nothing to do.
    ``stops``: nothing is written.
    """

    root: Path
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    files: tuple[ProjectFile, ...] = ()
    key: str = ""
    installed: bool = True
    stops: bool = False

    @property
    def changed(self) -> bool:
        return any(c.kind not in (Kind.UNCHANGED, Kind.FOREIGN) for c in self.changes)


def prepare(configuration: Configuration, target: Target, environ: Mapping[str, str]) -> Prepared:
    """Look and decide.  Writes nothing.  Raises Failure."""
    root = target.root
    assert root is not None
    if not is_installed(root):  # the token that lies there is nothing for git, all the same
        return Prepared(
            root, project_files.compare([GITIGNORE], root), files=(GITIGNORE,), installed=False
        )
    seen = look(root, environ)
    projects = tuple(dict.fromkeys((configuration.cwd, configuration.key, str(root))))
    global_file = configuration.global_file
    liked = preferences(global_file.text if isinstance(global_file, Source) else "", projects)
    key = records.key_of(seen, liked)
    last = records.load(target.host)
    if last and last.key == key and project_files.stand(last.files, root):
        standing = tuple(_standing(path, root) for path, _, _ in last.files)
        return Prepared(root, standing, last.findings, key=key)
    from mcpconf.ddev.decide import decide  # noqa: PLC0415  YAML, only where something changed
    from mcpconf.ddev.render import render  # noqa: PLC0415  Jinja, as well

    decision = decide(seen, str(root / ".ddev"))
    files = () if decision.stops else (GITIGNORE, *render(decision, seen, liked))
    changes = project_files.compare(files, root)
    foreign = project_files.in_the_way(changes)
    findings = (*decision.findings, *foreign)
    key = "" if foreign else key  # looked at again the next time
    return Prepared(root, changes, findings, files, key, stops=decision.stops)


def _standing(path: str, root: Path) -> Change:
    from mcpconf.emit import Reader  # noqa: PLC0415

    return Change(Kind.UNCHANGED, path, Reader.CONTAINER, root / path)


def put(prepared: Prepared, target: Target) -> None:
    """Write what was prepared, and remember it.  Raises Failure."""
    if prepared.stops:
        return
    if prepared.files:
        project_files.write(prepared.files, prepared.changes, prepared.root)
    if prepared.files and prepared.installed:
        written = tuple((f.path, digest(f.content), f.mode) for f in prepared.files)
        with suppress(OSError):
            records.save(records.Record(prepared.key, written, prepared.findings), target.host)
    with suppress(OSError):  # others on this machine have no business with the token in it
        folder = prepared.root / _OURS
        if folder.stat().st_mode & 0o077 and not folder.is_symlink():
            os.chmod(folder, 0o700)
