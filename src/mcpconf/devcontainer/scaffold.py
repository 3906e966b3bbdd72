"""The other files of ``init``: a first devcontainer.json, a compose file, the mounted directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mcpconf import jsonc
from mcpconf._resources import data
from mcpconf.devcontainer.edits import COMPOSE, Wish
from mcpconf.devcontainer.feature import Content
from mcpconf.devcontainer.find import FOLDER, Found
from mcpconf.errors import Usage
from mcpconf.jsonc import Value
from mcpconf.names import quote

_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[a-z].*", re.IGNORECASE)  # in YAML
_BASENAME = "${localWorkspaceFolderBasename}"
_WORKSPACE = "${localWorkspaceFolder}"


class Compose(NamedTuple):
    """The compose file of ours, and what has to be said about it."""

    name: str
    content: bytes
    notes: tuple[str, ...] = ()


class _Volume(NamedTuple):
    source: str
    target: str


def fresh(root: Path) -> str:
    """A devcontainer.json for a project without one."""
    name = os.fsencode(root.name or "project").decode("utf-8", "replace")
    return _rendered("devcontainer.json.j2", name=name)


def mounted() -> dict[str, Content]:
    """What keeps the directory that is mounted in everybody's clone."""
    folder = data("templates", "devcontainer")
    return {
        f"{FOLDER}/mcpconf/.gitignore": Content((folder / "gitignore").read_bytes()),
        f"{FOLDER}/mcpconf/README.md": Content((folder / "README.md").read_bytes()),
    }


def notes(found: Found, wish: Wish, *, fresh: bool) -> Iterator[str]:
    """Say what the user has to know about a project, whatever its file says."""
    if fresh:
        yield "there was no devcontainer.json: see whether image and remoteUser suit you"
    if not wish.protect:
        yield (
            "the agent can change .devcontainer, and with it what its firewall opens; "
            "--protect mounts it read-only"
        )
    if "/" not in found.name:
        yield (
            ".devcontainer.json itself can be changed from inside, and the host runs its "
            "initializeCommand: move it to .devcontainer/devcontainer.json"
        )
    if os.path.isdir(found.root / ".ddev"):
        yield (
            "this project has .ddev as well: where mcpconf is in both, `mcpconf sync` and all "
            "other commands are about DDEV's container; this one gets its list when it starts"
        )
        yield (
            "the agent can change .ddev in here, and DDEV runs what is there on the host: mount it "
            "read-only (docs/devcontainer.md)"
        )


def compose_file(root: Path, config: str, parsed: Value, *, protect: bool) -> Compose:
    """The file that a compose-based devcontainer.json gets beside it.

    Raises Usage where it does not say which service is meant.
    """
    service = parsed.get("service")
    name = service.scalar if service and service.kind == "string" else ""
    if not _SERVICE.fullmatch(name):
        raise Usage(
            f"{config} names no service that a compose file can have: {quote(name)}",
            help='say which one the dev container is: "service": "app"',
        )
    volumes, notes = _volumes(root, config, parsed) if protect else ((), ())
    spelled = name if _PLAIN.fullmatch(name) else jsonc.quoted(name)
    text = _rendered(f"{COMPOSE}.j2", service=spelled, volumes=volumes)
    folder = config.rpartition("/")[0]
    return Compose(f"{folder}/{COMPOSE}" if folder else COMPOSE, text.encode(), notes)


def _volumes(root: Path, config: str, parsed: Value) -> tuple[tuple[_Volume, ...], tuple[str, ...]]:
    """The two mounts; compose takes paths relative to the directory of its first file."""
    base = _base(root, config, parsed)
    ours = _relative(root / FOLDER / "mcpconf", base)
    volumes = [_Volume(ours, "/etc/mcpconf")]
    inside = parsed.get("workspaceFolder")
    target = str(inside.scalar if inside else "").replace(_BASENAME, root.name).rstrip("/")
    if target.startswith("/") and "${" not in target:
        volumes.append(_Volume(_relative(root / FOLDER, base), _escaped(f"{target}/{FOLDER}")))
        return tuple(volumes), ()
    note = "workspaceFolder is no plain path, so .devcontainer is not mounted read-only over itself"
    return tuple(volumes), (note,)


def _base(root: Path, config: str, parsed: Value) -> str:
    """The directory of the first compose file.  Raises Usage where nothing tells which it is."""
    named = parsed.get("dockerComposeFile")
    plain = named.plain if named else ""
    first = str(plain[0] if isinstance(plain, list) and plain else plain)
    first = first.replace(_BASENAME, root.name).replace(_WORKSPACE, str(root))
    if "${" in first:
        raise Usage(
            f"{config} names its first compose file by a variable: {quote(first, 120)}",
            help="name it by its path: the paths of what is mounted begin in its directory",
        )
    return os.path.dirname(os.path.normpath(root / config / ".." / first))


def _relative(path: Path, base: str) -> str:
    found = os.path.relpath(path, base)
    return _escaped(found if found.startswith("..") or found == "." else f"./{found}")


def _escaped(path: str) -> str:
    """Compose would put a variable there."""
    return path.replace("$", "$$")


def _rendered(template: str, **values: object) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  40 ms

    environment = Environment(
        loader=FileSystemLoader(data("templates", "devcontainer")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  no HTML: every value passes the filter `json`
        keep_trailing_newline=True,
    )
    environment.filters["json"] = jsonc.quoted
    return environment.get_template(template).render(values)
