from __future__ import annotations

import json
import logging
import socket
import stat
import threading
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from mcpconf.contract import Ref
from mcpconf.credentials.login import logins_of, logout
from tests import clock

from .conftest import Desk, follow
from .oauth_server import running


def test_a_login_is_kept_for_the_user_alone_and_that_is_said(desk: Desk) -> None:
    outcome = desk.log_in()
    assert outcome.code == "done", outcome
    assert str(desk.store.directory) in outcome.notes[0]
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.store.directory.stat().st_mode) == 0o700
    kept = json.loads(desk.file.read_text())
    assert kept["server"] == desk.url
    assert kept["secrets"]["tokens"]["access_token"] in desk.oauth.valid
    assert any(line.startswith(f"{desk.oauth.url}/authorize?") for line in desk.shown)


def test_what_is_sent_is_what_the_specification_asks_for(desk: Desk) -> None:
    assert desk.log_in().code == "done"
    (asked,) = desk.oauth.all("/authorize")
    assert asked.form["resource"] == desk.url
    assert asked.form["code_challenge_method"] == "S256"
    assert asked.form["scope"] == "read"
    assert asked.form["redirect_uri"].startswith("http://localhost:")
    (asked,) = desk.oauth.all("/token")
    assert asked.form["resource"] == desk.url
    assert "authorization" not in asked.headers


def test_the_session_of_the_trial_is_ended(desk: Desk) -> None:
    desk.log_in()
    assert [a.method for a in desk.oauth.all("/mcp")] == ["POST", "POST", "DELETE"]


def test_a_second_login_uses_the_same_registration(desk: Desk) -> None:
    desk.log_in()
    desk.log_in()
    assert desk.oauth.count("/register") == 1
    desk.log_in(fresh=True)
    assert desk.oauth.count("/register") == 2


def test_the_port_of_last_time_is_taken_so_we_register_anew(desk: Desk) -> None:
    desk.log_in()
    port = urlsplit(desk.oauth.all("/authorize")[0].form["redirect_uri"]).port
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert desk.log_in().code == "done"
    assert desk.oauth.count("/register") == 2


