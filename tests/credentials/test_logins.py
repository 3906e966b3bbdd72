from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mcpconf.credentials import Credentials, Logins, Missing
from mcpconf.credentials.login import logins_of
from mcpconf.model import sha256_hex
from tests import clock

from .conftest import Desk


async def missing(awaitable: Any) -> Missing:
    with pytest.raises(Missing) as caught:
        await awaitable
    return caught.value


def test_a_token_at_once(desk: Desk) -> None:
    async def play() -> None:
        logins = desk.logins()
        needed = await missing(logins.token(desk.route))
        assert needed.code == "login-needed"
        assert "mcpconf gateway login jira" in needed.text
        await asyncio.to_thread(desk.log_in)
        token = await logins.token(desk.route)  # mends itself: the same object, nobody told it
        assert token in desk.oauth.valid
        assert await logins.headers(desk.route) == (("Authorization", f"Bearer {token}"),)
        route = desk.route
        started = time.process_time()
        for _ in range(200):
            await logins.token(route)
        assert (time.process_time() - started) / 200 < 0.001

    asyncio.run(play())


def test_a_server_of_another_kind_gets_a_token_only_if_there_is_one(desk: Desk) -> None:
    desk.kind = "http"

    async def play() -> None:
        logins = desk.logins()
        assert await logins.headers(desk.route) == ()
        await asyncio.to_thread(desk.log_in)
        assert len(await logins.headers(desk.route)) == 1
        desk.entry = {"headers": {"authorization": "Basic x"}}
        assert await logins.headers(desk.route) == ()

    asyncio.run(play())


def test_many_tasks_renew_an_expired_token_once(desk: Desk) -> None:
    desk.log_in()
    desk.expire()
    route = desk.route

    async def play() -> None:
        logins = desk.logins(apart=True)
        tokens = await asyncio.gather(*(logins.token(route) for _ in range(50)))
        assert len(set(tokens)) == 1
        assert tokens[0] in desk.oauth.valid

    asyncio.run(play())
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1
    (asked,) = desk.oauth.all("/token", grant_type="refresh_token")
    assert asked.form["resource"] == desk.url
    kept = json.loads(desk.file.read_text())
    assert kept["secrets"]["tokens"]["refresh_token"] in desk.oauth.refresh  # rotated, and kept
    assert kept["expires_at"] > time.time() + 3000


def test_several_processes_renew_an_expired_token_once(desk: Desk) -> None:
    desk.log_in()
    desk.expire()
    route = desk.route

    async def play() -> None:
        several = [desk.logins(apart=True) for _ in range(2)]  # each asks a worker of its own
        tokens = await asyncio.gather(*(logins.token(route) for logins in several))
        assert len(set(tokens)) == 1

    asyncio.run(play())
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1


def test_a_token_is_renewed_before_it_expires_and_nobody_waits(desk: Desk) -> None:
    desk.log_in()
    desk.expire(ago=-30.0)

    async def play() -> None:
        logins = desk.logins()
        old = await logins.token(desk.route)
        started = clock.now()
        assert await logins.token(desk.route) == old
        assert clock.now() - started < 0.2
        while await logins.token(desk.route) == old:  # noqa: ASYNC110  a thread renews it
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(play(), 8))
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1


def test_a_server_that_does_not_rotate(desk: Desk) -> None:
    desk.oauth.rotate = False
    desk.log_in()
    desk.expire()
    asyncio.run(desk.logins().token(desk.route))
    desk.expire()
    assert asyncio.run(desk.logins().token(desk.route)) in desk.oauth.valid
    assert desk.oauth.count("/token", grant_type="refresh_token") == 2


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client"])
def test_a_refused_renewal_is_an_expired_login_until_the_next(desk: Desk, error: str) -> None:
    desk.log_in()
    desk.expire()
    desk.oauth.refuse_refresh = error

    async def play() -> None:
        logins = desk.logins()
        expired = await missing(logins.token(desk.route))
        assert (expired.code, expired.retry) == ("login-expired", False)
        assert "mcpconf gateway login jira" in expired.text
        started = clock.now()
        assert (await missing(logins.token(desk.route))).code == "login-expired"
        assert clock.now() - started < 0.2  # nobody is asked again
        state = logins_of([desk.route], "", desk.home)["jira"]
        assert state.state == "expired"
        assert error in state.note
        await asyncio.to_thread(desk.log_in)
        assert await logins.token(desk.route) in desk.oauth.valid

    asyncio.run(play())
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1
    assert desk.oauth.count("/register") == (2 if error == "invalid_client" else 1)


