"""Notices when a file changes on which a sync hangs, by looking four times a second.

Editors, git and Claude Code itself replace files, make them anew and put links in place; a look at
each file's identity sees all of that on every file system, in a virtual machine's shared folder
too, where the kernel tells nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic

from mcpconf.readers.inputs import Configuration
from mcpconf.readers.places import Places
from mcpconf.readers.world import config_directory, walk_up

PAUSE = 0.25  # seconds
_SETTLED = 0.1  # seconds without another change, before a change counts
_PATIENCE = 1.0  # seconds for which a file that goes on changing is waited for

State = Mapping[str, tuple[int, int, int] | None]


def watched(configuration: Configuration, places: Places) -> tuple[str, ...]:
    """Every file that a sync of this project reads, also those that do not exist yet."""
    request, cwd, key = configuration.request, configuration.cwd, configuration.key
    config = config_directory(request)
    paths = [os.path.join(config, n) for n in ("settings.json", ".config.json", ".claude.json")]
    paths += [os.path.join(request.home, n) for n in (".claude.json", ".mcp.json")]
    for root in dict.fromkeys((cwd, key)):
        paths += [
            os.path.join(root, ".claude", n) for n in ("settings.json", "settings.local.json")
        ]
        paths += [os.path.join(root, n) for n in ("mcpconf.toml", ".ddev/.env.mcpconf")]
    paths += [str(request.managed / n) for n in ("managed-settings.json", "managed-mcp.json")]
    paths += [*walk_up(cwd), str(places.policy), str(places.facts)]
    paths += [source.path for plugin in configuration.plugins for source, _ in plugin.sources]
    return tuple(dict.fromkeys(paths))


def state_of(paths: Iterable[str]) -> State:
    """What tells one state of the files from another; links are followed."""
    return {path: _identity(path) for path in paths}


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def changes(
    before: State, sleep: Callable[[float], None], limit: float | None = None
) -> Iterator[list[str]]:
    """Give, again and again, the files that have changed since, once they have come to rest.

    ``sleep`` waits for so many seconds; after ``limit`` seconds without a change it ends.
    """
    end = None if limit is None else monotonic() + limit
    while end is None or monotonic() < end:
        sleep(PAUSE)
        now = state_of(before)
        if now == before:
            continue
        now = _rest(now, sleep)
        yield sorted(path for path in now if now[path] != before[path])
        before = now


def _rest(state: State, sleep: Callable[[float], None]) -> State:
    until = monotonic() + _PATIENCE
    while monotonic() < until:
        sleep(_SETTLED)
        later = state_of(state)
        if later == state:
            return later
        state = later
    return state
