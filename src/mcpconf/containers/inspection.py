"""What an engine says about one container, as far as a diagnosis needs it.

Of its environment only the names are kept, and the PATH: a value may be a secret.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from mcpconf.containers.engine import NoAnswer, ask, called
from mcpconf.containers.running import Container

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What an engine gives a container whose image names no PATH."""


class Inspected(NamedTuple):
    """A container as its engine knows it.

    ``user`` is as whom it starts, ``variables`` the names of its environment, ``mounts`` the
    directories of the host by where they are inside.
    """

    user: str
    path: str
    variables: frozenset[str]
    labels: Mapping[str, str]
    mounts: Mapping[str, str]


def inspect(container: Container, patience: float) -> Inspected:
    """Ask the engine, or look around where there is none to ask.  Raises NoAnswer."""
    if not container.engine:
        return Inspected("", os.environ.get("PATH") or PATH, frozenset(os.environ), {}, {})
    words = ["inspect", "--type", "container", container.name]
    told = ask(container.engine, words, time.monotonic() + patience)
    try:
        (found,) = json.loads(told)
        return _read(found)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        text = f"{called(container.engine)} says nothing that can be read about a container"
        raise NoAnswer(text, "") from None


def _read(found: Mapping[str, Any]) -> Inspected:
    config = found.get("Config") or {}
    environment = dict(
        line.partition("=")[::2] for line in config.get("Env") or () if isinstance(line, str)
    )
    labels = config.get("Labels") or {}
    return Inspected(
        user=str(config.get("User") or ""),
        path=environment.get("PATH") or PATH,
        variables=frozenset(environment),
        labels={str(key): str(value) for key, value in labels.items()},
        mounts={
            str(mount.get("Destination", "")): str(mount.get("Source", ""))
            for mount in found.get("Mounts") or ()
            if isinstance(mount, dict)
        },
    )
