"""What came back over HTTP: statuses, redirects, pages instead of answers."""

from __future__ import annotations

from mcpconf.diagnosis.judge.mcp import lost_session
from mcpconf.diagnosis.judge.report import COMPARE, About, Call, Seen, Told, said
from mcpconf.diagnosis.model import Rung, Shows, Verdict
from mcpconf.diagnosis.shows import shows

_NOT_FOUND, _NO_METHOD, _GONE, _TOO_OFTEN = 404, 405, 410, 429
_NO_ENDPOINT = (_NOT_FOUND, _GONE)
_SAID_IN_MCP = (400, 422)
_SERVER_ERROR = 500
_NEVER_FOLLOW = ("authorization", "cookie", "proxy-authorization")  # to another origin (fact 51)
_MEANS = {
    402: "it wants to be paid",
    406: "it does not give what Claude Code takes",
    415: "it does not take JSON",
    431: "the headers are too long for it",
}
_PORTAL = 511  # RFC 6585 §6
_BEFORE = {502: "a proxy before the server", 503: "it, or a proxy before it,", 504: "a proxy"}


def judge_http(seen: Seen, about: About) -> list[Verdict]:
    """Judge redirects, the transport, statuses and content; [] where they are as they should be."""
    call = seen.main
    if seen.works:
        return [*_kept_by_gateway(seen, about), *_old_transport(seen, about)]
    if call.text("call") == "tools":
        return []
    swapped = _new_transport(seen, about)
    if swapped:
        return [swapped]
    if call.fault == "status" and not _said_in_mcp(call) and not lost_session(seen):
        return [_status(call, seen, about)]
    if call.fault in ("media", "empty", "not-http"):
        return [_content(call, about)]
    return [_unsendable(call, about)] if call.fault == "unsendable" else []


# --- redirects --------------------------------------------------------------------------------


def judge_redirect(seen: Seen, about: About) -> list[Verdict]:
    """Judge redirects that the request does not survive; [] where it does."""
    lost = None if seen.main.text("call") == "tools" else _lost(seen.main, about)
    return [lost] if lost else []


def _lost(call: Call, about: About) -> Verdict | None:
    if call.fault == "redirect-loop":
        return _circle(call, about)
    if call.fault == "redirect-inward":
        return _inward(call, about)
    if any(name.lower() not in _NEVER_FOLLOW for hop in call.hops for name in hop.texts("dropped")):
        return _stops(call, about)
    if call.fault == "redirect-bad":
        message = f"the server of {about.name} redirects to nowhere"
        notes: tuple[str, ...] = (
            f"it answers HTTP {call.status} without an address that can be read",
        )
        return about.verdict(
            Rung.HTTP, "MC273", message, notes=notes, help=(COMPARE,), shows=shows(about, "failed")
        )
    hop = call.lost
    plain = hop.text("relation") in ("slash", "https")
    if not hop or (call.flag("page") is True and not plain):
        return None
    message = f"a redirect loses the request to {about.name}: the POST becomes a GET"
    notes = (
        f"HTTP {hop.whole('status')} leads to {hop.shown('to', 120)}",
        f"asked with GET, that answers HTTP {call.status}" if call.status else "",
    )
    ways = (f"write the address to which it leads into its URL: {hop.shown('to', 120)}",)
    printed = shows(about, "status", status=call.status)
    return about.verdict(Rung.HTTP, "MC273", message, notes=notes, help=ways, shows=printed)


def _circle(call: Call, about: About) -> Verdict:
    places = list(dict.fromkeys(hop.shown("to", 80) for hop in call.hops[:4]))
    message = f"the redirects of {about.name} go in a circle"
    notes = (f"{len(call.hops)} in a row: {', '.join(places)}",)
    ways = (COMPARE, "tell its operator")
    printed = shows(about, "circle")
    return about.verdict(Rung.HTTP, "MC275", message, notes=notes, help=ways, shows=printed)


def _inward(call: Call, about: About) -> Verdict:
    """A server out in the world has no say in what is asked near this machine."""
    message = (
        f"a redirect of {about.name} leads to this machine or its network; it was not followed"
    )
    notes = (f"it answers HTTP {call.status}", "the server itself is farther away than that")
    ways = (COMPARE, "tell its operator")
    return about.verdict(Rung.HTTP, "MC273", message, notes=notes, help=ways)


