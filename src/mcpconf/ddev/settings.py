"""``.ddev/.env.mcpconf``: the add-on's settings, as ``ddev dotenv set`` writes them.

Every value becomes words that were looked at, or is left at its default and told.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mcpconf.names import quote

BASE_IMAGE = "node:22-bookworm-slim"
_LINE = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)\s*=\s*(.*?)\s*")
_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]{0,200}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,40}")
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]{0,80}")
_NPM = re.compile(
    r"(?:@[a-z0-9][a-z0-9._-]{0,80}/)?[a-z0-9][a-z0-9._-]{0,80}(?:@[0-9A-Za-z.+-]{1,40})?"
)


class Settings(NamedTuple):
    """What the project wants of its container."""

    service: str = "claude"
    base_image: str = BASE_IMAGE
    claude_code: str = "latest"
    apt: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()


def read_settings(text: str) -> tuple[Settings, list[str]]:
    """Read them; also says, in words, what could not be used."""
    found = dict(_pairs(text))
    wrong: list[str] = []

    def one(name: str, shape: re.Pattern[str], default: str) -> str:
        value = found.get(name, "")
        if value and not shape.fullmatch(value):
            wrong.append(f"{name} is not usable: {quote(value)}")
            return default
        return value or default

    def several(name: str, shape: re.Pattern[str]) -> tuple[str, ...]:
        words = found.get(name, "").split()
        wrong.extend(f"{name} is not usable: {quote(w)}" for w in words if not shape.fullmatch(w))
        return tuple(w for w in words if shape.fullmatch(w))

    settings = Settings(
        service=one("MCPCONF_SERVICE", _SERVICE, "claude"),
        base_image=one("MCPCONF_BASE_IMAGE", _IMAGE, BASE_IMAGE),
        claude_code=one("MCPCONF_CLAUDE_CODE", _VERSION, "latest"),
        apt=several("MCPCONF_APT", _APT),
        npm=several("MCPCONF_NPM", _NPM),
    )
    return settings, wrong


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found:
            value = found[2]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            pairs.append((found[1], value))
    return pairs
