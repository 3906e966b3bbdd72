"""Each check's judgement: what is well gets a line, what is not a code and a way out."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

import mcpconf
from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.codes import RULES
from mcpconf.contract import GATEWAY
from mcpconf.diagnosis.checks import container as checks_container
from mcpconf.diagnosis.checks import files as checks_files
from mcpconf.diagnosis.checks import host as checks_host
from mcpconf.diagnosis.checks import network as checks_network
from mcpconf.diagnosis.checks import permissions as checks_permissions
from mcpconf.diagnosis.checks.check import Check, State, of_server
from mcpconf.diagnosis.checks.network import Lookup
from mcpconf.diagnosis.checks.permissions import Kept
from mcpconf.diagnosis.container_facts import Fire, Row
from mcpconf.diagnosis.look import inside as look_inside
from mcpconf.diagnosis.look.inside import Inside
from mcpconf.doctor_codes import DOCTOR
from mcpconf.readers.around import Target
from tests.doctor import samples
from tests.parity.oracle import VERSIONS, client_path

VERSION = mcpconf.__version__
OLDER = next(v for v in CLIENTS if v != NEWEST)
OK, WARN, FAIL, UNKNOWN = State.OK, State.WARN, State.FAIL, State.UNKNOWN


def target(kind: str) -> Target:
    return Target(kind, Path("/p/c"), Path("/s"), Path("/p"), frozenset(), GATEWAY)


def said(check: Check) -> tuple[State, tuple[str, ...]]:
    assert check.text
    assert "\n" not in check.text
    for finding in check.findings:
        assert finding.code in RULES
        assert finding.help, "a warning must be actionable"
    return check.state, tuple(f.code for f in check.findings)


# --- the host ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (checks_host.judged_installation("this", "/usr/bin/mcpconf", VERSION), (OK, ())),
        (checks_host.judged_installation("this", "/usr/bin/mcpconf", "9.9"), (WARN, ("MC130",))),
        (checks_host.judged_installation("this", "/x/\x1b[2J", ""), (WARN, ("MC130",))),
        (checks_host.judged_claude(NEWEST, NEWEST), (OK, ())),
        (checks_host.judged_claude("9.0.0", NEWEST), (OK, ())),
        (checks_host.judged_claude("1.0.3", NEWEST), (OK, ())),
        (checks_host.judged_claude(OLDER, NEWEST), (WARN, ("MC131",))),
        (checks_host.judged_absence(0), (OK, ())),
        (checks_host.judged_absence(2), (FAIL, ("MC215",))),
        (checks_host.judged_silence("it did not answer"), (FAIL, ("MC218",))),
        (checks_host.judged_gateway(VERSION, ["127.0.0.1:8811"], ()), (OK, ())),
        (checks_host.judged_gateway("0.0.1", ["127.0.0.1:8811"], ()), (WARN, ("MC216",))),
        (checks_host.judged_gateway(VERSION, [], ("172.17.0.1:8811",)), (WARN, ("MC216",))),
    ],
)
def test_the_host(check: Check, expected: tuple[State, tuple[str, ...]]) -> None:
    assert said(check) == expected


def test_a_gateway_that_is_down_is_started_by_fix() -> None:
    (remedy,) = checks_host.judged_absence(1).remedies
    assert (remedy.argv, remedy.safe) == (("gateway", "start"), True)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("mcpconf 0.1.0\n", "0.1.0"),
        ("2.1.328 (Claude Code)", "2.1.328"),
        ("nothing", ""),
        ("", ""),
        ("x" * 5000 + " 1.2.3", ""),
        ("1.2.3-beta.1+build", "1.2.3-beta.1+build"),
    ],
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: str) -> None:
    assert checks_host.version_in(text) == version


def test_a_program_that_is_none_has_no_version(tmp_path: Path) -> None:
    assert checks_host.version_of(str(tmp_path / "absent")) == ""
    loud = tmp_path / "loud"
    loud.write_text("#!/bin/sh\necho nonsense\nexit 3\n")
    loud.chmod(0o755)
    assert checks_host.version_of(str(loud)) == ""


@pytest.mark.client
@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_client_says_its_version_and_closes_its_file(version: str, tmp_path: Path) -> None:
    path = client_path(version)
    if path is None:
        assert "CI" not in os.environ, "python -m tests.parity.install_clients"
        pytest.skip("python -m tests.parity.install_clients")
    assert checks_host.version_of(str(path)) == version
    subprocess.run(
        [str(path), "mcp", "add", "-s", "user", "x", "--", "true"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, cwd=tmp_path,
        capture_output=True, check=True, umask=0o022,
    )  # fmt: skip
    assert (tmp_path / ".claude.json").stat().st_mode & 0o777 == 0o600, "no alarm of ours by itself"


def test_how_it_is_installed() -> None:
    assert checks_host.installed_how() in {"editable", "installed by pip", "installed by uv"}


# --- the network ------------------------------------------------------------------------------

PROXY = ["HTTPS_PROXY", "http_proxy"]


@pytest.mark.parametrize(
    ("named", "local", "excepted", "expected"),
    [
        ([], ["127.0.0.1"], "", (OK, ())),
        (PROXY, [], "", (OK, ())),
        (PROXY, ["127.0.0.1"], "127.0.0.1", (OK, ())),
        (PROXY, ["127.0.0.1"], "*", (OK, ())),
        (PROXY, ["localhost"], "example.com, localhost", (OK, ())),
        (PROXY, ["127.0.0.1"], "", (WARN, ("MC295",))),
        (PROXY, ["127.0.0.1", "localhost"], "localhost", (WARN, ("MC295",))),
        (PROXY, ["127.0.0.1"], "127.0.0.0/8,.local", (WARN, ("MC295",))),
    ],
)
def test_proxies(named: list[str], local: list[str], excepted: str, expected: object) -> None:
    check = checks_network.judged_proxies(named, local, excepted)
    assert said(check) == expected


def test_the_advice_about_proxies_keeps_what_is_excepted() -> None:
    check = checks_network.judged_proxies(PROXY, ["127.0.0.1"], "a.example")
    assert check.findings[0].help == ("export NO_PROXY=a.example,127.0.0.1",)


def test_certificates(tmp_path: Path) -> None:
    good = tmp_path / "good.pem"
    trustme.CA().cert_pem.write_to_path(str(good))
    (tmp_path / "empty.pem").write_text("nothing\n")
    (tmp_path / "broken.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    look = checks_network.look_at_bundle
    assert said(checks_network.judged_certificates(None)) == (OK, ())
    assert look(str(good)).fault == ""
    assert look(str(good)).certificates == 1
    for path, fault in (
        (tmp_path / "absent.pem", "does not exist"),
        (tmp_path / "empty.pem", "has no certificate in PEM in it"),
        (tmp_path / "broken.pem", "holds a certificate that cannot be read"),
        (tmp_path, "cannot be read: is a directory"),
    ):
        assert look(str(path)).fault == fault
        assert said(checks_network.judged_certificates(look(str(path)))) == (WARN, ("MC135",))
    assert look("a\0b").fault.startswith("cannot be read")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], (OK, ())),
        ([Lookup("a.example", 0, 0.1)], (OK, ())),
        ([Lookup("a.example", socket.EAI_NONAME, 0.1)], (OK, ())),
        ([Lookup("a.example", socket.EAI_AGAIN, 5.0)], (FAIL, ("MC241",))),
        ([Lookup("a.example", socket.EAI_AGAIN, 5.0), Lookup("b.example", 0, 0.1)], (OK, ())),
    ],
)
def test_names(asked: list[Lookup], expected: object) -> None:
    assert said(checks_network.judged_names(asked)) == expected


@pytest.mark.parametrize(
    ("skews", "expected"),
    [
        ({}, (OK, ())),
        ({"a": 0.0}, (OK, ())),
        ({"a": 59.0}, (OK, ())),
        ({"a": 600.0, "b": 2.0}, (OK, ())),
        ({"a": 600.0, "b": -700.0}, (OK, ())),
        ({"a": 600.0}, (WARN, ("MC134",))),
        ({"a": -90.0, "b": -91.0}, (WARN, ("MC134",))),
    ],
)
def test_clocks(skews: dict[str, float], expected: object) -> None:
    assert said(checks_network.judged_clocks(skews)) == expected


def test_clocks_say_which_way() -> None:
    ahead, behind = (checks_network.judged_clocks({"a": s}).text for s in (7300.0, -180.0))
    assert ahead == "the clock of this machine is 2 h ahead of that of 1 server"
    assert behind == "the clock of this machine is 3 min behind that of 1 server"


@pytest.mark.parametrize(
    ("ahead", "least", "most"), [(0, 0, 0), (3600, -3600, -3590), (-7200, 7190, 7200)]
)
def test_a_servers_clock_is_asked_over_tls(ahead: int, least: int, most: int) -> None:
    """A real server with a certificate that nobody knows; its ``Date`` is what counts."""

    class Clock(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            heard.append(dict(self.headers))
            self.send_response_only(404)
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.end_headers()

    heard: list[dict[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    skew = checks_network._skew("127.0.0.1", server.server_port)
    server.shutdown()
    server.server_close()
    assert skew is not None
    assert least <= skew <= most
    assert set(heard[0]) == {"Host", "Accept-Encoding"}
    assert checks_network._skew("127.0.0.1", server.server_port) is None


# --- files ------------------------------------------------------------------------------------


def kept(wanted: str, mode: int, **more: bool) -> Kept:
    told = {"mine": True, "own_group": True, "reached": True, "folder": False, **more}
    return Kept(f"/home/dev/{wanted}", wanted, mode, **told)


@pytest.mark.parametrize(
    ("one", "codes"),
    [
        (kept("private", 0o600), ()),
        (kept("private", 0o660), ()),  # its own group, as Debian has it
        (kept("private", 0o700, folder=True), ()),
        (kept("private", 0o755, folder=True, reached=False), ()),
        (kept("private", 0o644, reached=False), ()),
        (kept("private", 0o644), ("MC133",)),
        (kept("private", 0o640, own_group=False), ("MC133",)),
        (kept("private", 0o755, folder=True), ("MC133",)),
        (kept("private", 0o666), ("MC132",)),
        (kept("private", 0o600, mine=False), ("MC132",)),
        (kept("trusted", 0o644), ()),
        (kept("trusted", 0o664), ()),
        (kept("trusted", 0o664, own_group=False), ("MC132",)),
        (kept("trusted", 0o646), ("MC132",)),
        (kept("trusted", 0o646, reached=False), ()),
        (kept("shared", 0o664, own_group=False), ()),
        (kept("shared", 0o666), ("MC132",)),
    ],
)
def test_permissions(one: Kept, codes: tuple[str, ...]) -> None:
    check = checks_permissions.judged_permissions([kept("trusted", 0o644), one])
    assert said(check)[1] == codes


def test_permissions_of_several_are_one_line() -> None:
    check = checks_permissions.judged_permissions([kept("private", 0o644), kept("trusted", 0o666)])
    assert check.state is FAIL
    assert check.text.endswith(", and 1 more")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (checks_files.judged_drift([], 4), (OK, ())),
        (checks_files.judged_drift(["mcp.json"], 4), (WARN, ("MC138",))),
        (checks_files.judged_drift(["a", "b", "c", "d"], 4, new=True), (WARN, ("MC138",))),
        (checks_files.judged_ignored([], target("ddev")), (OK, ())),
        (checks_files.judged_ignored(["bridge.json"], target("ddev")), (WARN, ("MC136",))),
        (checks_files.judged_ignored(["bridge.json"], target("none")), (WARN, ("MC136",))),
        (checks_files.judged_addon("", "/p"), (OK, ())),
        (checks_files.judged_addon(VERSION, "/p"), (OK, ())),
        (checks_files.judged_addon("0.0.9", "/p"), (WARN, ("MC137",))),
    ],
)
def test_files(check: Check, expected: object) -> None:
    assert said(check) == expected


# --- the container ----------------------------------------------------------------------------

FORCE = Fire("force", mode="default", generation="gen-a", rows=(Row("a.example", 443, "name"),))


@pytest.mark.parametrize(
    ("fire", "wanted", "expected"),
    [
        (FORCE, True, (OK, ())),
        (FORCE._replace(generation=""), True, (OK, ())),
        (FORCE._replace(generation="gen-b"), True, (FAIL, ("MC231",))),
        (Fire("faulty", faults={"egress.json": "not in force"}), True, (FAIL, ("MC231",))),
        (Fire("faulty", faults={"IPv6": "chain is gone"}), True, (FAIL, ("MC232",))),
        (Fire("shut", "no nft"), True, (FAIL, ("MC232",))),
        (Fire("absent", "it has no mcpconf-fw"), True, (FAIL, ("MC233",))),
        (Fire("absent", "it has no mcpconf-fw"), False, (UNKNOWN, ())),
        (Fire("foreign", "not root's"), True, (FAIL, ("MC233",))),
        (Fire("unseen"), True, (UNKNOWN, ())),
    ],
)
def test_the_firewall(fire: Fire, wanted: bool, expected: object) -> None:  # noqa: FBT001
    check = checks_container.judged_firewall("shop", fire, "gen-a", wanted=wanted)
    assert said(check) == expected


def test_what_a_container_says() -> None:
    now = time.time()
    out = f"now {int(now)}\nipv6 yes\nbundle /x\nfault does not exist\nproxy HTTP_PROXY\nclaude 2.1.328 (Claude Code)\nend yes\n"
    found = look_inside.read(out, now, now + 0.1)
    assert found == Inside(0.0, "2.1.328", True, "/x", "does not exist", ("HTTP_PROXY",))
    late = look_inside.read(f"now {int(now) - 500}\n", now, now)
    assert late.skew is not None
    assert 498 < late.skew < 501
    assert look_inside.read("now \x1b[2J\nfault rm -rf\nproxy a b\n", now, now) == Inside()
    checks = checks_container.inside_checks("shop", found, NEWEST)
    assert [said(c)[0] for c in checks] == [OK, OK, WARN, OK]
    assert checks[-1].text.startswith("HTTP_PROXY;")
    assert said(checks_container.judged_clock("shop", 500.0)) == (WARN, ("MC134",))
    assert said(checks_container.judged_clock("shop", None)) == (UNKNOWN, ())
    assert said(checks_container.judged_claude_inside(OLDER, NEWEST)) == (WARN, ("MC131",))
    assert said(checks_container.judged_claude_inside("9.9.9", NEWEST)) == (OK, ())


def test_the_script_that_a_container_runs(tmp_path: Path) -> None:
    """It runs here, by the system's shell, with the environment that a container may have."""
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    claude = tmp_path / "claude"
    claude.write_text("#!/bin/sh\necho '2.1.197 (Claude Code)'\n")
    claude.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.defpath}", "https_proxy": "http://user:secret@proxy:1"}

    def run(**more: str) -> Inside:
        before = time.time()
        done = subprocess.run(
            ["/bin/sh", "-c", look_inside._SCRIPT],
            env={**environ, **more}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "secret" not in done.stdout
        return look_inside.read(done.stdout, before, time.time())

    found = run(NODE_EXTRA_CA_CERTS=str(bundle))
    assert (found.claude, found.skew, found.fault) == ("2.1.197", 0.0, "")
    assert found.proxies == ("https_proxy",)
    assert run(NODE_EXTRA_CA_CERTS="/absent").fault == "does not exist"
    assert run(NODE_EXTRA_CA_CERTS=str(claude)).fault == "has no certificate in PEM in it"
    assert run().bundle == ""


def test_ipv6() -> None:
    shut, open_ = Check("firewall", OK, "in force"), Check("firewall", UNKNOWN, "?")
    ipv6 = checks_container.ipv6
    assert ipv6(Inside(), open_).state is OK
    assert ipv6(Inside(ipv6=True), shut).state is OK
    assert ipv6(Inside(ipv6=True), open_).state is UNKNOWN
    assert ipv6("it did not answer", shut).state is UNKNOWN


# --- all of them ------------------------------------------------------------------------------


def test_a_server_as_a_check() -> None:
    assert of_server(samples.works("a")).text == "through the gateway, 3 tools, 0.4 s"
    assert of_server(samples.MIXED[-1]).state is UNKNOWN
    slow = samples.breaks("slow", samples.Rung.TOOLS, "MC285", "slow")._replace(tools=9)
    assert of_server(slow).state is WARN
    assert of_server(samples.MIXED[3]).state is FAIL
    left_out = samples.breaks("x", samples.Rung.CONFIG, "MC060", "it waits for trust", "nowhere")
    assert of_server(left_out).state is FAIL
    off = samples.breaks("x", samples.Rung.CONFIG, "MC067", "it is switched off", "nowhere")
    assert of_server(off).state is OK


def test_every_code_of_doctor_is_used() -> None:
    folder = Path(checks_host.__file__).parent
    text = "".join(file.read_text() for file in folder.glob("*.py"))
    assert {code for code in DOCTOR if f'"{code}"' in text} == set(DOCTOR)
