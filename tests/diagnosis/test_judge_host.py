"""The gateway, the last sync, secrets and logins: judged from made-up evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.compiler import Compilation
from mcpconf.credentials.login_state import LoginState
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.resolved import Resolved
from mcpconf.diagnosis.conclude import Seen, conclude
from mcpconf.diagnosis.evidence import Gateway, Host, Secrets, Written
from mcpconf.diagnosis.judge.host import judge_host
from mcpconf.diagnosis.judge.process import of_process
from mcpconf.diagnosis.judge.talk import judge_talk, refused_before
from mcpconf.diagnosis.judge.trouble import beyond, wants_login
from mcpconf.findings import Finding
from mcpconf.model import Stdio, Text
from tests.diagnosis.given import codes, compiled, gateway, heard, host, written

LOCAL = {"type": "http", "url": "http://127.0.0.1:1/mcp"}
KEYED = {**LOCAL, "headers": {"X-Key": "${KEY}"}}
PROCESS = {"command": "/usr/bin/env", "args": ["x"]}
UNSET = (
    "the variable `KEY` is not set where the gateway runs; set it in your settings' `env`, "
    "or run `mcpconf gateway stop` and `mcpconf gateway start` in a shell that has it"
)


@pytest.fixture
def found(house: Callable[..., Any]) -> Compilation:
    return compiled(house({"home/.claude.json": {"mcpServers": {"a": LOCAL, "key": KEYED}}}))


def judged(host: Host) -> tuple[list[str], list[str]]:
    said = judge_host(host)
    return codes(said.causes), codes(said.mentions)


def test_a_server_that_answers_has_no_cause(found: Compilation) -> None:
    assert judged(host(found, "a", heard=heard(tools=3))) == ([], [])


STATES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no gateway": ({"gateway": Gateway()}, ["MC215"]),
    "a directory that cannot be read": (
        {"gateway": Gateway(trouble="/x cannot be used: permission denied")},
        ["MC215"],
    ),
    "a gateway that hangs": ({"gateway": Gateway(7, "it did not answer")}, ["MC218"]),
    "never synced": ({"written": Written()}, ["MC201"]),
    "a socket that takes nothing": (
        {"heard": heard("unreachable", "no gateway answers (its socket is not there)")},
        ["MC218"],
    ),
    "a token of before": (
        {
            "heard": heard(
                "refused-login",
                "the gateway refuses the token in bridge.json; run `mcpconf sync` on the host",
            )
        },
        ["MC226"],
    ),
}


@pytest.mark.parametrize("title", STATES)
def test_the_gateway(title: str, found: Compilation) -> None:
    more, expected = STATES[title]
    said = judge_host(host(found, "a", **more))
    assert codes(said.causes) == expected
    first = said.causes[0]
    assert first.finding.origin is not None
    assert "`a`" in first.finding.message or first.finding.notes or first.remedy


def test_a_port_that_another_program_has(found: Compilation) -> None:
    asks = Gateway(occupied=("127.0.0.1:8811",))
    (cause,) = judge_host(host(found, "a", gateway=asks)).causes
    assert cause.finding.code == "MC215"
    assert "`127.0.0.1:8811`" in cause.finding.notes[0]
    assert cause.remedy is None  # starting it would fail


def test_what_mends_is_safe_where_nothing_is_lost(found: Compilation) -> None:
    safe = {
        title: [v.remedy.safe for v in judge_host(host(found, "a", **more)).causes if v.remedy]
        for title, (more, _) in STATES.items()
    }
    assert safe["no gateway"] == safe["a gateway that hangs"] == safe["never synced"] == [True]
    asks = gateway(found, unheard=("127.0.0.1:9",))
    (moved,) = judge_host(host(found, "a", gateway=asks, heard=heard(tools=1))).causes
    assert moved.finding.code == "MC216"
    assert moved.remedy is not None
    assert not moved.remedy.safe  # it ends what others do through it


def test_the_last_sync(found: Compilation) -> None:
    now = written(found)
    assert now.servers is not None
    assert now.routes is not None
    without = {"a": now.servers["a"]}
    assert judged(host(found, "key", written=now._replace(servers=without)))[0] == ["MC200"]
    other = {**now.servers, "a": {"command": "x"}}
    assert judged(host(found, "a", written=now._replace(servers=other)))[0] == ["MC200"]
    stale = {**now.routes, "a": now.routes["a"]._replace(digest="0")}
    assert judged(host(found, "a", written=now._replace(routes=stale)))[0] == ["MC220"]
    none = {k: v for k, v in now.routes.items() if k != "a"}
    assert judged(host(found, "a", written=now._replace(routes=none)))[0] == ["MC219"]
    assert judged(host(found, "a", written=now._replace(bridge="it is not there")))[0] == ["MC205"]
    said = heard("stale-route", "its entry in `x` has changed; look at it, run `mcpconf sync`")
    assert judged(host(found, "a", heard=said))[0] == ["MC220"]


def test_a_sync_that_would_refuse_is_mentioned(found: Compilation) -> None:
    blocked = (Finding("MC040", "x was changed by hand"),)
    now = written(found, servers={}, blocked=blocked)
    assert set(judged(host(found, "a", written=now))[0]) == {"MC200", "MC040"}


def test_a_project_that_the_gateway_leaves_out(found: Compilation) -> None:
    reason = "/x/routes.json may be read by others; run `chmod 600 /x/routes.json`"
    asks = gateway(found, rows={}, left_out=reason)
    (cause,) = judge_host(host(found, "a", gateway=asks)).causes
    assert cause.finding.code == "MC219"
    assert cause.remedy is not None
    assert (cause.remedy.command, cause.remedy.safe) == ("chmod 600 /x/routes.json", False)


def test_a_gateway_of_another_version_is_mentioned(found: Compilation) -> None:
    asks = gateway(found, version="0.0.9")
    assert judged(host(found, "a", gateway=asks, heard=heard("dns", "x")))[1] == ["MC216"]
    assert judged(host(found, "a", gateway=asks, heard=heard(tools=1))) == ([], [])


def test_a_variable(found: Compilation) -> None:
    """Who lacks it decides: this shell and the gateway, or the gateway alone."""
    failed = heard("secret-missing", f"key: {UNSET}")
    lacking = Secrets(None, Missing("secret-missing", UNSET))
    (here,) = judge_host(host(found, "key", secrets=lacking, heard=failed)).causes
    assert here.finding.code == "MC021"
    assert any("gateway stop" in way for way in here.finding.help)
    fine = Secrets(Resolved(url="http://127.0.0.1:1/mcp", headers=(("X-Key", "v"),)))
    (there,) = judge_host(host(found, "key", secrets=fine, heard=failed)).causes
    assert there.finding.code == "MC221"
    assert "`KEY`" in there.finding.message
    assert there.remedy is not None
    assert not there.remedy.safe


SECRETS = {
    "secret-missing": ("`/x` cannot be read: permission denied", "MC221"),
    "helper-failed": ("it ended with 3", "MC222"),
    "login-expired": ("its login has expired; run `mcpconf gateway login a`", "MC224"),
    "step-up": ("the login does not allow this", "MC225"),
    "spawn-failed": ("the server could not be started: No such file or directory", "MC207"),
    "server-exited": ("the server exited with 1", "MC209"),
    "server-silent": ("no answer within 8 s", "MC210"),
    "server-garbage": ("it writes something else", "MC211"),
}


@pytest.mark.parametrize("code", SECRETS)
def test_what_the_gateway_says_of_itself(code: str, found: Compilation) -> None:
    text, expected = SECRETS[code]
    assert judged(host(found, "a", heard=heard(code, f"a: {text}")))[0] == [expected]


@pytest.mark.parametrize("code", ["login-needed", "refused-login"])
def test_a_key_that_was_changed_since_the_gateway_started(code: str, found: Compilation) -> None:
    """A login would not mend it, and neither would a new key."""
    refused = host(found, "key", heard=heard(code, "key: it wants a login; run `x`"))
    cause = beyond(refused, answers=True)
    assert cause.finding.code == "MC221"
    assert cause.finding.help == ("mcpconf gateway stop && mcpconf gateway start",)
    assert beyond(refused).finding.code != "MC221"
    assert beyond(host(found, "a", heard=heard(code, "a: x")), answers=True).finding.code != "MC221"


def test_what_a_silent_program_may_be_busy_with(found: Compilation) -> None:
    """The first start of `npx` fetches, and is ended before it is through."""
    seen = host(found, "a", heard=heard("timeout", "a: no answer within 7 s"))
    server = seen.planned.classified.server
    npx = server._replace(transport=Stdio(Text("npx"), (Text("-y"), Text("server-x"))))
    classified = seen.planned.classified._replace(server=npx, remote=None)
    fetching = seen._replace(planned=seen.planned._replace(classified=classified))
    (cause,) = of_process(fetching)
    assert any(note.startswith("`npx` fetches") for note in cause.finding.notes)


def test_a_program_without_the_right_to_be_executed(found: Compilation) -> None:
    said = heard("spawn-failed", "a: the server could not be started: Permission denied")
    assert judged(host(found, "a", heard=said))[0] == ["MC208"]


def test_logins(found: Compilation) -> None:
    none = host(found, "a", secrets=Secrets(Resolved(url="x")))
    assert wants_login(none).finding.code == "MC223"
    assert wants_login(none).remedy == none.sign_in
    refused = Secrets(Resolved(url="x"), attempt="`x` refuses the registration request: HTTP 400")
    assert wants_login(none._replace(secrets=refused)).finding.code == "MC267"
    old = Secrets(Resolved(url="x"), login=LoginState("expired"))
    assert wants_login(none._replace(secrets=old)).finding.code == "MC224"


def test_the_gateways_own_word_is_the_last_resort(found: Compilation) -> None:
    said = beyond(host(found, "a", heard=heard("redirected", "a: it redirects to another origin")))
    assert said.finding.code == "MC273"
    assert said.finding.message.endswith("it redirects to another origin")
    odd = beyond(host(found, "a", heard=heard("new-word", "a: what is this")))
    assert odd.finding.code == "MC299"


def test_what_the_client_would_not_take(found: Compilation) -> None:
    fine = host(found, "a")
    table = {
        heard(tools=1, protocol="2025-11-25"): [],
        heard(tools=1, protocol="1999-01-01"): ["MC281"],
        heard(tools=0, refused="the database is away"): ["MC283"],
        heard(tools=1)._replace(probed=False): ["MC294"],
        heard(tools=1)._replace(probed=True): [],
    }
    for said, expected in table.items():
        assert codes(judge_talk(fine, said, "2.1.328")) == expected
    assert codes(judge_talk(fine, heard(tools=1)._replace(probed=False), "2.1.197")) == []


def test_a_call_that_was_refused_before(found: Compilation) -> None:
    error = {"at": 990, "code": "refused-login", "message": "it wants a login (HTTP 401)"}
    row = {"server": "a", "state": "failing", "last_error": error}
    whole = host(found, "a")
    assert codes(refused_before(whole, gateway(found, rows={"a": row}), 1000.0)) == ["MC284"]
    assert codes(refused_before(whole, gateway(found, rows={"a": row}), 9999.0)) == []
    works = {**row, "state": "ready"}
    assert codes(refused_before(whole, gateway(found, rows={"a": works}), 1000.0)) == []


def test_the_lowest_rung_blocks_and_the_others_are_mentioned(found: Compilation) -> None:
    seen = Seen("a", found, CLIENTS[NEWEST], Gateway(), Written())
    diagnosis = conclude(seen)
    assert codes(diagnosis.verdicts) == ["MC201", "MC215"]
    assert diagnosis.verdicts[1].shows is not None
    assert not diagnosis.works


def test_a_server_that_does_not_work_has_a_cause(found: Compilation) -> None:
    for code in ("unreachable", "timeout", "dns", "tls", "http-status", "not-mcp", "unheard-of"):
        seen = Seen(
            "a", found, CLIENTS[NEWEST], gateway(found), written(found), heard=heard(code, "a: x")
        )
        assert conclude(seen).verdicts, code


def test_no_secret_is_in_a_verdict_or_a_step(found: Compilation) -> None:
    secret = "s3cr3t-value"
    resolved = Resolved(url=f"http://127.0.0.1:1/{secret}", headers=(("X-Key", secret),))
    for code in ("secret-missing", "refused-login", "unreachable"):
        seen = Seen(
            "key",
            found,
            CLIENTS[NEWEST],
            gateway(found),
            written(found),
            heard=heard(code, "key: x"),
            secrets=Secrets(resolved),
        )
        assert secret not in repr(conclude(seen))
        assert secret not in repr(seen)