def _kept_by_gateway(seen: Seen, about: About) -> list[Verdict]:
    """A redirect to another origin, which the client follows and the gateway does not."""
    found = _stops(seen.call("initialize") or seen.call("tools"), about)
    return [found] if found else []


def _stops(call: Call, about: About) -> Verdict | None:
    hop = next((h for h in call.hops if h.flag("cross")), Told(None))
    if not about.through_gateway or not hop:
        return None
    message = f"the server of {about.name} redirects to another origin, where the gateway stops"
    notes = (
        f"HTTP {hop.whole('status')} leads to {hop.shown('to', 120)}",
        "what the gateway adds is for the configured origin only",
    )
    ways = (f"write the address to which it leads into its URL: {hop.shown('to', 120)}",)
    return about.verdict(Rung.HTTP, "MC273", message, notes=notes, help=ways)


# --- transports -------------------------------------------------------------------------------


def _old_transport(seen: Seen, about: About) -> list[Verdict]:
    """Type http on a server of the old transport: 2.1.328 falls back, 2.1.197 does not."""
    old = about.type == "http" and seen.answer.text("transport") == "sse"
    if not old or not about.old_client or about.through_gateway:
        return []
    message = f"{about.name} speaks the old transport, and its type is `http`"
    notes = (f"its server answers `initialize` with HTTP {seen.call('initialize').status}",)
    ways = ('write `"type": "sse"` into its entry', "or use a newer Claude Code, which finds out")
    printed = shows(about, "old-transport")
    return [
        about.verdict(
            Rung.MCP, "MC280", message, notes=notes, help=ways, shows=printed, at=("type",)
        )
    ]


def _new_transport(seen: Seen, about: About) -> Verdict | None:
    """Type sse on a server of the new transport."""
    stream = seen.call("stream")
    if about.type != "sse" or stream.ok or not seen.call("initialize").ok:
        return None
    message = f"{about.name} speaks the new transport, and its type is `sse`"
    notes = (f"it answers HTTP {stream.status} to GET, and well to POST",)
    ways = ('write `"type": "http"` into its entry',)
    printed = shows(about, "sse-status", status=stream.status)
    return about.verdict(
        Rung.MCP, "MC279", message, notes=notes, help=ways, shows=printed, at=("type",)
    )


# --- statuses ---------------------------------------------------------------------------------


def _said_in_mcp(call: Call) -> bool:
    """Whether the refusal is one of JSON-RPC, so that the status says less than its error."""
    return call.text("rpc") == "error" and call.status in _SAID_IN_MCP


def _status(call: Call, seen: Seen, about: About) -> Verdict:
    status = call.status
    if status == _TOO_OFTEN:
        return _too_often(call, about)
    if status == _PORTAL:
        return _portal(call, about)
    if status >= _SERVER_ERROR:
        return _broken(call, about)
    if status in _NO_ENDPOINT:
        return _no_endpoint(call, about)
    message = f"the server of {about.name} refuses the request (HTTP {status})"
    allowed = call.shown("allow", 60)
    takes = f"it takes {allowed} there" if allowed else ""
    method = "GET" if call.text("call") == "stream" else "POST"
    means = f"its URL takes no {method}" if status == _NO_METHOD else _MEANS.get(status, "")
    notes = (means, takes, *call.says, *_version(seen))
    ways = (COMPARE, "see whether it wants headers that its documentation names")
    printed = _printed_status(call, about)
    return about.verdict(Rung.HTTP, "MC269", message, notes=notes, help=ways, shows=printed)


def _no_endpoint(call: Call, about: About) -> Verdict:
    host = _origin_of(about)
    message = f"there is no MCP endpoint at the URL of {about.name} (HTTP {call.status})"
    ways = ("correct the path in its URL: often `/mcp`, `/sse`, or with a `/` at its end", COMPARE)
    printed = _printed_status(call, about)
    if call.status == _NOT_FOUND and call.text("call") != "stream":
        printed = shows(about, "not-found", origin=host)
    return about.verdict(Rung.HTTP, "MC268", message, notes=call.says, help=ways, shows=printed)


def _too_often(call: Call, about: About) -> Verdict:
    message = f"the server of {about.name} is asked too often (HTTP 429)"
    later = call.shown("retry_after", 40)
    notes = (f"it says `Retry-After:` {later}" if later else "", *call.says)
    ways = ("wait, and start fewer sessions at once",)
    printed = _printed_status(call, about)
    return about.verdict(Rung.HTTP, "MC270", message, notes=notes, help=ways, shows=printed)


