"""What a report holds, and what it never holds; the same from one file in any Python."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpconf.wire import ask, bundle, line, lookup
from mcpconf.wire.asking import ask_all
from mcpconf.wire.certificate import certificate_facts
from mcpconf.wire.fault import Clock
from mcpconf.wire.proxies import chosen_proxy
from mcpconf.wire.safe import Mask, printable
from mcpconf.wire.schema import misfit, tools_shape
from tests import clock
from tests.wire.scripted import HANG, SCHEMA, Asked, answer, closed_port, healthy, serving

RESOLVERS = lookup.resolvers  # a fixture puts another one in its place
SECRET = "sk-live-0123456789abcdef"


def stations(report: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [s for s in report["stations"] if s["station"] == kind]


def calls(report: dict[str, Any]) -> list[str]:
    return [s["call"] for s in stations(report, "call")]


# --- what is asked ----------------------------------------------------------------------------


def test_it_asks_as_the_client_asks() -> None:
    with serving() as server:
        report = ask({"url": server.url(), "headers": {"X-Api-Key": SECRET}})
    assert report["answer"]["works"]
    assert report["answer"]["tools"] == 2
    assert report["answer"]["protocol"] == "2025-06-18"
    assert report["answer"]["server"] == "good 1"
    assert [a.rpc or a.method for a in server.asked] == [
        "server/discover", "initialize", "notifications/initialized", "tools/list", "DELETE"
    ]  # fmt: skip
    discover, initialize, _, tools, _ = server.asked
    assert discover.headers["mcp-method"] == "server/discover"
    assert discover.headers["mcp-protocol-version"] == "2026-07-28"
    assert initialize.headers["accept"] == "application/json, text/event-stream"
    assert initialize.headers["user-agent"] == "claude-code/2.1.328 (sdk-cli)"
    assert initialize.headers["x-api-key"] == SECRET
    assert initialize.body["params"]["protocolVersion"] == "2025-11-25"
    assert tools.headers["mcp-session-id"] == "s-1"
    assert tools.headers["mcp-protocol-version"] == "2025-06-18"


def test_an_older_client_does_not_discover() -> None:
    with serving() as server:
        report = ask({"url": server.url(), "client": "2.1.197"})
    assert calls(report) == ["initialize", "initialized", "tools", "end"]


def test_pages_of_tools() -> None:
    def pages(asked: Asked) -> bytes:
        if asked.rpc != "tools/list":
            return healthy(asked)
        at = int(asked.body["params"].get("cursor", 0))
        more = {"nextCursor": str(at + 1)} if at < 2 else {}
        found = {"tools": [{"name": "a", **SCHEMA}] * 2, **more}
        return answer(200, {"jsonrpc": "2.0", "id": asked.body["id"], "result": found})

    with serving(pages) as server:
        assert ask({"url": server.url()})["answer"]["tools"] == 6


def test_variables_are_put_in_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", SECRET)
    with serving() as server:
        wanted = {"Authorization": "Bearer ${HERE}", "X-Other": "${NOT_HERE:-x}${NOR_THIS}"}
        report = ask({"url": server.url(), "header_vars": wanted})
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert report["sent"] == [
        {"name": "Authorization", "length": 31, "scheme": "Bearer", "unset": [], "looks": ""},
        {"name": "X-Other", "length": 12, "scheme": "", "unset": ["NOR_THIS"], "looks": ""},
    ]


def test_a_refusal_is_looked_at_without_the_headers() -> None:
    with serving(lambda _: answer(401)) as server:
        report = ask({"url": server.url(), "headers": {"Authorization": f"Bearer {SECRET}"}})
    found = {(s["call"], s["with"]) for s in stations(report, "call")}
    assert ("initialize", "nothing") in found
    (login,) = stations(report, "oauth")
    assert [d["which"] for d in login["documents"]] == ["resource", "resource", "server", "openid"]
    sent = [a for a in server.asked if a.headers.get("authorization")]
    assert {a.method for a in sent} == {"POST"}
    assert "/register" not in {a.path for a in server.asked}


def test_the_challenge_names_the_metadata() -> None:
    def script(asked: Asked) -> bytes:
        if asked.path == "/meta":
            return answer(200, {"resource": "x", "authorization_servers": ["http://[bad"]})
        said = f'Bearer resource_metadata="http://{asked.headers["host"]}/meta", scope="a b"'
        return answer(401, www_authenticate=said)

    with serving(script) as server:
        report = ask({"url": server.url()})
    (login,) = stations(report, "oauth")
    assert login["documents"][0] == {
        "which": "resource", "url": server.url("/meta"), "status": 200, "state": "found"
    }  # fmt: skip
    challenge = stations(report, "call")[-1]["challenge"]
    assert (challenge["scope"], challenge["resource_metadata"]) == ("a b", True)


def test_redirects_are_told() -> None:
    with serving() as there, serving(lambda _: answer(307, location=there.url("/m?k=v"))) as here:
        headers = {"authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}
        report = ask({"url": here.url(), "headers": headers})
    (hop,) = stations(report, "call")[0]["hops"]
    assert hop == {
        "status": 307, "method": "POST", "to": there.url("/m"), "cross": True,
        "dropped": ["authorization"], "relation": "path",
    }  # fmt: skip
    assert "authorization" not in there.asked[0].headers
    assert there.asked[0].headers["x-api-key"] == SECRET


def test_configured_headers_may_be_kept_to_their_origin() -> None:
    with serving() as there, serving(lambda _: answer(307, location=there.url())) as here:
        headers = {"authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}
        report = ask({"url": here.url(), "headers": headers, "own_origin": True})
    (hop,) = stations(report, "call")[0]["hops"]
    assert hop["dropped"] == ["authorization", "X-Api-Key"]
    assert {SECRET, f"Bearer {SECRET}"}.isdisjoint(there.asked[0].headers.values())


def test_a_server_in_the_world_leads_to_nothing_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named by its challenge, its metadata or its redirects is not asked for it."""
    with serving() as near:
        depth = {near.port: 2}
        monkeypatch.setattr(line.Road, "_depth", lambda _, place, __: depth.get(place.port, 0))

        def script(asked: Asked) -> bytes:
            if asked.path == "/away":
                return answer(307, location=near.url())
            if asked.path.startswith("/.well-known/oauth-protected"):
                return answer(200, {"authorization_servers": [near.url("/")], "resource": "x"})
            return answer(401, www_authenticate=f'Bearer resource_metadata="{near.url("/meta")}"')

        with serving(script) as server:
            moved = ask({"url": server.url("/away").replace("127.0.0.1", "localhost")})
            refused = ask({"url": server.url().replace("127.0.0.1", "localhost")})
    assert near.asked == []
    assert stations(moved, "call")[-1]["fault"] == "redirect-inward"
    (login,) = stations(refused, "oauth")
    assert {d["state"] for d in login["documents"]} >= {"unreached"}