@pytest.mark.parametrize("trouble", [503, 429, "down"])
def test_trouble_on_the_way_keeps_the_login(desk: Desk, trouble: int | str, unused_port) -> None:
    desk.log_in()
    desk.expire()
    if trouble == "down":
        kept = json.loads(desk.file.read_text())
        kept["secrets"]["authorization_server"]["token_endpoint"] = (
            f"http://127.0.0.1:{unused_port}/token"
        )
        desk.edit(secrets=kept["secrets"])
    else:
        desk.oauth.token_status = int(trouble)
    before = desk.file.read_text()

    async def play() -> None:
        logins = desk.logins()
        first = await missing(logins.token(desk.route))
        assert (first.code, first.retry) == ("unreachable", True)
        asked = desk.oauth.count("/token", grant_type="refresh_token")
        assert (await missing(logins.token(desk.route))).retry
        assert desk.oauth.count("/token", grant_type="refresh_token") == asked  # it pauses
        logins.forget()
        desk.oauth.token_status = 0
        if trouble != "down":
            assert await logins.token(desk.route) in desk.oauth.valid

    assert desk.file.read_text() == before
    asyncio.run(play())


def test_a_token_without_end_serves_until_it_is_refused(desk: Desk) -> None:
    desk.oauth.expires_in = None
    desk.log_in()

    async def play() -> None:
        logins = desk.logins()
        old = await logins.token(desk.route)
        desk.oauth.valid.clear()
        tokens = await asyncio.gather(
            *(logins.refused(desk.route, 401, "Bearer", token=old) for _ in range(20))
        )
        assert len(set(tokens)) == 1
        assert tokens[0] in desk.oauth.valid
        assert await logins.refused(desk.route, 401, "Bearer", token=old) == tokens[0]
        again = await missing(logins.refused(desk.route, 401, "Bearer", token=tokens[0]))
        assert again.code == "refused-login"  # no renewal after renewal

    asyncio.run(play())
    assert desk.oauth.count("/token", grant_type="refresh_token") == 1


def test_a_refusal_without_a_login_is_remembered_for_the_login(desk: Desk) -> None:
    desk.kind = "http"
    desk.oauth.wants_scope = ""

    async def play() -> None:
        logins = desk.logins()
        challenge = 'Bearer error="invalid_token", scope="a b"'
        assert (await missing(logins.refused(desk.route, 401, challenge))).code == "login-needed"

    asyncio.run(play())
    desk.log_in()
    assert desk.oauth.all("/authorize")[0].form["scope"] == "a b"


def test_step_up(desk: Desk) -> None:
    desk.log_in()

    async def play() -> None:
        logins = desk.logins()
        token = await logins.token(desk.route)
        challenge = 'Bearer error="insufficient_scope", scope="write \x1b[31m admin"'
        more = await missing(logins.refused(desk.route, 403, challenge, token=token))
        assert more.code == "step-up"
        assert "mcpconf gateway login jira" in more.text
        assert "\x1b" not in more.text
        assert (await missing(logins.refused(desk.route, 403, "Bearer"))).code == "refused-login"
        assert await logins.token(desk.route) == token  # the old one goes on serving
        await asyncio.to_thread(desk.log_in)
        assert desk.oauth.valid[await logins.token(desk.route)] == "read write admin"
        await asyncio.to_thread(desk.log_in)  # asked for once, not for ever
        assert desk.oauth.valid[await logins.token(desk.route)] == "read"

    asyncio.run(play())


