"""What a hostile review found: each finding stays mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import clock
from tests.netns.container import FOLDER, Container, comes, document, row
from tests.netns.lab.addresses import AGENT, CDN4, EVIL4, EVIL6, host4
from tests.netns.lab.container import DOCKER
from tests.netns.lab.lab import Kind, Lab

pytestmark = pytest.mark.netns

RUN = "/run/mcpconf-fw"
MODES = ("default", "strict")
BACKENDS = ("iptables", "nftables")
AS_AGENT = f"setpriv --reuid {AGENT} --regid {AGENT} --clear-groups --no-new-privs"
PYTHON = "/usr/bin/python3"  # one that everybody may run
NOTHING_BUT_NFT = "rm -f /usr/sbin/ip*tables* /usr/sbin/ipset /sbin/ip*tables* /sbin/ipset"


@pytest.fixture(scope="module")
def labs() -> Iterator[Callable[[str], Lab]]:
    """A laboratory for each packet filter, started when the first test wants it."""
    running: dict[str, Lab] = {}

    def of(backend: str) -> Lab:
        if backend not in running:
            lab = Lab(Kind(docker_backend="native") if backend == "nftables" else Kind())
            running[backend] = lab
            if backend == "nftables":
                lab.force(NOTHING_BUT_NFT)
        return running[backend]

    yield of
    for lab in running.values():
        lab.close()


@pytest.fixture
def container(request: pytest.FixtureRequest, labs: Callable[[str], Lab]) -> Iterator[Container]:
    lab = labs(getattr(request, "param", "iptables"))
    lab.clear()
    lab.force(f"rm -rf {FOLDER} {RUN}; mkdir -p {FOLDER}")
    fresh = Container(lab)
    try:
        yield fresh
    finally:
        fresh.hands.close()
        lab.run(["mcpconf-fw", "stop", "--open"])


def begun(container: Container, *rows: dict[str, Any], **other: Any) -> Container:
    container.sync(document(*rows, **other))
    container.fw("apply")
    return container


def by_agent(container: Container, code: str) -> str:
    """What a program of the agent says."""
    found = container.hands.ask("run", line=f"{PYTHON} -S - <<'END'\n{code}\nEND")
    return str(found["out"] + found["err"])


@contextmanager
def running(container: Container, code: str) -> Iterator[subprocess.Popen[str]]:
    """A program of the agent, until the end of the block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    container.lab.write("/tmp/agent.py", code)
    words = [*AS_AGENT.split(), PYTHON, "-S", "/tmp/agent.py"]
    process: subprocess.Popen[str] = container.lab.start(words, DOCKER, **pipes)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def told(process: subprocess.Popen[str]) -> str:
    """The next line that it says."""
    assert process.stdout
    return process.stdout.readline().strip()


def log_of_keeper(container: Container) -> str:
    return container.lab.force(f"cat {RUN}/keeper.log")


def refuses(container: Container, address: str, port: int = 443) -> bool:
    """Whether the packet filter turns a connection away, as it does at once."""
    order = {"dst": address, "port": port, "kind": "tls", "timeout": 1.0, "tok": "t"}
    return "refused" in str(container.hands.ask("tcp", **order).get("err"))


def serves(container: Container, name: str) -> bool:
    """Whether the far end, at an address that several names share, hears this one."""
    order = {"dst": CDN4, "port": 443, "kind": "tls", "sni": name, "timeout": 1.0, "tok": "t"}
    return bool(container.hands.ask("tcp", **order)["ok"])


# --- what a sync takes back is taken back ---------------------------------------------------


def test_a_running_gate_forgets_a_name_and_its_streams_on_a_shared_address(
    container: Container,
) -> None:
    both = [row(f"{name}.cdn.test", port) for name in ("good", "evil") for port in (80, 443)]
    begun(container, *both, mode="strict")
    for name in ("good.cdn.test", "evil.cdn.test"):
        container.hands.ask("resolve", name=name)
        assert serves(container, name)
    gate = container.pids("haproxy")
    assert container.hands.ask("hold", id="e", dst=CDN4, name="evil.cdn.test", port=80)["ok"]
    container.sync(document(*both[:2], mode="strict"))
    comes(lambda: not serves(container, "evil.cdn.test"), 4.0)
    comes(lambda: serves(container, "good.cdn.test"), 1.0)  # its streams may begin anew as well
    comes(lambda: container.hands.ask("held", id="e")["age"] > 1.0, 3.0)
    assert container.pids("haproxy") == gate
    container.sync(document(*both[:2], row("allowed.test", 443), mode="strict"))
    comes(lambda: container.reaches("allowed.test"), 4.0)
    order = {"name": "allowed.test", "port": 443, "kind": "tls", "v": 6, "tok": "t"}
    assert container.hands.ask("tcp", **order, timeout=3)["ok"]


