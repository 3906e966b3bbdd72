"""Judges what a container's firewall refused while a server was tried.  Pure."""

from __future__ import annotations

import json
import re

from mcpconf.diagnosis.container_facts import Aim, Blocked, InContainer, Tried
from mcpconf.diagnosis.judge.firewall import opens, shut_for
from mcpconf.diagnosis.model import Verdict
from mcpconf.names import quote

_MARGIN = 2.0  # seconds by which the firewall's clock and ours may differ
_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|198\.18\.0\.1|network"
    r"|fetch failed|[Cc]onnect|resolve|getaddrinfo|[Tt]imed? ?out|unreachable",
)


def during(tried: Tried, seen: InContainer, aim: Aim) -> list[Blocked]:
    """What was refused while a server was tried, and was its own doing, as far as one can know.

    Its own are the hosts that it needs, those that its entry or its last words name, and where
    these words are about the network all others, if no other server failed there meanwhile.
    """
    recent = _recent(tried, seen)
    needed = {host for host, _ in aim.wish.hosts}
    texts = f"{tried.words}\n{json.dumps(aim.wish.entry.get('args'))}"
    named = [b for b in recent if any(n in needed or (n and n in texts) for n in b.names)]
    if named:
        return named
    failing = [
        name
        for name, other in seen.tried.items()
        if other.tools is None and other.code in {"server-exited", "timeout"}
    ]
    alone = failing == [aim.wish.name] and _NETWORK.search(tried.words)
    return recent if alone else []


def _recent(tried: Tried, seen: InContainer) -> list[Blocked]:
    lowest, highest = tried.began - _MARGIN, tried.ended + _MARGIN
    found = [b for b in seen.fire.blocked if b.last >= lowest and b.first <= highest]
    return [b for b in found if b.reason != "cut"]


def meanwhile(tried: Tried, seen: InContainer) -> tuple[str, ...]:
    """What was refused at that time, as a fact: nobody knows whose attempt it was."""
    hosts = (b.names[0] if b.names else b.address for b in _recent(tried, seen))
    listed = ", ".join(quote(host, 60) for host in list(dict.fromkeys(hosts))[:3])
    return (f"the firewall refused {listed} meanwhile: mcpconf firewall blocked",) if listed else ()


def shut(blocked: Blocked, aim: Aim, said: tuple[str, ...]) -> Verdict:
    """The firewall is why: a package runner whose registry is closed, or a server's own host."""
    host = blocked.names[0] if blocked.names else blocked.address
    text = f"the firewall is shut for {quote(host, 80)}, which {aim.name} wants while it starts"
    return shut_for(blocked, text, aim, said, opens(blocked, aim))
