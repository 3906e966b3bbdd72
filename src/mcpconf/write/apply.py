"""Doing it: build the new generation, flip to it, tidy up.  The design is in the package's text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from mcpconf.emit import Artifact, Reader
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.write.changes import Change, Kind, compare
from mcpconf.write.folder import Folder, Folders, Target, explained, opened
from mcpconf.write.generation import (
    build,
    drop_all_but,
    free_name,
    link,
    point,
    unlink_dangling,
)
from mcpconf.write.lock import LOCK, locked
from mcpconf.write.manifest import MANIFEST, digest, record
from mcpconf.write.settle import flip, forget, settle
from mcpconf.write.standing import A_DIRECTORY, CURRENT, GENERATION, Form, current, look
from mcpconf.write.token import drop_token

Contents = Mapping[Reader, Mapping[str, bytes]]


def write(
    changes: tuple[Change, ...], target: Target, *, force: bool = False
) -> tuple[Finding, ...]:
    """Write all files or none; returns what was in the way, and then nothing was written.

    ``force`` gives files to us that somebody edited or put there, but never follows a link and
    never deletes a directory.
    """
    stopped = _findings(changes)
    if stopped and not force:
        return stopped
    if all(change.kind is Kind.UNCHANGED for change in changes):
        _retire(target)
        return ()
    _refuse_directories(changes)
    artifacts = tuple(c.artifact for c in changes if c.artifact)
    with (
        explained(target.host),
        opened(target, create=True) as folders,
        locked(folders[Reader.HOST]),
    ):
        settle(folders)
        fresh = compare(artifacts, folders, target)  # somebody may have been here meanwhile
        stopped = _findings(fresh)
        if stopped and not force:
            return stopped
        if any(change.kind is not Kind.UNCHANGED for change in fresh):
            _refuse_directories(fresh)
            _exchange(fresh, folders)
    return ()


def _retire(target: Target) -> None:
    """Drop what earlier generations left: who opened them has had a whole sync's time.

    They may hold what a policy let in and does not any more.
    """
    with explained(target.host), opened(target, create=False) as folders:
        host = folders.get(Reader.HOST)
        if host and any(map(_has_stale, folders.values())):
            with locked(host), suppress(OSError):
                for folder in folders.values():
                    drop_all_but(folder, (current(folder),))


def _has_stale(folder: Folder) -> bool:
    return any(GENERATION.fullmatch(n) and n != current(folder) for n in os.listdir(folder.fd))


def remove(target: Target) -> tuple[Finding, ...]:
    """Delete what the manifest says is ours and nobody edited; returns what was left, and why."""
    with explained(target.host, "removed"), opened(target, create=False) as folders:
        host = folders.get(Reader.HOST)
        if host is None:
            return ()
        with locked(host):
            settle(folders)
            changes = compare((), folders, target)
            if look(host, MANIFEST).content is not None:
                for folder in folders.values():
                    with explained(folder.path, "removed"):
                        _clear(folder, [c for c in changes if c.reader is folder.reader])
            drop_token(host)
            os.unlink(LOCK, dir_fd=host.fd)
    for reader in Reader:
        with suppress(OSError):
            target.of(reader).rmdir()
    left = _findings(changes)
    return tuple(Finding(f.code, f.message, f.origin, _LEFT, _BY_HAND) for f in left)


_LEFT = ("it was left where it is; everything else that mcpconf wrote is gone",)
_BY_HAND = ("delete it yourself if you do not need it",)


def _findings(changes: Iterable[Change]) -> tuple[Finding, ...]:
    return tuple(c.finding for c in changes if c.finding)


def _refuse_directories(changes: Iterable[Change]) -> None:
    for change in changes:
        if change.kind is Kind.FOREIGN and change.what == A_DIRECTORY:
            raise Failure(
                f"{change.path} is a directory, and a file of mcpconf belongs there",
                note="nothing was written; `--force` does not delete directories",
                help="move it away, then run `mcpconf sync` again",
            )


def _exchange(changes: Iterable[Change], folders: Folders) -> None:
    artifacts = tuple(c.artifact for c in changes if c.artifact)
    contents, identity = _contents(artifacts)
    generation = free_name(identity, folders.values())
    try:
        for folder in folders.values():
            names = {c.name for c in changes if c.reader is folder.reader} - {CURRENT}
            _take_over(folder, names | contents[folder.reader].keys())
            build(folder, generation, contents[folder.reader])
        before = {reader: current(folder) for reader, folder in folders.items()}
        for reader, folder in folders.items():
            link(folder, contents[reader])
        flip(folders[Reader.CONTAINER], folders[Reader.HOST], generation)
    except BaseException:
        with suppress(OSError, Failure):
            settle(folders)
            forget(folders, generation)
        raise
    with suppress(OSError):  # what is left over is in nobody's way
        for reader, folder in folders.items():
            unlink_dangling(folder)
            drop_all_but(folder, (generation, before[reader]))


def _contents(artifacts: Iterable[Artifact]) -> tuple[Contents, str]:
    """Sort the files by reader, with the manifest among the host's; and name them all."""
    manifest = record(artifacts)
    contents: dict[Reader, dict[str, bytes]] = {reader: {} for reader in Reader}
    contents[Reader.HOST][MANIFEST] = manifest.dump().encode()
    for artifact in artifacts:
        contents[artifact.reader][artifact.name] = artifact.text.encode()
    return contents, manifest.generation


def _take_over(folder: Folder, names: Iterable[str]) -> None:
    """Put plain files that stand at our paths into a generation, unchanged, and links in place.

    Nothing changes for a reader, and now the flip exchanges them together with the others.
    """
    with explained(folder.path, "read"):
        found = {name: look(folder, name) for name in sorted(names)}
    plain = [name for name, standing in found.items() if standing.form is Form.FILE]
    if not plain:
        return
    contents = {name: f.content for name, f in found.items() if f.content is not None}
    generation = free_name(digest(b"\0".join(contents.values()))[:16], [folder])
    build(folder, generation, contents)
    point(folder, CURRENT, generation)
    link(folder, plain)


def _clear(folder: Folder, changes: Iterable[Change]) -> None:
    """Delete our files.  One that was edited stays, as a plain file at its plain path."""
    generation = current(folder)
    for change in changes:
        form = look(folder, change.name).form
        if change.kind is Kind.EDITED and form is Form.LINK:
            inside = f"{generation}/{change.name}"
            os.rename(inside, change.name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
        elif change.kind is Kind.REMOVE and form is Form.FILE:
            os.unlink(change.name, dir_fd=folder.fd)
    if generation:
        os.unlink(CURRENT, dir_fd=folder.fd)
    unlink_dangling(folder)
    drop_all_but(folder, ())
