"""The decision as texts, from ``templates/ddev``.  What decides is not in there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mcpconf._resources import data
from mcpconf.bridge import bundle as bridge
from mcpconf.ddev.decide import Decision
from mcpconf.ddev.look import COMPOSE, CONFIG, Seen
from mcpconf.firewall import bundle as firewall
from mcpconf.write.project_files import ProjectFile

_SIGNED = b"#ddev-generated\n"
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_BMP = 0xFFFF


def literal(text: str) -> str:
    """A text as a string of YAML in which compose files replace nothing."""
    return as_is(text.replace("$", "$$"))


def as_is(text: str) -> str:
    """A text as a string of YAML, with its variables (YAML 1.2 §7.3.1)."""
    return '"' + "".join(map(_character, text)) + '"'


def in_project(path: str) -> str:
    """The path of a file of the project in the container."""
    return as_is("${DDEV_APPROOT}/" + path.replace("$", "$$"))


def _character(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"


def render(decision: Decision, seen: Seen, preferences: str) -> tuple[ProjectFile, ...]:
    """Every file below ``.ddev`` that a sync writes; what names others is written last."""
    environment = _environment()
    values = {
        "service": decision.service,
        "settings": decision.settings,
        "extra_hosts": seen.reach.extra_hosts,
        "masks": seen.masks,
        "devcontainer": seen.devcontainer,
        "close_web": not seen.mutagen,
    }
    return (
        ProjectFile(".ddev/mcpconf/empty", b""),
        ProjectFile(".ddev/mcpconf/preferences.json", preferences.encode(), 0o600),
        *_build(),
        *(
            ProjectFile(
                f".ddev/{name}", environment.get_template(f"{name}.j2").render(values).encode()
            )
            for name in (CONFIG, COMPOSE)
        ),
    )


def _environment() -> Environment:
    environment = Environment(  # noqa: S701  no HTML; every value passes a filter of ours
        loader=FileSystemLoader(data("templates", "ddev")),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(literal=literal, as_is=as_is, in_project=in_project)
    return environment


def _build() -> list[ProjectFile]:
    """What the image is built of: files as they are, and our two programs as text."""
    folder = data("templates", "ddev", "build")
    found = [
        ProjectFile(f".ddev/mcpconf/build/{p.name}", p.read_bytes(), _mode(p))
        for p in _files(folder)
    ]
    found += [ProjectFile(f".ddev/mcpconf/build/{n}", t, 0o755) for n, t in _programs().items()]
    return found


@cache
def _programs() -> dict[str, bytes]:
    """Our two programs as signed text; the image's own Python compiles them."""
    signed = {}
    for name, text in (("mcpconf-bridge", bridge.text()), ("mcpconf-fw", firewall.text())):
        first, _, rest = text.partition(b"\n")
        signed[name] = first + b"\n" + _SIGNED + rest
    return signed


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file())


def _mode(path: Path) -> int:
    return 0o644 if path.suffix == ".py" or path.name == "Dockerfile" else 0o755
