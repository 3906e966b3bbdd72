"""Where the secrets of a login go: the keyring if a real one works, else the login's own file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mcpconf.credentials import ring
from mcpconf.credentials.store import FILE, KEYRING, Login, Store


class Vault:
    """Logins with their secrets.  In the worker and the login command, not in the gateway."""

    def __init__(self, state: Path, environ: Mapping[str, str]) -> None:
        self.store = Store(state)
        self._environ = environ

    def read(self, login_id: str) -> Login | None:
        """Return a login with its secrets; None if there is none.

        Raises:
            Missing: ``secret-missing``.

        """
        login = self.store.read(login_id)
        if login is None or login.where != KEYRING:
            return login
        return login._replace(secrets=ring.get(login_id) or {})

    def write(self, login_id: str, login: Login) -> Login:
        """Keep a login, where it was before or where it is best kept; return it as kept.

        The secrets go first: a file that names a keyring without them would be a lie.
        """
        where = login.where or (KEYRING if ring.works(self.store, self._environ) else FILE)
        login = login._replace(where=where)
        if where == KEYRING:
            ring.put(login_id, dict(login.secrets or {}))
        self.store.write(login_id, login)
        return login

    def remove(self, login_id: str) -> bool:
        """Remove a login; tell whether there was one."""
        try:
            login = self.store.read(login_id)
        finally:
            there = self.store.remove(login_id)
        if login is not None and login.where == KEYRING:
            ring.remove(login_id)
        return there