QUESTION = """
import socket, struct
wire = b"".join(bytes([len(one)]) + one for one in b"{name}".split(b".")) + bytes(1)
packet = struct.pack(">6H", 9, 0x100, 1, 0, 0, 0) + wire + struct.pack(">HH", 1, 1)
"""
TAKE_PORTS = """
import resource, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
taken, said = {}, 0
while True:
    for port in (*range(3000, 6000), *range(50000, 52000)):
        if port not in taken:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stream = socket.socket()
            try:
                sock.bind(("127.0.0.1", port))
                taken[port] = sock, port < 6000 and stream.bind(("127.0.0.1", port)), stream
            except OSError:
                sock.close()
    if len(taken) != said:
        said = len(taken)
        print(said, flush=True)
    taken[3000][0].sendto(packet, ("127.0.0.153", 53))  # and asks all the time
    time.sleep(0.01)
"""


@contextmanager
def taken_ports(container: Container) -> Iterator[None]:
    """The agent has every port of loopback that the system would give to an engine."""
    lab = container.lab
    usual = lab.force("sysctl -n net.ipv4.ip_local_port_range").strip()
    lab.force("sysctl -qw net.ipv4.ip_local_port_range='50000 51999'")
    try:
        with running(container, QUESTION.format(name="allowed2.test") + TAKE_PORTS) as taking:
            assert int(told(taking)) > 4_000
            yield
    finally:
        lab.force(f"sysctl -qw net.ipv4.ip_local_port_range='{usual}'")


def test_who_takes_ports_cannot_veto_a_narrowing(container: Container) -> None:
    """A name stays listed on one port and loses the other, which another name keeps."""
    rows = [row("allowed.test", 443), row("allowed2.test", 443), row("allowed3.test", 8443)]
    begun(container, *rows, row("allowed2.test", 8443))
    assert container.reaches("allowed2.test", 8443)
    with taken_ports(container):
        container.sync(document(*rows))
        # The resolver finds no port for a question either; one that confirms nothing is ended.
        comes(lambda: refuses(container, host4(11), 8443), 9.0)
        for _ in range(10):  # whoever asks anew does not open it again
            assert refuses(container, host4(11), 8443)
            time.sleep(0.1)
    comes(lambda: container.reaches("allowed3.test", 8443), 9.0)
    assert container.reaches("allowed2.test")
    assert not container.reaches("allowed2.test", 8443)


def test_who_takes_ports_cannot_veto_strict_mode(container: Container) -> None:
    begun(container, row("good.cdn.test", 443), row("evil.cdn.test", 443))
    container.hands.ask("resolve", name="good.cdn.test")
    assert serves(container, "evil.cdn.test")
    with taken_ports(container):
        container.sync(document(row("good.cdn.test", 443), mode="strict"))
        comes(lambda: not serves(container, "evil.cdn.test"), 4.0)
    comes(lambda: container.reaches("good.cdn.test"), 9.0)
    assert not serves(container, "evil.cdn.test")


ASK_TWICE = """
import sys, time
sock = socket.create_connection(("127.0.0.153", 53))
sock.settimeout(2)
for _ in range(2):
    try:
        sock.sendall(struct.pack(">H", len(packet)) + packet)
        print(socket.inet_ntoa(sock.recv(600)[-4:]), flush=True)
    except OSError as error:
        print("ended", type(error).__name__, flush=True)
    sys.stdin.readline()
"""


def test_a_connection_to_the_resolver_does_not_keep_its_list(container: Container) -> None:
    """dnsmasq answers over TCP in a child, which never reads the list anew."""
    begun(container, row("allowed.test", 443), row("allowed2.test", 443))
    with running(container, QUESTION.format(name="allowed2.test") + ASK_TWICE) as asking:
        assert told(asking) == host4(11)
        container.sync(document(row("allowed.test", 443)))
        comes(lambda: "in force" in log_of_keeper(container), 4.0)
        assert asking.stdin
        asking.stdin.write("\n")
        asking.stdin.flush()
        said = told(asking)
    assert said
    assert host4(11) not in said
    assert refuses(container, host4(11))


