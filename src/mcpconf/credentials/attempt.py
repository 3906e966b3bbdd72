"""What one run of ``login`` starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials.person import Person

PATIENCE = 600.0  # seconds for the person and the browser


class Home(NamedTuple):
    """Where logins are kept, and the variables of this process."""

    state: Path
    environ: Mapping[str, str] = os.environ

    def __repr__(self) -> str:
        return f"Home({self.state!r})"


class Options(NamedTuple):
    """What the user may ask for.

    ``scopes`` are asked for beside those that the server names.  ``fresh`` registers anew.
    ``metadata_url`` is a client id metadata document of the user's; without one, the client's own
    variable MCP_OAUTH_CLIENT_METADATA_URL counts; without that there is none.
    """

    scopes: str = ""
    fresh: bool = False
    metadata_url: str = ""
    patience: float = PATIENCE


class Attempt(NamedTuple):
    """A login to the server of ``route``; ``project`` is its project's directory."""

    route: Route
    project: str
    home: Home
    person: Person
    options: Options = Options()
