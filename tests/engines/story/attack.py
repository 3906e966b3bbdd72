"""The red team's hands in the container of the story, and what they may try there.

What it attacks is on the engine's machine: the internet of ``tests/netns/lab`` at every address,
the host's own servers, and the web container beside.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.engines.machine import _until
from tests.engines.story.host import ROOT
from tests.engines.story.rig import NAME, Story
from tests.netns.lab.addresses import EVIL4, GATEWAY4, GATEWAY6, NEIGHBOUR4, NEIGHBOUR6
from tests.netns.lab.logs import Entry, entries
from tests.netns.redteam import checks_basic as basic
from tests.netns.redteam.candidate import Candidate, Commands
from tests.netns.redteam.checks_surroundings import _SABOTAGE
from tests.netns.redteam.hands import Hands
from tests.netns.redteam.suite import Attempt, Check, Suite, allow, deny

_MODULES = "__init__ redteam/__init__ redteam/probe/* lab/__init__ lab/dns_wire".split()
LISTED = "example.com"
"""What the user has opened, in the place of the laboratory's ``allowed.test``."""
_WORLD = ("internet", "dns", "host")
_CLIENT = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root docker".split()


class Surroundings:
    """What the red team's suite asks of a laboratory."""

    def __init__(self, story: Story, interfaces: list[str]) -> None:
        self._story = story
        self._interfaces = interfaces

    @property
    def _state(self) -> Any:
        return self._story.host.machine.state

    def start(self, words: list[str], _: object, **how: Any) -> subprocess.Popen[Any]:
        """Start the probe as what Claude Code starts."""
        python = ["python3", *words[1:-1], "0"]  # whoever it is, it stays that
        inside = ["exec", "-i", "-e", "PYTHONPATH=/opt/redteam", NAME, "mcpconf-agent"]
        command = self._story.host.machine.words(*_CLIENT, *inside, *python)
        return subprocess.Popen(command, start_new_session=True, **how)

    def force(self, command: str) -> str:
        return self._story.claude.root("sh", "-c", command).out

    def docker_dns_port(self, protocol: str) -> int:
        """Where Docker's resolver really is."""
        rules = self.force("iptables-save -t nat; iptables-legacy-save -t nat; nft list ruleset")
        found = re.search(rf"-p {protocol} .*127\.0\.0\.11:(\d+)", rules)
        assert found, rules
        return int(found[1])

    def served(self, since: float, *roles: str) -> list[Entry]:
        logs = [entries(self._state / f"{role}.jsonl", since) for role in roles or _WORLD]
        return [{"dport": 53, **entry} for log in logs for entry in log if "dst" in entry]

    def wire(self, since: float) -> list[Entry]:
        logs = [entries(self._state / f"wire-{name}.jsonl", since) for name in self._interfaces]
        return [entry for log in logs for entry in log if "dst" in entry]

    def close(self) -> None:
        """It is the story's."""


@contextmanager
def attacked(story: Story) -> Iterator[Suite]:
    """A suite with its hands in the container."""
    interfaces = _interfaces(story)
    machine = story.host.machine
    network = ["nsenter", f"--net=/proc/{machine._init}/ns/net", "--"]
    module = [sys.executable, "-m", "tests.engines.story.wire"]
    watching = subprocess.Popen(
        [*network, *module, str(machine.state), *interfaces], stdin=subprocess.PIPE, cwd=ROOT
    )
    suite = Suite(Candidate("the story", Commands("")))
    try:
        _install(story)
        suite._lab = Surroundings(story, interfaces)  # type: ignore[assignment]
        suite._hands = Hands(suite.lab)
        for name in interfaces:
            _until_ready(machine.state / f"wire-{name}.jsonl")
        yield suite
    finally:
        suite.close()
        watching.communicate()


def _until_ready(log: Any) -> None:
    _until(lambda: log.exists() and log.stat().st_size > 0)


def _interfaces(story: Story) -> list[str]:
    """The host's ends of the container's links."""
    inside = story.claude.must("sh", "-c", "cat /sys/class/net/eth*/iflink").split()
    lines = story.host.machine.run("ip", "-o", "link").splitlines()
    found = {line.split(":")[0]: re.split("[:@ ]+", line)[1] for line in lines}
    return [found[number] for number in inside]


def _install(story: Story) -> None:
    machine = story.host.machine
    folder = machine.files / "redteam/tests/netns"
    for pattern in _MODULES:
        for path in (ROOT / "tests/netns").glob(f"{pattern}.py"):
            place = folder / path.relative_to(ROOT / "tests/netns")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    archive = machine.files / "redteam.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(machine.files / "redteam", "redteam")
    with archive.open("rb") as stdin:
        story.engine.must("exec", "-i", NAME, "tar", "-C", "/opt", "-x", stdin=stdin)


def everything(suite: Suite, story: Story) -> list[Check]:
    """What gets nowhere, and a listed name, which has to."""
    suite.hands.ask("resolve", name=LISTED)
    https = {"port": 443, "kind": "tls"}
    tried = [
        *basic._forbidden(),
        *basic._forbidden6(),
        *basic._near(),
        *basic._other_resolvers(),
        *basic._exfiltration(),
        *_by_name(),
        allow("name.listed", name=LISTED, v=4, **https),
    ]
    suite.attempts(*_here(tried, story))
    basic._through_resolv_conf(suite)
    basic._past_the_rules_of_docker(suite)
    for line in _SABOTAGE:
        suite.hands.ask("run", line=line)
    suite.right("unpriv.cannot-open", "priv", not suite.is_open(), "OPEN")
    suite.right("unpriv.cannot-open6", "priv", not suite.is_open6(), "OPEN")
    suite.right("unpriv.cannot-break", "priv", suite.can(name=LISTED, v=4), "dead")
    return suite.checks


def _by_name() -> Iterator[Attempt]:
    https = {"port": 443, "kind": "tls"}
    yield deny("name.unlisted", "core", name="mcp.blocked.test", **https)
    yield deny("name.below-listed", "core", name=f"sub.{LISTED}", **https)
    yield deny("name.servers-behind-the-gateway", "core", name="mcp.atlassian.com", **https)
    yield deny("sni.listed-to-forbidden-address", "core", dst=EVIL4, sni=LISTED, **https)
    yield deny("gateway.localhost-server", "lan", name="mcpconf-gateway", port=2411)
    for port, kind in ((22, "raw"), (80, "http"), (9003, "http"), (8811, "http")):
        more = {"name": "mcpconf-gateway", "port": port, "kind": kind}
        yield deny(f"gateway.other-port-{port}", "lan", **more)
    for port in (80, 3306):
        yield deny(f"peer.web-{port}", "lan", name="web", port=port)


def _here(attempts: list[Attempt], story: Story) -> Iterator[Attempt]:
    """The same with the addresses that things have here."""
    found = story.engine.must("inspect", "-f", "{{json .NetworkSettings}}", "ddev-bakery-web")
    web = json.loads(found)["Networks"]["ddev_default"]
    addresses = {
        GATEWAY4: web["Gateway"],
        GATEWAY6: web["IPv6Gateway"],
        NEIGHBOUR4: web["IPAddress"],
        NEIGHBOUR6: web["GlobalIPv6Address"],
    }
    assert all(addresses.values()), web
    for attempt in attempts:
        order = dict(attempt.order)
        if order.get("dst") in addresses:
            order["dst"] = addresses[order["dst"]]
        if "name" in order:
            order["name"] = order["name"].replace("allowed.test", LISTED)
        yield attempt._replace(order=order)