ASK_ALWAYS = """
import time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setblocking(False)
while True:
    for place in (("127.0.0.1", {port}), ("127.0.0.153", 53)):
        try:
            sock.sendto(packet, place)
            while True:
                sock.recv(600)
        except OSError:
            pass
    time.sleep(0.001)
"""


def test_an_exchanged_resolver_does_not_stay_where_something_is_taken_back(
    container: Container,
) -> None:
    rows = [row("allowed.test", 443), row("allowed2.test", 443), row("allowed3.test", 8443)]
    begun(container, *rows, row("allowed2.test", 8443))
    first = container.lab.force(f"ls {RUN} | sed -n 's/^dns-\\(.*\\).pid$/\\1/p'").split()
    question = QUESTION.format(name="allowed2.test")
    with running(container, question + ASK_ALWAYS.replace("{port}", first[0])):
        container.sync(document(*rows))
        comes(lambda: "in force" in log_of_keeper(container), 6.0)
    said = by_agent(
        container,
        QUESTION.format(name="allowed2.test")
        + f"for port in {first}:\n"
        + """    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.5)
    sock.connect(("127.0.0.1", int(port)))
    try:
        sock.send(packet)
        print("answer", sock.recv(500)[-4:])
    except OSError as error:
        print("none", error)
""",
    )
    assert len(container.pids("dnsmasq")) == 1
    assert "answer" not in said
    assert refuses(container, host4(11), 8443)
    assert container.reaches("allowed2.test")


def test_what_failed_for_a_moment_is_done_later(container: Container) -> None:
    begun(container, row("allowed.test", 443), row("allowed2.test", 443))
    assert container.reaches("allowed2.test")
    container.lab.force("mv /usr/sbin/ipset /root/; install -m 755 /bin/false /usr/sbin/ipset")
    try:
        container.sync(document(row("allowed.test", 443)))
        comes(lambda: "ipset cannot make" in log_of_keeper(container), 4.0)
    finally:
        container.lab.force("rm /usr/sbin/ipset; mv /root/ipset /usr/sbin/ipset")
    comes(lambda: refuses(container, host4(11)), 9.0)


@contextmanager
def few_processes(container: Container, most: int) -> Iterator[Path]:
    """As ``docker run --pids-limit``: a control group with everything that is in the container."""
    controlled = Path("/sys/fs/cgroup/pids")
    top = controlled if controlled.is_dir() else Path("/sys/fs/cgroup")
    group = top / f"mcpconf-{os.getpid()}"
    group.mkdir()
    try:
        (group / "pids.max").write_text(str(most))
        _move(container, group)
        yield group
    finally:
        _move(container, top)
        comes(lambda: _removed(group), 5.0)


def _move(container: Container, group: Path) -> None:
    init = container.lab.container.words("true", None)[2]  # nsenter -t PID
    inside = os.readlink(f"/proc/{init}/ns/pid")
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == inside:
                (group / "cgroup.procs").write_text(entry.name)


def _removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def test_the_keeper_outlives_a_crowd_of_processes(container: Container) -> None:
    """Who fills the container's limit of processes delays what a sync takes away, and no more."""
    begun(container, row("allowed.test", 443), row("allowed2.test", 443))
    assert container.reaches("allowed2.test")
    with few_processes(container, 500) as group:
        (group / "pids.max").write_text("1")  # as if others had the rest
        comes(lambda: "Cannot fork" in log_of_keeper(container), 5.0)
        container.sync(document(row("allowed.test", 443)))
        time.sleep(2)
        (group / "pids.max").write_text("max")
        comes(lambda: refuses(container, host4(11)), 9.0)
    comes(lambda: "in force" in log_of_keeper(container), 3.0)
    assert log_of_keeper(container).count("Cannot fork") < 20  # it pauses between two tries


# --- ways out -------------------------------------------------------------------------------

