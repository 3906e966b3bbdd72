"""Makes one text of the prober: for a Python that has nothing of ours (``python3 -I -``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mcpconf import onefile

_TITLE = "The prober of mcpconf, Apache-2.0.  Made from src/mcpconf/wire/: change it there."
_END = 'if __name__ == "__main__":\n'


@cache
def text() -> str:
    """Return the one file: it reads what to ask as JSON from standard input, and prints JSON."""
    return onefile.one_source(_TITLE, onefile.in_order("mcpconf.wire.command"))


def program(asked: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Return the same with what to ask in it, to be given to ``python3 -I -`` itself.

    So no secret stands in a list of processes, and nothing is written where it runs.
    """
    given = json.dumps(json.dumps(asked))
    return text().partition(_END)[0] + f"{_END}    sys.exit(main({given}))\n"
