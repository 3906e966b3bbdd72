"""Judging what the gateway says of a server: secrets, logins, processes, and the way beyond.  Pure.

What lies between the gateway and a server on the network is asked again, station by station, and
judged from that; :func:`beyond` is for what such a question does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.diagnosis.evidence import RESTART, Host, chmod
from mcpconf.diagnosis.judge.process import of_process, with_restart
from mcpconf.diagnosis.model import Rung, Shows, Verdict
from mcpconf.names import quote
from mcpconf.origin import Origin

_LOGIN_IS_OLD = ("expired", "refreshable")
_HELPER, _WAITS = "helper-failed", ("unreachable", "timeout")
_OWN_HEADER = "is the transport's own"
_BAD_URL = "its URL cannot be used: "
_SHELL_FOUND_NONE = "status 127"
_GATEWAY_HAS_NOT = "is not set where the gateway runs"


def behind(host: Host) -> Iterator[Verdict]:
    """What keeps the gateway from asking the server, as far as it says so itself."""
    if host.works or host.answers_here:
        return
    missing = host.secrets.missing if host.secrets else None
    code = host.code or (missing.code if missing else "")
    if missing and missing.code == _HELPER and code in _WAITS:  # the gateway still waits for it
        code = _HELPER
    if code in _SECRETS:
        yield _SECRETS[code](host)
    else:
        yield from of_process(host)


# --- secrets and logins -----------------------------------------------------------------------


def _secret_missing(host: Host) -> Verdict:
    ours = host.secrets.missing if host.secrets else None
    if ours is None:
        variable = host.words.partition("`")[2].partition("`")[0]
        if _GATEWAY_HAS_NOT in host.words and variable:
            text = f"the gateway lacks the variable `{variable}` of {host.name}, this shell has it"
            notes = ("it has the variables of the shell that started it",)
            return host.verdict(Rung.SECRET, "MC221", text, notes, RESTART)
        text = f"the gateway does not get a secret of {host.name}: {host.words}"
        return host.verdict(Rung.SECRET, "MC221", text)
    if _GATEWAY_HAS_NOT in ours.text and host.unset is not None:
        return with_restart(host.unset)
    header = ours.text.partition("the header `")[2].partition("`")[0]
    if header and _OWN_HEADER in ours.text:
        text = (
            f"the header `{header}` of {host.name} cannot be configured: it is the transport's own"
        )
        found = host.verdict(Rung.CONFIG, "MC066", text)
        at = host.at.at("headers", header)
        return _helped(found, ("take it out of the entry",), at)
    text = f"the gateway does not get a secret of {host.name}: {ours.text}"
    command = ours.text.partition("run: ")[2].partition(", and")[0]
    return host.verdict(Rung.SECRET, "MC221", text, remedy=chmod(command))


def _helper(host: Host) -> Verdict:
    ours = host.secrets.missing if host.secrets else None
    said = (ours.text if ours else host.words).replace("its headersHelper ", "it ")
    text = f"the headersHelper of {host.name} does not work: {said}"
    at = host.at.at("headersHelper")
    notes: tuple[str, ...] = (
        "it prints the headers that the server wants; without them nothing is asked",
    )
    if _SHELL_FOUND_NONE in said:
        notes = ("a shell ends with 127 where it does not find the command", *notes)
    way = ("run the command of `headersHelper` by hand; it has to print a JSON object",)
    return _helped(host.verdict(Rung.SECRET, "MC222", text, notes), way, at)


def _helped(verdict: Verdict, ways: tuple[str, ...], at: Origin) -> Verdict:
    return verdict._replace(finding=verdict.finding._replace(origin=at, help=ways))


def _login_expired(host: Host) -> Verdict:
    note = host.secrets.login.note if host.secrets else ""
    text = f"the login of {host.name} has expired and cannot be renewed"
    return host.verdict(Rung.SECRET, "MC224", text, (note,) if note else (), host.sign_in)


def _step_up(host: Host) -> Verdict:
    text = f"the login of {host.name} does not go far enough"
    if host.secrets and host.secrets.login.state == "none":
        scope = host.words.partition("(`")[2].partition("`)")[0]
        text = f"the server of {host.name} wants a login with a certain scope"
        notes = (f"it wants {quote(scope, 100)}",) if scope else ()
        return host.verdict(Rung.SECRET, "MC225", text, notes, host.sign_in)
    return host.verdict(Rung.SECRET, "MC225", text, (host.words,), host.sign_in)


_SECRETS = {
    "secret-missing": _secret_missing,
    _HELPER: _helper,
    "login-expired": _login_expired,
    "step-up": _step_up,
}


def wants_login(host: Host) -> Verdict:
    """The server wants a login, and the gateway has none: one can sign in, or could not."""
    tried = host.secrets.attempt if host.secrets else ""
    if "refuses the registration" in tried:
        text = f"{host.name} wants a login, and refuses to register clients that could make one"
        shown = Shows("! Needs authentication", "needs-auth")
        found = host.verdict(Rung.AUTH, "MC267", text, (f"when one signed in: {tried}",))
        way = ("ask its operator for a client id, and write it into the entry: `oauth.clientId`",)
        return found._replace(finding=found.finding._replace(help=way), shows=shown)
    if host.secrets and host.secrets.login.state in _LOGIN_IS_OLD:
        return _login_expired(host)
    text = f"{host.name} wants a login, and nobody has signed in to it on this host"
    notes: tuple[str, ...] = ("the container needs no login of its own: the gateway adds it",)
    if tried:
        notes = (f"when one tried to sign in: {tried}", *notes)
    return host.verdict(Rung.SECRET, "MC223", text, notes, host.sign_in)


# --- beyond the gateway -----------------------------------------------------------------------


class _Beyond(NamedTuple):
    rung: Rung
    code: str


_REFUSED = ("login-needed", "refused-login")
_NO_ANSWER = "has not answered yet"  # the bridge, without a reason
_BEYOND = {
    "unreachable": _Beyond(Rung.TCP, "MC245"),
    "wire": _Beyond(Rung.MCP, "MC299"),
    "timeout": _Beyond(Rung.MCP, "MC278"),
    "dns": _Beyond(Rung.DNS, "MC240"),
    "tls": _Beyond(Rung.TLS, "MC255"),
    "refused-login": _Beyond(Rung.AUTH, "MC262"),
    "login-needed": _Beyond(Rung.AUTH, "MC260"),
    "redirected": _Beyond(Rung.HTTP, "MC273"),
    "http-status": _Beyond(Rung.HTTP, "MC269"),
    "not-mcp": _Beyond(Rung.MCP, "MC277"),
    "compressed": _Beyond(Rung.MCP, "MC277"),
    "too-big": _Beyond(Rung.MCP, "MC277"),
    "protocol": _Beyond(Rung.MCP, "MC282"),
    "session-lost": _Beyond(Rung.MCP, "MC282"),
    "shutting-down": _Beyond(Rung.GATEWAY, "MC218"),
}


_WAYS = {
    "compressed": "tell its operator: it compresses (`Content-Encoding`) what was asked for plain",
    "redirected": "write the address to which it leads into its URL",
    "unreachable": "start the server, or correct its URL",
}


def beyond(host: Host, *, answers: bool = False) -> Verdict:
    """The last word that was heard, where nothing else explains it.

    ``answers``: the server answered well when it was asked from this shell.
    """
    if host.secrets and host.secrets.login.state in _LOGIN_IS_OLD:
        return _login_expired(host)
    if answers and host.code in _REFUSED and host.planned.classified.server.depends_on_variables():
        return _other_key(host)
    if host.words.startswith(_BAD_URL):
        return _bad_url(host)
    code = "timeout" if host.words.endswith(_NO_ANSWER) else host.code
    kind = _BEYOND.get(code, _Beyond(Rung.MCP, "MC299"))
    through = " through the gateway" if host.planned.route is not None else ""
    text = f"{host.name} does not work{through}: {host.words or 'it does not say why'}"
    notes = ("asked directly from this shell, it answers",) if answers else ()
    if host.code == "redirected":
        notes = ("the gateway follows no redirect to another origin, for the headers it adds",)
    found = host.verdict(kind.rung, kind.code, text, notes)
    ways = (_WAYS.get(host.code, "`mcpconf gateway logs` may say more"),)
    return _helped(found, ways, host.at)


def _bad_url(host: Host) -> Verdict:
    """A URL that the client may take, and the gateway does not."""
    why = host.words.removeprefix(_BAD_URL)
    text = f"the gateway does not use the URL of {host.name}: {why}"
    ways = ("write it out, as `https://mcp.example.com/mcp`",)
    if "password" in why:
        ways = ("take them out of the URL, and configure a header `Authorization` instead",)
    found = host.verdict(Rung.CONFIG, "MC061", text)
    return _helped(found, ways, host.at.at("url"))


def _other_key(host: Host) -> Verdict:
    """A key was changed, and the gateway still has the old one."""
    text = f"the server of {host.name} refuses the gateway's key, and takes the one of this shell"
    notes = ("the gateway keeps the variables of the shell that started it",)
    return host.verdict(Rung.SECRET, "MC221", text, notes, RESTART)
