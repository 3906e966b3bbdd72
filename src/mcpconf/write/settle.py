"""What is in force between the two flips of a sync, and how a sync that was cut off is settled."""

from __future__ import annotations

import os
from pathlib import Path

from mcpconf.emit import Reader
from mcpconf.write.folder import Folder, Folders, Target, explained, opened
from mcpconf.write.generation import (
    drop,
    drop_temporaries,
    point,
    temporaries,
    unlink_dangling,
)
from mcpconf.write.lock import locked
from mcpconf.write.standing import CURRENT, GENERATION, current, exists, read_link

NEXT = "next"


def in_force(target: Target) -> Path | None:
    """Find the host's directory whose files belong to what the container reads at this moment."""
    seen = _generation(target.container / CURRENT)
    coming = _generation(target.host / NEXT)
    if coming is None or coming != seen:
        coming = _generation(target.host / CURRENT)
    return target.host / coming if coming else None


def _generation(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


def flip(container: Folder, host: Folder, generation: str) -> None:
    """Put a generation in force that was built in both directories."""
    with explained(host.path):
        os.symlink(generation, NEXT, dir_fd=host.fd)
        os.fsync(host.fd)
    point(container, CURRENT, generation)  # the commit
    _follow(host)


def _follow(host: Folder) -> None:
    with explained(host.path):
        os.rename(NEXT, CURRENT, src_dir_fd=host.fd, dst_dir_fd=host.fd)
        os.fsync(host.fd)


def recover(target: Target) -> None:
    """Finish what a killed sync had committed, and clear away what it had not.

    ``changes``, ``write`` and ``remove`` begin with it; readers do not need it.
    """
    with explained(target.host), opened(target, create=False) as folders:
        host = folders.get(Reader.HOST)
        if host and (exists(host, NEXT) or any(map(temporaries, folders.values()))):
            with locked(host):
                settle(folders)


def settle(folders: Folders) -> None:
    """Do the same for open directories, under the lock."""
    for folder in folders.values():
        drop_temporaries(folder)
    _decide(folders)
    for folder in folders.values():
        with explained(folder.path):
            unlink_dangling(folder)


def _decide(folders: Folders) -> None:
    host = folders[Reader.HOST]
    container = folders.get(Reader.CONTAINER)
    coming = read_link(host, NEXT)
    if coming is None:
        return
    if container and current(container) == coming:
        _follow(host)
        return
    os.unlink(NEXT, dir_fd=host.fd)
    if GENERATION.fullmatch(coming):
        forget(folders, coming)


def forget(folders: Folders, generation: str) -> None:
    """Delete a generation that did not come into force."""
    for folder in folders.values():
        with explained(folder.path):
            if current(folder) != generation:
                drop(folder, generation)
