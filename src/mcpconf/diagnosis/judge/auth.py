"""401 and 403: what is really wanted, and whether what was sent is what is refused.

Claude Code says "Needs authentication" for most of these; only MC223 is one that a login cures.
"""

from __future__ import annotations

from mcpconf.diagnosis.judge.refused import (
    after_refusal,
    answered,
    bare_of,
    locked_tools,
    lost_authorization,
    refused_authorization,
    refused_key,
    sign_in,
    why,
    without,
)
from mcpconf.diagnosis.judge.report import About, Call, Seen, Told, said
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.diagnosis.shows import shows

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_REFUSALS = (_UNAUTHORIZED, _FORBIDDEN)


def judge_auth(seen: Seen, about: About) -> list[Verdict]:
    """Judge a 401 or a 403; [] for every other answer."""
    call = seen.main
    if call.status not in _REFUSALS:
        return []
    if call.dropped:
        return [lost_authorization(call, about)]
    if call.text("call") == "tools":
        return [locked_tools(call, seen, about)]
    if seen.unset:
        return [_unset(call, seen, about)]
    if seen.sent_as("authorization").whole("length") == 0:
        return [_empty(call, seen, about)]
    judge = _unauthorized if call.status == _UNAUTHORIZED else _forbidden
    return [judge(call, seen, about)]


def waits_for_login(seen: Seen, about: About) -> bool:
    """Whether it only wants the login that the gateway keeps, and that was not sent."""
    return seen.main.status == _UNAUTHORIZED and about.has_login and not about.signed_in


# --- 401 --------------------------------------------------------------------------------------


def _unauthorized(call: Call, seen: Seen, about: About) -> Verdict:
    if about.has_authorization:
        return refused_authorization(call, seen, about)
    if about.key_headers:
        return refused_key(call, seen, about)
    login = seen.first("oauth")
    tells = {(one.text("which"), one.text("state")) for one in login.parts("documents")}
    leads = ("resource", "found") in tells and bool(login.texts("servers"))
    if login.text("resource") or (leads and login.flag("ok") is False):
        return _no_way_in(call, login, about)
    if login.flag("registration") is True:
        return _wants_login(call, login, about)
    if login.flag("registration") is False:
        return _no_registration(call, login, about)
    return _wants_something(call, login, about)


def _wants_login(call: Call, login: Told, about: About) -> Verdict:
    message = f"the server of {about.name} wants a login"
    where = ", ".join(said(one) for one in login.texts("servers")[:2])
    notes = (answered(call), f"one signs in at {where}" if where else "")
    ways = (f"`{about.sign_in}`",) if about.sign_in else ("`/mcp` in Claude Code, and sign in",)
    return about.verdict(
        Rung.AUTH,
        "MC223",
        message,
        notes=notes,
        help=ways,
        shows=shows(about, "login"),
        at=(),
        remedy=sign_in(about),
    )


def _no_way_in(call: Call, login: Told, about: About) -> Verdict:
    """It says where one signs in, and nobody can: what it says is of another, or leads nowhere."""
    where = ", ".join(said(one) for one in login.texts("servers")[:2])
    away = [one for one in login.parts("documents") if one.text("which") != "resource"]
    status = next((one.whole("status") for one in away if one.text("state") == "error"), None)
    other = login.shown("resource", 100)
    ends = "and nobody can sign in there"
    why, shown = "gives no metadata about it; Claude Code guesses at its addresses", None
    if other:
        why = f"what it says about its login is for {other}, which is not the origin of its URL"
        shown = shows(about, "other-resource", resource=other.strip("`"))
    elif status:
        why, shown = f"answers HTTP {status}", shows(about, "metadata-error", status=status)
    elif all(one.text("state") == "unreached" for one in away):
        why, shown = "could not be reached", shows(about, "failed")
    else:
        ends = "and does not say enough about it"
    message = f"the server of {about.name} wants a login, {ends}"
    notes = (answered(call), why if other else f"one signs in at {where}, and that {why}")
    ways = (
        "tell its operator",
        'or write a token of your own: `headers: {"Authorization": "Bearer ${TOKEN}"}`',
    )
    return about.verdict(Rung.AUTH, "MC266", message, notes=notes, help=ways, shows=shown, at=())


