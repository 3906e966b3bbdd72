"""Judging a conversation that went well, as the client would: versions, tools, the first probe.

Pure.  The handshake takes what comes; Claude Code does not take all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mcpconf.diagnosis.evidence import Gateway, Heard, Host, Taken
from mcpconf.diagnosis.model import Rung, Shows, Verdict
from mcpconf.names import quote
from mcpconf.wire.rpc import ERAS

_MODERN = "2026-07-28"
_REFUSALS = frozenset({"refused-login", "login-needed", "login-expired", "step-up"})
_OF_SESSIONS = re.compile(r"(?i)session.{0,20}(not found|unknown|invalid|expired)|no valid session")
_RECENT = 900.0  # seconds for which what the gateway met still counts


def judge_talk(host: Host, heard: Heard, client: str) -> Iterator[Verdict]:
    """What Claude Code would not take of an answer."""
    outcome = heard.outcome
    if outcome.protocol and outcome.protocol not in (*ERAS, _MODERN):
        version = quote(outcome.protocol, 40)
        text = f"{host.name} speaks a version of the protocol that Claude Code does not know"
        shown = Shows(
            "✘ Failed to connect — Server's protocol version is not supported: "
            + version.strip("`"),
            "failed",
        )
        notes = (f"it answers {version} to `initialize`",)
        ways = ("use a release of the server, or of Claude Code, that knows the other's version",)
        yield _with(host.verdict(Rung.MCP, "MC281", text, notes), ways, shown)
    elif outcome.refused:
        text = f"{host.name} greets, but does not tell its tools"
        said = quote(outcome.refused, 160)
        shown = Shows("! Connected · tools fetch failed — " + said.strip("`"), "connected")
        ways = ("look into the server's own log",)
        notes = (f"it says {said}",)
        if _OF_SESSIONS.search(outcome.refused):
            notes = (f"it has forgotten the session that it began: it says {said}",)
            ways = ("where several processes serve it: keep a session at one of them",)
        yield _with(host.verdict(Rung.TOOLS, "MC283", text, notes), ways, shown)
    elif heard.taken is not None and heard.taken.call:
        yield _refused(host, heard.taken)
    if heard.probed is False and client != "2.1.197":
        text = f"{host.name} does not answer `server/discover`"
        notes = ("Claude Code asks that first, and waits 3 s for the answer",)
        ways = ("export MCP_PROTOCOL_NEGOTIATION=legacy, where Claude Code is started",)
        shown = Shows("✔ Connected", "pending")
        yield _with(host.verdict(Rung.CLIENT, "MC294", text, notes), ways, shown)


def _refused(host: Host, taken: Taken) -> Verdict:
    """What the server says has another shape than the client takes."""
    at, whose = quote(taken.misfit, 80), quote(taken.whose, 60)
    ways = ("get another version of the server, or tell its author",)
    if taken.call == "initialize":
        text = f"{host.name} greets in a way that Claude Code refuses: {at}"
        notes: tuple[str, ...] = (
            f"{at} is missing in its answer to `initialize`, or another type",
        )
        shown = Shows(
            "✘ Failed to connect — INVALID_RESULT: Invalid result for initialize: …", "failed"
        )
        return _with(host.verdict(Rung.MCP, "MC277", text, notes), ways, shown)
    text = f"{host.name} greets, but Claude Code refuses its list of tools for {at}"
    notes = (f"it is the tool {whose}" if taken.whose else "", "one such tool, and it shows none")
    said = f"Invalid result for tools/list: {taken.misfit}: Invalid input: …"
    shown = Shows("! Connected · tools fetch failed — " + said, "connected")
    found = host.verdict(Rung.TOOLS, "MC283", text, tuple(filter(None, notes)))
    return _with(found, ways, shown)


def refused_before(host: Host, gateway: Gateway, now: float) -> Iterator[Verdict]:
    """A call that the server refused shortly before: it greets everybody, and serves not all."""
    route = host.planned.route
    row = gateway.rows.get(route.server) if route else None
    error = row.get("last_error") if row else None
    if row is None or not isinstance(error, dict) or row.get("state") in ("ready", "idle"):
        return
    at, code = error.get("at"), error.get("code")
    if code not in _REFUSALS or not isinstance(at, int | float) or now - at > _RECENT:
        return
    text = f"{host.name} tells its tools, and refused the last call of one"
    notes = (f"the gateway met: {quote(str(error.get('message')), 200)}",)
    ways = ("configure its key, or sign in: " + host.sign_in.command,)
    shown = Shows("✔ Connected", "connected; the call fails")
    yield _with(host.verdict(Rung.TOOLS, "MC284", text, notes), ways, shown)


def _with(verdict: Verdict, ways: tuple[str, ...], shown: Shows) -> Verdict:
    return verdict._replace(finding=verdict.finding._replace(help=ways), shows=shown)
