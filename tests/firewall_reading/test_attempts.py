"""From what was written down to attempts with a reason, and what opens each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcpconf.firewall.attempts import Attempt, Join, Listed, collected
from mcpconf.firewall.blocked import as_json, where_to
from mcpconf.firewall.dnslog import ANSWER, DENIED, REBIND, SUNK, DnsEvent
from mcpconf.firewall.gatelog import GateLine
from mcpconf.firewall.packets import Packet
from mcpconf.firewall.policy import Policy, read_policy_text
from mcpconf.firewall.probes import is_probe
from mcpconf.firewall.wayout import REASONS, way_out

GATE = 995


def row(host: str, port: int, form: str = "name") -> dict[str, Any]:
    return {"host": host, "port": port, "form": form, "servers": [], "because": []}


ROWS = [
    row("api.example.com", 443),
    row("*.wild.example.org", 443, "wildcard"),
    row("45.66.80.0/24", 443, "network"),
    row("db", 5432, "peer"),
]
POLICY: Policy = read_policy_text(json.dumps({"version": 1, "mode": "default", "rows": ROWS}))
LEARNED = {
    "api.example.com": ("45.66.77.10",),
    "old.example.com": ("45.66.77.11",),
    "x.wild.example.org": ("45.66.77.10", "45.66.77.12"),
}


def join() -> Join:
    return Join(POLICY, LEARNED, GATE)


def packet(address: str, port: int = 443, protocol: str = "tcp", uid: int = 1000) -> Packet:
    return Packet(100.5, address, port, protocol, uid)


def one(*packets: Packet, events: tuple[DnsEvent, ...] = ()) -> Attempt:
    (found,) = join().feed(events, packets)
    return found


def commands(attempt: Attempt) -> tuple[str, ...]:
    return way_out(attempt, Listed(POLICY)).commands


def test_a_name_that_is_not_listed() -> None:
    found = one(packet("198.18.0.1"), events=(DnsEvent(SUNK, 100, "evil.example.net", "A"),))
    assert found == Attempt(100.5, 100.5, ("evil.example.net",), "", 443, "tcp", "name", 1000)
    assert commands(found) == ("mcpconf allow evil.example.net --port 443",)
    assert where_to(found) == "evil.example.net:443"


@pytest.mark.parametrize(
    ("refused", "reason", "names", "typed"),
    [
        (packet("45.66.77.10", 22), "port", ("api.example.com", "x.wild.example.org"), 2),
        (packet("45.66.77.12", 22), "port", ("x.wild.example.org",), 1),
        (packet("45.66.77.10"), "expired", ("api.example.com", "x.wild.example.org"), 0),
        (packet("45.66.77.12", 443, "udp"), "protocol", ("x.wild.example.org",), 0),
        (packet("45.66.77.11"), "name", ("old.example.com",), 1),
        (packet("45.66.80.9", 22), "port", (), 1),
        (packet("45.66.77.66"), "address", (), 1),
        (packet("45.66.77.66", 443, "udp"), "address", (), 1),
        (packet("45.66.77.66", 99, "udp"), "address", (), 0),
        (packet("45.66.77.66", 0, "icmp"), "address", (), 0),
        (packet("2a0b:4142::66"), "address", (), 1),
        (packet("9.9.9.9", 53, "udp"), "resolver", (), 0),
        (packet("9.9.9.9", 853), "resolver", (), 0),
        (packet("127.0.0.11", 43253, "udp"), "resolver", (), 0),
        (packet("10.88.0.20", 80), "peer", (), 1),
        (packet("10.88.0.20", 80, "udp"), "peer", (), 0),
        (packet("fd88::20", 80), "peer", (), 1),
        (packet("fe80::1", 80), "peer", (), 0),
        (packet("169.254.169.254", 80), "metadata", (), 0),
        (packet("203.0.113.5"), "reserved", (), 0),
        (packet("198.18.0.1"), "sinkhole", (), 0),
        (packet("45.66.77.66", uid=GATE), "elsewhere", (), 0),
        (packet("45.66.77.66")._replace(begins=False), "cut", (), 0),
    ],
)
def test_reasons(refused: Packet, reason: str, names: tuple[str, ...], typed: int) -> None:
    found = one(refused)
    assert (found.reason, found.names) == (reason, names)
    assert len(commands(found)) == typed
    assert found.reason in REASONS


def test_the_kernel_ending_a_stream_is_no_attempt() -> None:
    orphan = packet("9.9.9.9", 53, uid=-1)._replace(begins=False)
    assert join().feed((), [orphan]) == []


def test_an_address_learned_while_reading() -> None:
    events = (DnsEvent(ANSWER, 99, "api.example.com", "45.66.77.99"),)
    found = one(packet("45.66.77.99", 8443), events=events)
    assert (found.reason, found.names) == ("port", ("api.example.com",))
    assert where_to(found) == "api.example.com:8443 (45.66.77.99)"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (DnsEvent(DENIED, 100, "sub.api.example.com", "A"), "subdomain"),
        (DnsEvent(DENIED, 100, "evil.example.net", "TXT"), "record"),
        (DnsEvent(REBIND, 100, "api.example.com", ""), "rebind"),
    ],
)
def test_refused_questions(event: DnsEvent, reason: str) -> None:
    (found,) = join().feed([event], [])
    assert (found.reason, found.names, found.port, found.protocol) == (
        reason,
        (event.name,),
        0,
        "dns",
    )


def test_questions_that_say_nothing_new_are_left_out() -> None:
    events = [
        DnsEvent(DENIED, 100, "evil.example.net", "HTTPS"),
        DnsEvent(DENIED, 100, "4.3.2.1.in-addr.arpa", "PTR"),
    ]
    assert join().feed(events, []) == []


def test_a_name_that_was_only_asked_for() -> None:
    reader = join()
    events = [
        DnsEvent(SUNK, 100, name, kind)
        for name in ("a.example.net", "b.example.net")
        for kind in ("A", "AAAA")
    ]
    reader.feed(events, [packet("198.18.0.1"), packet("198.18.0.1", 80)])
    assert reader.untried(99) == []
    reader.feed([DnsEvent(SUNK, 101, "c.example.net", "A")], [])
    (found,) = reader.untried(200)
    assert (found.names, found.protocol, found.reason) == (("c.example.net",), "dns", "name")
    assert reader.untried(200) == []


def test_what_the_gate_refused() -> None:
    lines = [
        GateLine(100.1, "name", "45.66.77.10", 443, "evil.example.net"),
        GateLine(100.2, "none", "45.66.77.12", 443, ""),
        GateLine(100.3, "name", "45.66.77.10", 80, "169.254.169.254"),
        GateLine(100.4, "name", "", 80, "evil.example.net"),
        GateLine(100.5, "name", "45.66.77.66", 80, "45.66.77.66"),
    ]
    found = join().feed((), (), lines)
    assert [(a.reason, a.names, a.address) for a in found] == [
        ("gate-name", ("evil.example.net",), "45.66.77.10"),
        ("gate-none", ("x.wild.example.org",), "45.66.77.12"),
        ("metadata", (), "45.66.77.10"),
        ("gate-name", ("evil.example.net",), ""),
        ("address", (), "45.66.77.66"),
    ]
    assert commands(found[0]) == ("mcpconf allow evil.example.net --port 443",)


def test_the_same_counts_as_one_and_the_newest_is_last() -> None:
    first, second = one(packet("45.66.77.66")), one(packet("45.66.77.67"))
    found = collected([first, second._replace(last=101), first._replace(first=102.0, last=102.0)])
    assert [(a.address, a.times, a.first, a.last) for a in found] == [
        ("45.66.77.67", 1, 100.5, 101),
        ("45.66.77.66", 2, 100.5, 102.0),
    ]


def named(name: str, port: int = 443, protocol: str = "tcp", reason: str = "name") -> Attempt:
    return Attempt(1.0, 1.0, (name,), "", port, protocol, reason)


@pytest.mark.parametrize(
    "name",
    [
        "$(reboot).example.net",
        "a;reboot.example.net",
        "http://evil.net/;reboot",
        "https://evil.net",
        "evil.net:80",
        "-evil.net",
        "--peer=x.example.net",
        "evil.net.",
        "EVIL.net",
        "x y.example.net",
        "<name unprintable>",
        "*.net",
        ".",
        "gen.mcpconf.invalid",
        "metadata.google.internal",
        "host.docker.internal",
        "localhost",
        "a." * 130 + "net",
    ],
)
def test_what_is_no_name_of_the_world_is_not_offered(name: str) -> None:
    assert commands(named(name)) == ()


def test_a_name_beside_the_container_is_offered_as_a_peer() -> None:
    assert commands(named("db", 3306)) == ("mcpconf allow --peer db --port 3306",)
    assert way_out(named("db", 0, "dns"), Listed(POLICY)).help.startswith("mcpconf allow --peer db")
    assert commands(named("db", 443, "udp")) == ()


def test_what_is_listed_by_now_is_to_be_tried_again() -> None:
    assert way_out(named("api.example.com"), Listed(POLICY)) == (
        (),
        "it is listed by now: try again",
    )
    assert commands(named("api.example.com", 80)) == ("mcpconf allow api.example.com --port 80",)


def test_several_candidates() -> None:
    found = named("a.example.net")._replace(names=("a.example.net", "b.example.net"))
    assert len(commands(found)) == 2
    assert where_to(found) == "a.example.net:443 or b.example.net:443"
    shown = as_json(found, Listed(POLICY))
    assert shown["name"] is None
    assert shown["candidates"] == ["a.example.net", "b.example.net"]
    many = found._replace(names=tuple(f"{letter}.example.net" for letter in "abcd"))
    assert commands(many) == ()


def test_json_of_an_attempt() -> None:
    found = one(packet("198.18.0.1"), events=(DnsEvent(SUNK, 100, "ev\x1bil.example.net", "A"),))
    assert as_json(found, Listed(POLICY)) == {
        "first": 100.5,
        "last": 100.5,
        "name": "ev\\x1bil.example.net",
        "candidates": [],
        "address": None,
        "port": 443,
        "protocol": "tcp",
        "record": None,
        "count": 1,
        "uid": 1000,
        "reason": "name",
        "because": "the name is not listed",
        "commands": [],
        "help": "",
    }


def test_our_own_tries_are_told_apart() -> None:
    assert is_probe("198.18.0.1", 9)
    assert is_probe("192.175.48.1", 9)
    assert not is_probe("198.18.0.1", 443)
    assert not is_probe("45.66.77.66", 9)


def test_what_a_join_remembers_is_bounded() -> None:
    reader = join()
    events = [
        DnsEvent(ANSWER, 1, f"n{n}.test", f"45.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        for n in range(70_000)
    ]
    events += [DnsEvent(SUNK, 1, f"s{n}.test", "A") for n in range(5_000)]
    reader.feed(events, [])
    assert len(reader._names) <= 60_000
    assert len(reader._untried) <= 2_000


def test_listed_says_what_the_policy_says() -> None:
    listed = Listed(POLICY)
    for name in (
        "api.example.com",
        "x.api.example.com",
        "wild.example.org",
        "a.b.wild.example.org",
    ):
        assert listed.ports_of(name) == POLICY.ports_of(name)
