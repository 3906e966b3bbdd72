"""``mcpconf gateway login`` and ``logout``: for the command line, which prints what they say.

``login`` is for a terminal with or without a browser.  Its outcome is a value; what happens on the
way is told to a :class:`Person`.  Nothing is stored before it has ended well, and the gateway, if
it runs, is told afterwards, so that the server works in the container at once::

    home = Home(places.state)
    person = Person(show=print_on_stderr, ask=line_or_none, browse=open_browser)
    outcome = login(Attempt(route, project, home, person, Options(scopes="")))
    outcome.code, outcome.text, outcome.notes       # "done", or what a Missing says
    logout(route, project, home)
    logins_of(routes.routes, project, home)         # {server: LoginState} for `status`
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials import Credentials, Logins
from mcpconf.credentials.address import Address, address
from mcpconf.credentials.attempt import Attempt, Home, Options
from mcpconf.credentials.login_state import LoginState, no_sdk, state_of
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.person import Person
from mcpconf.credentials.store import KEYRING, Store
from mcpconf.credentials.vault import Vault
from mcpconf.model import ServerId

_PATIENCE = 2.0  # seconds for the gateway to answer
_REMEMBERED = 24 * 3600.0  # seconds for which a failed attempt counts

__all__ = ["Attempt", "Home", "Options", "Outcome", "Person", "login", "logins_of", "logout"]


class Outcome(NamedTuple):
    """How it ended.

    ``code`` is ``done``, ``not-needed`` (the server asks for no login), ``none`` (logout: there
    was none) or that of a :class:`Missing`; ``text`` says it in words, ``notes`` what else the
    user should know.  ``retry``: it may work later without a change.
    """

    code: str
    text: str = ""
    state: LoginState | None = None
    notes: tuple[str, ...] = ()
    retry: bool = False


def login(attempt: Attempt) -> Outcome:
    """Log in to the server of a route.  Takes a second to load what it needs, and minutes."""
    try:
        from mcpconf.credentials.flow import sign_in  # noqa: PLC0415  the SDK: a second
    except ImportError as error:
        return Outcome("no-sdk", no_sdk(error))
    home = attempt.home
    try:
        kept = asyncio.run(sign_in(Credentials(home.state, home.environ), attempt))
    except Missing as missing:
        _remember(attempt, missing)
        return Outcome(missing.code, missing.text, retry=missing.retry)
    _remember(attempt, None)
    if kept is None:
        return Outcome("not-needed", "it asks for no login")
    poke(home.state)
    notes = () if kept.where == KEYRING else (_file_note(home.state),)
    return Outcome("done", "logged in", state_of(kept), notes)


def logout(route: Route, project: str, home: Home) -> Outcome:
    """Forget a login: here, and at its authorization server if that takes word of it."""
    vault = Vault(home.state, home.environ)
    try:
        url = Credentials(home.state, home.environ).resolve(route, project).url
        where = address(url)
        if where is None or vault.store.stamp(where.id) is None:
            return Outcome("none", "nobody is logged in")
        notes = _revoked(vault, where)
        with vault.store.locked(where.id):
            vault.remove(where.id)
    except Missing as missing:
        return Outcome(missing.code, missing.text, retry=missing.retry)
    poke(home.state)
    return Outcome("done", "logged out", notes=notes)


def logins_of(routes: Sequence[Route], project: str, home: Home) -> dict[ServerId, LoginState]:
    """What is known of the logins of routes, without asking any server."""
    logins = Logins(Credentials(home.state, home.environ), home.environ)
    return {route.server: _state(logins, route, project) for route in routes}


def poke(state: Path) -> bool:
    """Tell the gateway that logins have changed; False if none listens."""
    path = state / "gateway" / "control.sock"
    request = b"POST /logins HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
    with socket.socket(socket.AF_UNIX) as talk, suppress(OSError):
        talk.settimeout(_PATIENCE)
        talk.connect(str(path))
        talk.sendall(request + b"Connection: close\r\n\r\n")
        return talk.recv(64).startswith(b"HTTP/1.1 2")
    return False


def last_attempt(store: Store, where: Address) -> str:
    """Why the last attempt to sign in failed, if it did within a day; "" otherwise."""
    note = store.note(f"{where.id}-attempt")
    at, text = note.get("at"), note.get("text")
    recent = isinstance(at, int | float) and time.time() - at < _REMEMBERED
    return text if recent and isinstance(text, str) else ""


def _remember(attempt: Attempt, missing: Missing | None) -> None:
    """Keep why it failed, for whoever asks later why there is no login."""
    with suppress(Missing):
        home = attempt.home
        resolved = Credentials(home.state, home.environ).resolve(attempt.route, attempt.project)
        where, store = address(resolved.url), Store(home.state)
        if where is not None and missing is not None:
            store.put_note(f"{where.id}-attempt", {"at": time.time(), "text": missing.text})
        elif where is not None:
            store.remove_note(f"{where.id}-attempt")


def _state(logins: Logins, route: Route, project: str) -> LoginState:
    try:
        return logins.state(route, project)
    except Missing as missing:
        return LoginState("unreadable", note=missing.text)


def _revoked(vault: Vault, where: Address) -> tuple[str, ...]:
    """Revoke the tokens; what did not work is a note, because the login goes all the same."""
    try:
        from mcpconf.credentials.flow import revoke  # noqa: PLC0415  the SDK: a second

        login = vault.read(where.id)
        heard = login is None or asyncio.run(revoke(login))
    except Missing as missing:
        return (f"its authorization server was not told: {missing.text}",)
    except Exception as error:  # noqa: BLE001  its text may hold a token
        return (f"its authorization server was not told: {error.__class__.__name__}",)
    return () if heard else ("its authorization server takes no word of it",)


def _file_note(state: Path) -> str:
    return f"no keyring works here, so the login is in `{state / 'logins'}`, for you alone (0600)"
