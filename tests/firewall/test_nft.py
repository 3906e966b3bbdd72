"""The texts in the kernel: they load, twice, in every back end; and the nft rules act."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpconf.firewall import bundle
from mcpconf.firewall.inspection import filter_faults, read_saved
from mcpconf.firewall.nft import nft_members, nft_revoke_text, nft_target, nft_text
from mcpconf.firewall.nftlist import nft_faults, read_nft
from mcpconf.firewall.policy import NameRow, NearRow, Policy, read_policy_text
from mcpconf.firewall.site import Site
from mcpconf.firewall.tokens import Domain
from tests.firewall.policies import CASES, texts_of

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("_namespaces")]

ROOT = Path(__file__).parents[2]


def in_namespace(script: str, *arguments: str) -> str:
    """What a shell script prints in a network namespace of its own; any error fails."""
    command = ["unshare", "-n", "sh", "-euc", script, "sh", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, case: str) -> Path:
    for name, text in texts_of(case).items():
        (folder / name).write_text(text.replace("/run/mcpconf-fw", str(folder)))
    return folder


# The hooks of the text are there after the first time, as in a container after an apply.
IPTABLES = """
ipset restore -exist < "$1/ipset.restore"
ipset restore -exist < "$1/ipset.restore"
for family in "" 6; do
    sed '/^-D /d' "$1/ip${family}tables.restore" > "$1/first"
    "ip${family}tables-$2-restore" --noflush < "$1/first"
