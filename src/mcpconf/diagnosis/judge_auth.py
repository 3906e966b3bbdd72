"""401 and 403: what is really wanted, and whether what was sent is what is refused.

Claude Code says "Needs authentication" for most of these; only MC223 is one that a login cures.
"""

from __future__ import annotations

from mcpconf.diagnosis.judge_report import About, Call, Seen, Told, said
from mcpconf.diagnosis.model import Remedy, Rung, Shows, Verdict
from mcpconf.diagnosis.shows import shows

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_REFUSALS = (_UNAUTHORIZED, _FORBIDDEN)
_NEW_KEY = "get a new key from the server's operator, and write it where the old one is"


def judge_auth(seen: Seen, about: About) -> list[Verdict]:
    """Judge a 401 or a 403; [] for every other answer."""
    call = seen.main
    if call.status not in _REFUSALS:
        return []
    if call.dropped:
        return [_dropped(call, about)]
    if call.text("call") == "tools":
        return [_tools(call, seen, about)]
    if about.empty_authorization and call.status == _UNAUTHORIZED:
        return [_empty(call, seen, about)]
    judge = _unauthorized if call.status == _UNAUTHORIZED else _forbidden
    return [judge(call, seen, about)]


def waits_for_login(seen: Seen, about: About) -> bool:
    """Whether it only wants the login that the gateway keeps, and that was not sent."""
    return seen.main.status == _UNAUTHORIZED and about.has_login and not about.signed_in


# --- 401 --------------------------------------------------------------------------------------


def _unauthorized(call: Call, seen: Seen, about: About) -> Verdict:
    if about.has_authorization:
        return _authorization(call, seen, about)
    if about.key_headers:
        return _key(call, seen, about)
    login = seen.first("oauth")
    if login.flag("registration") is True:
        return _wants_login(call, login, about)
    if login.flag("registration") is False:
        return _no_registration(call, login, about)
    return _wants_something(call, login, about)


def _authorization(call: Call, seen: Seen, about: About) -> Verdict:
    message = f"the server of {about.name} refuses the configured `Authorization`"
    notes = (_answered(call), *_why(call), *_without(call, seen), *_never_sent(about))
    if about.signed_in:
        ways: tuple[str, ...] = tuple(filter(None, (about.sign_in,)))
    elif _works_without(seen):
        ways = ("take the `Authorization` header out of its entry",)
    elif about.helper:
        ways = ("run its `headersHelper` by hand, and look at what it prints",)
    else:
        ways = (f"{_NEW_KEY}; look for `Bearer ` before it",)
    printed = shows(about, "authorization", status=call.status)
    return about.verdict(
        Rung.AUTH,
        "MC262",
        message,
        notes=notes,
        help=ways,
        shows=printed,
        at=("headers", "Authorization"),
        remedy=_sign_in(about) if about.signed_in else None,
    )


def _key(call: Call, seen: Seen, about: About) -> Verdict:
    names = ", ".join(said(name) for name in about.key_headers[:3])
    message = f"the server of {about.name} refuses the configured {names}"
    notes = (_answered(call), *_why(call), *_without(call, seen))
    login = seen.first("oauth")
    wanted = ""
    if login.flag("ok") is True and not _works_without(seen):
        wanted = "it also knows logins; Claude Code would ask for one, which does not mend the key"
    ways: tuple[str, ...] = (_NEW_KEY,)
    if _works_without(seen):
        ways = (f"take {names} out of its entry",)
    elif about.sign_in and login.flag("registration") is True:
        ways = (*ways, f"or take {names} out and sign in: `{about.sign_in}`")
    printed = _after_refusal(call, login, about)
    at = ("headers", about.key_headers[0])
    return about.verdict(
        Rung.AUTH, "MC263", message, notes=(*notes, wanted), help=ways, shows=printed, at=at
    )


def _wants_login(call: Call, login: Told, about: About) -> Verdict:
    message = f"the server of {about.name} wants a login"
    where = ", ".join(said(one) for one in login.texts("servers")[:2])
    notes = (_answered(call), f"one signs in at {where}" if where else "")
    ways = (f"`{about.sign_in}`",) if about.sign_in else ("`/mcp` in Claude Code, and sign in",)
    return about.verdict(
        Rung.AUTH,
        "MC223",
        message,
        notes=notes,
        help=ways,
        shows=shows(about, "login"),
        at=(),
        remedy=_sign_in(about),
    )


def _no_registration(call: Call, login: Told, about: About) -> Verdict:
    message = f"the server of {about.name} wants a login that needs a registered client"
    where = ", ".join(said(one) for one in login.texts("servers")[:2])
    notes = (
        _answered(call),
        "its metadata names no registration endpoint, so Claude Code cannot make one itself",
        f"one signs in at {where}" if where else "",
    )
    ways = (
        'register a client with its operator, and write its id: `oauth: {"clientId": …}`',
        'or write a token of your own: `headers: {"Authorization": "Bearer ${TOKEN}"}`',
    )
    printed = shows(about, "no-registration")
    return about.verdict(Rung.AUTH, "MC266", message, notes=notes, help=ways, shows=printed, at=())


