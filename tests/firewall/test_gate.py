"""Strict mode's gate: its text, and the real HAProxy in a network namespace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpconf.firewall.gate import gate_config, gate_maps
from mcpconf.firewall.gatelists import gate_reload_commands
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import NameRow, Policy
from mcpconf.firewall.site import Site, User
from mcpconf.firewall.tokens import Domain
from tests.firewall.gate_lab import ANSWERS, ODD, name_for

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("_namespaces")]

ROOT = Path(__file__).parents[2]
REFUSED = "HTTP/1.1 403 Forbidden"
INVALID = ("HTTP/1.1 400 Bad ", "HTTP/1.1 405 Meth", REFUSED)
V4, OTHER4, V6, OTHER6 = "203.0.113.7", "203.0.113.8", "2001:db8::7", "2001:db8::8"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened in the namespace (gate_lab.py)."""
    folder = tmp_path_factory.mktemp("gate")
    lab = [sys.executable, "-m", "tests.firewall.gate_lab", str(folder)]
    command = ["unshare", "-nmpf", "--kill-child", "--mount-proc", *lab]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("listed", V4),
        ("other address", OTHER4),  # the destination is the client's, not one that was looked up
        ("in pieces", V4),
        ("upper case", V4),
        ("last dot", V4),
        ("below wildcard", V4),
        ("listed 6", V6),
        ("goes to where the name is 6", V6),
        ("itself 6", V6),
    ],
)
def test_a_listed_name_inside_tls_passes(seen: dict[str, Any], what: str, where: str) -> None:
    assert seen["tls"][what] == f"tls at {where} 443\n"


@pytest.mark.parametrize(
    "what",
    """two dots/wildcard's apex/only looks like it/unlisted/below a name/longer/no name/zero byte/port in it
/a space/in two records/name in second record/more in the record/odd below wildcard
/zero byte below wildcard/new line below wildcard/new line last/plain/garbage/itself/closed by the packet filter/unlisted 6/no address 6/leads inward 6""".replace(
        "\n", ""
    ).split("/"),
)
def test_other_tls_is_cut(seen: dict[str, Any], what: str) -> None:
    assert seen["tls"][what] in ("closed", "reset")


@pytest.mark.parametrize(
    ("what", "where"),
    [
        *(
            (what, V4)
            for what in "listed/with port/upper case/last dot/both/below wildcard/1.0/in pieces/post".split(
                "/"
            )
        ),
        ("listed 6", V6),
    ],
)
def test_a_listed_host_passes(seen: dict[str, Any], what: str, where: str) -> None:
    assert seen["http"][what].endswith(f"\r\n\r\nhttp at {where} 80")


@pytest.mark.parametrize(
    "what",
    "unlisted/on 443 only/no host/no host 1.0/empty host/absolute/connect/star/itself/unlisted 6"
    "/port of nothing/address in brackets".split("/"),
)
def test_other_requests_are_refused_in_words(seen: dict[str, Any], what: str) -> None:
    assert seen["http"][what].startswith(REFUSED)
    assert "mcpconf-fw blocked" in seen["http"][what]


@pytest.mark.parametrize(
    "what",
    """two hosts/two hosts turned/list of hosts/user in host/folded/folded first/folded on the next line
/space before the colon/absolute other/absolute turned/h2 begun
/garbage/0.9""".replace("\n", "").split("/"),
)
def test_what_two_programs_could_read_differently_is_refused(
    seen: dict[str, Any], what: str
) -> None:
    assert seen["http"][what].startswith(INVALID)


@pytest.mark.parametrize("odd", ODD)
def test_a_host_that_servers_cut_elsewhere_is_refused(seen: dict[str, Any], odd: str) -> None:
    """``evil.test:80.wild.test`` is below a listed wildcard, and ``evil.test`` for many a server."""
    assert seen["http"][f"odd: {odd!r}"].startswith(INVALID)


@pytest.mark.parametrize("family", ["", " 6"])
@pytest.mark.parametrize("what", ANSWERS)
def test_no_server_asks_twice_for_the_name(seen: dict[str, Any], what: str, family: str) -> None:
    """The second first message of TLS could say another name; all else arrives, and at once."""
    arrived, pieces = seen["answers"][what + family]
    cut = what.startswith(("retry", "half"))
    assert arrived == ("" if cut else b"".join(ANSWERS[what]).hex())
    assert int(pieces) > 3 or what != "hello, then much"
    lines = [line[1:3] for line in seen["refused"] if line[5] == name_for(what)]
    assert lines == ([["again", "PD"]] * 2 if what.startswith("retry") else [])


def test_only_websockets_leave_http(seen: dict[str, Any]) -> None:
    """After ``Upgrade: h2c`` requests would pass that nobody looks into."""
    heads = seen["http"]["upgrades that arrived"].lower()
    assert "get /up" in heads
    assert "\nupgrade:" not in heads
    assert "\nhttp2-settings:" not in heads
    assert seen["streams"]["switched"].startswith("HTTP/1.1 101 ")


def test_every_request_of_a_connection_is_judged(seen: dict[str, Any]) -> None:
    one, two, three, refused, after = seen["kept alive"]
    assert all(answer.endswith(f"http at {V4} 80") for answer in (one, two, three, after))
    assert refused.startswith(REFUSED)
    assert seen["pipelined"].count(f"http at {V4} 80") == 2
    assert seen["pipelined"].count(REFUSED) == 1


