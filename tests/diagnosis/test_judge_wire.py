"""What a report proves: a table of reports and causes; and no report, however odd, ends it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.diagnosis.judge.report import About
from mcpconf.diagnosis.judge.wire import judge_wire
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.diagnosis.wire_steps import wire_steps
from mcpconf.origin import Origin, Source

ORIGIN = Origin(Source("/home/me/.claude.json"), ("mcpServers", "linear"))
ABOUT = About("linear", ORIGIN, "https://mcp.example.com/mcp")
HOST = {"host": "mcp.example.com", "port": 443}
GOOD_TCP = {"station": "tcp", "ok": True, "fault": "", "tries": [], **HOST}


def call(name: str = "initialize", fault: str = "", **more: Any) -> dict[str, Any]:
    known = {"with": "configured", "method": "POST", "status": 200, "ok": not fault, "hops": []}
    return {"station": "call", "call": name, "fault": fault, **known, **more}


def refused(status: int, **more: Any) -> dict[str, Any]:
    return call("initialize", "status", status=status, **more)


def broken(kind: str, fault: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"station": kind, "ok": False, "fault": fault, **HOST, **more},
        call("discover", "station", status=None),
    ]


def dns(address: str) -> dict[str, Any]:
    return {"station": "dns", "ok": True, "literal": False, "addresses": [address], **HOST}


def login(registration: object, *documents: tuple[str, str]) -> dict[str, Any]:
    listed = [{"which": which, "state": state, "status": 500} for which, state in documents]
    return {
        "station": "oauth", "ok": registration is not None, "registration": registration,
        "documents": listed, "servers": ["https://login.example.com"], "fault": "",
    }  # fmt: skip


def report(*stations: dict[str, Any], stopped: str = "", **more: Any) -> dict[str, Any]:
    last = next((s for s in stations if not s["ok"]), None)
    name = stopped or (last["call"] if last and last["station"] == "call" else "")
    if last and not stopped and last["station"] != "call":
        name = last["station"]
    works = not name
    return {
        "version": 1, "sent": more.pop("sent", []), "stations": list(stations),
        "answer": {"works": works, "tools": 1 if works else None, "stopped": name, **more},
    }  # fmt: skip


def judged(given: dict[str, Any], about: About = ABOUT) -> list[Verdict]:
    found = judge_wire(given, about)
    for verdict in found:
        finding = verdict.finding
        assert finding.rule
        assert finding.message[0] in "`abcdefghijklmnopqrstuvwxyz"
        assert not finding.message.endswith(".")
        assert finding.help or about.signed_in
        assert all(finding.notes)
        assert verdict.shows is None or verdict.shows.session
    return found


def code(given: dict[str, Any], about: About = ABOUT) -> str:
    return ", ".join(v.finding.code for v in judged(given, about))


NXDOMAIN = {"servers": [{"address": "127.0.0.53", "rcode": "NXDOMAIN", "ms": 1}]}
TOKEN = ABOUT._replace(headers=("Authorization",))
KEY = ABOUT._replace(headers=("X-Api-Key", "X-Mode"), keys=("X-Api-Key",))
MODE = ABOUT._replace(headers=("X-Mode",), keys=())
SIGNED_IN = TOKEN._replace(signed_in=True, sign_in="mcpconf gateway login linear")
BARE_OK = call("initialize", **{"with": "nothing"})
BARE_401 = refused(401, **{"with": "nothing"})
BARE_403 = refused(403, **{"with": "nothing"})
SCOPE = {"challenge": {"scheme": "Bearer", "error": "insufficient_scope", "scope": "all"}}
HOP = {"status": 307, "method": "POST", "to": "https://b.example/mcp", "cross": True}
LOST = {"hops": [{**HOP, "dropped": ["Authorization"]}]}

TABLE: list[tuple[str, dict[str, Any], About]] = [
    ("", report(call("tools")), ABOUT),
    ("MC240", report(*broken("dns", "no-name")), ABOUT),
    ("MC240", report(*broken("dns", "no-answer", **NXDOMAIN)), ABOUT),
    ("MC241", report(*broken("dns", "no-answer")), ABOUT),
    ("MC241", report(*broken("dns", "timeout", ms=9000)), ABOUT),
    ("MC241", report(*broken("dns", "failed")), ABOUT),
    ("MC245", report(*broken("tcp", "refused")), ABOUT),
    ("MC246", report(*broken("tcp", "timeout")), ABOUT),
    ("MC247", report(*broken("tcp", "unreachable")), ABOUT),
    ("MC247", report(*broken("tcp", "forbidden")), ABOUT),
    ("MC247", report(*broken("tcp", "failed")), ABOUT),
    ("MC242", report(dns("0.0.0.0"), *broken("tcp", "refused", tries=[{"address": "0.0.0.0"}])),
     ABOUT),
    ("MC245", report(dns("10.0.0.1"), *broken("tcp", "refused", tries=[{"address": "10.0.0.1"}])),
     ABOUT),
    *[("MC248", report(*broken("proxy", fault)), ABOUT) for fault in
      ("no-name", "no-answer", "refused", "timeout", "login", "status", "not-http", "closed")],
    *[("MC250", report(*broken("tls", fault, roots=140)), ABOUT) for fault in
      ("self-signed", "unknown-ca", "untrusted")],
    ("", report(*broken("tls", "unknown-ca", roots=0)), ABOUT),
    ("MC250", report(*broken("tls", "self-signed", roots=0)), ABOUT),
    ("MC251", report(*broken("tls", "wrong-name", names=["a.example", "*.b.example"])), ABOUT),
    ("MC252", report(*broken("tls", "expired", until=1e9, now=1.7e9)), ABOUT),
    ("MC252", report(*broken("tls", "not-yet", since=2e9, now=1.7e9)), ABOUT),
    ("MC253", report(*broken("tls", "plain")), ABOUT),
    ("MC246", report(*broken("tls", "timeout")), ABOUT),
    *[("MC255", report(*broken("tls", fault)), ABOUT) for fault in
      ("handshake", "reset", "closed")],
    ("MC254", report(GOOD_TCP, call("initialize", "tls-port")), ABOUT),
    ("MC255", report(GOOD_TCP, call("initialize", "tls-alert", reason="CERTIFICATE")), ABOUT),
    ("MC249", report(call("initialize", "reset", status=None)), ABOUT),
    # 401
    ("MC260", report(refused(401)), ABOUT),
    ("MC260", report(refused(401), login(None, ("server", "html"))), ABOUT),
    ("MC260", report(refused(401), BARE_401), MODE),
    ("MC223", report(refused(401), login(True)), ABOUT),
    ("MC223", report(refused(401), login(True)), MODE),
    ("MC266", report(refused(401), login(False)), ABOUT),
    ("MC262", report(refused(401), BARE_401), TOKEN),
    ("MC262", report(refused(401), BARE_OK), TOKEN),
    ("MC262", report(refused(401), BARE_401, login(True)), SIGNED_IN),
    ("MC263", report(refused(401), BARE_401, login(True)), KEY),
    ("", report(refused(401), login(True)), ABOUT._replace(has_login=True)),
    ("MC297", report(refused(401), login(True), sent=[{"name": "Authorization", "length": 0}]),
     TOKEN),
    ("MC021", report(refused(401), sent=[{"name": "X-Api-Key", "unset": ["KEY"]}]), KEY),
    ("MC274", report(refused(401, **LOST), BARE_401), TOKEN),
    ("MC284", report(call("initialize"), call("tools", "status", status=401)), ABOUT),
    ("MC284", report(call("initialize"), call("tools", "status", status=403), login(True)), TOKEN),
    # 403
    ("MC264", report(refused(403)), ABOUT),
    ("MC264", report(refused(403), BARE_403), TOKEN),
    ("MC264", report(refused(403), BARE_403), KEY),
    ("MC262", report(refused(403), BARE_401), TOKEN),
    ("MC263", report(refused(403), BARE_401), KEY),
    ("MC225", report(refused(403, **SCOPE), BARE_401), TOKEN),
    ("MC225", report(refused(403, **SCOPE), BARE_401), SIGNED_IN),
    ("MC225", report(refused(403, **SCOPE)), ABOUT),
    ("MC266", report(refused(401), login(None, ("resource", "found"), ("server", "error"))), ABOUT),
    ("MC266", report(refused(401), login(None, ("resource", "found"))), ABOUT),
    ("MC266", report(refused(401), {**login(True), "resource": "https://other.example"}), ABOUT),
    # HTTP
    ("MC272", report(refused(511)), ABOUT),
    ("MC277", report(call("initialize", "not-http")), ABOUT),
    ("MC061", report(stopped="url"), ABOUT),
    *[("MC269", report(refused(status)), ABOUT) for status in (400, 402, 405, 406, 415, 431)],
    *[("MC271", report(refused(status)), ABOUT) for status in (500, 502, 503, 504, 529)],
    ("MC268", report(refused(404)), ABOUT),
    ("MC270", report(refused(429)), ABOUT),
    ("MC282", report(refused(400, rpc="error", error={"code": -32602, "message": "no"})), ABOUT),
    ("MC281", report(refused(400, rpc="error", error={"code": -32022, "message": "no"})), ABOUT),
    ("MC272", report(call("initialize", "media", page=True, media="text/html")), ABOUT),
    ("MC277", report(call("initialize", "media", media="text/plain")), ABOUT),
    ("MC276", report(call("initialize", "empty")), ABOUT),
    ("MC277", report(call("initialize", "not-http", status=None)), ABOUT),
    ("MC273", report(refused(405, hops=[{**HOP, "method": "GET", "status": 302}])), ABOUT),
    ("MC273", report(refused(401, hops=[{**HOP, "method": "GET", "status": 302}])), ABOUT),
    ("MC273", report(call("initialize", "redirect-bad", status=307)), ABOUT),
    ("MC275", report(call("initialize", "redirect-loop", status=307, hops=[HOP] * 20)), ABOUT),
    ("MC273", report(call("initialize", hops=[HOP]), call("tools")),
     ABOUT._replace(through_gateway=True)),
    ("", report(call("initialize", hops=[HOP]), call("tools")), ABOUT),
    # the transports
    ("MC279", report(call("stream", "status", status=405), call("initialize"), stopped="stream"),
     ABOUT._replace(type="sse")),
    ("MC280", report(call("tools"), transport="sse"), ABOUT._replace(client="2.1.197")),
    ("", report(call("tools"), transport="sse"), ABOUT),
    # MCP
    ("MC278", report(call("initialize", "timeout", status=None, ms=9000)), ABOUT),
    ("MC277", report(call("initialize", "not-mcp")), ABOUT),
    ("MC277", report(call("initialize", "too-big")), ABOUT),
    ("MC277", report(call("stream", "elsewhere")), ABOUT._replace(type="sse")),
    ("MC281", report(call("initialize", "protocol"), protocol="1999-01-01"), ABOUT),
    ("MC282", report(call("initialize", "rpc-error", error={"code": -1, "message": "x"})), ABOUT),
    *[("MC283", report(call("initialize"), call("tools", fault)), ABOUT) for fault in
      ("rpc-error", "timeout", "status", "empty", "not-mcp", "media", "too-big")],
    ("MC281", report(call("initialize", "rpc-error", error={"code": -32602, "message":
      "Unsupported protocol version: 2025-11-25"})), ABOUT),
    ("MC282", report(call("initialize", "rpc-error", error={"code": -32600, "message":
      "missing header MCP-Protocol-Version"})), ABOUT),
    *[("MC282", report(call("initialize", session=kind), call(name, "status", status=404)), ABOUT)
      for kind in ("kept", "odd") for name in ("initialized", "tools")],
    ("MC282", report(call("initialize"), call("tools", "status", status=400, excerpt=
      "No valid session ID provided")), ABOUT),
    ("MC283", report(call("initialize"), call("tools", "status", status=404)), ABOUT),
    # time
    ("MC285", report(call("initialize", ms=2500), call("tools", ms=10)), ABOUT),
    ("MC286", report(call("initialize", ms=5500), call("tools")), ABOUT._replace(patience=5.0)),
    ("MC294", report(call("discover", "timeout", status=None, ms=2700), call("initialize"),
                     call("tools"), works=True, stopped=""), ABOUT),
    # and what nobody foresaw
    ("MC299", report(call("initialize", "something-new")), ABOUT),
    ("MC299", report(stopped="tools"), ABOUT),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(TABLE)))
def test_the_table(number: int) -> None:
    wanted, given, about = TABLE[number]
    if wanted == "MC294":
        given["answer"].update(works=True, stopped="")
    assert code(given, about) == wanted


def test_where_the_firewall_is_shut_nothing_is_said_of_connections() -> None:
    inside = ABOUT._replace(place="container", container="app", firewall="closed")
    assert code(report(*broken("tcp", "timeout")), inside) == ""
    assert code(report(*broken("dns", "no-name")), inside) == ""
    assert code(report(refused(404)), inside) == "MC268"
    (found,) = judged(report(*broken("tcp", "timeout")), inside._replace(firewall="open"))
    assert "the container's firewall lets it through" in found.finding.notes
    assert "asked inside `app`" in found.finding.notes


def test_a_proxy_that_is_none_proves_nothing() -> None:
    given = report(*broken("proxy", "kind"))
    given["stations"][0]["ok"] = None
    given["answer"]["stopped"] = "proxy"
    assert code(given) == ""


def said(given: dict[str, Any], about: About = ABOUT) -> str:
    (found,) = judged(given, about)
    return " ".join((found.finding.message, *found.finding.notes, *found.finding.help))


def test_what_is_odd_about_a_refused_key() -> None:
    for looks, words in (
        ("placeholder", "placeholder"),
        ("quoted", "quotation marks"),
        ("twice", "scheme twice"),
    ):
        sent = [{"name": "Authorization", "length": 9, "looks": looks}]
        text = said(report(refused(401), BARE_401, sent=sent), TOKEN)
        assert words in text
        assert "write `Bearer `" not in text
        key = [{"name": "X-Api-Key", "length": 9, "looks": looks}]
        assert words in said(report(refused(401), BARE_401, sent=key), KEY)


def test_what_nearly_is_an_answer() -> None:
    for odd, words in (
        ("compressed", "compressed"),
        ("bom", "byte order mark"),
        ("other-id", "not that of the request"),
        ("no-event", "ends without an event"),
    ):
        assert words in said(report(call("initialize", "not-mcp", odd=odd)))


def test_what_a_refused_handshake_of_tls_means() -> None:
    for reason, words in (
        ("TLSV1_ALERT_PROTOCOL_VERSION", "no version of TLS"),
        ("TLSV1_UNRECOGNIZED_NAME", "no host of that name"),
    ):
        assert words in said(report(*broken("tls", "handshake", reason=reason)))


def test_what_the_client_prints() -> None:
    def listed(given: dict[str, Any], about: About = ABOUT) -> tuple[str, str]:
        (found,) = judged(given, about)
        assert found.shows is not None
        return found.shows.listed, found.shows.session

    name = report(*broken("dns", "no-name"))
    text = "✘ Failed to connect — ENOTFOUND: getaddrinfo ENOTFOUND mcp.example.com"
    assert listed(name) == (text, "failed")
    assert listed(name, ABOUT._replace(client="2.1.197")) == ("✘ Failed to connect", "failed")
    assert listed(report(refused(403))) == ("! Needs authentication", "needs-auth")
    assert listed(report(refused(401), BARE_401, login(True)), KEY)[0] == "! Needs authentication"
    assert "Dynamic Client Registration" in listed(report(refused(401), login(None)))[0]
    page = report(refused(401), login(None, ("resource", "absent"), ("server", "html")))
    assert "Unrecognized token" in listed(page)[0]
    assert "at https://mcp.example.com." in listed(report(refused(404)))[0]
    silent = report(call("initialize", "timeout", status=None))
    assert listed(silent)[0].endswith('MCP server "linear" connection timed out after 30000ms')
    (behind,) = judged(report(refused(403)), ABOUT._replace(through_gateway=True))
    assert behind.shows is None


def test_places_and_remedies() -> None:
    (found,) = judged(report(refused(401), BARE_401), KEY)
    assert found.finding.origin == ORIGIN.at("headers", "X-Api-Key")
    assert found.rung is Rung.AUTH
    (found,) = judged(report(refused(404)))
    assert found.finding.origin == ORIGIN.at("url")
    about = ABOUT._replace(sign_in="mcpconf gateway login linear")
    (found,) = judged(report(refused(401), login(True)), about)
    assert found.remedy is not None
    assert found.remedy.command == "mcpconf gateway login linear"


def test_hostile_names_are_escaped() -> None:
    evil = "\x1b[31m`x`\n"
    about = ABOUT._replace(server=evil, headers=(evil,), url=evil, container=evil, proxy=evil)
    for _, told, _ in TABLE:
        spoiled = _spoil(told, evil)
        for place in ("host", "container"):
            for verdict in judge_wire(spoiled, about._replace(place=place)):
                finding = verdict.finding
                texts = [finding.message, *finding.notes, *finding.help]
                texts += list(verdict.shows or ())
                assert all(_is_harmless(text) for text in texts), texts
        for step in wire_steps(spoiled, "host"):
            assert _is_harmless(step.tried)
            assert _is_harmless(step.came)


def _is_harmless(text: str) -> bool:
    return text.isprintable()


def _spoil(value: Any, evil: str, key: str = "") -> Any:
    """Put hostile text wherever it is not what is decided by."""
    if isinstance(value, dict):
        return {k: _spoil(v, evil, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_spoil(part, evil, key) for part in value]
    kept = ("station", "call", "with", "fault", "stopped", "method", "relation", "which", "state")
    return evil + value if isinstance(value, str) and key not in kept else value


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORDS = st.sampled_from("tcp dns tls call oauth proxy initialize tools stream status".split())
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    "station call with fault status ok hops tries error challenge documents media host".split()
)


@given(st.lists(st.dictionaries(KEYS, VALUES), max_size=4), st.dictionaries(WORDS, VALUES), VALUES)
def test_no_report_ends_it(stations: list[Any], answer: dict[str, Any], stopped: Any) -> None:
    answer["stopped"] = stopped
    given = {"stations": stations, "answer": answer}
    judge_wire(given, ABOUT)
    list(wire_steps(given, "container"))
    judge_wire(answer, ABOUT)


def test_405_names_the_method_that_was_asked() -> None:
    old = ABOUT._replace(type="sse")
    for call_of, method in ((call("stream", "status", status=405), "GET"), (refused(405), "POST")):
        (found,) = judged(report(call_of), old if method == "GET" else ABOUT)
        assert f"its URL takes no {method}" in found.finding.notes
