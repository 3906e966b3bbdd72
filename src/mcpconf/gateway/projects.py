"""The projects of the state directory: which servers each has behind the gateway, and its token.

A project is ``projects/ID`` with ``current/routes.json`` and ``token``.  Both are read again when
their file is another one: a sync replaces the ``current`` link, so that is one stat a project.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from mcpconf.contract import ContractError, Routes, load_routes
from mcpconf.gateway.routing import Project

_ID = re.compile(r"[a-z0-9-]{1,64}")
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{32,128}")
_LARGEST = 16 * 1024 * 1024
_MOST_PROJECTS = 2000

Stamp = tuple[int, ...]


class Projects:
    """What the state directory says, as of the last look.

    Args:
        state: the directory.
        complain: told once about everything that is wrong with a file.

    """

    def __init__(self, state: Path, complain: Callable[[str], None]) -> None:
        self._root = state / "projects"
        self._complain = complain
        self._stamps: dict[str, Stamp] = {}
        self.found: dict[str, Project] = {}

    def look(self) -> bool:
        """Read what has changed; True if anything has."""
        stamps = {name: self._stamp(name) for name in self._names()}
        if stamps == self._stamps:
            return False
        found = {n: p for n, p in self.found.items() if self._stamps.get(n) == stamps.get(n)}
        for name, stamp in stamps.items():
            if self._stamps.get(name) != stamp and stamp:
                project = self._read(name)
                if project is not None:
                    found[name] = project
        self._stamps, self.found = stamps, found
        return True

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._root) as entries:
                names = sorted(entry.name for entry in entries if _ID.fullmatch(entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._complain(f"{self._root} cannot be read: {error.strerror}")
            return sorted(self._stamps)  # keep what was there
        return names[:_MOST_PROJECTS]

    def _stamp(self, name: str) -> Stamp:
        folder = self._root / name
        stamp: list[int] = []
        for path in (folder / "current" / "routes.json", folder / "token"):
            try:
                seen = os.stat(path)
            except OSError:
                return ()
            stamp += seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size
        return tuple(stamp)

    def _read(self, name: str) -> Project | None:
        folder = self._root / name
        try:
            routes = load_routes(_private(folder / "current" / "routes.json").decode())
            token = _private(folder / "token").strip()
        except (OSError, ContractError, UnicodeDecodeError) as error:
            self._complain(f"the project `{name}` is left out: {_words(error)}")
            return None
        if not _TOKEN.fullmatch(token):
            self._complain(
                f"the project `{name}` is left out: its token is malformed; `mcpconf sync`"
            )
            return None
        return project(name, routes, token)


def project(name: str, routes: Routes, token: bytes) -> Project:
    return Project(name, routes.project, token, {r.server: r for r in routes.routes})


def _private(path: Path) -> bytes:
    """Read a file that nobody else may read, and that nobody else may have written."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.getuid():
            raise PermissionError(0, f"{path} is not a file of yours")
        if seen.st_mode & 0o077:
            raise PermissionError(0, f"{path} may be read by others; run `chmod 600 {path}`")
        if seen.st_size > _LARGEST:
            raise PermissionError(0, f"{path} is too large")
        return file.read()


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    return str(error) if isinstance(error, ContractError) else "it is not UTF-8"