@pytest.mark.parametrize(("mode", "folder"), [(0o640, 0o700), (0o604, 0o700), (0o600, 0o750)])
def test_a_login_that_others_may_read_is_refused(desk: Desk, mode: int, folder: int) -> None:
    desk.log_in()
    file = desk.file
    file.chmod(mode)
    desk.store.directory.chmod(folder)

    async def play() -> None:
        refused = await missing(desk.logins().token(desk.route))
        assert refused.code == "secret-missing"
        assert "chmod" in refused.text

    asyncio.run(play())
    assert logins_of([desk.route], "", desk.home)["jira"].state == "unreadable"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}', "null"])
def test_a_file_that_is_no_login(desk: Desk, text: str) -> None:
    desk.log_in()
    desk.file.write_text(text)
    assert asyncio.run(missing(desk.logins().token(desk.route))).code == "secret-missing"


def test_a_link_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    desk.log_in()
    file = desk.file
    moved = tmp_path / "moved.json"
    file.rename(moved)
    file.symlink_to(moved)
    assert asyncio.run(missing(desk.logins().token(desk.route))).code == "secret-missing"


def test_a_login_for_another_server_is_not_taken(desk: Desk) -> None:
    desk.log_in()
    desk.edit(server="https://evil.example/mcp")
    assert asyncio.run(missing(desk.logins().token(desk.route))).code == "login-needed"


def test_no_secret_is_in_arguments_variables_or_messages(desk: Desk) -> None:
    desk.log_in()
    desk.expire()
    seen: list[str] = []

    def look() -> None:
        """Read what any process of this user shows to others while the token is renewed."""
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    seen.append((process / name).read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue

    desk.oauth.on_token = look
    asyncio.run(desk.logins(apart=True).token(desk.route))
    assert any("mcpconf.credentials.worker" in text for text in seen)
    desk.oauth.refuse_refresh = "invalid_grant"
    desk.expire()
    told = asyncio.run(missing(desk.logins().token(desk.route)))
    seen += [told.text, repr(told), repr(desk.store.read(desk.file.stem))]
    assert [s for s in desk.oauth.planted() if any(s in text for text in seen)] == []
    others = [f.read_text() for f in desk.store.directory.iterdir() if f != desk.file]
    assert [s for s in desk.oauth.planted() if any(s in text for text in others)] == []
    assert all(f.stat().st_mode & 0o077 == 0 for f in desk.store.directory.iterdir())


def worker(question: object, **environ: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mcpconf.credentials.worker"],
        input=json.dumps(question).encode(),
        capture_output=True,
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **environ},
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    return json.loads(done.stdout)


def test_the_worker_renews_only_what_is_stale(desk: Desk) -> None:
    desk.log_in()
    question = {"do": "refresh", "state": str(desk.home.state), "login": desk.file.stem}
    assert worker(question | {"stale": sha256_hex("another")}) == {"token": None}
    assert desk.oauth.count("/token", grant_type="refresh_token") == 0


@pytest.mark.parametrize("question", [{"do": "x"}, {}, {"do": "token", "state": "/", "login": "x"}])
def test_the_worker_answers_whatever_it_is_asked(question: object) -> None:
    assert "missing" in worker(question)


def test_a_worker_that_hangs_or_talks_nonsense(desk: Desk) -> None:
    desk.log_in()
    desk.expire()

    async def ask(*_: object) -> dict[str, Any]:
        raise Missing("timeout", "it takes too long", retry=True)

    async def play() -> None:
        credentials = Credentials(desk.home.state, desk.home.environ)
        logins = Logins(credentials, desk.home.environ, ask)
        assert (await missing(logins.token(desk.route))).retry

    asyncio.run(play())


def test_the_gateways_path_loads_neither_the_sdk_nor_keyring() -> None:
    code = (
        "import sys, mcpconf.credentials as c\n"
        "bad = [m for m in ('mcp', 'keyring', 'httpx', 'httpx2', 'pydantic', 'typer', 'rich',"
        " 'platformdirs', 'webbrowser', 'mcpconf.plan', 'mcpconf.resolve') if m in sys.modules]\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
