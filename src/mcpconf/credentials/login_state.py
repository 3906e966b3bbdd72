"""What a login is good for at the moment, and what to tell when it is not."""

from __future__ import annotations

import time
from typing import NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials.challenge import Challenge
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.store import Login

EARLY = 60.0  # seconds before the end at which a token is renewed, or a fifth of its life
_SHARE = 5


class LoginState(NamedTuple):
    """What is known of a login without asking anybody.

    ``state`` is ``none``, ``valid``, ``refreshable`` (expired, and renewed with the next call),
    ``expired`` (log in again) or ``unreadable`` (``note`` says why).  ``until`` is a Unix time,
    None where the server did not say; ``where`` is ``file``, ``keyring`` or "".
    """

    state: str
    until: float | None = None
    where: str = ""
    scope: str = ""
    note: str = ""


def state_of(login: Login | None) -> LoginState:
    if login is None:
        return LoginState("none")
    if login.outlives(time.time()):
        state = "valid"
    else:
        state = "refreshable" if login.refreshable and not login.expired else "expired"
    return LoginState(state, login.expires_at, login.where, login.scope, login.expired)


def early(login: Login) -> float:
    if login.expires_at is None:
        return 0.0
    return min(EARLY, (login.expires_at - login.issued_at) / _SHARE)


def command_for(route: Route) -> str:
    """Return the command that logs in, as one may paste it."""
    plain = route.name and all(c.isascii() and (c.isalnum() or c in "._-") for c in route.name)
    name = route.name if plain and not route.name.startswith("-") else route.server
    return f"mcpconf gateway login {name}"


def needed(route: Route) -> Missing:
    return Missing("login-needed", f"it wants a login; run `{command_for(route)}`")


def expired(route: Route) -> Missing:
    return Missing("login-expired", f"its login has expired; run `{command_for(route)}`")


def step_up(route: Route, asked: Challenge) -> Missing:
    more = f" (`{asked.scope}`)" if asked.scope else ""
    text = f"the login does not allow this, the server asks for more{more}"
    return Missing("step-up", f"{text}; run `{command_for(route)}`")


def no_sdk(error: ImportError) -> str:
    """What to tell where the SDK is not: it holds compiled modules, which one file cannot carry."""
    name = error.name or "mcp"
    return f"logins need the Python package `{name}`; install mcpconf with pip, pipx or uv"
