"""The firewall over time: hot reload, exchanged resolvers, engines that die, the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.netns.container import FOLDER, Container, comes, document, row
from tests.netns.lab.addresses import EVIL4, host4
from tests.netns.lab.lab import Kind, Lab
from tests.netns.redteam.adapter import made

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture
def container(lab: Lab) -> Iterator[Container]:
    lab.clear()
    lab.force(f"rm -rf {FOLDER} /run/mcpconf-fw; mkdir -p {FOLDER}")
    fresh = Container(lab)
    try:
        yield fresh
    finally:
        fresh.hands.close()
        lab.run(["mcpconf-fw", "stop", "--open"])


def test_a_sync_reaches_a_running_container_within_two_seconds(container: Container) -> None:
    container.sync(document(row("allowed.test", 443)))
    assert "in force (default): 1 names" in container.fw("apply")
    assert container.reaches("allowed.test")
    assert not container.reaches("allowed2.test")
    container.sync(document(row("allowed2.test", 443)))
    comes(lambda: container.reaches("allowed2.test"), 2.0)
    comes(lambda: not container.reaches("allowed.test"), 1.0)
    container.sync("{")  # half a file: what was in force stays
    time.sleep(2)
    assert container.reaches("allowed2.test")
    assert "what was in force stays" in container.lab.force("cat /run/mcpconf-fw/keeper.log")


def test_ports_of_names_are_kept_apart_and_change_without_a_gap(container: Container) -> None:
    """A new port takes a new resolver; nobody who asks meanwhile goes without an answer."""
    container.sync(document(row("allowed.test", 443), row("allowed2.test", 443)))
    container.fw("apply")
    first = container.pids("dnsmasq")
    loop = container.hands.ask("loop", id="all", name="allowed.test", port=443)
    assert loop["ok"]
    lookups, wrong = 0, []
    for ports in ([8443], [443, 8443], [443], [80]):
        container.sync(
            document(row("allowed.test", 443), *(row("allowed2.test", port) for port in ports))
        )
        end = time.monotonic() + 2.2
        while time.monotonic() < end:
            lookups += 1
            if not container.reaches("allowed.test"):
                wrong.append(time.monotonic() - end)
        for port in (80, 443, 8443):
            assert container.reaches("allowed2.test", port) is (port in ports), (ports, port)
            assert container.reaches("allowed.test", port) is (port == 443)
    assert wrong == []
    assert lookups > 50
    assert container.pids("dnsmasq") != first


def test_a_stream_ends_with_its_port_and_lives_with_its_name(container: Container) -> None:
    both = document(row("allowed.test", 80), row("allowed.test", 443), row("allowed2.test", 80))
    container.sync(both)
    container.fw("apply")
    for name in ("allowed", "allowed2"):
        assert container.hands.ask("hold", id=name, name=f"{name}.test", port=80)["ok"]
    container.lab.force("ipset flush")  # as if every address had outlived its time
    container.sync(document(row("allowed.test", 443), row("allowed2.test", 80)))
    comes(lambda: container.hands.ask("held", id="allowed")["age"] > 1.0, 5.0)
    assert container.hands.ask("held", id="allowed2")["age"] < 1.0


def test_an_engine_that_dies_comes_back_and_meanwhile_all_is_closed(container: Container) -> None:
    container.sync(document(row("allowed.test", 443)))
    container.fw("apply")
    assert container.reaches("allowed.test")
    container.lab.force("pkill -9 -x dnsmasq; pkill -9 -x ulogd")
    assert not container.reaches_address(EVIL4)
    comes(lambda: container.reaches("allowed.test"), 4.0)
    assert not container.reaches("allowed2.test")
    comes(lambda: bool(container.pids("ulogd")), 3.0)


def test_a_stranger_who_empties_the_rules_is_put_right_by_a_refresh(container: Container) -> None:
    container.sync(document(row("allowed.test", 443)))
    container.fw("apply")
    mine = "iptables -t nat -D OUTPUT -j MCP-DNS; iptables -t nat -F MCP-DNS"
    container.lab.force(f"iptables -F; iptables -P OUTPUT ACCEPT; {mine}")
    assert container.reaches_address(EVIL4)
    container.fw("refresh")
    assert container.reaches("allowed.test")
    assert not container.reaches_address(EVIL4)
    container.lab.force("iptables -I OUTPUT 1 -j ACCEPT")
    container.fw("refresh")
    assert not container.reaches_address(EVIL4)


def test_a_container_that_starts_again_finds_its_old_files(container: Container) -> None:
    container.sync(document(row("allowed.test", 443)))
    container.fw("apply")
    state = "/run/mcpconf-fw/state.json"
    container.lab.force(
        f"""pkill -9 -f mcpconf-fw; pkill -9 dnsmasq; sed -i 's/"instance": "/&0/' {state};"""
        "iptables -F; iptables -X; iptables -t nat -D OUTPUT -j MCP-DNS; iptables -P OUTPUT ACCEPT;"
        " ip6tables -F; ipset destroy"
    )
    container.fw("apply")
    assert container.reaches("allowed.test")
    assert not container.reaches_address(EVIL4)
    assert container.lab.force("cat /etc/resolv.conf").count("#mcpconf# nameserver") == 1


def test_stop_stays_closed_and_open_leaves_nothing(container: Container) -> None:
    lab = container.lab
    see = "iptables-save | grep ^-A; ip6tables-save | grep ^-A; cat /etc/resolv.conf"
    before = lab.force(see)
    container.sync(document(row("allowed.test", 443), row(host4(18), 443, "address")))
    container.fw("apply")
    assert container.reaches("allowed.test")
    assert container.reaches_address(host4(18))
    assert "nothing new may leave" in container.fw("stop")
    assert not container.reaches("allowed.test")
    assert not container.reaches_address(EVIL4)
    assert container.pids("dnsmasq") == container.pids("ulogd") == []
    container.fw("stop", "--open")
    assert lab.force(see) == before
    assert (
        lab.force("ipset list -n; ls -d /run/mcpconf-fw")
        .strip()
        .endswith("No such file or directory")
    )
    assert container.reaches_address(EVIL4)


def test_a_file_that_cannot_be_read_closes_everything(container: Container) -> None:
    done = container.lab.run(["mcpconf-fw", "apply"])
    assert done.returncode == 4
    assert "egress.json cannot be read: no such file or directory" in done.stderr
    assert not container.reaches_address(EVIL4)
    container.sync(document(row("allowed.test", 443)))
    comes(lambda: container.reaches("allowed.test"), 4.0)


def test_the_grace_may_change(container: Container) -> None:
    container.sync(document(row("allowed.test", 443)))
    container.fw("apply")
    assert container.reaches("allowed.test")
    container.sync(document(row("allowed.test", 443), grace=2))
    container.fw("refresh")
    assert container.reaches("allowed.test")
    assert container.reaches_address(host4(10))
    time.sleep(3.2)
    assert not container.reaches_address(host4(10))
    assert container.reaches("allowed.test")


def test_the_machines_own_network_is_left_alone(tmp_path: Any) -> None:
    """The kernel shows this file in the initial network namespace only."""
    path = tmp_path / "mcpconf-fw"
    path.write_bytes(made())
    path.chmod(0o755)
    done = subprocess.run([path, "apply"], capture_output=True, text=True, check=False)
    saved = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    assert done.returncode == 4
    assert "this is the network of the machine itself" in done.stderr
    assert "MCP-" not in saved


@pytest.mark.parametrize("mode", ["default", "strict"])
def test_an_old_policy_gives_way_to_a_stricter_mode_and_back(lab: Lab, mode: str) -> None:
    lab.clear()
    lab.force(f"rm -rf {FOLDER} /run/mcpconf-fw; mkdir -p {FOLDER}")
    container = Container(lab)
    other = {"default": "strict", "strict": "default"}[mode]
    cdn = host4(20)
    order = {"dst": cdn, "port": 443, "kind": "tls", "sni": "evil.cdn.test", "tok": "t"}
    for now in (mode, other, mode):
        container.sync(document(row("good.cdn.test", 443), mode=now))
        container.fw("apply")
        assert container.reaches("good.cdn.test")
        found = container.hands.ask("tcp", **order, timeout=1.0)["ok"]
        assert found is (now == "default"), now
        assert bool(container.pids("haproxy")) is (now == "strict")
    container.hands.close()
    container.fw("stop", "--open")


def test_without_embedded_dns_and_with_a_dead_first_server() -> None:
    with Lab(Kind(docker_dns=False)) as lab:
        lab.force("sed -i 's/^nameserver/nameserver 45.66.77.1\\n&/' /etc/resolv.conf")
        container = Container(lab)
        container.sync(document(row("allowed.test", 443)))
        container.fw("apply")
        assert container.reaches("allowed.test")
        container.hands.close()


def test_with_nftables_alone_streams_end_and_live_just_so() -> None:
    with Lab(Kind(docker_backend="native")) as lab:
        lab.force("rm -f /usr/sbin/ip*tables* /usr/sbin/ipset /sbin/ip*tables* /sbin/ipset")
        container = Container(lab)
        rows = [row("allowed.test", 80), row("allowed2.test", 80), row("allowed2.test", 8443)]
        container.sync(document(*rows, grace=4))
        container.fw("apply")
        for name in ("allowed", "allowed2"):
            assert container.hands.ask("hold", id=name, name=f"{name}.test", port=80)["ok"]
        assert container.reaches("allowed2.test", 8443)
        assert not container.reaches("allowed.test", 8443)
        assert not container.reaches_address(EVIL4)
        container.sync(document(row("allowed2.test", 80), grace=4))
        comes(lambda: container.hands.ask("held", id="allowed")["age"] > 1.0, 5.0)
        assert not container.reaches("allowed2.test", 8443)
        assert not container.reaches("allowed.test", 80)
        container.sync(document(row("allowed2.test", 80), grace=8, mode="strict"))
        comes(lambda: bool(container.pids("haproxy")), 4.0)
        assert container.reaches("allowed2.test", 80)
        assert not container.reaches_address(EVIL4)
        container.hands.close()
        container.fw("stop", "--open")
        assert "mcpconf" not in lab.force("nft list ruleset")


def test_a_refresh_that_waits_takes_the_file_that_is_in_force_when_its_turn_comes(
    container: Container,
) -> None:
    """The keeper's refresh may wait for an apply of another file; it must not undo it."""
    container.sync(document(row("allowed.test", 443)))
    container.fw("apply")
    container.lab.write("/etc/other.json", document(row("allowed2.test", 443)))
    state = "/run/mcpconf-fw/state.json"
    other = f"sleep 1; sed -i 's#/etc/mcpconf/egress.json#/etc/other.json#' {state}"
    holding = container.lab.start(["flock", "/run/mcpconf-fw/lock", "-c", other])
    time.sleep(0.4)
    container.fw("refresh")
    assert holding.wait(30) == 0
    assert container.reaches("allowed2.test")
    assert not container.reaches("allowed.test")
