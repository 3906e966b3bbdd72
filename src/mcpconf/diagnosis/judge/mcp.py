"""The handshake and the tools: answers that are no answers, refusals, and time."""

from __future__ import annotations

import re

from mcpconf.diagnosis.judge.report import COMPARE, About, Call, Seen, said, took
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.diagnosis.shows import shows

_SLOW = 2.0  # seconds that a session waits at its start (fact 61)
_OTHER_VERSION = -32022  # of the stateless era: none of the versions that it speaks
_LOST_SESSION = (400, 404)
_OF_VERSIONS = re.compile(
    r"(?i)(unsupported|unknown|invalid|incompatible)[^.]{0,20}protocol.?version"
    r"|protocol.?version[^.]{0,40}(not supported|unsupported|unknown|mismatch)"
)
_KNOWN = "2024-11-05 to 2025-11-25"


def judge_mcp(seen: Seen, about: About) -> list[Verdict]:
    """Judge the conversation itself; [] where it went well."""
    call = seen.main
    if seen.works or not call:
        return []
    if lost_session(seen):
        return [_forgotten(call, seen, about)]
    if call.text("call") == "tools":
        return [_tools(call, about)]
    judge = {
        "timeout": _silent,
        "not-mcp": _not_mcp,
        "shape": _misfit,
        "too-big": _not_mcp,
        "elsewhere": _elsewhere,
        "protocol": _protocol,
        "rpc-error": _refused,
    }.get(call.fault)
    error = call.part("error")
    if error.whole("code") == _OTHER_VERSION or _OF_VERSIONS.search(error.text("message")):
        judge = _protocol
    if judge is None and (call.text("rpc") == "error" or call.text("call") == "initialized"):
        judge = _refused
    return [judge(call, seen, about)] if judge else []


def judge_speed(seen: Seen, about: About) -> list[Verdict]:
    """Say what a working server costs at the start of a session."""
    probe = seen.call("discover")
    ms = sum(seen.call(name).number("ms") or 0.0 for name in ("discover", "initialize", "tools"))
    reach = sum(s.number("ms") or 0.0 for n in ("dns", "tcp", "tls") for s in seen.of(n))
    seconds = (ms + reach) / 1000
    if probe.fault == "timeout":
        return [_ignores_probe(seen, about)]
    if seconds > about.patience:
        return [_too_slow(seconds, about)]
    return [_slow(seconds, about)] if seconds > _SLOW else []


# --- the handshake ----------------------------------------------------------------------------


def _silent(call: Call, seen: Seen, about: About) -> Verdict:
    waited = took(call.number("ms")) or f"{seen.seconds:.0f} s"
    if call.status:
        message = f"the server of {about.name} begins an answer and does not end it"
        notes: tuple[str, ...] = (f"HTTP {call.status}, then nothing for the rest of {waited}",)
    else:
        message = f"the server of {about.name} takes the request and does not answer"
        notes = (f"asked {about.here}, nothing came back within {waited}",)
    ways = (
        "look into the server's own log",
        "if it only needs longer to start: `export MCP_TIMEOUT=60000`",
    )
    ms = round(about.patience * 1000)
    printed = shows(about, "hang", server=about.name.strip("`"), ms=ms)
    return about.verdict(Rung.MCP, "MC278", message, notes=notes, help=ways, shows=printed)


def _not_mcp(call: Call, seen: Seen, about: About) -> Verdict:
    del seen
    what = "is longer than any" if call.fault == "too-big" else "is no JSON-RPC answer"
    message = f"what answers {about.name} is not MCP: what comes back {what}"
    media = call.shown("media", 60)
    odd = _ODD.get(call.text("odd"), "")
    notes = (f"HTTP {call.status} with {media}" if media else "", odd, *call.says)
    return about.verdict(
        Rung.MCP, "MC277", message, notes=notes, help=(COMPARE,), shows=shows(about, "failed")
    )


_ODD = {
    "compressed": "it is compressed in a way that nobody asked for (`Content-Encoding`)",
    "bom": "it begins with a byte order mark, which JSON must not have",
    "other-id": "its `id` is not that of the request: not the same value, or not of the same type",
    "no-event": "its stream of events ends without an event `message` that holds the answer",
}


def _misfit(call: Call, seen: Seen, about: About) -> Verdict:
    del seen
    where = call.shown("misfit", 80)
    message = f"the server of {about.name} greets in a way that Claude Code refuses: {where}"
    notes = (f"{where} is missing in its answer to `initialize`, or of another type",)
    ways = ("get another version of the server, or tell its author",)
    printed = shows(about, "misfit")
    return about.verdict(Rung.MCP, "MC277", message, notes=notes, help=ways, shows=printed)


def _elsewhere(call: Call, seen: Seen, about: About) -> Verdict:
    del call, seen
    message = f"the server of {about.name} wants its messages sent to another origin"
    notes = ("its stream names an endpoint of another origin, which Claude Code refuses",)
    ways = ("correct the address that the server has of itself (its base URL)", COMPARE)
    return about.verdict(
        Rung.MCP, "MC277", message, notes=notes, help=ways, shows=shows(about, "elsewhere")
    )


def _protocol(call: Call, seen: Seen, about: About) -> Verdict:
    version = seen.answer.shown("protocol", 40)
    message = f"the server of {about.name} speaks {version} as the version of the protocol"
    if not version:
        message = f"the server of {about.name} knows no version of the protocol that is asked for"
    notes = (f"Claude Code {about.client} knows {_KNOWN}", *call.says)
    ways = ("get another version of the server, or of Claude Code",)
    printed = shows(about, "protocol", version=version.strip("`"))
    error = call.part("error")
    if not version:
        printed = shows(about, "status", status=call.status)
        if call.fault == "rpc-error":
            text = error.shown("message", 80).strip("`")
            printed = shows(about, "error", code=error.whole("code") or 0, said=text)
    return about.verdict(Rung.MCP, "MC281", message, notes=notes, help=ways, shows=printed)