def test_a_secret_that_comes_back_as_a_host_is_hidden() -> None:
    away = f"http://{SECRET}.example.invalid/{SECRET}"
    with serving(lambda _: answer(307, location=away)) as server:
        report = ask({"url": server.url(), "headers": {"X-Api-Key": SECRET}})
    assert SECRET not in json.dumps(report)
    assert stations(report, "dns")[-1]["host"] == "***.example.invalid"


def test_how_near_an_address_is() -> None:
    near = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0"]
    assert {lookup.depth_of([address]) for address in near} == {2}
    private = ["10.0.0.1", "192.168.1.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1"]
    assert {lookup.depth_of([address]) for address in private} == {1}
    assert lookup.depth_of(["8.8.8.8", "2606:4700::1111"]) == 0
    assert lookup.depth_of(["8.8.8.8", "127.0.0.1"]) == 2


# --- what the client takes --------------------------------------------------------------------

OBJECT = {"type": "object"}
REFUSED = {  # measured: `tools fetch failed` in both versions
    "tools": {"tools": 7},
    "tools.0": {"tools": [None]},
    "tools.0.name": {"tools": [{"inputSchema": OBJECT}]},
    "tools.0.inputSchema": {"tools": [{"name": "a"}]},
    "tools.1.inputSchema.type": {"tools": [{"name": "a", **SCHEMA}, {"name": "b", "inputSchema": {}}]},
    "tools.0.inputSchema.properties": {"tools": [{"name": "a", "inputSchema": {**OBJECT, "properties": []}}]},
    "tools.0.inputSchema.required": {"tools": [{"name": "a", "inputSchema": {**OBJECT, "required": None}}]},
    "tools.0.description": {"tools": [{"name": "a", **SCHEMA, "description": None}]},
    "tools.0.outputSchema": {"tools": [{"name": "a", **SCHEMA, "outputSchema": None}]},
    "tools.0.annotations.readOnlyHint": {"tools": [{"name": "a", **SCHEMA, "annotations": {"readOnlyHint": "yes"}}]},
    "tools.0.icons.0.src": {"tools": [{"name": "a", **SCHEMA, "icons": [{}]}]},
    "nextCursor": {"tools": [], "nextCursor": None},
}  # fmt: skip


