"""Logs what leaves a container: ``python -m tests.engines.story.wire STATE INTERFACE …``.

The interfaces are the host's ends of the container's links, in the current network namespace.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.netns.lab.helpers import end_with_stdin
from tests.netns.lab.sniffer import Watched, watch

if __name__ == "__main__":
    state, interfaces = Path(sys.argv[1]), sys.argv[2:]
    for interface in interfaces[1:]:
        what = Watched(f"wire-{interface}", interface, leaving=False)
        threading.Thread(target=watch, args=(state, what), daemon=True).start()
    end_with_stdin()
    watch(state, Watched(f"wire-{interfaces[0]}", interfaces[0], leaving=False))
