"""All groups of checks."""

from __future__ import annotations

from collections.abc import Callable

from tests.netns.redteam.checks_basic import basic
from tests.netns.redteam.checks_entries import entries
from tests.netns.redteam.checks_failure import failure
from tests.netns.redteam.checks_kill import kill
from tests.netns.redteam.checks_surroundings import explaining, scale, surroundings, unprivileged
from tests.netns.redteam.checks_time import established, rotate, window
from tests.netns.redteam.extra_change import change, limits
from tests.netns.redteam.extra_gate import http, tls
from tests.netns.redteam.extra_names import lies, names, ports
from tests.netns.redteam.extra_packets import packets, streams
from tests.netns.redteam.extra_together import together
from tests.netns.redteam.extra_told import only_nft, sockets, told
from tests.netns.redteam.extra_upkeep import foreign, missing, resolvers, revive
from tests.netns.redteam.suite import Suite

Group = Callable[[Suite], None]
GROUPS: dict[str, Group] = {
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
EXTRA: dict[str, Group] = {
    "ports": ports,
    "names": names,
    "lies": lies,
    "packets": packets,
    "streams": streams,
    "revive": revive,
    "foreign": foreign,
    "resolv": resolvers,
    "missing": missing,
    "change": change,
    "limits": limits,
    "sockets": sockets,
    "told": told,
    "together": together,
    "nft": only_nft,
}
STRICT: dict[str, Group] = {"http": http, "tls": tls}
"""Groups that say nothing of a firewall that does not look into connections."""


def chosen(words: str, *, strict: bool) -> dict[str, Group]:
    """The groups of a list of names, in which ``all``, ``extra`` and ``everything`` are allowed.

    Raises KeyError for an unknown name.
    """
    extra = {**EXTRA, **(STRICT if strict else {})}
    several = {"all": GROUPS, "extra": extra, "everything": {**GROUPS, **extra}}
    found: dict[str, Group] = {}
    for word in words.split(","):
        found |= several.get(word) or {word: {**GROUPS, **EXTRA, **STRICT}[word]}
    return found
