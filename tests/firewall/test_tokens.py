"""The border: which texts become names and networks, and which stay closed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mcpconf.firewall.tokens import (
    Domain,
    Refusal,
    fault_of_network,
    is_port,
    metadata_networks,
    never_networks,
    read_entry,
    read_network,
    read_peer,
    shown,
)
from mcpconf.locality import NEAR, RESERVED

LONG = "a" * 300 + ".test"
LONG_NAME = ".".join(["abcdefgh"] * 40) + ".test"

# What a whitelist was seen to be attacked with: shells, dig, iptables, ipset, dnsmasq, nft.
HOSTILE = [
    "$(touch /tmp/X)", "`touch /tmp/X`.test", "a.test;touch /tmp/X", "a.test|touch /tmp/X", "a.test&&touch /tmp/X",
    "a.test>/tmp/X", "-f/etc/passwd", "-f.env", "@45.66.77.9", "-x45.66.77.66", "a\"b'c.test", "a.test } accept {",
    "a.test/45.66.77.99\nserver=45.66.77.99", "a.test\nserver=45.66.77.99", "a.test/evil.test", "../../etc/passwd",
    "0.0.0.0/0", "0.0.0.0/1", "45.66.0.0/15", "::/0", "2a0b:4142::/31", "0.0.0.0", "*", "*.test", ".", "..", "",
    ".allowed.test", "a..test", "a.test..", "*.*.test", "*a.test", "a.*.test", "**.a.test", LONG, LONG_NAME,
    "user:pw@evil.test", "https://good.test@evil.test/", "localhost", "x.localhost", "*.x.localhost", "LOCALHOST.",
    "ip6-localhost", "single", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "1.2.3", "1.2.3.4.", "a.7", "[::1]",
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "10.1.2.3", "172.16.0.1", "192.168.1.0/24",
    "100.64.0.1", "198.18.0.1", "203.0.113.9", "224.0.0.251", "255.255.255.255", "fe80::1", "fe80::1%eth0", "ff02::1",
    "::", "2001:db8::1", "::ffff:45.66.77.5", "64:ff9b::2d42:4d05", "2002:2d42:4d05::1", "45.66.77.5/33", "45.66.77.5/-1",
    "a.test:0", "a.test:65536", "a.test:", "a.test:443:80", "a.test:\u0663", "a.test:+443", "ftp://a.test", "https://", "https:///x",
    "a.test # a comment", "a.test,b.test", "a.test b.test", "a.test\0", "a\ttest.test", "a.test\u2028", "\uff11.2.3.4",
    "-a.test", "a-.test", "a.-b.test", "xn--.test", "a." + "b" * 64 + ".test", "a#b.test", "a%41.test", "a.test\\x", "{a.test}",
    "\u202ea.test.", "\ud800.test", "a.test" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_entry(text)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("a.test", "a.test", None),
        ("a_b.test", "a_b.test", None),
        ("xn--bcher-kva.test", "xn--bcher-kva.test", None),
        ("a." + "b" * 63 + ".test", "a." + "b" * 63 + ".test", None),
        ("1.2.3.test", "1.2.3.test", None),
        ("*.wild.test", "*.wild.test", None),
    ],
)
def test_taken_as_it_is(text: str, name: str, port: int | None) -> None:
    entry = read_entry(text)
    assert (str(entry.what), entry.port, entry.odd) == (name, port, "")


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("ALLOWED.TEST", "allowed.test", None),
        ("a.test.", "a.test", None),
        ("a.test\r", "a.test", None),
        ("  a.test \t", "a.test", None),
        ("\ufeffa.test", "a.test", None),
        ("https://a.test/mcp?x=1", "a.test", None),
        ("HTTP://A.test", "a.test", None),
        ("wss://a.test:9/x", "a.test", 9),
        ("https://a.test\\@evil.test", "a.test", None),  # as browsers read it
        ("a.test:443", "a.test", 443),
        ("a.test:8443", "a.test", 8443),
        ("[a.test]", "a.test", None),
        ("b\u00fccher.test", "xn--bcher-kva.test", None),
        ("\u0430llowed.test", "xn--llowed-2nf.test", None),  # a Cyrillic letter is another name
        ("a\u3002test", "a.test", None),
        ("*.WILD.test", "*.wild.test", None),
        ("[2a0b:4142::5]:8443", "2a0b:4142::5/128", 8443),
        ("45.66.77.5/24", "45.66.77.0/24", None),
    ],
)
def test_odd_spellings_are_taken_and_said(text: str, name: str, port: int | None) -> None:
    entry = read_entry(text)
    assert (str(entry.what), entry.port) == (name, port)
    assert entry.odd


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("45.66.77.18", "45.66.77.18/32"),
        ("45.66.0.0/16", "45.66.0.0/16"),
        ("2a0b:4142::5", "2a0b:4142::5/128"),
        ("2A0B:4142::5", "2a0b:4142::5/128"),
        ("2a0b:4142::/32", "2a0b:4142::/32"),
    ],
)
def test_addresses(text: str, network: str) -> None:
    entry = read_entry(text)
    assert (str(entry.what), entry.port, entry.odd) == (network, None, "")


@pytest.mark.parametrize(
    "text",
    [
        "redis",
        "db.internal",
        "a_b",
        "host.docker.internal",
        "172.18.0.5",
        "172.18.0.5/32",
        "fd00::5",
        "fe80::1",
        "Redis",
    ],
)
def test_peers(text: str) -> None:
    assert (
        str(read_peer(text)).removesuffix("/32").removesuffix("/128")
        == text.removesuffix("/32").lower()
    )


@pytest.mark.parametrize(
    "text",
    """10.0.0.0/8 169.254.169.254 fd00:ec2::254 100.100.100.200 127.0.0.1 ::1 0.0.0.0 255.255.255.255 224.0.0.1 ff02::1
    localhost x.localhost a;b -x a. 1.2.3 *.x ::ffff:127.0.0.1 ::ffff:169.254.169.254 a/b a:80 127.1""".split(),
)
def test_peers_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read_peer(text)


@pytest.mark.parametrize("text", ["", "\u00fc", "a b", "a\n", "a" * 64, "a." * 130 + "a", "\ud800"])
def test_odd_peers_refused(text: str) -> None:
    with pytest.raises(Refusal):
        read_peer(text)


def test_wildcards_do_not_cover_their_apex() -> None:
    wild = Domain("a.test", wild=True)
    assert wild.covers("x.a.test")
    assert wild.covers("y.x.a.test")
    assert not wild.covers("a.test")
    assert not wild.covers("xa.test")
    assert not Domain("a.test").covers("x.a.test")


@pytest.mark.parametrize("block", [*NEAR, *RESERVED])
def test_no_row_opens_a_special_range(block: str) -> None:
    network = read_network(block)
    assert network is not None
    assert fault_of_network(network)
    with pytest.raises(Refusal):
        read_entry(str(network.network_address))


def test_never_covers_every_special_range() -> None:
    never = never_networks()
    for block in [*NEAR, *RESERVED]:
        address = ip_address(block.partition("/")[0])
        assert any(address in network for network in never if network.version == address.version)
    assert not [
        a
        for a in never
        for b in never
        if a != b and a.version == b.version and a.overlaps(b) and a.prefixlen > b.prefixlen
    ]


def test_metadata_addresses() -> None:
    assert {"169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32"} <= {
        str(n) for n in metadata_networks()
    }


@pytest.mark.parametrize("value", [0, -1, 65536, True, "443", 443.0, None, [443]])
def test_no_ports(value: object) -> None:
    assert not is_port(value)


def test_ports() -> None:
    assert all(is_port(value) for value in (1, 443, 65535))


def test_foreign_text_is_shown_harmlessly() -> None:
    assert shown("a\x1b[31m\u202e`") == "`a\\x1b[31m\\u202e``"
    assert len(shown("x" * 10_000)) < 100
