"""The prober as a program: JSON in, JSON out.  One target or a list of them."""

from __future__ import annotations

import json
import os
import sys

from mcpconf.wire.asking import ask, ask_all


def main(given: str | None = None) -> int:
    """Ask what ``given`` or standard input says; print one report, or as many as were asked."""
    asked = json.loads(sys.stdin.read() if given is None else given)
    answer = ask_all(asked) if isinstance(asked, list) else ask(asked)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a name that is being looked up would keep Python from ending
