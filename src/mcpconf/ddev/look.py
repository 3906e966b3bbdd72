"""Reads a project's ``.ddev``: a value in which everything is that the files of ours hang on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mcpconf.origin import Source
from mcpconf.readers.inputs import Unreadable
from mcpconf.readers.machine import this_machine
from mcpconf.readers.reach import Reach, reach
from mcpconf.readers.target import MARKS
from mcpconf.readers.world import read

COMPOSE = "docker-compose.mcpconf.yaml"
CONFIG = "config.mcpconf.yaml"
MANIFEST = "addon-metadata/mcpconf/manifest.yaml"
SETTINGS = ".env.mcpconf"
COMMANDS = (
    "commands/host/claude-mcp",
    "commands/host/claude-mcp-proxy",
    "commands/host/mcpconf-claude",
)

_COMPOSE_FILE = re.compile(r"docker-compose\..+\.ya?ml")
_CONFIG_FILE = re.compile(r"config\..+\.ya?ml|config\.ya?ml")
_LIMIT = 1024 * 1024  # bytes of a file
_DEEPEST = 3  # folders below the project in which files of secrets are looked for
_MOST_ENTRIES = 20_000
_MOST_MASKS = 200
_NOT_ENTERED = {"node_modules", "vendor", ".git", ".venv", "venv", "bower_components", "mcpconf"}
_TEMPLATES = {"example", "sample", "dist", "template", "tpl", "defaults"}
_MUTAGEN = re.compile(r"^performance_mode:[ \t]*[\"']?(\w+)", re.MULTILINE)


class Seen(NamedTuple):
    """What there is.  ``composes`` and ``configs`` are texts by file name, without ours.

    ``masks`` are files of secrets, relative to the project; ``gone`` the add-on's commands that
    have vanished; ``mutagen``: the web container's files are a copy.
    """

    composes: Mapping[str, str]
    configs: Mapping[str, str]
    unreadable: tuple[str, ...]
    settings: str
    masks: tuple[str, ...]
    unmaskable: tuple[str, ...]
    devcontainer: bool
    mutagen: bool
    reach: Reach
    gone: tuple[str, ...]


def is_installed(root: Path) -> bool:
    """Whether the add-on is there, or ``mcpconf init ddev`` was: any of its marks will do."""
    return any(os.path.lexists(root / ".ddev" / name) for name in MARKS["ddev"])


def look(root: Path, environ: Mapping[str, str]) -> Seen:
    """Read what counts.  A file that cannot be read is named, never followed to elsewhere."""
    folder = root / ".ddev"
    names = _names(folder)
    texts = {n: read(folder / n, _LIMIT) for n in names if n not in (COMPOSE, CONFIG)}
    machine = this_machine(environ)
    found = sorted(_secrets(str(root)))
    configs = {n: t.text for n, t in texts.items() if isinstance(t, Source) and _is_config(n)}
    return Seen(
        composes={
            n: t.text for n, t in texts.items() if isinstance(t, Source) and n not in configs
        },
        configs=configs,
        unreadable=tuple(n for n, t in texts.items() if isinstance(t, Unreadable)),
        settings=_text(folder / SETTINGS),
        masks=tuple(p for p in found if _is_text(p))[:_MOST_MASKS],
        unmaskable=tuple(p for p in found if not _is_text(p)),
        devcontainer=os.path.isdir(root / ".devcontainer"),
        mutagen=_mutagen(configs, environ, machine.system),
        reach=reach(machine),
        gone=tuple(n for n in COMMANDS if not os.path.lexists(folder / n)),
    )


def _names(folder: Path) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [n for n in names if _is_text(n) and (_COMPOSE_FILE.fullmatch(n) or _is_config(n))]


def _is_config(name: str) -> bool:
    return bool(_CONFIG_FILE.fullmatch(name))


def _text(path: Path) -> str:
    file = read(path, _LIMIT)
    return file.text if isinstance(file, Source) else ""


def _is_text(path: str) -> bool:
    """Whether a path of the file system is UTF-8, as YAML has to be."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mutagen(configs: Mapping[str, str], environ: Mapping[str, str], system: str) -> bool:
    if environ.get("DDEV_MUTAGEN_ENABLED"):
        return environ["DDEV_MUTAGEN_ENABLED"] == "true"
    home = environ.get("HOME", "")
    settled = [_text(Path(home, ".ddev/global_config.yaml")), *configs.values()]
    said = [found[1] for text in settled for found in _MUTAGEN.finditer(text)]
    return said[-1] == "mutagen" if said else system != "linux"


def _secrets(root: str) -> Iterator[str]:
    """The ``.env`` files of a project, as paths below it; links count where they stay inside."""
    left = _MOST_ENTRIES
    waiting = [("", 0)]
    while waiting and left > 0:
        below, depth = waiting.pop(0)
        for entry in _entries(os.path.join(root, below)):
            left -= 1
            path = f"{below}/{entry.name}".lstrip("/")
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST and entry.name not in _NOT_ENTERED:
                    waiting.append((path, depth + 1))
            elif _is_secret(entry.name) and _stays_inside(root, path):
                yield path


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_secret(name: str) -> bool:
    if name == SETTINGS:  # ours: nothing secret
        return False
    kind = name.rpartition(".")[2].lower()
    return name == ".env" or (name.startswith(".env.") and kind not in _TEMPLATES)


def _stays_inside(root: str, path: str) -> bool:
    """Whether a mount over the path lands on a file of the project's."""
    real = os.path.realpath(os.path.join(root, path))
    return os.path.isfile(real) and real.startswith(os.path.realpath(root) + os.sep)
