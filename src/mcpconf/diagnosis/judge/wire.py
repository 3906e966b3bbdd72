"""What a report of ``mcpconf.wire`` proves: the causes, in the ladder's order.

Pure: nothing is looked at here.  A cause is named only where the report proves it; where a server
does not work and nothing known explains it, that is said with the evidence (MC299).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcpconf.diagnosis.judge.auth import judge_auth, waits_for_login
from mcpconf.diagnosis.judge.http import judge_http, judge_redirect
from mcpconf.diagnosis.judge.mcp import judge_mcp, judge_speed
from mcpconf.diagnosis.judge.reach import judge_reach
from mcpconf.diagnosis.judge.report import About, Call, Seen, said
from mcpconf.diagnosis.model import Rung, Verdict

__all__ = ["About", "judge_wire"]


def judge_wire(report: Mapping[str, Any], about: About) -> list[Verdict]:
    """Return the causes why a server does not work, the one that blocks first; [] for none.

    [] also where the report does not show the server's own fault: it was not asked, the firewall
    is in the way (``about.firewall``), or nothing can be verified where it was asked from.
    """
    seen = Seen(report)
    if seen.works:
        return [*judge_http(seen, about), *judge_mcp(seen, about), *judge_speed(seen, about)]
    if not seen.stopped or _not_its_fault(seen, about):
        return []
    if seen.stopped == "url":
        return [_unreadable(about)]
    for judge in (judge_reach, judge_redirect, judge_auth, judge_http, judge_mcp):
        found = judge(seen, about)
        if found:
            return found
    return [_unknown(seen, about)]


def _not_its_fault(seen: Seen, about: About) -> bool:
    if waits_for_login(seen, about):
        return True
    reach = seen.broken("dns") or seen.broken("tcp") or seen.broken("proxy")
    if seen.stopped == "proxy" and seen.first("proxy").flag("ok") is None:
        return True  # no HTTP proxy: nothing was asked
    if reach and about.firewall == "closed":
        return True
    tls = seen.broken("tls")
    return tls.text("fault") == "unknown-ca" and tls.whole("roots") == 0


def _unreadable(about: About) -> Verdict:
    message = f"the URL of {about.name} cannot be used for its type"
    notes = (
        "a server of type `http` or `sse` begins with `https://` or `http://`, and has a host",
    )
    ways = ("write it out, as `https://mcp.example.com/mcp`",)
    return about.verdict(Rung.CONFIG, "MC061", message, notes=notes, help=ways)


def _unknown(seen: Seen, about: About) -> Verdict:
    call = seen.main
    notes = (
        f"the conversation ended at {said(seen.stopped)}",
        f"it answered HTTP {call.status}" if call.status else "",
        f"what went wrong is called {call.shown('fault')}" if call.fault else "",
        _excerpt(call),
    )
    message = f"{about.name} does not work, and none of the known causes explains it"
    ways = ("add `--format json` and read `steps`: what was tried, and what came back",)
    return about.verdict(Rung.MCP, "MC299", message, notes=notes, help=ways, at=())


def _excerpt(call: Call) -> str:
    return f"it says {call.shown('excerpt')}" if call.text("excerpt") else ""