@pytest.mark.parametrize("where", REFUSED)
def test_lists_that_the_client_refuses(where: str) -> None:
    for old in (False, True):
        assert misfit(REFUSED[where], tools_shape(old=old)) == where


def test_lists_that_only_the_older_client_refuses() -> None:
    properties = {**OBJECT, "properties": {"x": True}}
    for tool in ({"inputSchema": properties}, {**SCHEMA, "outputSchema": {}}):
        listed = {"tools": [{"name": "", **tool}]}
        assert misfit(listed, tools_shape(old=False)) == ""
        assert misfit(listed, tools_shape(old=True)) != ""


# --- time -------------------------------------------------------------------------------------


def test_everything_is_over_in_time() -> None:
    def drip(sock: socket.socket) -> bool:
        for _ in range(100):
            sock.sendall(b"H")
            time.sleep(0.05)
        return False

    for script in (lambda _: HANG, lambda _: drip):
        with serving(script) as server:
            began = clock.now()
            report = ask({"url": server.url(), "seconds": 0.6})
            assert clock.now() - began < 2.5
            assert not report["answer"]["works"]
            assert stations(report, "call")[-1]["fault"] in ("timeout", "not-http")


def test_several_at_once() -> None:
    with serving(lambda _: HANG) as slow, serving() as good:
        began = clock.now()
        targets = [{"url": slow.url(), "seconds": 0.7}] * 8 + [{"url": good.url()}]
        reports = ask_all(targets)
        assert clock.now() - began < 4
    assert [r["answer"]["works"] for r in reports] == [False] * 8 + [True]


# --- secrets and hostile text -----------------------------------------------------------------


def test_no_secret_is_told() -> None:
    pair = base64.b64encode(b"user:hunter2-long").decode()

    def echo(asked: Asked) -> bytes:
        text = json.dumps({"you sent": [asked.path, asked.headers]})
        return answer(400, {"error": text}, server=SECRET, location=f"/x?{SECRET}")

    headers = {"X-Api-Key": SECRET, "Authorization": f"Basic {pair}", "X-Pin": "1234"}
    with serving(echo) as server:
        url = server.url(f"/{SECRET}a/mcp?key={SECRET}b&pin=99887").replace("//", "//me:pass-word@")
        text = json.dumps(ask({"url": url, "headers": headers, "proxy": ""}))
    for word in (SECRET, SECRET[:12], SECRET[-8:], pair, "hunter2", "1234", "99887", "pass-word"):
        assert word not in text
    assert "***" in text


def test_a_proxys_password_is_not_told() -> None:
    dead = f"http://me:pass-word@127.0.0.1:{closed_port()}"
    report = ask({"url": "https://example.com/mcp", "proxy": dead})
    assert report["answer"]["stopped"] == "proxy"
    assert "pass-word" not in json.dumps(report)


