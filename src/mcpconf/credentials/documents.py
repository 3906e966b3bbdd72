"""Values of JSON files by pointer, read again only when the file has changed.

Of a file only the object around a value that was asked for is kept: ``~/.claude.json`` may be
megabytes of history, of which a route needs one entry.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from mcpconf.credentials.missing import Missing
from mcpconf.json_text import Fault, parse
from mcpconf.model import Json
from mcpconf.origin import Source

Stamp = tuple[int, ...]

_LARGEST = 256 * 1024 * 1024  # bytes; the client sets no limit for ~/.claude.json (fact 34)
_LARGEST_OTHER = 2_097_152  # its limit for .mcp.json (fact 33), which a container may write
_OF_THE_USER = (".claude.json", ".config.json")


class _Kept(NamedTuple):
    stamp: Stamp
    owner: int
    values: dict[tuple[str, ...], Json]  # by pointer, without its last step


class Documents:
    """The files that routes point into."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def __repr__(self) -> str:
        return f"Documents({len(self._kept)} files)"

    def stamp(self, path: str) -> Stamp:
        """What changes when the file does.

        Raises:
            Missing: ``secret-missing``: it cannot be read.

        """
        return _stamp(_stat(path))

    def value(self, path: str, pointer: str) -> Json:
        """Return the value at an RFC 6901 pointer.

        Raises:
            Missing: ``stale-route``: it is not there; ``secret-missing``: the file cannot be read.

        """
        steps = parse_pointer(pointer)
        kept = self._fresh(path)
        around = steps[:-1]
        if around not in kept.values:
            kept = self._read(path, (*kept.values, around))
        value = kept.values[around]
        try:
            return value if not steps else _step(value, steps[-1])
        except LookupError:
            raise _gone(path, pointer) from None

    def private(self, path: str, pointer: str) -> Json:
        """Return a value that nothing vouches for but the file's permissions.

        Raises:
            Missing: as for ``value``, and ``secret-missing`` if others may write the file.

        """
        _only_ours(path, _stat(path))
        return self.value(path, pointer)

    def _fresh(self, path: str) -> _Kept:
        kept = self._kept.get(path)
        now = self.stamp(path)
        if kept is None or kept.stamp != now:
            kept = self._read(path, tuple(kept.values) if kept else ())
        return kept

    def _read(self, path: str, around: tuple[tuple[str, ...], ...]) -> _Kept:
        document, status = _load(path)
        values: dict[tuple[str, ...], Json] = {}
        for steps in around:
            try:
                values[steps] = _walk(document, steps)
            except LookupError:
                values[steps] = None
        kept = _Kept(_stamp(status), status.st_uid, values)
        self._kept[path] = kept
        return kept


def parse_pointer(pointer: str) -> tuple[str, ...]:
    """Split an RFC 6901 pointer into its steps."""
    if not pointer:
        return ()
    return tuple(s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:])


def _walk(value: Json, steps: tuple[str, ...]) -> Json:
    for step in steps:
        value = _step(value, step)
    return value


def _step(value: Json, step: str) -> Json:
    if isinstance(value, dict):
        return value[step]
    if isinstance(value, list) and step.isascii() and step.isdigit():
        return value[int(step)]
    raise LookupError(step)


def _load(path: str) -> tuple[Json, os.stat_result]:
    """Read a whole file; its status is that of the file that was read.

    Somebody in the container may put a pipe in its place at any moment: nobody waits for a writer.
    """
    largest = _LARGEST if os.path.basename(path) in _OF_THE_USER else _LARGEST_OTHER
    try:
        with open(path, "rb", opener=_at_once) as file:
            status = _regular(path, os.fstat(file.fileno()))
            raw = file.read(largest + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(raw) > largest:
        raise Missing("secret-missing", f"`{path}` is larger than {largest} bytes")
    document = parse(Source(path, raw.decode("utf-8", "replace")))
    if isinstance(document, Fault):
        where = f"line {document.line}, column {document.column}"
        text = f"`{path}` is not JSON ({where}); correct it, then run `mcpconf sync`"
        raise Missing("stale-route", text, retry=True)
    return document.value, status


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _stat(path: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return _regular(path, status)


def _regular(path: str, status: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise Missing("secret-missing", f"`{path}` is not a regular file")
    return status


def _stamp(status: os.stat_result) -> Stamp:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _only_ours(path: str, status: os.stat_result) -> None:
    """Refuse a file that somebody else could have written.

    The own group may write: many systems give each user a group of its own (umask 002).
    """
    if status.st_uid not in (os.geteuid(), 0):
        text = f"`{path}` belongs to another user; make it yours: chown \"$USER\" '{path}'"
        raise Missing("secret-missing", text)
    others = status.st_mode & stat.S_IWOTH
    if others or (status.st_mode & stat.S_IWGRP and status.st_gid not in (os.getegid(), 0)):
        text = f"others may write `{path}`, so nothing in it can be relied on; run: "
        raise Missing("secret-missing", f"{text}chmod go-w '{path}'")


def _unreadable(path: str, error: Exception) -> Missing:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "it has no such name"
    text = f"`{path}` cannot be read: {why.lower()}"
    gone = isinstance(error, FileNotFoundError)
    return Missing("stale-route" if gone else "secret-missing", text, retry=gone)


def _gone(path: str, pointer: str) -> Missing:
    text = f"`{path}` has nothing at `{pointer}` any more; run `mcpconf sync`"
    return Missing("stale-route", text)
