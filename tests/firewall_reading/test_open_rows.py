"""The packet filter as real kernels print it: whether it is whole, and what went through each row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcpconf.firewall.inspection import filter_faults, read_members, read_saved
from mcpconf.firewall.nftlist import nft_faults, read_nft, read_nft_members
from mcpconf.firewall.policy import Policy, read_policy_text
from mcpconf.firewall.rows import Counts, OpenRow, open_rows, reasons_of
from mcpconf.firewall.site import read_hosts
from mcpconf.firewall.tables import Tables
from tests.firewall_reading.recorded import recorded

SAVED = {4: "iptables-save-1.8.9.txt", 6: "ip6tables-save-1.8.9.txt"}


def row(host: str, port: int, form: str = "name", why: str = "") -> dict[str, Any]:
    because = [{"layer": "policy", "text": why}] if why else []
    return {"host": host, "port": port, "form": form, "servers": ["s"], "because": because}


DOCUMENT = {
    "version": 1,
    "mode": "default",
    "gateway": {"host": "host.docker.internal", "port": 8811},
    "rows": [
        row("allowed.test", 443, why="you said so"),
        row("allowed.test", 80),
        row("alias.test", 443),
        row("*.wild.test", 443, "wildcard"),
        row("rebind-lan.test", 443),
        row("45.66.77.39", 443, "address"),
        row("good.cdn.test", 443),
        row("web", 5432, "peer"),
    ],
}
POLICY: Policy = read_policy_text(json.dumps(DOCUMENT))
LEARNED = {
    "allowed.test": ("45.66.77.10", "45.66.77.99", "2a0b:4142:18::10"),  # .99 has left the set
    "alias.test": ("45.66.77.12", "2a0b:4142:18::12"),
    "x.wild.test": ("45.66.77.50",),
    "good.cdn.test": ("45.66.77.20", "2a0b:4142:18::20"),
    "web": ("10.88.0.30", "fd88::30"),
}
HOSTS = read_hosts("127.0.0.1 localhost\n10.88.0.1 host.docker.internal\n")


@pytest.fixture
def tables() -> Tables:
    filters = tuple((family, read_saved(recorded(name))) for family, name in SAVED.items())
    return Tables(False, filters, tuple(read_members(recorded("ipset-save-7.17.txt"))))


@pytest.fixture
def nft() -> Tables:
    text = recorded("nft-1.0.6-list.txt")
    found = read_nft(text)
    return Tables(True, ((4, found), (6, found)), tuple(read_nft_members(text)))


def shown(tables: Tables) -> dict[tuple[str, int], OpenRow]:
    rows = open_rows(POLICY, LEARNED, HOSTS, Counts(tables), reasons_of(DOCUMENT))
    return {(one.host, one.port): one for one in rows}


def test_rows_with_what_went_through(tables: Tables) -> None:
    rows = shown(tables)
    allowed = rows["allowed.test", 443]
    assert allowed.addresses == ("45.66.77.10", "2a0b:4142:18::10")
    assert (allowed.packets, allowed.bytes, allowed.because) == (8, 1143, "you said so")
    assert rows["allowed.test", 80].packets == 0
    assert rows["*.wild.test", 443] == OpenRow(
        "*.wild.test", 443, "wildcard", ("45.66.77.50",), 9, 1182, ("s",), ""
    )
    assert rows["rebind-lan.test", 443].addresses == ()
    assert rows["45.66.77.39", 443].form == "address"
    assert rows["45.66.77.39", 443].packets > 0
    assert rows["web", 5432] == OpenRow(
        "web", 5432, "peer", ("10.88.0.30", "fd88::30"), 2, 140, ("s",), ""
    )
    assert rows["host.docker.internal", 8811].addresses == ("10.88.0.1",)
    assert rows["host.docker.internal", 8811].packets > 0


def test_rows_where_nobody_counts(nft: Tables) -> None:
    rows = shown(nft)
    assert rows["allowed.test", 443].addresses == ("45.66.77.10", "2a0b:4142:18::10")
    assert rows["allowed.test", 443].packets == -1
    assert rows["*.wild.test", 443].addresses == ("45.66.77.50",)
    assert rows["web", 5432].addresses == ("10.88.0.30", "fd88::30")
    assert rows["45.66.77.39", 443].addresses == ("45.66.77.39",)
    assert rows["host.docker.internal", 8811].addresses == ("10.88.0.1",)
    assert nft.refused == -1


@pytest.mark.parametrize("family", [4, 6])
def test_what_was_applied_is_whole(tables: Tables, nft: Tables, family: int) -> None:
    assert tables.faults(POLICY, family) == []
    assert nft.faults(POLICY, family) == []
    assert tables.refused >= 0


BROKEN = [
    (":OUTPUT DROP", ":OUTPUT ACCEPT", "OUTPUT does not drop"),
    (":FORWARD DROP", ":FORWARD ACCEPT", "FORWARD does not drop"),
    ("-A OUTPUT -j MCP-OUT", "-A OUTPUT -j ACCEPT", "OUTPUT in filter does not lead to MCP-OUT"),
    ("-A OUTPUT -j MCP-DNS", "-A OUTPUT -p tcp -j MCP-DNS", "OUTPUT in nat"),
    ("-A POSTROUTING -j MCP-LEAVING", "-A POSTROUTING -j ACCEPT", "POSTROUTING in mangle"),
    ("-A INPUT -j MCP-IN", "-A INPUT -j ACCEPT", "INPUT"),
    ("-A MCP-OUT -j MCP-NO", "-A MCP-OUT -j ACCEPT", "MCP-OUT does not end"),
    ("-A MCP-NO -j REJECT", "-A MCP-NO -j ACCEPT", "MCP-NO does not refuse"),
    ("-A MCP-NEVER -d 10.0.0.0/8 -j MCP-NO", "-A X", "MCP-NEVER is not whole"),
    ("--match-set mcp4-p443 dst", "--match-set other dst", "the set mcp4-p443"),
]


@pytest.mark.parametrize(("there", "instead", "fault"), BROKEN)
def test_what_is_missing_is_told(there: str, instead: str, fault: str) -> None:
    text = recorded(SAVED[4])
    assert there in text
    found = read_saved(text.replace(there, instead))
    assert any(fault in one for one in filter_faults(found, POLICY, 4))


def test_a_rule_before_ours_is_told() -> None:
    text = recorded(SAVED[4]).replace(
        "-A OUTPUT -j MCP-OUT", "-A OUTPUT -d 45.66.77.66/32 -j ACCEPT\n[0:0] -A OUTPUT -j MCP-OUT"
    )
    assert any("MCP-OUT" in one for one in filter_faults(read_saved(text), POLICY, 4))


@pytest.mark.parametrize(
    ("there", "instead", "fault"),
    [
        (
            "hook output priority filter; policy drop",
            "hook output priority filter; policy accept",
            "mcp-out is not",
        ),
        (
            "hook forward priority filter; policy drop",
            "hook forward priority filter; policy accept",
            "mcp-fwd is not",
        ),
        ("\t\tgoto mcp-no\n\t}", "\t\taccept\n\t}", "mcp-out does not end"),
        ("hook postrouting", "hook prerouting", "mcp-leaving is not"),
        ("ip daddr 10.0.0.0/8 goto mcp-no\n", "\n", "mcp-never"),
        ("daddr @mcp4-p443 ", "daddr @other ", "mcp4-p443"),
        ("reject with icmpx admin-prohibited", "accept", "mcp-no does not end"),
    ],
)
def test_what_is_missing_in_nft_is_told(there: str, instead: str, fault: str) -> None:
    text = recorded("nft-1.0.6-list.txt")
    assert there in text
    faults = list(nft_faults(read_nft(text.replace(there, instead)), POLICY, 4))
    assert any(fault in one for one in faults)


def test_no_rules_at_all() -> None:
    assert Tables().faults(POLICY, 4) == ["there are no rules"]
    empty = Tables(False, ((4, read_saved("")),))
    assert empty.faults(POLICY, 4) == ["there are no rules"]


@pytest.mark.parametrize("document", [None, [], {}, {"rows": 7}, {"rows": [7, {}, {"host": "a"}]}])
def test_reasons_of_anything(document: object) -> None:
    assert reasons_of(document) == {}