def fetch_code(url: str) -> str:
    """Log in with a browser on another machine: what it ends at is not reachable."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(url, timeout=60)
    except urllib.error.HTTPError as error:
        error.close()
        return error.headers["Location"]
    raise AssertionError


@pytest.mark.parametrize("bare", [False, True])
def test_a_pasted_address_or_code(desk: Desk, *, bare: bool) -> None:
    def ask() -> str:
        url = next(line for line in desk.shown if line.startswith("http"))
        address = fetch_code(url)
        return parse_qs(urlsplit(address).query)["code"][0] if bare else f"  '{address}'\n"

    outcome = desk.log_in(browse=lambda _: False, ask=ask)
    assert outcome.code == "done", outcome
    assert any("paste" in line for line in desk.shown)


def test_an_address_of_another_login_is_not_taken(desk: Desk) -> None:
    lines = iter(
        [
            "",
            "http://localhost:1/callback?code=stolen&state=other",
            "two words",
            "http://localhost:1/callback?foo=1",
        ]
    )

    def ask() -> str:
        line = next(lines, None)
        if line is None:
            return fetch_code(next(x for x in desk.shown if x.startswith("http")))
        return line

    assert desk.log_in(browse=lambda _: False, ask=ask).code == "done"
    assert sum("another login" in line for line in desk.shown) >= 1
    assert all(a.form.get("code") != "stolen" for a in desk.oauth.all("/token"))


def test_a_callback_with_another_state_is_not_taken(desk: Desk) -> None:
    answers: list[int] = []

    def browse(url: str) -> bool:
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        for query in ("?code=x&state=wrong", "?code=x", "", "?error=access_denied&state=wrong"):
            try:
                urllib.request.urlopen(back + query, timeout=60).close()
            except urllib.error.HTTPError as error:
                answers.append(error.code)
                error.close()
        return follow(url)

    assert desk.log_in(browse=browse).code == "done"
    assert answers == [400, 400, 400, 400]


def test_an_endless_callback_disturbs_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def browse(url: str) -> bool:
        back = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
        with socket.create_connection((back.hostname, back.port), 5) as sock:
            sock.sendall(b"GET /" + b"x" * 60_000)
            assert sock.recv(100) == b""
        return follow(url)

    assert desk.log_in(browse=browse).code == "done"
    assert "Unhandled" not in caplog.text


def test_a_login_that_is_refused(desk: Desk) -> None:
    desk.oauth.deny = "access_denied"
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert "access_denied" in outcome.text
    assert not list(desk.store.directory.glob("*.json"))


def test_nobody_logs_in(desk: Desk) -> None:
    started = clock.now()
    outcome = desk.log_in(browse=lambda _: True, patience=0.5)
    assert outcome.code == "timeout"
    assert clock.now() - started < 4


def test_the_entrys_client_scopes_and_port(desk: Desk, unused_port: int) -> None:
    desk.entry = {"oauth": {"clientId": "mine", "scopes": "a  b", "callbackPort": unused_port}}
    desk.environ = {"MCP_CLIENT_SECRET": "planted-secret-client"}
    desk.oauth.known_clients["mine"] = "x"
    outcome = desk.log_in()
    assert outcome.code == "done", outcome
    (asked,) = desk.oauth.all("/authorize")
    assert asked.form["client_id"] == "mine"
    assert asked.form["scope"] == "a b"
    assert asked.form["redirect_uri"] == f"http://localhost:{unused_port}/callback"
    assert desk.oauth.count("/register") == 0
    (asked,) = desk.oauth.all("/token")
    assert asked.headers["authorization"].startswith("Basic ")  # RFC 8414: the default


def test_the_entrys_metadata_url(desk: Desk) -> None:
    desk.entry = {"oauth": {"authServerMetadataUrl": f"{desk.oauth.url}/pinned"}}
    desk.oauth.issuer = "http://127.0.0.1:9"  # what the server says is not asked
    outcome = desk.log_in()
    assert outcome.code == "done", outcome
    assert desk.oauth.count("/pinned") == 1
    assert desk.oauth.count("/.well-known/oauth-authorization-server") == 0


def test_an_authorization_server_that_takes_no_new_clients(desk: Desk) -> None:
    desk.oauth.registers = False
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert "oauth.clientId" in outcome.text
    assert desk.oauth.count("/register") == 0


def test_a_registration_that_is_refused(desk: Desk) -> None:
    desk.oauth.refuse_registration = True
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert "invalid_redirect_uri" in outcome.text


def test_a_server_that_asks_for_no_login(desk: Desk) -> None:
    desk.oauth.needs_login = desk.oauth.offers_login = False
    assert desk.log_in().code == "not-needed"
    assert desk.oauth.count("/register") == 0


def test_a_server_that_asks_only_for_some_calls(desk: Desk) -> None:
    desk.oauth.needs_login = False
    assert desk.log_in().code == "done"


def test_a_metadata_about_another_resource(desk: Desk) -> None:
    desk.oauth.resource = "http://127.0.0.1:9/other"
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert "another server" in outcome.text
    assert desk.oauth.count("/authorize") == 0


def test_a_server_that_sends_us_to_another_origin(desk: Desk) -> None:
    with running() as other:
        desk.oauth.server_redirect = f"{other.url}/mcp"
        assert desk.log_in().code == "redirected"
        assert other.asked == []


def test_a_code_is_not_sent_to_another_origin(desk: Desk) -> None:
    with running() as other:
        desk.oauth.token_redirect = f"{other.url}/token"
        outcome = desk.log_in()
        assert outcome.code == "refused-login"
        assert other.asked == []


@pytest.mark.parametrize(
    "url", ["http://auth.example.invalid", "http://192.0.2.1", "http://127.example.invalid"]
)
def test_nothing_is_sent_without_https(desk: Desk, url: str) -> None:
    desk.oauth.issuer = url
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert desk.oauth.count("/authorize") == 0


def test_a_url_without_https_takes_no_login(desk: Desk) -> None:
    desk.entry = {"url": "http://jira.example.invalid/mcp"}
    assert desk.log_in().code == "refused-login"


def test_a_configured_authorization_takes_no_login(desk: Desk) -> None:
    desk.entry = {"headers": {"authorization": "x"}}
    outcome = desk.log_in()
    assert outcome.code == "refused-login"
    assert desk.oauth.asked == []


def test_a_server_that_is_down(desk: Desk, unused_port: int) -> None:
    desk.entry = {"url": f"http://127.0.0.1:{unused_port}/mcp"}
    outcome = desk.log_in()
    assert (outcome.code, outcome.retry) == ("unreachable", True)


def test_a_state_directory_that_cannot_be_written(desk: Desk) -> None:
    desk.home.state.write_text("a file")
    outcome = desk.log_in()
    assert outcome.code == "secret-missing"
    assert str(desk.home.state) in outcome.text


def test_logout_tells_the_server_and_removes_everything(desk: Desk) -> None:
    desk.log_in()
    assert logins_of([desk.route], "", desk.home)["jira"].state == "valid"
    outcome = logout(desk.route, "", desk.home)
    assert (outcome.code, outcome.notes) == ("done", ())
    assert desk.oauth.refresh == {}
    assert not list(desk.store.directory.glob("*.json"))
    assert logins_of([desk.route], "", desk.home)["jira"].state == "none"
    assert logout(desk.route, "", desk.home).code == "none"


def test_a_proxy_is_not_asked_for_a_server_of_this_machine(
    desk: Desk, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    assert desk.log_in(browse=_follow_without_proxy).code == "done"


def _follow_without_proxy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    threading.Thread(target=lambda: opener.open(url, timeout=60).close(), daemon=True).start()
    return True


def test_logout_when_the_server_takes_no_word_of_it(desk: Desk) -> None:
    desk.oauth.revokes = False
    desk.log_in()
    outcome = logout(desk.route, "", desk.home)
    assert outcome.code == "done"
    assert outcome.notes


def test_the_gateway_is_told(desk: Desk) -> None:
    told: list[bytes] = []
    folder = desk.home.state / "gateway"
    folder.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "control.sock"))
        listening.listen()

        def serve() -> None:
            talk, _ = listening.accept()
            with talk:
                told.append(talk.recv(4096))
                talk.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert desk.log_in().code == "done"
        thread.join(30)
    assert told
    assert told[0].startswith(b"POST /logins HTTP/1.1\r\n")


def test_two_spellings_of_a_url_share_a_login(desk: Desk) -> None:
    desk.log_in()
    port = urlsplit(desk.url).port
    desk.entry = {"url": f"HTTP://127.0.0.1:{port}/mcp#x"}
    assert logins_of([desk.route], "", desk.home)["jira"].state == "valid"
    desk.entry = {"url": f"http://127.0.0.1:{port}/mcp/"}
    assert logins_of([desk.route], "", desk.home)["jira"].state == "none"


def test_the_headers_of_the_entry_go_to_the_server_and_nowhere_else(desk: Desk) -> None:
    desk.entry = {"headers": {"X-Org": "planted-secret-org"}}
    assert desk.log_in().code == "done"
    for asked in desk.oauth.asked:
        assert ("x-org" in asked.headers) == (asked.path == "/mcp")


def test_nothing_that_is_said_or_logged_holds_a_secret(
    desk: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes = [desk.log_in()]
    desk.oauth.token_status = 400
    outcomes.append(desk.log_in())
    desk.oauth.token_status = 0
    desk.oauth.resource = "http://127.0.0.1:9/"
    outcomes.append(desk.log_in())
    outcomes.append(logout(desk.route, "", desk.home))
    out, err = capfd.readouterr()
    everything = "\n".join([out, err, caplog.text, repr(outcomes), *desk.shown])
    assert [s for s in desk.oauth.planted() if s in everything] == []
    assert len(desk.oauth.planted()) > 4


def test_a_secret_url_may_have_a_login(desk: Desk) -> None:
    desk.entry = {"url": f"{desk.url}?key=${{KEY}}"}
    desk.environ = {"KEY": "planted-secret-key"}
    route = desk.route
    ref = Ref(route.entry.file, "/mcpServers/jira/url", 1, {"KEY": None})
    state = logins_of([route._replace(url=None, url_ref=ref)], "", desk.home)["jira"]
    assert state.state == "none"


HOSTILE = {
    "endless": b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" + b"[" * 3_000_000,
    "bomb": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx",
    "deep": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
    "no text": b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    "other": b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"access_token": [1, 2]}'[:-2],
}


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/token", "/mcp"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_an_authorization_server_sends_is_an_outcome(
    desk: Desk, path: str, hostile: str, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.oauth.raw[path] = HOSTILE[hostile]
    outcome = desk.log_in()
    assert outcome.code != "done" or path != "/token", outcome
    assert outcome.text
    assert capfd.readouterr() == ("", "")