def test_a_name_of_ipv6_leads_to_its_own_address(seen: dict[str, Any]) -> None:
    one, two, three, refused, _ = seen["kept alive 6"]
    assert [answer.rpartition(" at ")[2] for answer in (one, two, three)] == [
        f"{V6} 80",
        f"{OTHER6} 80",
        f"{V6} 80",
    ]
    assert refused.startswith(REFUSED)


def test_a_name_with_a_hundred_addresses_resolves(seen: dict[str, Any]) -> None:
    [line] = [line for line in seen["refused"] if line[5] == "many.test"]
    assert line[1:3] == ["-", "SC"]  # nobody listens on most of them
    assert line[3].startswith("2001:db8::1:")


def test_what_was_refused_can_be_read(seen: dict[str, Any]) -> None:
    lines = {tuple(line[1:]) for line in seen["refused"]}
    assert {
        ("name", "PR", V4, "443", "evil.test"),
        ("name", "PR", V4, "443", "good.test?.evil"),
        ("name", "PR", V4, "443", "good?test"),
        ("none", "PR", V4, "443", "-"),
        ("form", "PR", V4, "443", "-"),
        ("loop", "PR", "127.0.0.1", "443", "-"),
        ("name", "PR", V4, "80", "evil.test?80.wild.test"),
        ("lost", "PR", "::1", "443", "x.wild.test"),
        ("name", "PR", V4, "80", "tls-only.test"),
        ("form", "PR", V4, "80", "good.test"),
        ("-", "SC", "203.0.113.9", "443", "good.test"),
        ("-", "SC", "203.0.113.9", "80", "good.test"),
    } <= lines
    assert all(
        len(line) == 6 and line[0].isdigit() and len(line[0]) == 13 for line in seen["refused"]
    )
    assert not [line for line in lines if line[0] == "-" and line[1] not in ("SC", "PR", "PD")]


def test_lists_are_replaced_while_streams_run(seen: dict[str, Any]) -> None:
    streams = seen["streams"]
    assert streams["fault"] == streams["fault back"] == ""
    assert streams["wrong"].startswith("add map @77 /nowhere: ")
    assert streams["seconds"] < 1  # measured: 0.05 to 0.10 for 10,000 names
    assert (streams["websocket"], streams["tls"]) == ("still", f"tls at {V4} 443\n")
    assert "data: " in streams["events"]
    assert streams["removed"] == streams["removed wildcard"] == "closed"
    assert streams["removed on 80"].startswith(REFUSED)
    assert streams["added"] == streams["one of many"] == streams["again"] == f"tls at {V4} 443\n"
    assert streams["longest command"] < 16_000


def test_events_are_not_held_back(seen: dict[str, Any]) -> None:
    assert seen["streams"]["pace"] < 0.1  # sent every 0.02 s


def test_it_is_small_and_nobody(seen: dict[str, Any]) -> None:
    assert (seen["mode"], seen["uid"], seen["threads"]) == ("0o600", "65534", "1")
    assert seen["streams"]["rss with 10,000"] < 25


def test_lists() -> None:
    rows = [
        (Domain("a.test"), 443),
        (Domain("a.test"), 80),
        (Domain("b.test", wild=True), 443),
        (Domain("c.test"), 22),
    ]
    policy = Policy(names=tuple(NameRow(*row) for row in rows))
    paths = Paths("/run/x")
    assert gate_maps(policy, paths) == {
        "/run/x/gate-names-443.map": "a.test 1\n",
        "/run/x/gate-wild-443.map": ".b.test 1\n",
        "/run/x/gate-names-80.map": "a.test 1\n",
        "/run/x/gate-wild-80.map": "",
    }


def test_commands_replace_whole_lists() -> None:
    new = {
        "/a": "".join(f"name-{n}.example.com 1\n" for n in range(1000)),
        "/b": "",
        "/c": "same 1\n",
    }
    commands = gate_reload_commands({"/a": "", "/b": "x 1\n", "/c": "same 1\n"}, new)
    assert commands[0] == "prepare map /a\n"
    assert [c for c in commands if "/b" in c] == ["prepare map /b\n", "commit map @{version} /b\n"]
    adds = [c for c in commands if c.startswith("add map @{version} /a <<\n")]
    assert "".join(c.partition("<<\n")[2][:-1] for c in adds) == new["/a"]
    assert all(c.endswith("1\n\n") and len(c) < 8_100 for c in adds)


@pytest.mark.parametrize("ipv6", [True, False])
def test_haproxy_takes_it(tmp_path: Path, *, ipv6: bool) -> None:
    paths = Paths(str(tmp_path))
    policy = Policy(mode="strict", names=(NameRow(Domain("a.test"), 443),))
    site = Site(ipv6=ipv6, gate=User("nobody", "nogroup", 65534))
    (tmp_path / "gate.cfg").write_text(gate_config(policy, site, paths))
    for path, text in gate_maps(policy, paths).items():
        Path(path).write_text(text)
    command = ["haproxy", "-c", "-f", paths.gate_conf]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
