"""Where mcpconf keeps its own things: the user's policy, the state of each project, the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcpconf.model import mint


@dataclass(frozen=True)
class Places:
    """Three directories.  Nothing is created before something is written.

    ``policy`` is the user's mcpconf.toml, ``state`` (0700) holds what the host side needs,
    ``cache`` what may be thrown away.
    """

    config: Path
    state: Path
    cache: Path

    @property
    def policy(self) -> Path:
        return self.config / "mcpconf.toml"

    @property
    def facts(self) -> Path:
        return self.cache / "facts.json"

    @property
    def gateway(self) -> Path:
        """What the one gateway of this user keeps: sockets, pid, logs."""
        return self.state / "gateway"

    def of_project(self, key: str) -> Path:
        """The state directory of one project; ``key`` is the project's path."""
        return self.state / "projects" / mint(key)


def find_places(home: Path | None) -> Places:
    """The platform's own directories; below ``home`` where one was given explicitly."""
    if home is not None:
        return Places(
            home / ".config" / "mcpconf", home / ".local/state/mcpconf", home / ".cache/mcpconf"
        )
    from platformdirs import PlatformDirs  # noqa: PLC0415  costs 10 ms; not needed with --home

    dirs = PlatformDirs("mcpconf", appauthor=False)
    return Places(dirs.user_config_path, dirs.user_state_path, dirs.user_cache_path)