def test_a_proxys_password_is_sent() -> None:
    with serving(lambda _: answer(200)) as proxy:
        url = proxy.url("").replace("//", "//me:pass-word@")
        ask({"url": "https://example.com/mcp", "proxy": url, "seconds": 2.0})
    wanted = "Basic " + base64.b64encode(b"me:pass-word").decode()
    assert proxy.asked[0].method == "CONNECT"
    assert proxy.asked[0].path == "example.com:443"
    assert proxy.asked[0].headers["proxy-authorization"] == wanted


def test_hostile_text_is_escaped() -> None:
    evil = "\x1b[31m`rm -rf`\u202e\u0000\n"
    bodies = [
        answer(400, {"error": evil}, server="\x1b[0m"),
        answer(200, evil.encode(), content_type="text/\x1b"),
        answer(401, www_authenticate='Bearer error="\x1b[1m", scope="`"'),
        answer(307, location="http://127.0.0.1:1/\x1b`"),
    ]
    for body in bodies:
        with serving(lambda _, body=body: body) as server:
            report = ask({"url": server.url()})
        for text in _texts(report):
            assert text.isascii()
            assert text.isprintable()
            assert "`" not in text


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


@settings(max_examples=30)
@given(st.binary(max_size=400))
def test_whatever_answers_never_crashes_it(noise: bytes) -> None:
    with serving(lambda _: noise) as server:
        report = ask({"url": server.url(), "seconds": 0.3})
    assert not report["answer"]["works"]


@given(st.text(), st.lists(st.text(min_size=1, max_size=30), max_size=3))
def test_masks_leave_no_piece(text: str, secrets: list[str]) -> None:
    shown = Mask(secrets).text(text + "".join(secrets), 4000)
    assert shown.isascii()
    for secret in secrets:
        if len(secret) >= 6 and printable(secret) == secret and secret.split() == [secret]:
            assert secret not in shown


@given(st.binary(max_size=300))
def test_certificates_from_noise(noise: bytes) -> None:
    certificate_facts(b"\x30\x82" + noise)


@pytest.mark.parametrize("url", ["", "mcp", "ftp://x/", "http://", "http://[", "http://a:99999/"])
def test_what_is_no_url(url: str) -> None:
    assert ask({"url": url})["answer"]["stopped"] == "url"


def test_other_types_are_not_looked_at() -> None:
    report = ask({"url": "wss://example.com/", "type": "ws"})
    assert report["answer"]["unseen"]
    assert report["stations"] == []


# --- names ------------------------------------------------------------------------------------


def test_each_resolver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        monkeypatch.setattr(lookup, "resolvers", lambda: ["127.0.0.1"])
        monkeypatch.setattr(lookup, "_DOMAIN", resolver.getsockname()[1])

        def refuse() -> None:
            question, who = resolver.recvfrom(4096)
            resolver.sendto(b"xx" + question[2:], who)  # of somebody else
            resolver.sendto(question[:2] + b"\x81\x85" + question[4:], who)

        threading.Thread(target=refuse, daemon=True).start()
        (found,) = lookup.asked_each("mcp.example.com", Clock(2.0))
    assert (found["address"], found["rcode"]) == ("127.0.0.1", "REFUSED")


