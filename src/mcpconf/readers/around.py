"""What a compilation needs beside the client's configuration, as values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import GatewayAddress
from mcpconf.readers.facts import Facts
from mcpconf.readers.inputs import Read
from mcpconf.readers.whitelist import Shipped


class Surroundings(NamedTuple):
    """Policy, whitelists and facts.

    ``accepted`` are the digests that earlier syncs accepted, by server; ``policy_path`` is where
    the user's own mcpconf.toml is, or would be; ``stacks`` are those that the project shows, each
    with the evidence.
    """

    policy_path: str
    user_policy: Read
    project_policy: Read
    facts: Facts
    shipped: Shipped
    accepted: Mapping[str, str]
    stacks: Mapping[str, str]


class Target(NamedTuple):
    """Where a project's files go, and what its container is like.

    ``container`` is the directory that is mounted into the container read-only, ``host`` the
    directory of what only the host reads, ``root`` the directory below which links are not
    followed (None where ``container`` is the user's own); ``programs`` are what the container can
    start by name; ``gateway`` is where it reaches the gateway on this machine, ``why`` so, and
    ``doubt`` what may be in the way.
    """

    kind: str  # ddev, devcontainer or none
    container: Path
    host: Path
    root: Path | None
    programs: frozenset[str]
    gateway: GatewayAddress
    why: str = ""
    doubt: str = ""

    @property
    def project(self) -> str:
        """The project's id: the name of its state directory, its part of the gateway's paths."""
        return self.host.name
