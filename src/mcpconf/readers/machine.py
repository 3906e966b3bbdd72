"""What kind of machine and engine this is, by looking at files and variables; no program is run.

The engine is the one that Docker's client would ask: ``DOCKER_HOST``, else the current context's
endpoint, else the usual socket, which desktop engines make a link to their own.  Podman needs no
socket: without any it counts where it is installed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from shutil import which
from typing import Any

from mcpconf.origin import Source
from mcpconf.readers.reach import Machine
from mcpconf.readers.world import read

_SOCKET = "/var/run/docker.sock"
_IN_WSL = "/mnt/wsl/docker-desktop"  # what Docker Desktop shares with the distributions
_LIMIT = 1024 * 1024  # bytes
_IDE = re.compile(r"^xdebug_ide_location:[ \t]*[\"']?([A-Za-z0-9.:-]+)", re.MULTILINE)


def this_machine(environ: Mapping[str, str], root: str = "/", kernel: str = "") -> Machine:
    """Look.  ``root`` is where the system's own files begin, and ``kernel`` its name, for tests."""
    wsl = "microsoft" in (kernel or os.uname().release).lower()
    return Machine(
        system=sys.platform,
        engine=_engine(environ, root, wsl=wsl),
        wsl=wsl,
        cloud=environ.get("CODESPACES") == "true" or bool(environ.get("REMOTE_CONTAINERS")),
        ide=_ide(environ),
    )


def _engine(environ: Mapping[str, str], root: str, *, wsl: bool) -> str:
    endpoint = environ.get("DOCKER_HOST") or _of_context(environ)
    if not endpoint or endpoint == f"unix://{_SOCKET}":
        endpoint = os.path.realpath(os.path.join(root, _SOCKET.lstrip("/")))
    engine = _called(endpoint) or _usual(root, wsl=wsl)
    if engine == "docker" and endpoint[:1] == "/" and not os.path.exists(endpoint):
        return _podman(environ) or engine
    return engine


def _podman(environ: Mapping[str, str]) -> str:
    if not which("podman", path=environ.get("PATH", "")):
        return ""
    return "podman-rootless" if os.getuid() else "podman"


def _called(endpoint: str) -> str:
    """The engine whose endpoint this is; "" where it does not say."""
    for sign, engine in (
        ("colima", "colima"),
        ("orbstack", "orbstack"),
        ("docker-desktop", "desktop"),
        (".docker/desktop", "desktop"),
        (".docker/run", "desktop"),
    ):
        if sign in endpoint:
            return engine
    own = "/run/user/" in endpoint
    if "podman" in endpoint:
        return "podman-rootless" if own else "podman"
    return "rootless" if own else ""


def _usual(root: str, *, wsl: bool) -> str:
    if sys.platform != "linux" or (wsl and os.path.isdir(os.path.join(root, _IN_WSL.lstrip("/")))):
        return "desktop"
    return "docker"


def _of_context(environ: Mapping[str, str]) -> str:
    """The endpoint of the client's current context; "" for the default one."""
    folder = environ.get("DOCKER_CONFIG") or os.path.join(_home(environ), ".docker")
    name = environ.get("DOCKER_CONTEXT") or _member(
        os.path.join(folder, "config.json"), "currentContext"
    )
    if not isinstance(name, str) or name in ("", "default"):
        return ""
    kept = os.path.join(folder, "contexts/meta", sha256(name.encode()).hexdigest(), "meta.json")
    endpoint = _member(kept, "Endpoints", "docker", "Host")
    return endpoint if isinstance(endpoint, str) else ""


def _member(path: str, *keys: str) -> Any:  # noqa: ANN401  a JSON value
    try:
        value = json.loads(_text(path) or "null")
        for key in keys:
            value = value[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value


def _ide(environ: Mapping[str, str]) -> str:
    home = _home(environ)
    settled = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    for folder in (os.path.join(home, ".ddev"), os.path.join(settled, "ddev")):
        found = _IDE.search(_text(os.path.join(folder, "global_config.yaml")))
        if found:
            return found[1]
    return ""


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or str(Path.home())


def _text(path: str) -> str:
    file = read(path, _LIMIT)
    return file.text if isinstance(file, Source) else ""
