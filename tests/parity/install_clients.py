"""Install the two Claude Code clients the parity tests ask, beside the tests.

    python -m tests.parity.install_clients

A version that is already there is left alone.
"""

from __future__ import annotations

import subprocess
import sys

from .oracle import CLIENTS, VERSIONS, client_path


def main() -> int:
    """Install what is missing; 1 when npm could not."""
    for version in VERSIONS:
        if path := client_path(version):
            print(f"{version}: {path}")
            continue
        folder = CLIENTS / version
        folder.mkdir(parents=True, exist_ok=True)
        package = f"@anthropic-ai/claude-code@{version}"
        call = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run([*call, package], check=False, timeout=900)
        if client_path(version) is None:
            print(f"{version}: npm did not install it", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
