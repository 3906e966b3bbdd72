"""Root file systems out of Debian's archive: one for each engine, and the image of the containers.

They are made with mmdebstrap, once, and kept (``tests/kept.py``).  The name of one carries its recipe,
so another recipe makes another.
"""

from __future__ import annotations

import hashlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.kept import CACHE, alone

_UNREAD = "doc man locale info lintian bug".split()
_LONGEST = 600  # seconds


class Recipe(NamedTuple):
    """A release of Debian and the packages wanted; ``kind`` is ``dir`` or ``tar``."""

    name: str
    kind: str
    suite: str
    packages: str


IMAGE = Recipe(
    "image",
    "tar",
    "bookworm",
    "curl dnsmasq-base haproxy ipset iproute2 iptables libcap2-bin nftables procps python3 ulogd2 ulogd2-json",
)
"""What the containers run: the firewall's engines, and what a test looks with."""

OLD = Recipe("old", "dir", "bookworm", "docker.io iproute2 iptables mount tini")
"""Docker 20.10, which does not say in resolv.conf whom its resolver asks."""

NEW = Recipe(
    "new",
    "dir",
    "trixie",
    "aardvark-dns crun docker-buildx docker-cli docker-compose docker.io iproute2 iptables mount "
    "netavark nftables passt podman slirp4netns tini uidmap",
)
"""Docker 26 with compose, and Podman 5."""


def ready(recipe: Recipe) -> Path:
    """The directory or the tar file of a recipe, which is made if it is not there."""
    digest = hashlib.sha256(repr((recipe, _UNREAD)).encode()).hexdigest()[:12]
    suffix = ".tar" if recipe.kind == "tar" else ""
    wanted = CACHE / f"{recipe.name}-{digest}{suffix}"
    with alone(recipe.name):
        if not wanted.exists():
            _make(recipe, wanted)
    return wanted


def _make(recipe: Recipe, wanted: Path) -> None:
    unfinished = wanted.with_name("unfinished-" + wanted.name)
    subprocess.run(["rm", "-rf", str(unfinished)], check=True)
    words = ["mmdebstrap", "--quiet", "--mode=root", "--variant=essential"]
    words += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _UNREAD]
    words += [f"--include={','.join(recipe.packages.split())}", recipe.suite, str(unfinished)]
    made = subprocess.run(words, capture_output=True, text=True, timeout=_LONGEST, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    unfinished.rename(wanted)


def main() -> None:
    """Make all, two at a time; what CI runs before the tests."""
    with ThreadPoolExecutor(2) as pool:
        for made in pool.map(ready, (NEW, IMAGE, OLD)):
            print(made)


if __name__ == "__main__":
    main()
