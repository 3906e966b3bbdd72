"""Edits of the user's own mcpconf.toml: hosts that are allowed, servers that are trusted.

Comments, layout and everything else in the file stay (``toml_rows.py``).  One process edits at a
time, each edit is read back before it is written, and what is written replaces the file at once.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from tomlkit.items import Array

from mcpconf import toml_rows as toml
from mcpconf.errors import Failure, Usage
from mcpconf.hosts import Problem, parse_destination, parse_ports, quote
from mcpconf.toml_rows import BrokenError, Row

_HEADER = """\
# What you allow mcpconf: hosts that your containers reach, servers that run on this machine.
# `mcpconf allow` and `mcpconf trust` write rows here; your own lines and comments stay.
"""
_PATIENCE = 5.0  # seconds
_PAUSE = 0.01
_T = TypeVar("_T")


class Edit(NamedTuple):
    """What became of the file; ``summary`` is one line for people."""

    path: Path
    changed: bool
    summary: str


def allow(
    path: Path, host: str, *, ports: Sequence[int] = (443,), why: str, project: str | None
) -> Edit:
    """Add a row for a host, or the ports that its row lacks."""
    name, project = _or_usage(parse_destination(host)).host, project or None
    wanted = _or_usage(parse_ports(list(ports)))
    if not why.strip():
        raise Usage(f"{quote(name)} would be open without a reason", help='say `--why "…"`')
    row = {
        "host": toml.quoted(name),
        "ports": str(list(wanted)),
        "why": toml.quoted(" ".join(why.split())),
    }
    row |= {"project": toml.quoted(project)} if project is not None else {}

    def change(text: str) -> str:
        same = [r for r in toml.rows_of(text, "allow") if _is_of(r, name, project)]
        if not same:
            return toml.append(text, "allow", row)
        there = {port for r in same for port in _ports_of(r)}
        every = _or_usage(parse_ports(sorted({*wanted} | there)))
        missing = [port for port in every if port not in there]
        more = partial(_more, missing=missing)
        return toml.with_value(text, same[0], "ports", more) if missing else text

    doors = f"{'ports' if len(wanted) > 1 else 'port'} {', '.join(map(str, wanted))}"
    what = f"allowed on {doors} for {_whom(project)}"
    return _edit(path, change, f"{quote(name)} is now {what}", f"{quote(name)} was already {what}")


def disallow(path: Path, host: str, project: str | None) -> Edit:
    """Take out what :func:`allow` put in; of a row for several projects, the name of this one."""
    name, project = _canonical(host), project or None

    def change(text: str) -> str:
        rows = toml.rows_of(text, "allow")
        shared = [r for r in rows if {project} < {*_projects(r)} and _is_of(r, name, *_projects(r))]
        if not shared and not any(_is_of(r, name, project) for r in rows):
            raise _not_allowed(name, project, rows)
        for row in reversed(shared):
            text = toml.with_value(text, row, "project", partial(_less, project=project))
        return toml.without(
            text, [r for r in toml.rows_of(text, "allow") if _is_of(r, name, project)]
        )

    return _edit(path, change, f"{quote(name)} is no longer allowed for {_whom(project)}")


def trust(path: Path, name: str, project: str, digest: str) -> Edit:
    """Let a server of a project run on this machine, as its text is now and as no other."""
    row = {
        "name": toml.quoted(name),
        "project": toml.quoted(project),
        "digest": toml.quoted(digest),
    }

    def change(text: str) -> str:
        if not (same := _trusted(text, name, project)):
            return toml.append(text, "trust", row)
        text = toml.without(text, same[1:])
        first = _trusted(text, name, project)[0]
        return toml.with_value(text, first, "digest", lambda old: old if old == digest else digest)

    what = f"trusted for {_whom(project)}"
    return _edit(path, change, f"{quote(name)} is now {what}", f"{quote(name)} was already {what}")


def untrust(path: Path, name: str, project: str) -> Edit:
    """Take back what :func:`trust` gave."""

    def change(text: str) -> str:
        if same := _trusted(text, name, project):
            return toml.without(text, same)
        rows = toml.rows_of(text, "trust")
        names = [str(r.values.get("name")) for r in rows if r.values.get("project") == project]
        help_ = "`mcpconf list` shows which servers there are"
        if _trusted(text, name, ""):
            help_ = "it is trusted for every project: delete that row from mcpconf.toml"
        message = f"{quote(name)} is not trusted for {_whom(project)}"
        raise Usage(message, help=_near(name, names) or help_)

    return _edit(path, change, f"{quote(name)} is no longer trusted for {_whom(project)}")


# --- what a row says --------------------------------------------------------------------------


def _is_of(row: Row, host: str, *projects: str | None) -> bool:
    """Whether a row is for this host and exactly these projects; None: for every one."""
    wanted = tuple(p for p in projects if p is not None)
    return _canonical(row.values.get("host")) == host and _projects(row) == wanted


def _projects(row: Row) -> tuple[str, ...]:
    value = row.values.get("project") or ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),) if value else ()


def _canonical(host: object) -> str:
    """A host as it is compared: what it is read as, else (it may have to be removed) itself."""
    found = parse_destination(str(host))
    return str(host).strip() if isinstance(found, Problem) else found.host


def _ports_of(row: Row) -> tuple[int, ...]:
    ports = parse_ports(row.values.get("ports", [443]))
    if isinstance(ports, Problem):
        raise BrokenError(f"has a row in which {ports.message}")
    return ports


def _trusted(text: str, name: str, project: str) -> list[Row]:
    wanted = {"name": name, "project": project}
    return [r for r in toml.rows_of(text, "trust") if wanted.items() <= r.values.items()]


def _not_allowed(name: str, project: str | None, rows: Sequence[Row]) -> Usage:
    hosts = [_canonical(r.values.get("host")) for r in rows]
    help_ = _near(name, hosts) or "mcpconf.toml has no row for it; `mcpconf explain HOST` says why"
    if name in hosts:
        help_ = "it is open for other projects: say which, with `--project DIR`"
        if any(_is_of(r, name) for r in rows):
            help_ = "it is open for every project: add `--everywhere`"
    return Usage(f"{quote(name)} is not allowed for {_whom(project)}", help=help_)


def _near(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"did you mean {quote(near[0])}?" if near else ""


def _whom(project: str | None) -> str:
    return "every project" if project is None else f"the project {quote(project, 120)}"


def _more(value: object, missing: Sequence[int]) -> object:
    if not isinstance(value, Array):
        return [443 if value is None else value, *missing]
    for port in missing:
        value.append(port)
    return value


def _less(value: object, project: str | None) -> object:
    assert isinstance(value, Array)
    while project in value:
        value.remove(project)
    return value


def _or_usage(found: _T | Problem) -> _T:
    if isinstance(found, Problem):
        raise Usage(found.message, help=found.help)
    return found


# --- the file ---------------------------------------------------------------------------------


def _edit(path: Path, change: Callable[[str], str], now: str, before: str = "") -> Edit:
    """Read, change, write, all under the lock; behind a link it is the link's target.

    ``before`` says that nothing had to be done.  Without it there is nothing to make anew.
    """
    target = Path(os.path.realpath(path))
    with _explained(target):
        if not before and not target.exists():
            change("")
        _make(target.parent)
        with _locked(target.with_name(f".{target.name}.lock")):
            old = _read(target)
            new = toml.edited(_HEADER if old is None else old, change)
            if new != old:
                _write(target, new)
    return Edit(path, new != old, before if new == old else now)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenError as broken:
        message, help_ = f"mcpconf.toml {broken}", "correct it, then run this again"
        raise Failure(message, note=f"{path} was not changed", help=help_) from None
    except OSError as error:
        message = f"{path} could not be edited: {error.strerror or error}"
        help_ = f"see who may write there: `ls -ld {path.parent} {path}`"
        raise Failure(message, note="nothing was changed", help=help_) from error


def _make(directory: Path) -> None:
    if not directory.is_dir():
        _make(directory.parent)
        with suppress(FileExistsError):
            directory.mkdir(0o700)


def _read(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenError("is not a regular file")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise BrokenError("is not UTF-8") from None


def _write(path: Path, text: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the lock, and leave no file behind: who waits for one that is gone opens the next."""
    deadline = time.monotonic() + _PATIENCE
    while (descriptor := _take(lock)) is None:
        if time.monotonic() > deadline:
            message = f"another process has been editing mcpconf.toml for {_PATIENCE:g} seconds"
            help_ = f"end it if it hangs; `fuser {lock}` names it"
            raise Failure(message, note="nothing was changed", help=help_)
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()
        os.close(descriptor)


def _take(lock: Path) -> int | None:
    """Take the lock if it is free, and still the file that the next one would open."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), lock.stat()):
            return descriptor
    os.close(descriptor)
    return None