def test_the_resolvers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nsearch a\nnameserver 127.0.0.11\nnameserver ::1\nnameserver bad`\n")
    assert RESOLVERS(str(file)) == ["127.0.0.11", "::1"]
    assert RESOLVERS(str(tmp_path / "none")) == []


def test_which_proxy_is_taken() -> None:
    proxies = {"HTTP_PROXY": "proxy:3128", "NO_PROXY": "a.example,.b.example c.example:8443"}
    assert chosen_proxy("127.0.0.1", 80, proxies) == "http://proxy:3128"
    assert chosen_proxy("a.example", 443, proxies) == ""
    assert chosen_proxy("x.b.example", 443, proxies) == ""
    assert chosen_proxy("c.example", 443, proxies) == "http://proxy:3128"
    assert chosen_proxy("c.example", 8443, proxies) == ""
    assert chosen_proxy("c.example", 443, {"no_proxy": "*", **proxies}) == ""


# --- one file ---------------------------------------------------------------------------------


def pythons() -> list[str]:
    """This Python, and whatever others are installed and new enough."""
    others = [shutil.which(f"python3.{minor}") for minor in range(9, 16)]
    found = [sys.executable, *(path for path in others if path)]
    return [path for path in found if _runs([path, "-I", "-c", ""]).returncode == 0]


def _runs(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True)


def test_the_one_file_runs_on_old_pythons(tmp_path: Path) -> None:
    vermin = Path(sys.executable).parent / "vermin"
    if not vermin.exists():
        pytest.skip("there is no vermin")
    file = tmp_path / "wire.py"
    file.write_text(bundle.text())
    words = [str(vermin), "-t=3.9-", "--no-tips", "--violations", str(file)]
    found = _runs(words)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("python", pythons())
def test_the_one_file_tells_the_same(python: str, tmp_path: Path) -> None:
    with serving() as server:
        asked = [{"url": server.url(), "headers": {"X-Api-Key": SECRET + "\u20ac'\"\\"}}]
        asked += [{"url": server.url()}]
        done = subprocess.run(
            [python, "-I", "-"], input=bundle.program(asked), capture_output=True, text=True,
            cwd=tmp_path, timeout=60, check=True,
        )  # fmt: skip
    first, second = json.loads(done.stdout)
    assert second["answer"]["works"]
    assert stations(first, "call")[0]["fault"] == "unsendable"
    assert SECRET not in done.stdout + done.stderr


def test_the_one_file_reads_what_to_ask(tmp_path: Path) -> None:
    file = tmp_path / "wire.py"
    file.write_text(bundle.text())
    asked = json.dumps({"url": f"http://127.0.0.1:{closed_port()}/mcp"})
    done = subprocess.run(
        [sys.executable, "-I", str(file)], input=asked, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["answer"]["stopped"] == "tcp"


# --- what is odd ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "looks"),
    [
        ("Bearer YOUR_API_KEY", "placeholder"),
        ("<token>", "placeholder"),
        ("Bearer {{TOKEN}}", "placeholder"),
        ("Bearer xxxxxxxx", "placeholder"),
        ('"Bearer abc"', "quoted"),
        ("Bearer bearer abc", "twice"),
        (f"Bearer {SECRET}", ""),
        ("", ""),
    ],
)
def test_what_a_header_looks_like(value: str, looks: str) -> None:
    report = ask({"url": f"http://127.0.0.1:{closed_port()}/", "headers": {"X-Key": value}})
    assert report["sent"][0]["looks"] == looks


def _odd(body: bytes, **headers: str) -> str:
    def script(asked: Asked) -> bytes:
        return answer(200, body, **headers) if asked.rpc == "initialize" else healthy(asked)

    with serving(script) as server:
        report = ask({"url": server.url()})
    return next(s["odd"] for s in stations(report, "call") if s["call"] == "initialize")


def test_what_nearly_is_an_answer() -> None:
    whole = b'{"jsonrpc": "2.0", "id": 1, "result": {}}'
    assert _odd(b"\xef\xbb\xbf" + whole) == "bom"
    assert _odd(whole.replace(b"1,", b'"1",')) == "other-id"
    assert _odd(b"\x1b\x10", content_encoding="br") == "compressed"
    assert _odd(b": nothing\n\n", content_type="text/event-stream") == "no-event"
    assert _odd(b"{}") == ""


@pytest.mark.parametrize(("name", "kind"), [("s-1", "kept"), ("s\xe9", "odd")])
def test_what_kind_of_session_it_names(name: str, kind: str) -> None:
    def script(asked: Asked) -> bytes:
        return healthy(asked).replace(b"s-1", name.encode("latin-1"))

    with serving(script) as server:
        report = ask({"url": server.url()})
    first = next(s for s in stations(report, "call") if s["call"] == "initialize")
    assert first["session"] == kind