def _wants_something(call: Call, login: Told, about: About) -> Verdict:
    message = f"the server of {about.name} wants credentials, and none are configured"
    scheme = call.part("challenge").shown("scheme", 30)
    states = sorted({one.text("state") for one in login.parts("documents")})
    notes = (
        _answered(call),
        f"it wants the scheme {scheme}" if scheme else "",
        "it publishes nothing about a login, so there is none that Claude Code could begin"
        if states
        else "",
        *_why(call),
    )
    ways = ("write its key into the entry's `headers`, with a variable for the value: `${NAME}`",)
    printed = _after_refusal(call, login, about)
    return about.verdict(
        Rung.AUTH, "MC260", message, notes=notes, help=ways, shows=printed, at=("headers",)
    )


def _empty(call: Call, seen: Seen, about: About) -> Verdict:
    login = seen.first("oauth")
    message = f"{about.name} is asked with an empty `Authorization`, which switches its login off"
    notes = (_answered(call), *_without(call, seen))
    ways = ["give the variable in it a value"]
    if login.flag("ok") is True:
        ways.append("or take `Authorization` out of its entry, and sign in")
    return about.verdict(
        Rung.SECRET,
        "MC297",
        message,
        notes=notes,
        help=tuple(ways),
        shows=shows(about, "authorization", status=call.status),
        at=("headers", "Authorization"),
    )


def _after_refusal(call: Call, login: Told, about: About) -> Shows | None:
    """What the client prints after a 401 without Authorization: it depends on the metadata."""
    del call
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


# --- 403 --------------------------------------------------------------------------------------


def _forbidden(call: Call, seen: Seen, about: About) -> Verdict:
    bare = _bare(seen, call)
    differs = bool(bare) and bare.status != _FORBIDDEN
    scope = call.part("challenge").text("error") == "insufficient_scope"
    if about.signed_in and scope:
        return _too_narrow(call, about)
    if about.has_authorization and (differs or scope):
        return _authorization(call, seen, about)
    if about.key_headers and differs:
        return _key(call, seen, about)
    message = f"the server of {about.name} forbids access"
    same = "it does so with and without the configured headers" if bare else ""
    guard = f"what answers calls itself {call.shown('server', 60)}" if call.text("server") else ""
    notes = (_answered(call), same, guard, "no login changes that", *_why(call))
    ways = (
        "ask its operator whether your network's address, and your account, are let in",
        "compare the path in its URL with what the server's own documentation says",
    )
    cause = "authorization" if about.has_authorization else "login"
    printed = shows(about, cause, status=call.status)
    return about.verdict(Rung.AUTH, "MC264", message, notes=notes, help=ways, shows=printed)


def _too_narrow(call: Call, about: About) -> Verdict:
    scope = call.part("challenge").shown("scope", 100)
    message = f"the login of {about.name} does not go far enough"
    notes = (_answered(call), f"it wants {scope}" if scope else "")
    return about.verdict(
        Rung.AUTH,
        "MC225",
        message,
        notes=notes,
        help=(f"`{about.sign_in}`",) if about.sign_in else (),
        at=(),
        remedy=_sign_in(about),
    )


# --- redirects and tools ----------------------------------------------------------------------


def _dropped(call: Call, about: About) -> Verdict:
    hop = next(h for h in call.hops if h.texts("dropped"))
    message = f"a redirect takes the `Authorization` of {about.name} away"
    notes = (
        f"HTTP {hop.whole('status')} leads to {hop.shown('to', 120)}, which is another origin",
        f"asked there without it, the server answers HTTP {call.status}",
    )
    ways = (f"write the address to which it leads into its URL: {hop.shown('to', 120)}",)
    printed = shows(about, "authorization", status=call.status)
    return about.verdict(Rung.HTTP, "MC274", message, notes=notes, help=ways, shows=printed)


def _tools(call: Call, seen: Seen, about: About) -> Verdict:
    login = seen.first("oauth")
    message = f"the server of {about.name} greets everybody, but wants credentials for its tools"
    notes = (f"`initialize` succeeds, `tools/list` answers HTTP {call.status}", *_why(call))
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


def _bare(seen: Seen, call: Call) -> Call:
    """The same request without the configured headers; nothing where it was not sent."""
    bare = seen.call(call.text("call"), configured=False)
    return bare if bare.status else Call(None)


def _works_without(seen: Seen) -> bool:
    return seen.call("initialize", configured=False).ok


def _without(call: Call, seen: Seen) -> tuple[str, ...]:
    bare = _bare(seen, call)
    if not bare:
        return ()
    if bare.ok:
        return ("without the configured headers it answers well",)
    return (f"without the configured headers it answers HTTP {bare.status}",)


def _answered(call: Call) -> str:
    way = "GET" if call.text("call") == "stream" else said(call.text("call"), 20)
    return f"it answers HTTP {call.status} to {way}"


def _why(call: Call) -> tuple[str, ...]:
    """What the server says about it, short."""
    asks = call.part("challenge")
    words = asks.text("description") or asks.text("error")
    text = words or call.part("error").text("message") or call.text("excerpt")
    page = call.flag("page") is True and not words
    return () if page or not text else (f"it says {said(text, 100)}",)


def _never_sent(about: About) -> tuple[str, ...]:
    return ("a `headersHelper` made it",) if about.helper else ()


def _sign_in(about: About) -> Remedy | None:
    return Remedy(about.sign_in) if about.sign_in else None
