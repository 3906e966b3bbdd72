"""What a gateway is started with.  The service decides it (``service/``), the server obeys it.

The service has done this before ``serve`` is called: ``state/gateway`` exists (0700), the lock of
the one gateway per user is held, the pid file is written, and what a dead gateway left at
``socket`` and ``control`` is gone.  The server binds, serves, and unlinks both at its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mcpconf.model import Text


class Address(NamedTuple):
    """A TCP address to listen on: a literal IP address, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Options(NamedTuple):
    """One start of the gateway.

    ``state`` is the user's state directory (projects, logins).  ``hosts`` are the names, beside
    those of this machine's loopback and of ``listen``, under which requests may know it (Host,
    Origin).  Stand-alone, ``config`` is a file with ``mcpServers``: its servers are the project
    ``default``, ``token`` is that project's token, and there is no socket, control or log on disk.
    """

    state: Path
    listen: tuple[Address, ...]
    version: str
    socket: Path | None = None
    control: Path | None = None
    decisions: Path | None = None
    hosts: tuple[str, ...] = ()
    config: Path | None = None
    token: Text | None = None
