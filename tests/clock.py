"""Time as a test may measure it on a machine that has other things to do as well.

A test asserts that nothing waits for a limit or for its neighbour.  It cannot assert that the
machine is fast: two workers share a core here, and ``bench/`` measures speed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

_PRESSURE = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))
_TOTAL = re.compile(r"^some .*total=(\d+)$", re.MULTILINE)


def now() -> float:
    """Seconds that have passed, less those in which a program waited for a core or for a disk.

    Only differences mean something.  Linux counts that waiting (pressure stall information); where
    nobody does, all of the time counts.
    """
    return time.monotonic() - sum(_waited(file) for file in _PRESSURE)


def _waited(file: Path) -> float:
    try:
        found = _TOTAL.search(file.read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1e6 if found else 0.0
