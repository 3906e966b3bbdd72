"""Install the two Claude Code clients the parity tests ask, beside the tests.

    python -m tests.parity.install_clients

A version that is already there is left alone.  What is new goes into the cache (``tests/kept.py``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kept import clients

from .oracle import VERSIONS, client_path


def main() -> int:
    """Install what is missing; 1 when npm could not."""
    with clients() as folder:
        return 0 if all(_install(version, folder / version) for version in VERSIONS) else 1


def _install(version: str, folder: Path) -> bool:
    if client_path(version) is None:
        folder.mkdir(exist_ok=True)
        call = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder)]
        package = f"@anthropic-ai/claude-code@{version}"
        subprocess.run([*call, package], check=False, timeout=900)
    path = client_path(version)
    print(f"{version}: {path or 'npm did not install it'}")
    return path is not None


if __name__ == "__main__":
    sys.exit(main())
