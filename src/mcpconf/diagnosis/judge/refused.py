"""Credentials that were sent and are refused, or lost on the way; and the evidence for it."""

from __future__ import annotations

from mcpconf.diagnosis.judge.report import About, Call, Seen, Told, said
from mcpconf.diagnosis.model import Remedy, Rung, Shows, Verdict
from mcpconf.diagnosis.shows import shows

_FORBIDDEN = 403
_NEW_KEY = "get a new key from the server's operator, and write it where the old one is"


_ODD = {
    "placeholder": (
        "its value looks like a placeholder from a documentation, not like a key",
        "write your own key in its place, with a variable for the value: `${NAME}`",
    ),
    "quoted": ("its value is within quotation marks", "take the quotation marks away"),
    "twice": ("its value names its scheme twice, as `Bearer Bearer`", "write the scheme once"),
}


def refused_authorization(call: Call, seen: Seen, about: About) -> Verdict:
    message = f"the server of {about.name} refuses the configured `Authorization`"
    bare = not seen.sent_as("authorization").text("scheme") and bool(seen.sent)
    looks, mend = _ODD.get(seen.sent_as("authorization").text("looks"), ("", ""))
    notes = (
        answered(call),
        looks,
        "its value does not begin with a scheme, as `Bearer`" if bare and not looks else "",
        *why(call),
        *without(call, seen),
        "a `headersHelper` made it" if about.helper else "",
    )
    if about.signed_in:
        ways: tuple[str, ...] = tuple(filter(None, (about.sign_in,)))
    elif _works_without(seen):
        ways = ("take the `Authorization` header out of its entry",)
    elif about.helper:
        ways = ("run its `headersHelper` by hand, and look at what it prints",)
    else:
        ways = ("write `Bearer ` before the key",) if bare and not looks else ()
        ways = (*filter(None, (mend,)), *ways, _NEW_KEY)
    printed = shows(about, "authorization", status=call.status)
    return about.verdict(
        Rung.AUTH,
        "MC262",
        message,
        notes=notes,
        help=ways,
        shows=printed,
        at=("headers", "Authorization"),
        remedy=sign_in(about) if about.signed_in else None,
    )


def refused_key(call: Call, seen: Seen, about: About) -> Verdict:
    names = ", ".join(said(name) for name in about.key_headers[:3])
    message = f"the server of {about.name} refuses the configured {names}"
    odd = (_ODD[h.text("looks")] for h in seen.sent if h.text("looks") in _ODD)
    looks, mend = next(odd, ("", ""))
    notes = (answered(call), looks, *why(call), *without(call, seen))
    login = seen.first("oauth")
    wanted = ""
    if login.flag("ok") is True and not _works_without(seen):
        wanted = "it also knows logins; Claude Code would ask for one, which does not mend the key"
    ways: tuple[str, ...] = (*filter(None, (mend,)), _NEW_KEY)
    if _works_without(seen):
        ways = (f"take {names} out of its entry",)
    elif about.sign_in and login.flag("registration") is True:
        ways = (*ways, f"or take {names} out and sign in: `{about.sign_in}`")
    printed = after_refusal(login, about)
    if call.status == _FORBIDDEN:
        printed = shows(about, "login")
    at = ("headers", about.key_headers[0])
    return about.verdict(
        Rung.AUTH, "MC263", message, notes=(*notes, wanted), help=ways, shows=printed, at=at
    )


def lost_authorization(call: Call, about: About) -> Verdict:
    hop = next(h for h in call.hops if h.texts("dropped"))
    message = f"a redirect takes the `Authorization` of {about.name} away"
    notes = (
        f"HTTP {hop.whole('status')} leads to {hop.shown('to', 120)}, which is another origin",
        f"asked there without it, the server answers HTTP {call.status}",
    )
    ways = (f"write the address to which it leads into its URL: {hop.shown('to', 120)}",)
    printed = shows(about, "authorization", status=call.status)
    return about.verdict(Rung.HTTP, "MC274", message, notes=notes, help=ways, shows=printed)


def locked_tools(call: Call, seen: Seen, about: About) -> Verdict:
    login = seen.first("oauth")
    message = f"the server of {about.name} greets everybody, but wants credentials for its tools"
    notes = (f"`initialize` succeeds, `tools/list` answers HTTP {call.status}", *why(call))
    known = login.flag("ok") is True
    if about.headers:
        ways: tuple[str, ...] = (_NEW_KEY,)
    elif known and about.sign_in:
        ways = (f"`{about.sign_in}`",)
    else:
        ways = ("write its key into the entry's `headers`, with a variable for the value",)
    cause = "tools-login" if about.has_authorization or known else "no-tools"
    printed = shows(about, cause, said="…")
    return about.verdict(
        Rung.TOOLS, "MC284", message, notes=notes, help=ways, shows=printed, at=("headers",)
    )


# --- evidence ---------------------------------------------------------------------------------


def after_refusal(login: Told, about: About) -> Shows | None:
    """What the client prints after a 401 without Authorization: it depends on the metadata."""
    if login.flag("registration") is True:
        return shows(about, "login")
    if login.flag("registration") is False:
        return shows(about, "no-registration")
    for one in login.parts("documents"):
        if one.text("which") == "resource":
            continue
        state = one.text("state")
        if state in ("empty", "html"):
            return shows(about, f"metadata-{state}")
        if state == "error":
            return shows(about, "metadata-error", status=one.whole("status") or 500)
    return shows(about, "no-metadata")


def bare_of(seen: Seen, call: Call) -> Call:
    """The same request without the configured headers; nothing where it was not sent."""
    bare = seen.call(call.text("call"), configured=False)
    return bare if bare.status else Call(None)


def _works_without(seen: Seen) -> bool:
    return seen.call("tools", configured=False).ok


def without(call: Call, seen: Seen) -> tuple[str, ...]:
    """What it answers without the configured headers, as a note."""
    bare, tools = bare_of(seen, call), seen.call("tools", configured=False)
    if not bare:
        return ()
    if not bare.ok:
        return (f"without the configured headers it answers HTTP {bare.status}",)
    if tools.ok:
        return ("without the configured headers it works",)
    return (f"without the configured headers it greets, and tells no tools (HTTP {tools.status})",)


def answered(call: Call) -> str:
    way = "GET" if call.text("call") == "stream" else said(call.text("call"), 20)
    return f"it answers HTTP {call.status} to {way}"


def why(call: Call) -> tuple[str, ...]:
    """What the server says about it, short."""
    asks = call.part("challenge")
    words = asks.text("description") or asks.text("error")
    text = words or call.part("error").text("message") or call.text("excerpt")
    page = call.flag("page") is True and not words
    return () if page or not text else (f"it says {said(text, 100)}",)


def sign_in(about: About) -> Remedy | None:
    return Remedy(about.sign_in) if about.sign_in else None