def _no_registration(call: Call, login: Told, about: About) -> Verdict:
    message = f"the server of {about.name} wants a login that needs a registered client"
    where = ", ".join(said(one) for one in login.texts("servers")[:2])
    notes = (
        answered(call),
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
        answered(call),
        f"it wants the scheme {scheme}" if scheme else "",
        "it publishes nothing about a login, so there is none that Claude Code could begin"
        if states
        else "",
        *why(call),
    )
    ways = ("write its key into the entry's `headers`, with a variable for the value: `${NAME}`",)
    printed = after_refusal(login, about)
    return about.verdict(
        Rung.AUTH, "MC260", message, notes=notes, help=ways, shows=printed, at=("headers",)
    )


def _unset(call: Call, seen: Seen, about: About) -> Verdict:
    header, variable = seen.unset[0]
    message = f"{about.name} needs the variable {said(variable)}, which is not set {about.here}"
    notes = (
        f"the header {said(header)} went out with the name of the variable in it, not its value",
        answered(call),
    )
    ways = (f"`export {variable}=…`, before `claude`",) if variable.isidentifier() else ()
    cause = "authorization" if about.has_authorization else "no-metadata"
    printed = shows(about, cause, status=call.status)
    if not about.has_authorization:
        printed = after_refusal(seen.first("oauth"), about)
    return about.verdict(
        Rung.SECRET,
        "MC021",
        message,
        notes=notes,
        help=ways,
        shows=printed,
        at=("headers", header),
    )


def _empty(call: Call, seen: Seen, about: About) -> Verdict:
    login = seen.first("oauth")
    message = f"{about.name} is asked with an empty `Authorization`, which switches its login off"
    notes = (answered(call), *without(call, seen))
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


# --- 403 --------------------------------------------------------------------------------------


def _forbidden(call: Call, seen: Seen, about: About) -> Verdict:
    bare = bare_of(seen, call)
    differs = bool(bare) and bare.status != _FORBIDDEN
    scope = call.part("challenge").text("error") == "insufficient_scope"
    if scope and (about.has_authorization or not about.key_headers):
        return _too_narrow(call, about)
    if about.has_authorization and differs:
        return refused_authorization(call, seen, about)
    if about.key_headers and differs:
        return refused_key(call, seen, about)
    message = f"the server of {about.name} forbids access"
    same = "it does so with and without the configured headers" if bare else ""
    guard = f"what answers calls itself {call.shown('server', 60)}" if call.text("server") else ""
    notes = (answered(call), same, guard, "no login changes that", *why(call))
    ways = (
        "ask its operator whether your network's address, and your account, are let in",
        "compare the path in its URL with what the server's own documentation says",
    )
    cause = "authorization" if about.has_authorization else "login"
    printed = shows(about, cause, status=call.status)
    return about.verdict(Rung.AUTH, "MC264", message, notes=notes, help=ways, shows=printed)


def _too_narrow(call: Call, about: About) -> Verdict:
    scope = call.part("challenge").shown("scope", 100)
    whose = "login" if about.signed_in else "configured `Authorization`"
    message = f"the {whose} of {about.name} does not go far enough"
    ways: tuple[str, ...] = ("get a token with that scope, and write it where the old one is",)
    asked = about.signed_in or not about.has_authorization
    if not about.has_authorization:
        message = f"the server of {about.name} wants a login with a certain scope"
        ways = ("`/mcp` in Claude Code, and sign in",)
    if asked and about.sign_in:
        ways = (f"`{about.sign_in}`",)
    notes = (answered(call), f"it wants {scope}" if scope else "")
    return about.verdict(
        Rung.AUTH,
        "MC225",
        message,
        notes=notes,
        help=ways,
        shows=shows(about, "scope", scope=scope.strip("`"))
        if about.has_authorization
        else shows(about, "login"),
        at=("headers", "Authorization") if about.has_authorization else (),
        remedy=sign_in(about) if asked else None,
    )
