from __future__ import annotations

import asyncio
import json
from pathlib import Path

import keyring.core
import pytest

from mcpconf.credentials import ring
from mcpconf.credentials.login import logins_of, logout
from tests import clock

from .conftest import NO_KEYRING, Desk

# A keyring that calls itself by the name of a real one, and keeps its values in one file.
FAKE = """
import json, os, pathlib, sys, time, types
import keyring.backend

name = "keyring.backends.SecretService_of_the_test"
module = types.ModuleType(name)

class Keyring(keyring.backend.KeyringBackend):
    priority = 5
    path = pathlib.Path(os.environ["FAKE_KEYRING"])

    def _all(self):
        if os.environ.get("FAKE_HANGS"):
            time.sleep(600)
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def set_password(self, service, user, password):
        values = self._all() | {user: password}
        self.path.write_text(json.dumps(values))

    def get_password(self, service, user):
        return self._all().get(user)

    def delete_password(self, service, user):
        values = self._all()
        del values[user]
        self.path.write_text(json.dumps(values))

Keyring.__module__ = name
module.Keyring = Keyring
sys.modules[name] = module
"""


@pytest.fixture
def fake(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(FAKE)
    kept = tmp_path / "ring.json"
    desk.knows_keyring = False
    desk.environ = {
        "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService_of_the_test.Keyring",
        "PYTHONPATH": str(folder),
        "FAKE_KEYRING": str(kept),
    }
    for name, value in desk.environ.items():
        monkeypatch.setenv(name, value)
    exec(compile(FAKE, "fake", "exec"), {})
    monkeypatch.setattr("keyring.core._keyring_backend", keyring.core.load_env())
    return kept


def test_secrets_are_in_the_keyring_and_not_in_the_file(desk: Desk, fake: Path) -> None:
    outcome = desk.log_in()
    assert outcome.code == "done", outcome
    assert outcome.notes == ()
    assert [s for s in desk.oauth.planted() if s in desk.file.read_text()] == []
    state = logins_of([desk.route], "", desk.home)["jira"]
    assert (state.state, state.where) == ("valid", "keyring")
    route = desk.route
    questions: list[str] = []

    async def play() -> None:
        logins = desk.logins()
        ask = logins._ask

        async def counted(question, environ):
            questions.append(question["do"])
            return await ask(question, environ)

        logins._ask = counted
        tokens = set(await asyncio.gather(*(logins.token(route) for _ in range(5))))
        tokens |= {await logins.token(route) for _ in range(5)}
        assert len(tokens) == 1
        assert tokens <= set(desk.oauth.valid)
        assert questions == ["token"]
        desk.expire()
        assert await logins.token(route) in desk.oauth.valid
        assert await logins.token(route) not in tokens

    asyncio.run(play())
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1
    assert logout(desk.route, "", desk.home).code == "done"
    assert json.loads(fake.read_text()) == {}


def test_a_keyring_that_hangs_is_not_used(
    desk: Desk, fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "LIMIT", 1.5)
    desk.environ["FAKE_HANGS"] = "1"
    assert desk.log_in().notes  # it says where the file is
    started = clock.now()
    assert not ring.works(desk.store, desk.home.environ)  # and remembers
    assert clock.now() - started < 0.2
    assert not fake.exists()


def test_keyrings_that_keep_nothing_do_not_count(desk: Desk) -> None:
    desk.knows_keyring = False
    assert not ring.works(desk.store, desk.home.environ)
    note = desk.store.note("keyring")
    assert (note["works"], note["backend"]) == (False, NO_KEYRING)