def lost_session(seen: Seen) -> bool:
    """Whether the server no longer knows the session that it has just begun."""
    call, hello = seen.main, seen.call("initialize")
    if call.text("call") not in ("initialized", "tools") or not hello.ok:
        return False
    words = call.part("error").text("message") + call.text("excerpt")
    named = bool(hello.text("session")) or "session" in words.lower()
    return call.fault == "status" and call.status in _LOST_SESSION and named


def _forgotten(call: Call, seen: Seen, about: About) -> Verdict:
    kind = seen.call("initialize").text("session")
    message = f"the server of {about.name} greets, and at once no longer knows that session"
    why = {
        "kept": "the session that it named in its greeting was sent back as it is",
        "odd": "the id of its session has characters that no header of HTTP may have",
    }.get(kind, "its greeting named no session (`Mcp-Session-Id`), and now it wants one")
    answers = f"it answers HTTP {call.status} to {said(call.text('call'), 20)}"
    ways = ("let it take plain ids", "tell its operator")
    if kind == "kept":
        ways = (
            "where several processes serve it: keep a session at one of them, or share them",
            "tell its operator",
        )
    printed = shows(about, "status", status=call.status)
    return about.verdict(
        Rung.MCP, "MC282", message, notes=(answers, why, *call.says), help=ways, shows=printed
    )


def _refused(call: Call, seen: Seen, about: About) -> Verdict:
    del seen
    error = call.part("error")
    code = error.whole("code")
    message = f"the server of {about.name} refuses the handshake"
    numbered = f"error {code} to {said(call.text('call'), 20)}" if code is not None else ""
    status = f"HTTP {call.status} to {said(call.text('call'), 20)}" if call.status else ""
    notes = (numbered or status, *call.says)
    ways = ("see what its documentation wants: a key, an account, a setting",)
    text = error.shown("message", 80).strip("`")
    printed = shows(about, "status", status=call.status)
    if code is not None:
        printed = shows(about, "error", code=code, said=text)
    return about.verdict(Rung.MCP, "MC282", message, notes=notes, help=ways, shows=printed)


# --- the tools --------------------------------------------------------------------------------


def _tools(call: Call, about: About) -> Verdict:
    what = {
        "rpc-error": "it answers with an error",
        "timeout": f"nothing comes back within {took(call.number('ms'))}",
        "status": f"it answers HTTP {call.status}",
        "empty": "it answers without content",
        "reset": "the connection is reset",
        "closed": "the connection is closed",
        "cut": "its answer does not end",
        "too-big": "its answer is longer than any",
        "shape": f"Claude Code refuses the list for {call.shown('misfit', 80)}",
    }.get(call.fault, "what comes back is no list of tools")
    message = f"the server of {about.name} greets, but does not tell its tools: {what}"
    code = call.part("error").whole("code")
    whose = f"it is the tool {call.shown('whose', 60)}" if call.text("whose") else ""
    notes = (f"its error is {code}" if code is not None else "", whose, *call.says)
    ways = ("look into the server's own log",)
    if call.fault == "shape":
        ways = ("get another version of the server, or tell its author",)
    text = call.part("error").shown("message", 80).strip("`") or "…"
    if call.fault == "shape":
        at = call.shown("misfit", 80).strip("`")
        text = f"Invalid result for tools/list: {at}: Invalid input: …"
    printed = shows(about, "no-tools", said=text)
    return about.verdict(Rung.TOOLS, "MC283", message, notes=notes, help=ways, shows=printed, at=())


# --- time -------------------------------------------------------------------------------------


def _ignores_probe(seen: Seen, about: About) -> Verdict:
    waited = took(seen.call("discover").number("ms"))
    message = f"the server of {about.name} does not answer `server/discover`"
    notes = (
        f"newer clients ask that first, and wait: here {waited}",
        "it answers `initialize` well",
    )
    ways = ("`export MCP_PROTOCOL_NEGOTIATION=legacy` where Claude Code is started",)
    return about.verdict(
        Rung.CLIENT, "MC294", message, notes=notes, help=ways, shows=shows(about, "slow"), at=()
    )


def _slow(seconds: float, about: About) -> Verdict:
    message = f"the server of {about.name} is slow to start: {seconds:.1f} s"
    notes = (f"a session waits {_SLOW:.0f} s for its servers, and begins without the others",)
    ways = (
        "`export MCP_CONNECTION_NONBLOCKING=0 MCP_CONNECT_TIMEOUT_MS=30000`, and sessions wait",
    )
    return about.verdict(
        Rung.MCP, "MC285", message, notes=notes, help=ways, shows=shows(about, "slow"), at=()
    )


def _too_slow(seconds: float, about: About) -> Verdict:
    message = f"the server of {about.name} takes {seconds:.0f} s, longer than Claude Code waits"
    notes = (f"it waits {about.patience:g} s",)
    ways = (f"`export MCP_TIMEOUT={round(seconds * 2) * 1000}`",)
    printed = shows(about, "hang", server=about.name.strip("`"), ms=round(about.patience * 1000))
    return about.verdict(Rung.MCP, "MC286", message, notes=notes, help=ways, shows=printed, at=())
