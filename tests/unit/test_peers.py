"""A host beside the container: what is one, and what must never be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.firewall.tokens import read_peer
from mcpconf.hosts import Destination
from mcpconf.locality import METADATA, NAMES, NEAR
from mcpconf.names import Problem
from mcpconf.peers import parse_peer


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("db", "db"),
        ("DB", "db"),
        (" web ", "web"),
        ("my_db", "my_db"),
        ("ddev-shop-db.ddev_default", "ddev-shop-db.ddev_default"),
        ("shop.ddev.site", "shop.ddev.site"),
        ("printer.local", "printer.local"),
        ("10.0.0.5", "10.0.0.5"),
        ("172.17.0.1", "172.17.0.1"),
        ("192.168.1.1", "192.168.1.1"),
        ("100.64.0.1", "100.64.0.1"),
        ("fd00::1", "fd00::1"),
    ],
)
def test_a_peer(text: str, host: str) -> None:
    assert parse_peer(text) == Destination("peer", host)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no name"),
        ("x" * 300, "too long"),
        ("localhost", "the container itself"),
        ("a.localhost", "the container itself"),
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("0.0.0.0", "the unspecified address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "neither a name nor an address"),
        ("169.254.169.254", "metadata service"),
        ("100.100.100.200", "metadata service"),
        ("fd00:ec2::254", "metadata service"),
        ("metadata.google.internal", "metadata service"),
        ("metadata", "metadata service"),
        ("host.docker.internal", "Docker's name for the machine"),
        ("x.host.docker.internal", "Docker's name for the machine"),
        ("HOST.CONTAINERS.INTERNAL", "Podman's name for the machine"),
        ("8.8.8.8", "out in the world"),
        ("2606:4700::1", "out in the world"),
        ("224.0.0.1", "a multicast address"),
        ("::ffff:10.0.0.1", "::ffff:a00:1"),
        ("0x0a.1", "is read as `10.0.0.1`"),
        ("10.1", "is read as `10.0.0.1`"),
        ("10.0.0.0/8", "has `/` in it"),
        ("*.db", "has `*` in it"),
        ("db:3306", "neither a name nor an address"),
        ("db.", "a dot too many"),
        ("-db", "begins or ends with `-`"),
        ("a b", "has ` ` in it"),
        ("db\n-j ACCEPT", "in it"),
        ("d\u0430tabase", "letters outside ASCII"),
        ("x.invalid", "never exists"),
        ("x.onion", "only Tor reaches"),
    ],
)
def test_no_peer(text: str, message: str) -> None:
    found = parse_peer(text)
    assert isinstance(found, Problem)
    assert message in found.message


def test_nothing_that_hands_out_credentials_or_is_the_machine_is_a_peer() -> None:
    for name in NAMES:
        assert isinstance(parse_peer(name), Problem), name
    for block, why in NEAR.items():
        if why == METADATA:
            assert isinstance(parse_peer(block.partition("/")[0]), Problem), block


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[a-zA-Z0-9._:*/-]{0,40}", fullmatch=True)))
def test_what_is_a_peer_here_is_one_for_the_firewall(text: str) -> None:
    found = parse_peer(text)
    if isinstance(found, Destination):
        assert found.form == "peer"
        assert found.host.isascii()
        assert str(read_peer(found.host)).removesuffix("/32").removesuffix("/128") == found.host
