"""One question about a login, in a process of its own: JSON on stdin, JSON on stdout.

::

    {"do": "refresh", "state": DIR, "login": ID, "stale": sha256 of the token to be replaced}
    {"do": "token", "state": DIR, "login": ID}
    {"do": "probe-keyring"}

The answer has ``token`` only where it comes from the keyring; else the login's file has it.
``{"missing": {"code", "text", "retry"}}`` says what is missing.  Run by ``child.py``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mcpconf.credentials import ring
from mcpconf.credentials.login_state import no_sdk
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.store import KEYRING, Login
from mcpconf.credentials.vault import Vault
from mcpconf.model import Json, sha256_hex

_LARGEST = 64 * 1024

Question = Mapping[str, Any]


def refresh(question: Question) -> dict[str, Json]:
    """Renew a token, unless somebody else has just done so."""
    vault, login_id = _vault(question), str(question["login"])
    with vault.store.locked(login_id):
        login = _login(vault, login_id)
        if sha256_hex(login.access_token) != question["stale"]:
            return _answer(login)
        try:
            from mcpconf.credentials import renewal  # noqa: PLC0415  the SDK: only if it is needed
        except ImportError as error:
            raise Missing("unreachable", no_sdk(error)) from None
        try:
            fresh = renewal.renew(login)
        except Missing as missing:
            if missing.code == "login-expired":
                vault.write(login_id, renewal.spent(login, missing.text))
            raise
        return _answer(vault.write(login_id, fresh))


def token(question: Question) -> dict[str, Json]:
    """Return a token that is in the keyring."""
    return _answer(_login(_vault(question), str(question["login"])))


def probe_keyring(question: Question) -> dict[str, Json]:
    """Tell whether a real keyring keeps what it is given."""
    del question
    return {"works": ring.try_out()}


QUESTIONS: Mapping[str, Callable[[Question], dict[str, Json]]] = {
    "refresh": refresh,
    "token": token,
    "probe-keyring": probe_keyring,
}


def _vault(question: Question) -> Vault:
    return Vault(Path(question["state"]), os.environ)


def _login(vault: Vault, login_id: str) -> Login:
    login = vault.read(login_id)
    if login is not None and login.expired:
        raise Missing("login-expired", login.expired)
    if login is None or not login.access_token:
        raise Missing("login-needed", "it wants a login")
    return login


def _answer(login: Login) -> dict[str, Json]:
    return {"token": login.access_token if login.where == KEYRING else None}


def answer(question: Question) -> dict[str, Json]:
    """Answer one question; whatever goes wrong is part of the answer."""
    try:
        return QUESTIONS[question["do"]](question)
    except Missing as missing:
        told: dict[str, Json] = {
            "code": missing.code,
            "text": missing.text,
            "retry": missing.retry,
        }
    except Exception as error:  # noqa: BLE001  its text may hold a token, so only its name is told
        text = f"its login cannot be renewed: {error.__class__.__name__}"
        told = {"code": "unreachable", "text": text, "retry": True}
    return {"missing": told}


def main() -> None:
    """Answer the question on stdin."""
    said = answer(json.loads(sys.stdin.buffer.read(_LARGEST)))
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