BOUND = """
import socket
for family, kind, place in (
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.9.9.9", 9)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("45.66.77.66", 53)),
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 22)),
    (socket.AF_INET, socket.SOCK_STREAM, ("45.66.77.66", 443)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ("::1", 9)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ("2a0b:4142:18::66", 53)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 22)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("2a0b:4142:18::66", 443)),
):
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, 25, b"eth0")  # SO_BINDTODEVICE, which asks for no right
    sock.settimeout(0.3)
    try:
        sock.connect(place)
        sock.send(b"OUT-BY-LOOPBACK")
    except OSError as error:
        print(place, error)
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("container", BACKENDS, indirect=True)
def test_nothing_leaves_to_loopback_addresses(container: Container, mode: str) -> None:
    """A socket that is bound to eth0 sends even those there; some hosts take them in."""
    begun(container, row("allowed.test", 443), mode=mode)
    since = time.time()
    by_agent(container, BOUND)
    assert container.reaches("allowed.test")  # what redirections lead to is loopback as well
    time.sleep(0.3)
    strangers = {entry["dst"] for entry in container.lab.wire(since)} - {"45.66.77.53", host4(10)}
    assert strangers == set()


@pytest.mark.parametrize("container", BACKENDS, indirect=True)
def test_the_public_network_that_the_container_is_in_is_no_names(container: Container) -> None:
    lab = container.lab
    links = (
        (lab.force, "eth0", "10"),
        (lambda text: lab.inside("neighbours", *text.split()), "eth0", "20"),
        (lambda text: lab.inside("host", *text.split()), "br0", "1"),
    )
    for run, link, last in links:
        run(f"ip addr add 45.99.0.{last}/24 dev {link}")
    try:
        begun(container, row("allowed.test", 443), row("allowed.test", 80), row("web", 80, "peer"))
        behaviour = {"A": ["45.99.0.20", "45.99.0.1", host4(10)], "ttl": 1}
        lab.names(name="allowed.test", behaviour=behaviour)
        assert "45.99.0.20" in lab.force("getent ahostsv4 allowed.test")
        since = time.time()
        for address in ("45.99.0.20", "45.99.0.1"):
            order = {"dst": address, "port": 80, "tok": "t", "timeout": 1}
            assert not container.hands.ask("tcp", **order)["ok"], address
        assert container.reaches_address(host4(10))
        time.sleep(0.2)
        assert not [entry for entry in lab.wire(since) if entry["dst"].startswith("45.99.")]
    finally:
        lab.names(name="allowed.test", behaviour={"A": [host4(10)], "AAAA": ["2a0b:4142:18::10"]})
        for run, link, last in links:
            run(f"ip addr del 45.99.0.{last}/24 dev {link}")


@pytest.mark.parametrize("container", BACKENDS, indirect=True)
def test_a_peers_name_opens_no_public_address(container: Container) -> None:
    begun(container, row("db", 80, "peer"), row("web", 80, "peer"), row("allowed.test", 443))
    container.lab.names(name="db", behaviour={"A": [EVIL4], "AAAA": [EVIL6], "ttl": 1})
    assert EVIL4 in container.lab.force("getent ahostsv4 db")
    for family in (4, 6):
        order = {"name": "db", "port": 80, "v": family, "tok": "t", "timeout": 1}
        assert not container.hands.ask("tcp", **order)["ok"]
    assert container.reaches("web", 80)


def test_ipv6_of_one_interface_is_not_left_open(container: Container) -> None:
    """``conf/all`` says that IPv6 is off; eth0 has it; ip6tables does not work."""
    lab = container.lab
    try:
        lab.force(
            "mkdir /root/six; mv /usr/sbin/ip6tables* /root/six/;"
            "for end in '' -save -restore; do printf '#!/bin/sh\\nexit 1\\n'"
            " >/usr/sbin/ip6tables$end; chmod 755 /usr/sbin/ip6tables$end; done;"
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.eth0.disable_ipv6=0;"
            "ip -6 addr add fd88::10/64 dev eth0 nodad; ip -6 route add default via fd88::1"
        )
        order = {"dst": EVIL6, "port": 443, "kind": "tls", "tok": "t", "timeout": 1}
        assert container.hands.ask("tcp", **order)["ok"]
        container.sync(document(row("allowed.test", 443)))
        lab.run(["mcpconf-fw", "apply"])
        assert not container.hands.ask("tcp", **order)["ok"]
        lab.force(
            "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0;"
            "ip -6 addr add fd88::10/64 dev eth0 nodad; ip -6 route add default via fd88::1"
        )
        comes(lambda: not container.hands.ask("tcp", **order)["ok"], 4.0)
        assert container.reaches("allowed.test")
    finally:
        lab.force(
            "rm /usr/sbin/ip6tables*; mv /root/six/* /usr/sbin/; rmdir /root/six;"
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0;"
            "ip -6 addr add fd88::10/64 dev eth0 nodad; ip -6 route add default via fd88::1"
        )


# --- starts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("container", BACKENDS, indirect=True)
def test_an_apply_takes_nothing_over_from_an_earlier_container(container: Container) -> None:
    """A network namespace that lives on has the rules and sets, and /run is a new one."""
    begun(container, row("allowed.test", 443), row("allowed2.test", 80))
    assert container.hands.ask("hold", id="h", name="allowed2.test", port=80)["ok"]
    container.lab.force(
        f"kill -9 $(cat {RUN}/keeper.pid); pkill -9 dnsmasq; pkill -9 ulogd; rm -rf {RUN}"
    )
    begun(container, row("allowed.test", 443), row("allowed.test", 80))
    order = {"dst": host4(11), "port": 80, "tok": "t", "timeout": 1}
    assert not container.hands.ask("tcp", **order)["ok"]
    comes(lambda: container.hands.ask("held", id="h")["age"] > 1.0, 3.0)
    assert container.reaches("allowed.test", 80)


def closed_and_refused(container: Container) -> str:
    """An apply that refuses, and what it says; nothing passes all the same."""
    container.sync(document(row("allowed.test", 443)))
    done = container.lab.run(["mcpconf-fw", "apply"])
    assert done.returncode == 4
    assert not container.reaches_address(EVIL4)
    return done.stderr


@pytest.mark.parametrize("folder", ["/usr/local/bin", "/usr/sbin", "/run"])
def test_programs_that_others_may_exchange_are_not_run(container: Container, folder: str) -> None:
    assert container.reaches_address(EVIL4)
    container.lab.force(f"chmod 777 {folder}")
    try:
        said = closed_and_refused(container)
        assert f"{folder} is not root's alone" in said
    finally:
        container.lab.force(f"chmod 755 {folder}")


@pytest.mark.parametrize("container", BACKENDS, indirect=True)
def test_an_apply_that_refuses_leaves_all_closed(container: Container) -> None:
    assert container.reaches_address(EVIL4)
    container.lab.force("mv /usr/sbin/dnsmasq /root/dnsmasq")
    try:
        assert "the container has no dnsmasq" in closed_and_refused(container)
    finally:
        container.lab.force("mv /root/dnsmasq /usr/sbin/dnsmasq")
    container.fw("apply")
    assert container.reaches("allowed.test")


# --- the resolver under attack --------------------------------------------------------------

FLOOD = """
import socket, time
label = bytes([63]) + b"x" * 63
wire = label * 3 + bytes([50]) + b"y" * 50 + bytes(1)
packets = [bytes([0, n, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + wire + bytes([0, 1, 0, 1]) for n in range(64)]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.153", 53))
sock.setblocking(False)
end = time.time() + 30
while time.time() < end:
    for packet in packets:
        try:
            sock.send(packet)
        except OSError:
            pass
    try:
        while True:
            sock.recv(512)
    except OSError:
        pass
"""


def test_a_flood_of_questions_delays_nothing_and_fills_nothing(container: Container) -> None:
    begun(container, row("allowed.test", 443), row("allowed2.test", 443))
    assert container.reaches("allowed2.test")
    with running(container, FLOOD):
        time.sleep(6)
        begin = clock.now()
        container.sync(document(row("allowed.test", 443)))
        container.fw("refresh")
        assert clock.now() - begin < 1.5
        assert refuses(container, host4(11))
        sizes = container.lab.force(f"stat -c %s {RUN}/dns.log*").split()
        assert sum(map(int, sizes)) < 16_000_000


ANSWER = """
import re, socket, time
while True:
    found = re.findall(r"0100007F:([0-9A-F]{4}) ", open("/proc/net/udp").read())
    if {port} not in [int(port, 16) for port in found]:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", {port}))
        break
print("taken", flush=True)
while True:
    data, peer = sock.recvfrom(600)
    at = 12
    while data[at]:
        at += data[at] + 1
    head = data[:2] + bytes([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    record = bytes([0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 6, 6, 6])
    sock.sendto(head + data[12:at + 5] + record, peer)
"""


def test_who_takes_a_dead_resolvers_port_does_not_answer_for_long(container: Container) -> None:
    begun(container, row("allowed.test", 443))
    state = json.loads(container.lab.force(f"cat {RUN}/state.json"))
    with running(container, ANSWER.replace("{port}", str(state["dns_port"]))) as liar:
        container.lab.force("pkill -9 -x dnsmasq")
        assert told(liar) == "taken"
        comes(lambda: host4(10) in container.lab.force("getent ahostsv4 allowed.test"), 4.0)
        assert container.reaches("allowed.test")
        assert "10.6.6.6" not in container.lab.force("getent ahostsv4 bank.example")
