"""A command in a new laboratory's container, as root: ``python -m tests.netns.lab [WORD …]``.

Without words it is a shell.
"""

from __future__ import annotations

import subprocess
import sys

from tests.netns.lab.lab import Lab


def main() -> int:
    with Lab() as lab:
        sys.stderr.write(f"logs: {lab.state}\n")
        words = lab.container.words(sys.argv[1:] or ["bash"], None)
        return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
