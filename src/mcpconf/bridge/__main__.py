"""``python -m mcpconf.bridge``."""

import sys

from mcpconf.bridge.command import main

if __name__ == "__main__":
    sys.exit(main())
