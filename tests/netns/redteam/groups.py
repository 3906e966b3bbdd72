"""All groups of checks."""

from __future__ import annotations

from collections.abc import Callable

from tests.netns.redteam.checks_basic import basic
from tests.netns.redteam.checks_entries import entries
from tests.netns.redteam.checks_failure import failure
from tests.netns.redteam.checks_kill import kill
from tests.netns.redteam.checks_surroundings import explaining, scale, surroundings, unprivileged
from tests.netns.redteam.checks_time import established, rotate, window
from tests.netns.redteam.suite import Suite

GROUPS: dict[str, Callable[[Suite], None]] = {
    "basic": basic,
    "rotate": rotate,
    "est": established,
    "window": window,
    "kill": kill,
    "fail": failure,
    "entries": entries,
    "env": surroundings,
    "unpriv": unprivileged,
    "scale": scale,
    "explain": explaining,
}
