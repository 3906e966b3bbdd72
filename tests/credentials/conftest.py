from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcpconf.contract import Ref, Route
from mcpconf.credentials import Credentials, Logins, worker
from mcpconf.credentials.child import read_answer
from mcpconf.credentials.login import Attempt, Home, Options, Outcome, Person, login
from mcpconf.credentials.store import Store
from mcpconf.model import Opaque, ServerId

from .oauth_server import OAuthServer, running

NO_KEYRING = "keyring.backends.null.Keyring"


def follow(url: str) -> bool:
    """A browser whose user agrees to everything."""

    def run() -> None:
        with suppress(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=60).read()

    threading.Thread(target=run, daemon=True).start()
    return True


async def ask_here(question: Any, _: Any) -> dict[str, Any]:
    """The worker without a process of its own: importing the SDK takes a second each time."""
    said = await asyncio.to_thread(worker.answer, question)
    return read_answer(json.dumps(said).encode())


@dataclass
class Desk:
    """A user with one server behind a login: what they see, and what the gateway asks."""

    folder: Path
    oauth: OAuthServer
    entry: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    kind: str = "oauth"
    knows_keyring: bool = True

    @property
    def url(self) -> str:
        return f"{self.oauth.url}/mcp"

    @property
    def home(self) -> Home:
        kept = ("PATH", "HOME")
        inherited = {k: v for k, v in os.environ.items() if k in kept}
        return Home(
            self.folder / "state",
            {**inherited, "PYTHON_KEYRING_BACKEND": NO_KEYRING, **self.environ},
        )

    @property
    def route(self) -> Route:
        entry = {"type": "http", "url": self.url, **self.entry}
        file = self.folder / ".claude.json"
        file.write_text(json.dumps({"mcpServers": {"jira": entry}}))
        return Route(
            server=ServerId("jira"),
            name="jira",
            kind=self.kind,
            transport=entry["type"],
            digest=Opaque(entry).digest(),
            entry=Ref(str(file), "/mcpServers/jira"),
            url=entry["url"],
            headers={
                n: Ref(str(file), f"/mcpServers/jira/headers/{n}", 2)
                for n in entry.get("headers", {})
            },
        )

    @property
    def store(self) -> Store:
        return Store(self.home.state)

    @property
    def file(self) -> Path:
        (found,) = self.store.directory.glob("*.json")
        return found

    def log_in(
        self,
        browse: Callable[[str], bool] = follow,
        ask: Callable[[], str | None] = lambda: None,
        **options: Any,
    ) -> Outcome:
        if self.knows_keyring:  # asking for it takes a process
            note = {"at": time.time(), "works": False, "backend": NO_KEYRING}
            self.store.put_note("keyring", note)
        person = Person(self.shown.append, ask, browse)
        attempt = Attempt(
            self.route, "", self.home, person, Options(**{"patience": 8.0, **options})
        )
        return login(attempt)

    def logins(self, *, apart: bool = False) -> Logins:
        """The gateway's side; the worker is in this process, or ``apart`` as it is for users."""
        more = {} if apart else {"ask": ask_here}
        return Logins(Credentials(self.home.state, self.home.environ), self.home.environ, **more)

    def edit(self, **fields: Any) -> None:
        """Change what is stored, as time would."""
        value = json.loads(self.file.read_text())
        self.file.write_text(json.dumps({**value, **fields}))

    def expire(self, *, ago: float = 1.0, lifetime: float = 3600.0) -> None:
        value = json.loads(self.file.read_text())
        end = time.time() - ago
        self.edit(**{**value, "issued_at": end - lifetime, "expires_at": end})


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory with a short path: the names of sockets have 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="mc-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    with running() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, oauth: OAuthServer) -> Desk:
    return Desk(tmp_path, oauth)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
