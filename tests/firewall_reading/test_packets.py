"""What ulogd2 wrote of refused packets; the gate's ring as HAProxy prints it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcpconf.firewall.gatelog import GateLine, read_gate_line
from mcpconf.firewall.packets import Packet, read_packet
from tests.firewall_reading.recorded import recorded


def test_recorded_packets() -> None:
    found = [read_packet(line) for line in recorded("ulogd-2.0.8.json").splitlines()]
    assert all(found)
    places = [(p.address, p.port, p.protocol, p.uid) for p in found if p]
    assert places[2:] == [
        ("198.18.0.1", 443, "tcp", 1000),
        ("100::1", 443, "tcp", 1000),
        ("1.1.1.1", 53, "udp", 1000),
        ("1.1.1.1", 853, "tcp", 1000),
        ("2001:db8::1", 443, "udp", 1000),
        ("45.66.77.10", 22, "tcp", 1000),
        ("45.66.77.10", 443, "udp", 1000),
        ("8.8.8.8", 0, "icmp", 0),
        ("2001:db8::7", 0, "icmp6", 0),
        ("8.8.8.8", 0, "protocol 47", 0),
    ]
    assert places[0] == ("ff02::16", 0, "icmp6", -1)  # the kernel's own


def line(**other: Any) -> str:
    known = {
        "oob.prefix": "mcpconf",
        "oob.time.sec": 1795646039,
        "oob.time.usec": 250000,
        "oob.uid": 1000,
        "ip.protocol": 6,
        "dest_port": 443,
        "dest_ip": "45.66.77.66",
    }
    return json.dumps({**known, **other})


def test_a_packet() -> None:
    assert read_packet(line()) == Packet(1795646039.25, "45.66.77.66", 443, "tcp", 1000)
    syn = read_packet(line(**{"tcp.syn": 1, "tcp.ack": 0}))
    under_way = read_packet(line(**{"tcp.syn": 0, "tcp.ack": 1}))
    assert syn
    assert syn.begins
    assert under_way
    assert not under_way.begins


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        line(**{"oob.prefix": "another"}),
        line(dest_ip="45.66.77.0/24"),
        line(dest_ip="evil.test"),
        line(dest_ip=7),
        line(**{"oob.time.sec": "now"}),
        line(**{"ip.protocol": None}),
        line()[:-5],
        "[" * 100_000,
    ],
)
def test_other_lines_are_left_out(text: str) -> None:
    assert read_packet(text) is None


def test_odd_numbers_count_as_none() -> None:
    found = read_packet(line(dest_port=70000, **{"oob.uid": -3}))
    assert found
    assert (found.port, found.uid) == (0, -1)


def test_the_recorded_ring() -> None:
    text = recorded("haproxy-2.6.12-events.txt")
    found = [one for one in map(read_gate_line, text.splitlines()) if one]
    assert found == [
        GateLine(1795647089.890, "name", "45.66.77.10", 443, "evil.test"),
        GateLine(1795647089.965, "none", "45.66.77.10", 443, ""),
        GateLine(1795647090.063, "name", "45.66.77.10", 80, "evil.test"),
        GateLine(1795647090.114, "name", "45.66.77.10", 80, "169.254.169.254"),
        GateLine(1795647090.206, "name", "", 80, "evil.test"),  # IPv6: HAProxy does not know
        # `allowed.test` at a foreign address: the packet filter has written that down
        GateLine(1795647090.520, "form", "45.66.77.10", 80, "allowed.test"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1795647089890 name PR 45.66.77.10 443 $(reboot)",
        "1795647089890 name PR 45.66.77.10 443 a b",
        "1795647089890 else PR 45.66.77.10 443 a",
        "1795647089890 name PR 45.66 443 a",
        "1795647089890 - -- 45.66.77.10 443 a",
    ],
)
def test_other_lines_of_a_ring(text: str) -> None:
    assert read_gate_line(text) is None


def test_a_ring_line_with_a_level_and_what_was_no_http() -> None:
    found = read_gate_line("<134>1795647089890 - PR 45.66.77.10 80 -")
    assert found == GateLine(1795647089.890, "form", "45.66.77.10", 80, "")