def _broken(call: Call, about: About) -> Verdict:
    message = f"the server of {about.name} is broken (HTTP {call.status})"
    who = _BEFORE.get(call.status, "")
    guard = f"what answers calls itself {call.shown('server', 60)}" if call.text("server") else ""
    notes = (f"{who} says that it has no server" if who else "", guard, *call.says)
    ways = ("try again in a minute; then tell its operator", "look into the server's own log")
    printed = _printed_status(call, about)
    return about.verdict(Rung.HTTP, "MC271", message, notes=notes, help=ways, shows=printed)


def _portal(call: Call, about: About) -> Verdict:
    message = f"the network asks to sign in before it lets {about.name} be reached (HTTP 511)"
    notes = ("it is not the server that answers, but something on the way to it", *call.says)
    ways = ("open any `http://` page in a browser on this network, and sign in there",)
    printed = _printed_status(call, about)
    return about.verdict(Rung.HTTP, "MC272", message, notes=notes, help=ways, shows=printed)


def _version(seen: Seen) -> tuple[str, ...]:
    found = seen.call("discover")
    return ("it refuses `server/discover` as well",) if found.fault == "status" else ()


# --- content ----------------------------------------------------------------------------------


def _content(call: Call, about: About) -> Verdict:
    if call.fault == "empty":
        message = f"the server of {about.name} answers without content (HTTP {call.status})"
        printed = shows(about, "empty")
        ways: tuple[str, ...] = (COMPARE,)
        return about.verdict(Rung.HTTP, "MC276", message, help=ways, shows=printed)
    if call.flag("page") is True:
        return _page(call, about)
    if call.fault == "not-http" and call.status:
        message = f"the HTTP answer of the server of {about.name} is broken"
        notes = (f"HTTP {call.status} with {_media(call)}, and then a body that HTTP cannot read",)
        ways = ("look into the server's own log, or that of the proxy before it",)
        printed = shows(about, "failed")
        return about.verdict(Rung.HTTP, "MC277", message, notes=notes, help=ways, shows=printed)
    if call.fault == "not-http":
        message = f"what answers {about.name} does not speak HTTP"
        ways = ("correct the port in its URL",)
        printed = shows(about, "not-http")
        return about.verdict(Rung.HTTP, "MC277", message, help=ways, shows=printed)
    message = f"what answers {about.name} is not MCP: its type is {_media(call)}"
    printed = _printed_content(call, about)
    return about.verdict(
        Rung.HTTP, "MC277", message, notes=call.says, help=(COMPARE,), shows=printed
    )


def _page(call: Call, about: About) -> Verdict:
    message = f"a web page answers instead of the server of {about.name}"
    hop = call.hops[-1] if call.hops else Told(None)
    notes = (
        f"HTTP {hop.whole('status')} has led to {hop.shown('to', 120)}" if hop else "",
        "if that is where one logs in, the server takes only what a browser has" if hop else "",
        *call.says,
    )
    ways = ("correct the path in its URL: often `/mcp` or `/sse`", COMPARE)
    printed = _printed_content(call, about)
    return about.verdict(Rung.HTTP, "MC272", message, notes=notes, help=ways, shows=printed)


def _unsendable(call: Call, about: About) -> Verdict:
    name = call.shown("header", 60)
    message = f"the header {name} of {about.name} has something in it that HTTP cannot send"
    notes = ("line ends, and characters beyond Latin-1, are forbidden in a header",)
    ways = (f"correct the value of {name}, or of the variable in it",)
    return about.verdict(
        Rung.HTTP, "MC269", message, notes=notes, help=ways, shows=shows(about, "failed"),
        at=("headers", call.text("header")),
    )  # fmt: skip


def _media(call: Call) -> str:
    return call.shown("media", 60) or "`null`"


def _printed_status(call: Call, about: About) -> Shows | None:
    cause = "sse-status" if call.text("call") == "stream" else "status"
    return shows(about, cause, status=call.status)


def _printed_content(call: Call, about: About) -> Shows | None:
    if call.text("call") == "stream":
        return shows(about, "sse-content", status=call.status)
    return shows(about, "content", media=_media(call).strip("`"))


def _origin_of(about: About) -> str:
    scheme, sign, rest = about.url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    return said(f"{scheme}{sign}{host}", 120).strip("`")