done
iptables-$2-restore --noflush --test < "$1/iptables.restore"
iptables-$2-restore --noflush < "$1/iptables.restore"
iptables-$2-save
ip6tables-$2-save
"""


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("case", CASES)
def test_iptables_and_ipset_take_them(tmp_path: Path, case: str, backend: str) -> None:
    written(tmp_path, case)
    saved = in_namespace(IPTABLES, str(tmp_path), backend).splitlines()
    for name in ("iptables.restore", "ip6tables.restore"):
        text = (tmp_path / name).read_text().splitlines()
        assert len([line for line in text if line.startswith("-A MCP-OUT ")]) > 5
    assert saved.count("-A OUTPUT -j MCP-OUT") == 2  # one a family
    assert saved.count("-A OUTPUT -j MCP-DNS") == 2
    wanted = sum(
        (tmp_path / name).read_text().count("\n-A MCP-")
        for name in ("iptables.restore", "ip6tables.restore")
    )
    assert len([line for line in saved if line.startswith("-A MCP-")]) == wanted


@pytest.mark.parametrize("case", CASES)
def test_nft_takes_them_and_members_stay(tmp_path: Path, case: str) -> None:
    written(tmp_path, case)
    member = "nft add element inet mcpconf mcp4-kept { 45.66.77.5 . 443 }"
    load = f'nft -c -f "$1"; nft -f "$1"; {member}; nft list ruleset > "$2"; nft -f "$1"; nft list ruleset'
    again = in_namespace(load, str(tmp_path / "nftables.nft"), str(tmp_path / "once"))
    once = (tmp_path / "once").read_text()
    assert "45.66.77.5 . 443" in again
    rules = [line for line in again.splitlines() if "elements" not in line]
    assert rules == [line for line in once.splitlines() if "elements" not in line]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["dnsmasq.conf", "dnsmasq-nft.conf"])
def test_dnsmasq_takes_them(tmp_path: Path, case: str, name: str) -> None:
    """2.90 makes sure of its user, so both are root here."""
    text = (written(tmp_path, case) / name).read_text()
    (tmp_path / name).write_text(
        text.replace("user=dnsmasq", "user=root").replace("group=nogroup", "group=root")
    )
    done = subprocess.run(
        ["dnsmasq", "--test", "-C", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", [case for case, (_, site) in CASES.items() if site.gate])
def test_haproxy_takes_them(tmp_path: Path, case: str) -> None:
    text = (written(tmp_path, case) / "haproxy.cfg").read_text()
    (tmp_path / "haproxy.cfg").write_text(
        text.replace("user haproxy", "user nobody").replace("group haproxy", "group nogroup")
    )
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_target() -> None:
    assert nft_target(4, "mcp4-p443") == "4#inet#mcpconf#mcp4-p443"


POLICY = Policy(
    names=(NameRow(Domain("a.test"), 443), NameRow(Domain("b.test"), 443)),
    near=(NearRow(Domain("redis"), 6379),),
)


def test_members_leave_that_a_policy_opens_no_more(tmp_path: Path) -> None:
    (tmp_path / "one.nft").write_text(nft_text(POLICY, Site()))
    fill = """
    nft -f "$1"
    nft add element inet mcpconf mcp4-p443 '{ 45.66.77.1, 45.66.77.2 }'
    nft add element inet mcpconf mcp6-p443 '{ 2a0b:4142::1, 2a0b:4142::2 }'
    nft add element inet mcpconf mcp4-near-p6379 '{ 172.18.0.9 }'
    nft add element inet mcpconf mcp4-used '{ 45.66.77.2 . 443 }'
    nft add element inet mcpconf mcp4-kept '{ 45.66.77.2 . 443 }'
    """
    listed = in_namespace(fill + "nft list table inet mcpconf", str(tmp_path / "one.nft"))
    assert sorted(nft_members(listed)) == [
        ("mcp4-near-p6379", "172.18.0.9", 6379),
        ("mcp4-p443", "45.66.77.1", 443),
        ("mcp4-p443", "45.66.77.2", 443),
        ("mcp6-p443", "2a0b:4142::1", 443),
        ("mcp6-p443", "2a0b:4142::2", 443),
    ]
    fewer = POLICY._replace(names=POLICY.names[:1], near=())
    learned = {
        "a.test": ["45.66.77.1", "2a0b:4142::1"],
        "b.test": ["45.66.77.2"],
        "redis": ["172.18.0.9"],
    }
    (tmp_path / "two.nft").write_text(nft_revoke_text(listed, POLICY, fewer, learned))
    after = in_namespace(
        fill + 'nft -f "$2"; nft list table inet mcpconf',
        str(tmp_path / "one.nft"),
        str(tmp_path / "two.nft"),
    )
    assert sorted(nft_members(after)) == [
        ("mcp4-p443", "45.66.77.1", 443),
        ("mcp6-p443", "2a0b:4142::1", 443),
    ]
    assert "45.66.77.1 . 443" in after  # what is open may go on
    assert "45.66.77.2 . 443" not in after


def test_in_strict_mode_the_streams_of_a_removed_name_end_on_shared_addresses() -> None:
    """Whoever knows only addresses cannot tell them from those of the name that stays."""
    fewer = POLICY._replace(mode="strict", names=POLICY.names[:1])
    learned = {"a.test": ["45.66.77.1", "45.66.77.2"], "b.test": ["45.66.77.2"]}
    [kept] = [
        line
        for line in nft_revoke_text("", POLICY, fewer, learned).split("\n")
        if "mcp4-kept {" in line
    ]
    assert kept.endswith("mcp4-kept { 45.66.77.1 . 443 }")


def test_the_first_transaction_takes_the_place_of_the_closed_table(tmp_path: Path) -> None:
    """The shell at the head of the program closes before there is a policy."""
    head = bundle.text().decode().partition("#--#")[0]
    closed = re.findall(r"'((?:add|delete) [^']+)'", head)
    assert len(closed) == 7
    (tmp_path / "closed.nft").write_text("\n".join(closed) + "\n")
    (tmp_path / "one.nft").write_text(nft_text(POLICY, Site(), fresh=True))
    load = 'nft -f "$1"; nft list ruleset; echo ---; nft -f "$2"; nft list ruleset'
    both = in_namespace(load, str(tmp_path / "closed.nft"), str(tmp_path / "one.nft"))
    before, _, after = both.partition("---\n")
    assert "hook output priority filter; policy drop" in before
    assert after == in_namespace(load, "/dev/null", str(tmp_path / "one.nft")).partition("---\n")[2]


def test_a_fresh_text_has_other_times(tmp_path: Path) -> None:
    (tmp_path / "one.nft").write_text(nft_text(POLICY, Site()))
    (tmp_path / "two.nft").write_text(nft_text(POLICY._replace(grace=10), Site(), fresh=True))
    listed = in_namespace(
        'nft -f "$1"; nft -f "$2"; nft list table inet mcpconf',
        str(tmp_path / "one.nft"),
        str(tmp_path / "two.nft"),
    )
    assert "timeout 5s" in listed
    assert "timeout 2m30s" not in listed


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What passed in the namespaces of nft_lab.py."""
    lab = [sys.executable, "-m", "tests.firewall.nft_lab", str(tmp_path_factory.mktemp("nft"))]
    command = ["unshare", "-nmpf", "--kill-child", "--mount-proc", *lab]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("what", "outcome"),
    {
        "before": "open",
        "unlisted": "refused",
        "unlisted 6": "refused",
        "listed": "open",
        "listed 6": "open",
        "listed, other port": "refused",
        "static": "open",
        "peer": "open",
        "private, in a name's set": "refused",
        "metadata, as a peer": "refused",
        "peer, by its name": "open",
        "public address, as a peer": "refused",
        "connected network, as a peer": "open",
        "connected network, in a name's set": "refused",
        "loopback address by another device, before": "leaves",
        "loopback address by another device": "stays",
        "our resolver's question": "open",
        "root's question": "refused",
        "flood of questions": "limited",
        "flood of root's questions": "passes",
        "refused packets": "counted",
        "udp": "refused",
        "left its set, used before": "open",
        "left its set, not used": "refused",
        "open stream": "goes on",
        "open stream of another epoch": "cut",
        "open stream that is kept": "goes on",
        "strict: agent": "refused",
        "strict: gate": "open",
    }.items(),
)
def test_it_acts(seen: dict[str, Any], what: str, outcome: str) -> None:
    assert seen[what] == outcome


@pytest.mark.parametrize("case", CASES)
def test_who_reads_them_finds_them_whole(tmp_path: Path, case: str) -> None:
    """``status`` and ``verify`` look at what both packet filters print."""
    written(tmp_path, case)
    policy = read_policy_text(CASES[case][0])
    listed = in_namespace(
        'nft -f "$1"; nft list table inet mcpconf', str(tmp_path / "nftables.nft")
    )
    script = """
    ipset restore -exist < "$1/ipset.restore"
    sed '/^-D /d' "$1/ip${2}tables.restore" > "$1/first"
    "ip${2}tables-restore" --noflush < "$1/first"
    "ip${2}tables-save" -c
    """
    for family, infix in ((4, ""), (6, "6")):
        assert list(nft_faults(read_nft(listed), policy, family)) == []
        saved = read_saved(in_namespace(script, str(tmp_path), infix))
        assert list(filter_faults(saved, policy, family)) == []
