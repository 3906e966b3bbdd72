"""The operating system's keyring, where a real one works.

Only in the worker and in ``mcpconf gateway login``: importing ``keyring`` takes time, and a locked
one may wait for a window that nobody sees.  So it is tried first, in a process of its own with a
limit, and what came of it is remembered.  Backends that keep nothing, or keep it in a readable
file, do not count: our own file is better than those.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from mcpconf.credentials.child import command, read_answer, variables
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.store import Store
from mcpconf.model import Json

SERVICE = "mcpconf"
LIMIT = 8.0  # seconds
_REMEMBERED = 24 * 3600.0
_REAL = (
    "keyring.backends.macOS",
    "keyring.backends.SecretService",
    "keyring.backends.kwallet",
    "keyring.backends.libsecret",
    "keyring.backends.Windows",
)


def works(store: Store, environ: Mapping[str, str]) -> bool:
    """Tell whether a real keyring keeps what it is given; asked once a day."""
    remembered = store.note("keyring")
    wanted = environ.get("PYTHON_KEYRING_BACKEND", "")
    at, works, backend = (remembered.get(k) for k in ("at", "works", "backend"))
    if isinstance(at, int | float) and 0 <= time.time() - at < _REMEMBERED and backend == wanted:
        return works is True
    outcome = _probe(environ)
    store.put_note("keyring", {"at": time.time(), "works": outcome, "backend": wanted})
    return outcome


def _probe(environ: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            command(),
            input=json.dumps({"do": "probe-keyring"}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=variables(environ),
            timeout=LIMIT,
            check=False,
            start_new_session=True,
        )
        return read_answer(done.stdout).get("works") is True
    except (OSError, subprocess.SubprocessError, Missing):
        return False


def try_out() -> bool:
    """Keep a value, read it and remove it.  In the probing process only: it may hang."""
    import keyring  # noqa: PLC0415  heavy, and only here

    backend = keyring.get_keyring()
    parts = getattr(backend, "backends", None) or [backend]
    if not type(parts[0]).__module__.startswith(_REAL):
        return False
    name, value = f"probe-{secrets.token_hex(8)}", secrets.token_hex(16)
    keyring.set_password(SERVICE, name, value)
    same = keyring.get_password(SERVICE, name) == value
    keyring.delete_password(SERVICE, name)
    return same


def get(login_id: str) -> dict[str, Any] | None:
    """Return the secrets of a login; None if they are not there.

    Raises:
        Missing: ``secret-missing``: the keyring does not answer.

    """
    import keyring  # noqa: PLC0415  heavy, and only here

    try:
        kept = keyring.get_password(SERVICE, login_id)
        value = json.loads(kept) if kept else None
    except Exception as error:  # noqa: BLE001  each backend has its own
        raise _silent(error) from None
    return value if isinstance(value, dict) else None


def put(login_id: str, value: Mapping[str, Json]) -> None:
    """Keep the secrets of a login.

    Raises:
        Missing: ``secret-missing``: the keyring does not take them.

    """
    import keyring  # noqa: PLC0415  heavy, and only here

    try:
        keyring.set_password(SERVICE, login_id, json.dumps(value))
    except Exception as error:  # noqa: BLE001  each backend has its own
        raise _silent(error) from None


def remove(login_id: str) -> None:
    """Remove the secrets of a login, if they are there."""
    import keyring  # noqa: PLC0415  heavy, and only here
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        keyring.delete_password(SERVICE, login_id)
    except (KeyringError, RuntimeError):
        return


def _silent(error: Exception) -> Missing:
    name = error.__class__.__name__
    text = f"the keyring does not answer ({name}); unlock it and try again"
    return Missing("secret-missing", text, retry=True)
