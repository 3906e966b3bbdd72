"""Checks of permissions: who else may read what is secret, or change what is trusted."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.diagnosis.checks.check import Check, Given, judged, shell_path
from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.readers.world import config_directory

_MOST_NAMED = 3
_PRIVATE, _TRUSTED, _SHARED = "private", "trusted", "shared"


class Kept(NamedTuple):
    """One file or directory that is there.

    ``wanted``: ``private`` (nobody else reads it), ``trusted`` (nobody else changes it) or
    ``shared`` (a group of the project's may).  ``reached``: other users get as far as to it.
    ``own_group``: its group is the owner's alone.
    """

    path: str
    wanted: str
    mode: int
    mine: bool
    own_group: bool
    reached: bool
    folder: bool = False


def permissions(given: Given) -> Check:
    """Who else may read what is secret, or change what is trusted."""
    kept = [k for path, wanted in _watched(given) if (k := _kept(path, wanted)) is not None]
    return judged_permissions(kept)


def _watched(given: Given) -> Iterator[tuple[str, str]]:
    request = given.configuration.request
    config = config_directory(request)
    state, host = given.places.state, given.target.host  # what is in `state` is closed by itself
    current = host / "current"
    for path in (
        given.places.gateway,
        host,
        *(current / name for name in ("routes.json", "manifest.json")),
        host / "token",
        given.places.gateway / "control.sock",
        given.places.gateway / "gateway.sock",
        os.path.join(config, ".credentials.json"),
        os.path.join(request.home, ".claude.json"),
    ):
        yield str(path), _PRIVATE
    for path in (state, given.places.policy, os.path.join(config, "settings.json")):
        yield str(path), _TRUSTED
    for source in given.configuration.project_files:
        yield source.path, _SHARED
    for name in ("settings.json", "settings.local.json"):
        yield os.path.join(given.configuration.cwd, ".claude", name), _SHARED


def _kept(path: str, wanted: str) -> Kept | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return Kept(
        path,
        wanted,
        stat.S_IMODE(status.st_mode),
        mine=status.st_uid in (os.geteuid(), 0),
        own_group=_own_group(status.st_uid, status.st_gid),
        reached=_reached(path),
        folder=stat.S_ISDIR(status.st_mode),
    )


def _own_group(uid: int, gid: int) -> bool:
    """Whether a group has only this user, as Debian and Fedora give one to everybody."""
    try:
        owner, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return owner.pw_gid == gid and set(group.gr_mem) <= {owner.pw_name}


def _reached(path: str) -> bool:
    """Whether every directory above lets other users through."""
    with suppress(OSError):
        return all(os.stat(p).st_mode & 0o001 for p in Path(os.path.realpath(path)).parents)
    return False


def judged_permissions(kept: Iterable[Kept]) -> Check:
    """Pure.  What lies behind a closed directory is out of reach, however open it is."""
    kept = list(kept)
    open_to_write = [k for k in kept if _may_change(k)]
    open_to_read = [
        k for k in kept if k.wanted == _PRIVATE and k not in open_to_write and _may_read(k)
    ]
    findings = [
        Finding(
            "MC132",
            "it belongs to another user"
            if not one.mine
            else f"others may change it ({_bits(one)})",
            Origin(Source(one.path)),
            help=(
                f"chmod go-w {shell_path(one.path)}"
                if one.mine
                else f"ls -l {shell_path(one.path)}",
            ),
        )
        for one in open_to_write
    ] + [
        Finding(
            "MC133",
            f"others may read it ({_bits(one)})",
            Origin(Source(one.path)),
            help=(f"chmod go-rwx {shell_path(one.path)}",),
        )
        for one in open_to_read
    ]
    some = (
        f"{len(kept)} files and directories are as they should be" if kept else "nothing is there"
    )
    check = judged("permissions", some, *findings)
    if findings:
        first = findings[0]
        name = quote(os.path.basename(first.origin.source.path) if first.origin else "")
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        check = check._replace(text=f"{name}: {first.message}{more}")
    return check


def _may_change(one: Kept) -> bool:
    group = bool(one.mode & 0o020) and not one.own_group and one.wanted != _SHARED
    return not one.mine or (one.reached and bool(one.mode & 0o002)) or (one.reached and group)


def _may_read(one: Kept) -> bool:
    if one.folder:
        return one.reached and bool(one.mode & 0o007)
    group = bool(one.mode & 0o040) and not one.own_group
    return one.reached and (bool(one.mode & 0o004) or group)


def _bits(one: Kept) -> str:
    return f"mode {one.mode:04o}"
