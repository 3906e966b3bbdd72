"""Who keeps a socket to the resolver is answered by the one that took its place."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.netns.container import FOLDER, Container, document, row
from tests.netns.lab.lab import Lab

pytestmark = pytest.mark.netns

ASK = r"""
import re, socket, struct, sys
server = re.search(r"^nameserver (\S+)", open("/etc/resolv.conf").read(), re.M)[1]
name = b"".join(bytes([len(part)]) + part.encode() for part in ("allowed", "test")) + b"\0"
one = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(2)
one.connect((server, 53))
for number, _ in enumerate(sys.stdin):
    try:
        one.send(struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1))
        print(one.recv(512)[3] & 15, flush=True)
    except OSError as error:
        print(error, flush=True)
"""


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with Lab() as lab:
        lab.force(f"mkdir -p {FOLDER}")
        running = Container(lab)
        yield running
        running.hands.close()


def test_a_socket_that_is_kept(container: Container) -> None:
    container.sync(document(row("allowed.test", 443), row("allowed2.test", 443)))
    container.fw("apply")
    before = container.pids("dnsmasq")
    with container.lab.start(
        ["python3", "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdin
        assert asking.stdout

        def said() -> str:
            asking.stdin.write("\n")
            asking.stdin.flush()
            return asking.stdout.readline().strip()

        assert said() == "0"
        container.sync(document(row("allowed.test", 443), row("allowed2.test", 8443)))
        container.fw("refresh")
        assert container.pids("dnsmasq") != before
        assert said() == "0"
        container.sync(document(row("allowed.test", 443)))
        container.fw("refresh")
        assert said() == "0"
        asking.stdin.close()
