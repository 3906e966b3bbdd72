"""What holds for every ``egress.json``: nothing of it but checked tokens reaches a text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcpconf.firewall.nft import nft_set_names, nft_target
from mcpconf.firewall.policy import Policy, PolicyError, read_policy_text
from tests.firewall.policies import CASES, texts, texts_of

GOLDEN = Path(__file__).parent / "golden"

_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NET = r"[0-9a-f.:]+(?:/[0-9]{1,3})?"
_SET = r"mcp[46]-(?:p[0-9]{1,5}|near-p[0-9]{1,5}|kept)"
_UID = r"-m owner (?:! )?--uid-owner [0-9]+"
_MATCH = (
    rf"(?:! )?-d {_NET}|(?:! )?-o lo|! -i lo|-p (?:tcp|udp|icmp|ipv6-icmp)|--dport [0-9]+|-m multiport --dports [0-9,]+|{_UID}"
    rf"|-m set (?:! )?--match-set {_SET} dst(?:,dst)?|-m comment --comment mcpconf:[a-z0-9,-]{{1,200}}|-m icmp6 --icmpv6-type [0-9]+"
    r"|-m conntrack --ctstate (?:ESTABLISHED|RELATED|NEW)|--ctdir REPLY|-m connmark (?:! )?--mark 0x[0-9a-f]+/0xff00000|! --syn"
    r"|-m limit --limit (?:20|200|1000)/sec --limit-burst (?:50|2000|5000)"
)
_TARGET = (
    r"ACCEPT|DROP|RETURN|MCP-(?:NEAR|NEVER|OK|NO)|REDIRECT --to-ports [0-9]+|CONNMARK --set-xmark 0x[0-9a-f]+/0xff00000"
    r"|NFLOG --nflog-group 77 --nflog-prefix mcpconf|REJECT --reject-with (?:tcp-reset|icmp6?-adm[a-z-]+)"
)
_OUTLET = r"(?:OUTPUT|INPUT|FORWARD|POSTROUTING)"
_ELEMENT = r"(?:ip|ip6) daddr(?: \. tcp dport)? @mcp[46]-[a-z0-9-]+"
_PLACE = r"\{ ip6? daddr \. tcp dport \}"
_NFT_MATCH = (
    rf"ip6? daddr (?:!= )?{_NET}|[io]if (?:!= )?\"lo\"|meta l4proto (?:tcp|\{{ [a-z0-9, -]+ \}})|(?:tcp|udp|th) dport (?:[0-9]+|\{{ 80, 443 \}})"
    rf"|meta skuid (?:!= )?(?:[0-9]+|\{{ [0-9, ]+ \}})|{_ELEMENT}|update @mcp[46]-[a-z-]+ {_PLACE}|ct state (?:established|related|new)"
    r"|ct direction reply|ct mark & 0x[0-9a-f]+ [!=]= (?:0|0x[0-9a-f]+)|icmpv6 type \{ [0-9, ]+ \}|tcp flags & \(fin\|syn\|rst\|ack\) != syn"
    r"|limit rate (?:20|200|1000)/second burst (?:50|2000|5000) packets|counter"
)
_NFT_TARGET = (
    r"accept|drop|return|(?:goto|jump) mcp-[a-z]+|redirect to :[0-9]+|reject with (?:tcp reset|icmpx type admin-prohibited)"
    r'|log prefix "mcpconf" group 77|ct mark set ct mark & 0x[0-9a-f]+ \| 0x[0-9a-f]+'
)
_SHAPES = {
    "ipset.restore": rf"create {_SET} hash:ip(?:,port)? family inet6? hashsize 1024 maxelem [0-9]+ timeout [0-9]+(?: [a-z]+)*",
    "iptables.restore": rf"\*filter|\*nat|\*mangle|COMMIT|:{_OUTLET} DROP \[0:0\]|:MCP-[A-Z]+ - \[0:0\]|-A MCP-[A-Z]+ (?:(?:{_MATCH}) )*-j (?:{_TARGET})"
    rf"|-D {_OUTLET} -j MCP-[A-Z]+|-I {_OUTLET} 1 -j MCP-[A-Z]+",
    "nftables.nft": r"add table inet mcpconf|add set inet mcpconf mcp[46]-[a-z0-9-]+ \{ (?:[a-z0-9_., :]+; ?)+ \}|flush chain inet mcpconf mcp-[a-z]+"
    r"|add chain inet mcpconf mcp-[a-z]+(?: \{ type (?:filter|nat) hook [a-z]+ priority (?:0|-110|-150); policy (?:drop|accept); \})?"
    rf"|add rule inet mcpconf mcp-[a-z]+ (?:(?:{_NFT_MATCH}) )*(?:{_NFT_TARGET})(?: comment \"mcpconf:[a-z0-9,-]{{1,110}}\")?",
    "dnsmasq.conf": rf"(?:ip|nf)tset=/(?:#|{_NAME})/[a-z0-9#,-]+|ipset=/(?:#|{_NAME})/[a-z0-9,-]+|rebind-domain-ok=/{_NAME}/|[a-z-]+(?:=[a-zA-Z0-9./#:,_-]+)?",
    "dnsmasq.servers": rf"server=/(?:\*\.)?{_NAME}/(?:[0-9a-f.:]+)?",
    "map": rf"\.?{_NAME} 1",
}
_SHAPES |= {
    "ip6tables.restore": _SHAPES["iptables.restore"],
    "dnsmasq-nft.conf": _SHAPES["dnsmasq.conf"],
}
_COMPILED = {name: re.compile(shape) for name, shape in _SHAPES.items()}


def check(found: dict[str, str]) -> None:
    for name, text in found.items():
        assert text.isascii()
        assert text == "" or text.endswith("\n")
        shape = _COMPILED.get("map" if name.endswith(".map") else name)
        if shape is not None:
            for line in text.split("\n")[:-1]:
                assert shape.fullmatch(line), f"{name}: {line}"
    assert all(
        len(line) < 2_000
        for name in ("iptables.restore", "nftables.nft")
        for line in found[name].split("\n")
    )


@pytest.mark.parametrize("case", CASES)
def test_every_line_has_a_known_shape(case: str) -> None:
    check(texts_of(case))


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    """``BLESS=1`` writes them anew."""
    folder = GOLDEN / case
    found = texts_of(case)
    if "BLESS" in os.environ:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, text in found.items():
            (folder / name).write_text(text)
    assert {file.name: file.read_text() for file in folder.iterdir()} == found


_hostile = st.sampled_from(
    [
        "a.test\n-A OUTPUT -j ACCEPT", "a.test -j ACCEPT", "a.test/9.9.9.9\nserver=9.9.9.9", "/#/9.9.9.9", "#", "a.test }; accept; {", "a.test;x",
        "a.test\\nx", 'a"b.test', "0.0.0.0/0", "::/0", "*", "*.*", "a.test,mcp4-p22", "a.test 1\nb.test", "${A}.test", "%[src].test", "\u2028.test",
        "mcp4-p443", "a.test\0", "-a.test", "a.test#b", "\u0661.2.3.4", "1.2.3.4\n", "45.66.77.5/\u0661", "x" * 300, "..",
    ]
)  # fmt: skip
_plain = st.from_regex(
    r"\A(\*\.)?[a-zA-Z0-9_-]{1,5}(\.[a-z0-9]{1,5}){0,3}(:[0-9]{1,5})?\Z"
) | st.ip_addresses().map(str)
_nets = st.builds("{}/{}".format, st.ip_addresses(), st.integers(0, 128))
_servers = (
    st.lists(_hostile | st.from_regex(r"\A[a-z0-9-]{1,40}\Z") | st.none(), max_size=60)
    | st.none()
    | st.text(max_size=4)
)
_row = st.fixed_dictionaries(
    {
        "host": _plain | _nets | _hostile | st.text() | st.none(),
        "port": st.sampled_from([80, 443, 22, 8443])
        | st.integers(-1, 70_000)
        | st.text(max_size=3),
        "form": st.sampled_from(["name", "wildcard", "address", "network", "peer", "peer", "x"]),
        "servers": _servers,
    }
)
_gateway = st.none() | st.fixed_dictionaries(
    {"host": _plain | _hostile, "port": st.integers(-1, 70_000)}
)
_file = st.builds(
    lambda **more: {"version": 1, **more},
    mode=st.sampled_from(["default", "strict"]),
    rows=st.lists(_row, max_size=12),
    gateway=_gateway,
    grace=st.integers(-1, 90_000) | st.text(max_size=3),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(_file, st.sampled_from(sorted(CASES)), st.randoms())
def test_no_file_brings_anything_but_tokens(file: dict[str, Any], case: str, random: Any) -> None:
    site = CASES[case][1]
    policy = read_policy_text(json.dumps(file))
    found = texts(policy, site)
    check(found)
    random.shuffle(file["rows"])
    assert texts(read_policy_text(json.dumps(file)), site) == found


@given(st.text())
def test_no_text_is_more_than_a_refusal(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy_text(text)


@pytest.mark.parametrize("case", CASES)
def test_closed_before_anything_else_and_at_the_end(case: str) -> None:
    found = texts_of(case)
    for name in ("iptables.restore", "ip6tables.restore"):
        lines = found[name].split("\n")
        assert {":OUTPUT DROP [0:0]", ":FORWARD DROP [0:0]"} <= {*lines}
        assert [line for line in lines if line.startswith("-A MCP-OUT ")][
            -1
        ] == "-A MCP-OUT -j MCP-NO"
        assert " ACCEPT [" not in found[name]
    nft = found["nftables.nft"]
    assert "mcp-out { type filter hook output priority 0; policy drop; }" in nft
    assert [line for line in nft.split("\n") if "rule inet mcpconf mcp-out " in line][-1].endswith(
        "mcp-out goto mcp-no"
    )


@pytest.mark.parametrize("case", CASES)
def test_dnsmasq_fills_no_set_that_is_not_made(case: str) -> None:
    policy = read_policy_text(CASES[case][0])
    found = texts_of(case)
    wanted = {nft_target(family, name) for family, name in nft_set_names(policy)}
    lines = [line for line in found["dnsmasq-nft.conf"].split("\n") if line.startswith("nftset=")]
    assert {target for line in lines for target in line.rpartition("/")[2].split(",")} == wanted
    made = {line.split()[1] for line in found["ipset.restore"].split("\n") if line}
    lines = [line for line in found["dnsmasq.conf"].split("\n") if line.startswith("ipset=")]
    assert {target for line in lines for target in line.rpartition("/")[2].split(",")} <= made
    assert all(len(name) < 29 for name in made)  # an exchange takes room in a name of at most 31


def test_an_empty_policy_opens_nothing() -> None:
    found = texts(Policy(), CASES["empty"][1])
    assert "server=/" not in found["dnsmasq.servers"].rpartition("server=/")[0]
    assert not re.search(r"-A MCP-OUT .*--dport .*-j MCP-OK", found["iptables.restore"])
    opened = [line for line in found["nftables.nft"].split("\n") if line.endswith(" goto mcp-ok")]
    docker = "mcp-out ip daddr 127.0.0.11 meta skuid { 0, 990 } goto mcp-ok"
    assert all(line.endswith(("-kept goto mcp-ok", docker)) for line in opened)


@pytest.mark.parametrize("case", CASES)
def test_both_packet_filters_say_the_same(case: str) -> None:
    """Numbers and ranges that stand in both texts."""
    found = texts_of(case)
    four, six, nft = (
        found[f"{name}"] for name in ("iptables.restore", "ip6tables.restore", "nftables.nft")
    )
    limits = re.findall(r"--dport [0-9]+ .*--limit ([0-9]+)/sec --limit-burst ([0-9]+)", four + six)
    assert limits == re.findall(r"limit rate ([0-9]+)/second burst ([0-9]+) packets accept", nft)
    for chain in ("NEVER", "NO"):
        refused = re.findall(rf"-A MCP-{chain} -d (\S+) ", four + six)
        here = re.findall(rf"rule inet mcpconf mcp-{chain.lower()} ip6? daddr ([^ !]+) ", nft)
        assert {*refused} == {*here}
    near = {*re.findall(r"-d (\S+) -j MCP-NEAR", four + six)}
    assert near == {*re.findall(r"daddr (\S+) jump mcp-near", nft)}
    assert bool(near) is ("-near-p" in found["ipset.restore"])
    ports = r"(?:--to-ports |redirect to :)([0-9]+)"
    assert {*re.findall(ports, four)} == {*re.findall(ports, nft)}
    for text, drop in ((four, "127.0.0.0/8"), (six, "::1/128")):
        assert f"-A MCP-LEAVING ! -o lo -d {drop} -j DROP\n" in text
        assert 'mcp-leaving oif != "lo" ' in nft
