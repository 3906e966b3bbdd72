"""What `explain` makes of texts that real clients printed, and of texts that nobody should print."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.codes import RULES
from mcpconf.diagnosis.words.phrases import GENERAL, Phrase
from mcpconf.diagnosis.words.phrases_client import CLIENT
from mcpconf.diagnosis.words.phrases_ours import OURS
from mcpconf.diagnosis.words.phrases_way import WAY
from mcpconf.diagnosis.words.said import causes, phrase_of, read
from mcpconf.diagnosis.words.tells import TELLS
from tests.conftest import House, build

SAID = json.loads(Path(__file__).with_name("said.json").read_text("utf-8"))
VERSIONS = ("2.1.328", "2.1.197")
EVERY: tuple[Phrase, ...] = (*OURS, *CLIENT, *WAY, *GENERAL)
WORKS = {"healthy", "slow", "starved", "cached", "tokenless"}  # `claude mcp list` says Connected
FIRST = {
    *("refused", "no-name", "no-route", "self-signed", "wrong-name", "old-certificate"),
    *("tls-to-plain", "cut", "401", "401-empty", "401-html", "401-500", "401-bearer", "login"),
    *("unregistered", "404", "400", "402", "406", "410", "415", "429", "500", "502", "503", "504"),
    *("go301", "go302", "go303", "page", "to-page", "loop", "text", "not-rpc", "empty", "204"),
    *("new-as-old", "future", "rpc-error", "tools-error", "tools-401", "missing", "forbidden"),
    *("exits", "hangs", "cached", "no-gateway", "unapproved", "disabled", "not-yet", "not-http"),
    "scope-bearer",
}


def named(text: str) -> list[str]:
    """The codes that a text is said to have, in their order."""
    return [c.code for said in read(text) if said.phrase for c in causes(said.phrase)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", SAID)
def test_the_injected_cause_is_among_the_named(row: str, version: str) -> None:
    said = SAID[row][version]
    codes = named(said["listed"])
    assert codes, "not recognised"
    if "✔ Connected" in said["listed"] and row not in WORKS:
        # 2.1.328 tries the old transport (fact 49), 2.1.197 lists what is disabled as connected
        assert (row, version) in {("old-as-new", "2.1.328"), ("disabled", "2.1.197")}
    elif SAID[row]["code"]:
        assert SAID[row]["code"] in codes


@pytest.mark.parametrize("row", sorted(FIRST))
def test_where_the_text_is_plain_the_cause_is_first(row: str) -> None:
    assert named(SAID[row]["2.1.328"]["listed"])[0] == SAID[row]["code"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", SAID)
def test_the_status_of_a_session_is_known(row: str, version: str) -> None:
    status = SAID[row][version]["session"]
    if status == "absent" or not SAID[row]["code"]:
        return
    codes = named(json.dumps({"name": row, "status": status}))
    assert codes
    if status in {"needs-auth", "failed"}:
        assert SAID[row]["code"] in codes


def test_the_codes_that_phrases_name_exist_and_say_how_they_differ() -> None:
    for phrase in EVERY:
        for cause in causes(phrase):
            assert cause.code in RULES, phrase.pattern
            assert int(cause.code[2:]) in TELLS, cause.code
            assert set(cause.when) <= set("nakhc")
    used = {int(c.code[2:]) for phrase in EVERY for c in causes(phrase)}
    assert set(TELLS) - used == set()


def test_lines_are_written_as_messages_are() -> None:
    for text in [*TELLS.values(), *(p.means for p in EVERY)]:
        assert not text.endswith(".")
        assert re.match(r"[a-z`0-9A-Z/]", text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('Server "x" needs authentication', "MC223"),
        # what /mcp of a session shows, and its notices
        ("△ needs authentication", "MC223"),
        ("⚠ needs sign-in", "MC223"),
        ("✘ not signed in", "MC223"),
        ("2 MCP servers need auth · /mcp", "MC223"),
        ("! connected · couldn't load tools", "MC283"),
        ("! connected · no tools", "MC283"),
        ("! connected · session token rejected", "MC284"),
        ("! connected · tools fetch failed", "MC283"),
        ("✘ failed", "MC245"),
        ("linear is not connected", "MC245"),
        ("✘ config issue", "MC002"),
        ("◯ disabled", "MC033"),
        ("reconnecting (2/5)…", "MC285"),
        ("connecting…", "MC285"),
        ('MCP server "x" disconnected · open /mcp to reconnect', "MC209"),
        ('"x" is pending approval. Approve it with `/mcp` in the terminal first.', "MC031"),
        ("Couldn't reconnect to x", "MC245"),
        ("Incompatible auth server: does not support dynamic client registration", "MC266"),
        ("MCP server x needs you to sign in; run /mcp to authenticate.", "MC223"),
        ('Error: MCP server "x" tool "y" timed out after 1s', "MC286"),
        ("npm error code ENOTFOUND", "MC240"),
        ("fatal: unable to access 'https://example.org/': Could not resolve host: example.org", "MC240"),
        ("curl: (7) Failed to connect to 198.18.0.1 port 443: Connection refused", "MC230"),
        ("curl: (60) SSL certificate problem: self-signed certificate", "MC250"),
        ("curl: (56) Received HTTP code 407 from proxy after CONNECT", "MC248"),
        ("x: no gateway answers (nothing listens there); run `mcpconf gateway start`", "MC215"),
        ("the gateway refuses the token in bridge.json; run `mcpconf sync` on the host", "MC226"),
        ("linear: the login has expired; run `mcpconf explain linear`", "MC224"),
        ("notion: it wants a login; run `mcpconf explain notion`", "MC223"),
        ("Missing environment variables: TOKEN", "MC021"),
        ('"workspace" is a reserved MCP server name and was not loaded', "MC003"),
        ("✘ Failed to connect — ECONN[redacted]: ECONN[redacted]: Unable to connect.", "MC245"),
    ],
)  # fmt: skip
def test_texts_of_others_are_known(text: str, code: str) -> None:
    assert named(text)[0] == code


def test_words_that_the_client_hides_are_found_in_the_url() -> None:
    line = "x: https://h/refused (HTTP) - ✘ Failed to connect — ECONN[redacted]: Unable"
    assert named(line)[0] == "MC245"
    assert phrase_of("Unexpected content type: text/[redacted]") is not None


PIECES = (
    *(" - ✘ Failed to connect — ", ": ", "\n", "! Needs authentication", "[redacted]", '"', "`"),
    *("http://h/p", "ECONNREFUSED", "\x1b[31m", "\x00", "(HTTP)", '{"mcp_servers":', "tool "),
)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=40).map("".join))
def test_any_text_is_read(text: str) -> None:
    for said in read(text):
        assert said.phrase is None or causes(said.phrase)
        assert len(said.line) <= 2_000


# --- through the door -------------------------------------------------------------------------

SERVERS = {
    "linear": {"type": "http", "url": "https://mcp.linear.app/mcp"},
    "keyed": {"type": "http", "url": "https://keyed.example/mcp", "headers": {"X-Api-Key": "k3y-s3cret"}},
    "signed": {"type": "http", "url": "https://signed.example/mcp", "headers": {"Authorization": "Bearer abcdef"}},
    "local": {"command": "npx", "args": ["-y", "thing"]},
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> House:
    return build(tmp_path, {"home/.claude.json": {"mcpServers": SERVERS}})


def asked(home: House, *words: str) -> dict[str, Any]:
    result = home.run("explain", *words, "--format", "json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def codes_of(answer: dict[str, Any]) -> list[str]:
    labels = [line["label"] for line in answer["lines"]]
    rarer = next((line["text"] for line in answer["lines"] if line["label"] == "rarer"), "")
    return [x for x in labels if x.startswith("MC")] + re.findall(r"MC\d{3}", rarer)


def test_a_line_of_the_list_is_held_against_its_entry(home: House) -> None:
    line = "{}: https://x (HTTP) - ! Needs authentication"
    plain = codes_of(asked(home, line.format("linear")))
    assert plain[:2] == ["MC223", "MC264"]
    assert "MC263" not in plain, "it has no key"
    signed = codes_of(asked(home, line.format("signed")))
    assert signed == ["MC284"], "with Authorization nothing else reads so"
    assert "MC263" in codes_of(asked(home, line.format("keyed")))


def test_it_says_where_the_server_stands_and_how_to_know(home: House) -> None:
    answer = asked(home, "linear needs authentication")
    server = next(line for line in answer["lines"] if line["label"] == "server")
    assert server["origin"]["file"].endswith(".claude.json")
    assert answer["lines"][-1]["text"].endswith("mcpconf explain linear --live")


def test_a_whole_list_is_answered_for_what_fails(home: House) -> None:
    text = (
        "Checking MCP server health…\n\n"
        "linear: https://mcp.linear.app/mcp (HTTP) - ✔ Connected\n"
        "local: npx -y thing - ✘ Failed to connect — CONNECTION_CLOSED: Connection closed\n"
    )
    answer = asked(home, text)
    assert "MC209" in codes_of(answer)
    assert "linear" not in json.dumps(answer["lines"])


def test_the_init_event_of_a_session_is_read(home: House) -> None:
    rows = [("linear", "needs-auth"), ("keyed", "connected"), ("local", "pending"), ("x", 5)]
    servers = [{"name": name, "status": status} for name, status in rows]
    event = {"type": "system", "subtype": "init", "tools": ["t" * 90] * 99, "mcp_servers": servers}
    answer = asked(home, json.dumps(event))
    texts = [line["text"] for line in answer["lines"] if line["label"] == "line"]
    assert texts == ['linear: "status": "needs-auth"', 'local: "status": "pending"']
    for wrong in ('{"mcp_servers": 5}', '{"mcp_servers": [5]}', '"mcp_servers"', "[" * 9_000):
        assert home.run("explain", f'"mcp_servers" {wrong}').code == 1


def test_in_a_container_the_bridge_comes_first(home: House) -> None:
    status = '✘ Failed to connect — ENOENT: Executable not found in $PATH: "mcpconf-bridge"'
    assert codes_of(asked(home, f"linear: mcpconf-bridge linear - {status}")) == ["MC203", "MC207"]
    assert codes_of(asked(home, f"local: npx -y thing - {status}")) == ["MC207"]


def test_a_host_behind_the_firewall_is_looked_up(home: House) -> None:
    answer = asked(home, "curl: (6) Could not resolve host: nowhere.example.com")
    assert codes_of(answer)[0] == "MC230"
    assert "mcpconf allow nowhere.example.com" in json.dumps(answer)


def test_the_end_of_a_sentence_is_no_part_of_a_name(home: House) -> None:
    """As `/mcp` says it."""
    assert "server  `linear`" in home.run("explain", "Failed to reconnect to linear.").out


def test_a_url_names_its_servers(home: House) -> None:
    answer = asked(home, "https://mcp.linear.app/other")
    assert answer["kind"] == "host"
    assert any("linear" in line["text"] for line in answer["lines"] if line["label"] == "server")


@pytest.mark.parametrize("text", ["hello world", "what now", "'", "a \x1b[31m b"])
def test_what_is_not_known_says_so(home: House, text: str) -> None:
    result = home.run("explain", text)
    assert result.code == 1
    assert "\x1b" not in result.out


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "certificate verify failed " * 40_000,
        'tool "' * 170_000,
        ": - ✘ " * 150_000,
        "connect to " * 90_000,
        "[redacted]" * 100_000,
        "needs authentication\n" * 50_000,
        "\x1b[31mneeds authentication\x1b[0m \x07\x00\u202e" * 20_000,
        "https://" * 125_000 + " failed to connect",
    ],
    ids=range(8),
)  # fmt: skip
def test_a_long_or_hostile_text_is_answered_at_once(home: House, text: str) -> None:
    result = home.run("explain", text)
    assert result.code in {0, 1}
    assert "\x1b" not in result.out
    assert "\x07" not in result.out
    assert len(result.out) < 20_000


def test_no_secret_is_shown(home: House) -> None:
    url = "https://keyed.example/mcp?token=abc123def"
    text = f"keyed: {url} (HTTP) - ✘ Failed to connect — HTTP 400: bad k3y-s3cret, Bearer abcdef"
    answer = asked(home, text)
    assert not re.search("k3y-s3cret|abcdef|abc123def", json.dumps(answer))


# --- with --live ------------------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The servers at which `--live` would look."""
    names: list[str] = []

    def look(found: Sequence[str], *_: object) -> NoReturn:
        names.extend(found)
        raise typer.Exit(0)

    monkeypatch.setattr("mcpconf.cli.live_commands.explain_live", look)
    return names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("linear", ["linear"]),
        ("linear: https://mcp.linear.app/mcp (HTTP) - ! Needs authentication", ["linear"]),
        ('MCP server "local" connection timed out after 30000ms', ["local"]),
        ("https://mcp.linear.app/mcp", ["linear"]),
        ("keyed.example", ["keyed"]),
        ("linear needs authentication\nkeyed failed to connect", ["linear", "keyed"]),
        ("no-such-server", ["no-such-server"]),
    ],
)
def test_live_looks_at_the_servers_of_a_text(
    home: House, looked_at: list[str], question: str, names: list[str]
) -> None:
    assert home.run("explain", question, "--live").code == 0
    assert looked_at == names


def test_live_asks_for_a_name_where_the_text_has_none(home: House) -> None:
    said = home.run("explain", "needs authentication", "--live")
    assert said.code == 2
    assert "mcpconf explain NAME --live" in said.err
