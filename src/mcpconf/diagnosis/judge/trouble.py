"""Judging what the gateway says of a server: secrets, logins, processes, and the way beyond.  Pure.

What lies between the gateway and a server on the network is asked again, station by station, and
judged from that; :func:`beyond` is for what such a question does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.commands import understand
from mcpconf.diagnosis.container_terms import hidden
from mcpconf.diagnosis.evidence import RESTART, Host, chmod
from mcpconf.diagnosis.model import Rung, Shows, Verdict
from mcpconf.model import Stdio
from mcpconf.names import quote

_LOGIN_IS_OLD = ("expired", "refreshable")
_HELPER, _WAITS = "helper-failed", ("unreachable", "timeout")
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
        return _unset(host.unset)
    text = f"the gateway does not get a secret of {host.name}: {ours.text}"
    command = ours.text.partition("run: ")[2].partition(", and")[0]
    return host.verdict(Rung.SECRET, "MC221", text, remedy=chmod(command))


def _unset(unset: Verdict) -> Verdict:
    """A variable that neither this shell nor the gateway has."""
    restart = "then, so that the gateway has it too: " + RESTART.command
    help_ = (*unset.finding.help[:1], restart, *unset.finding.help[1:])
    return unset._replace(finding=unset.finding._replace(help=help_))


def _helper(host: Host) -> Verdict:
    ours = host.secrets.missing if host.secrets else None
    said = (ours.text if ours else host.words).replace("its headersHelper ", "it ")
    text = f"the headersHelper of {host.name} does not work: {said}"
    at = host.at.at("headersHelper")
    notes = ("it prints the headers that the server wants; without them nothing is asked",)
    found = host.verdict(Rung.SECRET, "MC222", text, notes).finding
    way = ("run the command of `headersHelper` by hand; it has to print a JSON object",)
    return Verdict(Rung.SECRET, found._replace(origin=at, help=way))


def _login_expired(host: Host) -> Verdict:
    note = host.secrets.login.note if host.secrets else ""
    text = f"the login of {host.name} has expired and cannot be renewed"
    return host.verdict(Rung.SECRET, "MC224", text, (note,) if note else (), host.sign_in)


def _step_up(host: Host) -> Verdict:
    text = f"the login of {host.name} does not go far enough"
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
    notes = ("the container needs no login of its own: the gateway adds it",)
    return host.verdict(Rung.SECRET, "MC223", text, notes, host.sign_in)


# --- processes that the gateway starts --------------------------------------------------------


class _Kind(NamedTuple):
    code: str
    text: str


_PROCESS = {
    "spawn-failed": _Kind("MC207", "{name} cannot be started on this host"),
    "server-exited": _Kind("MC209", "{name} ends as soon as it is started on this host"),
    "server-silent": _Kind("MC210", "{name} starts on this host and says nothing"),
    "timeout": _Kind("MC210", "{name} starts on this host and says nothing"),
    "server-garbage": _Kind("MC211", "{name} writes something else than MCP to its output"),
    "protocol": _Kind("MC282", "{name} refuses the handshake"),
}


def of_process(host: Host) -> Iterator[Verdict]:
    """Why a process that was started on this host does not answer; it may be the gateway's."""
    for_sure = host.planned.classified.remote is None or host.code.startswith(("server-", "spawn-"))
    if host.code not in _PROCESS or not for_sure:
        return
    kind = _PROCESS[host.code]
    code = "MC208" if "ermission denied" in host.words else kind.code
    said = host.heard.outcome.words if host.heard else ""
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    slow = _fetches(host) if code == "MC210" else ""
    notes = (host.words, f"it said last: {quote(hidden(last), 200)}" if last else "", slow)
    rung = Rung.MCP if code == "MC282" else Rung.COMMAND
    text = kind.text.format(name=host.name)
    found = host.verdict(rung, code, text, tuple(filter(None, notes))).finding
    way = ("start the command of the entry by hand, in a shell on the host",)
    yield Verdict(rung, found._replace(origin=host.at.at("command"), help=way))


def _fetches(host: Host) -> str:
    """What a silent program may be busy with; "" where it has nothing to fetch."""
    stdio = host.planned.classified.server.transport
    if not isinstance(stdio, Stdio):
        return ""
    started = understand(stdio.command.safe(), [word.safe() for word in stdio.args])
    if not started.runner:
        return ""
    return (
        f"{quote(started.program)} fetches what is not there yet, which may take longer than this;"
        " Claude Code waits for 30 s"
    )


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


def beyond(host: Host, *, answers: bool = False) -> Verdict:
    """The last word that was heard, where nothing else explains it.

    ``answers``: the server answered well when it was asked from this shell.
    """
    if host.secrets and host.secrets.login.state in _LOGIN_IS_OLD:
        return _login_expired(host)
    if answers and host.code in _REFUSED and host.planned.classified.server.depends_on_variables():
        return _other_key(host)
    code = "timeout" if host.words.endswith(_NO_ANSWER) else host.code
    kind = _BEYOND.get(code, _Beyond(Rung.MCP, "MC299"))
    through = " through the gateway" if host.planned.route is not None else ""
    text = f"{host.name} does not work{through}: {host.words or 'it does not say why'}"
    notes = ("asked directly from this shell, it answers",) if answers else ()
    if host.code == "redirected":
        notes = ("the gateway follows no redirect to another origin, for the headers it adds",)
    return host.verdict(kind.rung, kind.code, text, notes)


def _other_key(host: Host) -> Verdict:
    """A key was changed, and the gateway still has the old one."""
    text = f"the server of {host.name} refuses the gateway's key, and takes the one of this shell"
    notes = ("the gateway keeps the variables of the shell that started it",)
    return host.verdict(Rung.SECRET, "MC221", text, notes, RESTART)
