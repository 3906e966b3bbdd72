"""Logins on disk: one file a server, for the user alone.

``STATE/logins/ID.json`` says for whom a login is, until when, and *where* its secrets are: in the
file itself, or in the operating system's keyring.  So whoever only wants to know the state, and a
gateway without a keyring, never loads ``keyring``.  The file is replaced by one rename, so nobody
reads half of it; ``ID.lock`` is held by whoever makes a login or renews it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from mcpconf.credentials.missing import Missing
from mcpconf.model import Json

VERSION = 1
FILE, KEYRING = "file", "keyring"
PATIENCE = 45.0  # seconds for another process that renews the same login
_PAUSE = 0.05
_LARGEST = 1024 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Login(NamedTuple):
    """One login.

    ``expired`` says why it is of no use any more ("" if it is); ``secrets`` is None where they
    are in the keyring and were not fetched.  Times are Unix seconds; ``expires_at`` is None where
    the server did not say.
    """

    server: str
    name: str
    where: str
    issued_at: float
    expires_at: float | None = None
    refreshable: bool = False
    scope: str = ""
    expired: str = ""
    secrets: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Login({self.where!r}, ***)"

    @property
    def access_token(self) -> str:
        """The token, "" where it is not at hand."""
        tokens = (self.secrets or {}).get("tokens")
        token = tokens.get("access_token") if isinstance(tokens, dict) else None
        return token if isinstance(token, str) else ""

    def outlives(self, moment: float) -> bool:
        """Tell whether its token is still good at a moment, as far as we know."""
        return not self.expired and (self.expires_at is None or self.expires_at > moment)


class Store:
    """The directory of logins."""

    def __init__(self, state: Path) -> None:
        self.directory = state / "logins"

    def path(self, login_id: str) -> Path:
        return self.directory / f"{login_id}.json"

    def stamp(self, login_id: str) -> tuple[int, ...] | None:
        """What changes when the login does; None if there is none."""
        try:
            status = os.lstat(self.path(login_id))
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read(self, login_id: str) -> Login | None:
        """Return what the file says; None if there is none.

        Raises:
            Missing: ``secret-missing``: others may read it, or it cannot be read.

        """
        path = self.path(login_id)
        try:
            text = _read(self.directory, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            why = (error.strerror or "unreadable").lower()
            raise Missing("secret-missing", f"`{path}` cannot be read: {why}") from None
        login = _load(text)
        if login is None:
            text = f"`{path}` is not what mcpconf wrote; remove it, then log in again"
            raise Missing("secret-missing", text)
        return login

    def write(self, login_id: str, login: Login) -> None:
        """Replace the file; what is in the keyring is not in it."""
        self.prepare()
        _replace(self.path(login_id), _dump(login))

    def remove(self, login_id: str) -> bool:
        """Remove the file; tell whether there was one."""
        self.remove_note(login_id)
        try:
            self.path(login_id).unlink()
        except FileNotFoundError:
            return False
        return True

    def prepare(self) -> None:
        """Make the directory, for the user alone."""
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        _private(os.stat(self.directory), self.directory, "700")

    # --- notes, which hold no secrets ------------------------------------------------------------

    def note(self, name: str) -> dict[str, Json]:
        """Return a note; {} if there is none."""
        try:
            value = json.loads(_read(self.directory, self.directory / f"{name}.note"))
        except (OSError, ValueError, RecursionError, Missing):
            return {}
        return value if isinstance(value, dict) else {}

    def put_note(self, name: str, value: Mapping[str, Json]) -> None:
        """Keep a note, if that can be done."""
        with suppress(OSError, Missing):
            self.prepare()
            _replace(self.directory / f"{name}.note", json.dumps(value))

    def remove_note(self, name: str) -> None:
        with suppress(OSError):
            (self.directory / f"{name}.note").unlink()

    @contextmanager
    def locked(self, login_id: str, patience: float = PATIENCE) -> Iterator[None]:
        """Hold the login against other processes.  Not for an event loop: it waits.

        Raises:
            Missing: ``timeout``: another process does not let it go.

        """
        self.prepare()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self.directory / f"{login_id}.lock", flags, 0o600)
        try:
            deadline = time.monotonic() + patience
            while not _taken(fd):
                if time.monotonic() > deadline:
                    text = "another process has been renewing this login for too long; try again"
                    raise Missing("timeout", text, retry=True)
                time.sleep(_PAUSE)
            yield
        finally:
            os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(directory: Path, path: Path) -> str:
    fd = os.open(path, _READ)
    with os.fdopen(fd, "rb") as file:
        _private(os.stat(directory), directory, "700")
        _private(os.fstat(fd), path, "600")
        return file.read(_LARGEST).decode("utf-8", "replace")


def _private(status: os.stat_result, path: Path, mode: str) -> None:
    """Refuse what is not the user's alone: whoever reads it has the login."""
    if status.st_uid != os.geteuid():
        raise Missing("secret-missing", f"`{path}` belongs to another user; remove it")
    if status.st_mode & _OTHERS:
        text = f"others may read or write `{path}`; run: chmod {mode} '{path}'"
        raise Missing("secret-missing", f"{text}, and log in again if somebody may have")


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(new, _NEW, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.rename(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise


def _dump(login: Login) -> str:
    value: dict[str, Json] = {"version": VERSION, **login._asdict()}
    value["secrets"] = dict(login.secrets or {}) if login.where == FILE else None
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _load(text: str) -> Login | None:
    try:
        value = json.loads(text)
        if value.pop("version") != VERSION:
            return None
        login = Login(**value)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    texts = (login.server, login.name, login.where, login.scope, login.expired)
    fine = (
        all(isinstance(t, str) for t in texts)
        and isinstance(login.issued_at, int | float)
        and isinstance(login.expires_at, int | float | None)
        and isinstance(login.secrets, dict | None)
    )
    return login if fine else None
