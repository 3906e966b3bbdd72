"""What tests download is kept beside the checkouts, in ``$MCPCONF_TEST_CACHE``.

Without that variable in ``~/.cache/mcpconf-tests``.  Everything there has a version in its name.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("MCPCONF_TEST_CACHE") or Path.home() / ".cache/mcpconf-tests")
CLIENTS = Path(__file__).parents[1] / ".clients"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let nobody else make the thing of that name meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def clients() -> Iterator[Path]:
    """Yield ``.clients`` of this checkout, to install into: a link into the cache if it is new."""
    with alone("clients"):
        if not CLIENTS.exists():
            (CACHE / "clients").mkdir(exist_ok=True)
            CLIENTS.unlink(missing_ok=True)
            CLIENTS.symlink_to(CACHE / "clients")
        yield CLIENTS
