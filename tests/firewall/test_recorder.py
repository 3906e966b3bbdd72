"""The recorder: what the real ulogd writes about refused packets."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mcpconf.firewall.engines import plugin_folder
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.recorder import RECORDER_PLUGINS, recorder_config

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("_namespaces")]

# TCP, UDP and ICMP of both families, as another user and as root.
SEND = """
import os, socket, sys
def send(family, kind, protocol, place, data):
    one = socket.socket(family, kind, protocol)
    try:
        one.setblocking(False)
        one.connect(place)
        one.send(data)
    except OSError:
        pass
four, six = "45.66.77.5", "2a0b:4142::5"
send(2, 3, 1, (four, 0), b"\\x08\\0\\xf7\\xfd\\0\\1\\0\\1")
send(10, 3, 58, (six, 0), b"\\x80\\0\\0\\0\\0\\1\\0\\1")
os.setuid(12345)
send(2, 1, 0, (four, 443), b"x")
send(2, 2, 0, (four, 53), b"x")
send(10, 1, 0, (six, 443), b"x")
send(10, 2, 0, (six, 8443), b"x")
"""
SCRIPT = """
ip link set lo up
ip addr add 45.66.77.5/32 dev lo
ip -6 addr add 2a0b:4142::5/128 dev lo nodad
for program in iptables ip6tables; do
    $program -A OUTPUT -j NFLOG --nflog-group 77 --nflog-prefix mcpconf
    $program -A OUTPUT -p tcp -j DROP
done
ulogd -d -c "$1/packets.conf" -p "$1/packets.pid"
sent() {  # until all of it has been written down
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        /usr/bin/env python3 -c "$2"
        sleep 0.2
        test "$(grep -c 'oob.uid": 12345' "$1/packets.json")" -lt 4 || return 0
    done
}
sent "$1" "$2"
cp "$1/packets.json" "$1/seen.json"
: > "$1/packets.json"
kill -HUP "$(cat "$1/packets.pid")"
sent "$1" "$2"
kill "$(cat "$1/packets.pid")"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorder")
    (folder / "packets.conf").write_text(recorder_config(Paths(str(folder)), plugin_folder()))
    command = [
        "unshare",
        "-nmpf",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        SCRIPT,
        "sh",
        str(folder),
        SEND,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "seen.json").exists(), done.stderr
    return folder


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "seen.json").read_text().splitlines()]


@pytest.mark.parametrize(
    ("address", "protocol", "port", "uid"),
    [
        ("45.66.77.5", 6, 443, 12345),
        ("45.66.77.5", 17, 53, 12345),
        ("45.66.77.5", 1, None, 0),
        ("2a0b:4142::5", 6, 443, 12345),
        ("2a0b:4142::5", 17, 8443, 12345),
        ("2a0b:4142::5", 58, None, 0),
    ],
)
def test_a_line(
    lines: list[dict[str, Any]], address: str, protocol: int, port: int | None, uid: int
) -> None:
    kinds = {"icmp.type": 8, "icmpv6.type": 128}
    found = [
        line
        for line in lines
        if (line["dest_ip"], line["ip.protocol"], line.get("dest_port"), line.get("oob.uid"))
        == (address, protocol, port, uid)
        and all(line.get(key, kind) == kind for key, kind in kinds.items())
    ]
    assert found
    one = found[0]
    assert one["oob.prefix"] == "mcpconf"
    assert one["oob.out"] == "lo"
    assert abs(time.time() - one["oob.time.sec"]) < 60
    assert 0 <= one["oob.time.usec"] < 1_000_000


def test_a_cut_file_is_written_from_its_beginning(folder: Path) -> None:
    text = (folder / "packets.json").read_text()
    assert text.startswith("{")
    assert all(json.loads(line) for line in text.splitlines())


def test_its_own_messages_fill_no_file(folder: Path) -> None:
    ours = {"packets.conf", "packets.json", "packets.pid", "seen.json"}
    assert {path.name for path in folder.iterdir()} <= ours


def test_the_plug_ins_are_where_they_are_looked_for() -> None:
    assert all(os.path.exists(f"{plugin_folder()}/{name}.so") for name in RECORDER_PLUGINS)


def test_text() -> None:
    text = recorder_config(Paths("/run/x"), "/usr/lib/ulogd")
    assert 'plugin="/usr/lib/ulogd/ulogd_inppkt_NFLOG.so"\n' in text
    assert 'file="/run/x/packets.json"\n' in text
