"""Faults in and around a container: its programs, bridge and files, the firewall, the way out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcpconf.service.control import poke
from tests.faults import certificates as tls
from tests.faults.far import PAGE, Script
from tests.faults.over_http import nobody, server
from tests.faults.scene import Fault, Scene, http
from tests.faults.site import Site
from tests.netns.lab.addresses import GATEWAY4, METADATA4, host4


@dataclass(frozen=True)
class Change:
    """A fault of the whole container: ``do`` breaks it, ``undo`` mends it; ``server`` is asked."""

    fault: Fault
    do: Callable[[Site], None]
    undo: Callable[[Site], None]
    server: str = "direct"


def inside(kind: str, *words: str) -> Callable[[Scene], dict[str, Any]]:
    """A command of the project that starts in the container."""
    return lambda _: {
        "command": "python3",
        "args": ["near.py", *([kind] if kind else []), *words],
    }


def script(mode: int) -> Callable[[Scene], dict[str, Any]]:
    def entry(scene: Scene) -> dict[str, Any]:
        scene.put("project/server.sh", "#!/bin/sh\nexec true\n").chmod(mode)
        return {"command": "./server.sh", "args": []}

    return entry


def far(
    name: str, number: int, context: Any = tls.good, path: str = "/mcp", **script: Any
) -> Callable[[Scene], dict[str, Any]]:
    """A server on the internet, which the container reaches by itself."""

    def entry(scene: Scene) -> dict[str, Any]:
        assert isinstance(scene, Site)
        scene.lab.names(name=f"{name}.example.com", behaviour={"A": [host4(number)]})
        base = scene.serve(Script(**script), tls=context(), host=host4(number), port=9443)
        return http(f"https://{name}.example.com:{base.rpartition(':')[2]}{path}")

    return entry


def named(name: str, **behaviour: Any) -> Callable[[Scene], dict[str, Any]]:
    """A name with a behaviour, and no server."""

    def entry(scene: Scene) -> dict[str, Any]:
        assert isinstance(scene, Site)
        if behaviour:
            scene.lab.names(name=f"{name}.example.com", behaviour=behaviour)
        return http(f"https://{name}.example.com:9443/mcp")

    return entry


def dropped(scene: Scene) -> dict[str, Any]:
    assert isinstance(scene, Site)
    scene.lab.inside("internet", "iptables", "-A", "INPUT", "-d", host4(95), "-j", "DROP")
    return named("lost", A=[host4(95)])(scene)


def led_out(scene: Scene) -> dict[str, Any]:
    """A listed server that leads to one that is not listed."""
    assert isinstance(scene, Site)
    scene.lab.names(name="half.example.com", behaviour={"A": [host4(96)]})
    scene.serve(Script(), tls=tls.good(), host=host4(96), port=9443)
    return far("leads", 97, moved=(307, "https://half.example.com:9443/mcp"))(scene)


def another_port(scene: Scene) -> dict[str, Any]:
    named("other", A=[host4(99)])(scene)
    return inside("fetches", "other.example.com", "8080")(scene)


def opened(host: str, port: str) -> Callable[[Scene, str], None]:
    """The user has opened a port of a host."""

    def arrange(scene: Scene, _: str) -> None:
        assert scene.mcpconf("allow", host, "--port", port).code == 0

    return arrange


COMMANDS = (
    Fault(
        "there-missing",
        "a command that the container does not have",
        "`uvx`, not installed there",
        "MC207",
        lambda _: {"command": "uvx", "args": ["some-server"]},
        row="stdio-missing",
    ),
    Fault(
        "there-denied",
        "a script without the right to be executed",
        "chmod 644",
        "MC208",
        script(0o644),
        row="stdio-not-executable",
    ),
    Fault(
        "there-exits",
        "a command that ends at once",
        "python3, exit 1",
        "MC209",
        inside("exits"),
        row="stdio-exits",
    ),
    Fault(
        "there-silent",
        "a command that says nothing",
        "python3, it never answers",
        "MC210",
        inside("silent"),
        row="stdio-silent",
    ),
    Fault(
        "there-garbage",
        "a command that writes text, not MCP",
        "python3, it answers with a sentence",
        "MC211",
        inside("garbage"),
    ),
    Fault(
        "there-no-tools",
        "a command whose tools/list is an error",
        "python3, it answers with an error",
        "MC283",
        inside("no-tools"),
        row="tools-fail",
    ),
    Fault(
        "there-version",
        "a command with an unknown protocol version",
        "python3, 1999-01-01",
        "MC281",
        inside("old-version"),
        row="version",
    ),
    Fault(
        "there-discover",
        "a command that ignores server/discover",
        "python3, it never answers that",
        "MC294",
        inside("no-discover"),
    ),
    Fault(
        "there-slow",
        "a command that takes 3 s to start",
        "python3, it sleeps",
        "MC285",
        inside("slow"),
        row="slow",
    ),
    Fault(
        "fetches",
        "a command wants a host that is not open",
        "python3, a connection to evil.test:443",
        "MC230",
        inside("fetches", "evil.test", "443"),
    ),
    Fault(
        "fetches-port",
        "a command wants another port of an open host",
        "python3, other.example.com:8080 for 9443",
        "MC234",
        another_port,
        arrange=opened("other.example.com", "9443"),
    ),
)
WAYS = (
    Fault(
        "behind-refused",
        "a server of the host where nothing listens",
        "a port that is closed",
        "MC245",
        nobody,
        row="refused",
    ),
    Fault(
        "behind-403",
        "a server of the host that forbids access",
        "HTTP server, 403",
        "MC264",
        server(status=403, body=PAGE, type="text/html"),
        row="403",
    ),
    Fault(
        "behind-key",
        "a server that refuses the key that the gateway adds",
        "HTTP server, 401",
        "MC263",
        server(wants=("X-Api-Key", "right"), headers={"X-Api-Key": "wrong"}),
    ),
    Fault(
        "no-such",
        "the name of a listed host does not exist",
        "the laboratory's resolver: NXDOMAIN",
        "MC240",
        named("no-such"),
        row="dns",
    ),
    Fault(
        "failing",
        "the resolver behind the firewall's fails",
        "SERVFAIL",
        "MC241",
        named("failing", rcode=2),
        row="dns",
    ),
    Fault(
        "rebinding",
        "a listed name leads to the metadata service",
        "169.254.169.254",
        "MC242",
        named("rebinding", A=[METADATA4]),
    ),
    Fault(
        "there-refused",
        "a listed host refuses connections",
        "no server",
        "MC245",
        named("closed", A=[host4(90)]),
        row="refused",
    ),
    Fault(
        "lost",
        "packets to a listed host are dropped",
        "iptables on the internet: DROP",
        "MC246",
        dropped,
    ),
    Fault(
        "there-self-signed",
        "its certificate is self-signed",
        "TLS server",
        "MC250",
        far("near", 91, tls.self_signed),
        row="self-signed",
    ),
    Fault(
        "there-404",
        "there is no endpoint at the URL",
        "TLS server, 404",
        "MC268",
        far("others", 92, status=404),
        row="404",
    ),
    Fault(
        "led-out",
        "a listed server leads to a host that is not open",
        "TLS server, 307",
        "MC273",
        led_out,
    ),
)
FAULTS = (*COMMANDS, *WAYS)
HEALTHY = (
    Fault("direct", "", "", "", far("direct", 98)),
    Fault("behind", "", "", "", server()),
    Fault("inside", "", "", "", inside("")),
)
PLAIN = (
    Fault(
        "plain-slash",
        "301 to the same path with a slash",
        "TLS server, 301",
        "MC273",
        far("works", 80, moved=(301, "/mcp/")),
        row="moved",
    ),
    Fault(
        "plain-found",
        "302 to another path",
        "TLS server, 302",
        "MC273",
        far("others", 81, path="/", moved=(302, "/mcp")),
        row="moved",
    ),
    Fault(
        "led-elsewhere",
        "a redirect to a host that is not open",
        "TLS server, 307",
        "MC230",
        led_out,
    ),
    Fault(
        "plain-403",
        "403 of an address filter",
        "TLS server, 403 and a page",
        "MC264",
        far("direct", 83, status=403, body=PAGE, type="text/html"),
        row="403",
    ),
)


# --- the whole container ---


def sh(command: str) -> Callable[[Site], None]:
    return lambda site: site.lab.force(command) and None


def engine(fault: str) -> Callable[[Site], None]:
    return lambda site: site.tell(fault=fault)


def furnish(site: Site) -> None:
    site.lab.force("umount /etc/mcpconf")
    site.furnish()


def host_rule(verb: str) -> Callable[[Site], None]:
    """A filter of the host between containers and the gateway."""

    def act(site: Site) -> None:
        rule = ["INPUT", "-i", "br0", "-p", "tcp", "--dport", str(site.port), "-j", "DROP"]
        site.lab.inside("host", "iptables", verb, *rule)

    return act


def copied(site: Site) -> None:
    """The container mounts a copy of the directory, and the host syncs anew."""
    site.lab.force(
        "rm -rf /copy; cp -a /etc/mcpconf /copy; umount /etc/mcpconf;"
        " chown -R root:root /copy; mkdir -p /etc/mcpconf; mount --bind /copy /etc/mcpconf"
    )
    site.toml("[[allow]]", 'host = "new.example.com"', 'why = "a test"')
    site.sync()


def new_token(site: Site) -> None:
    token = site.state / "token"
    site.old = token.read_text()
    token.write_text("n" * 43)
    poke(site.state.parents[1] / "gateway")  # or it would find out within a second


def old_token(site: Site) -> None:
    (site.state / "token").write_text(site.old)
    poke(site.state.parents[1] / "gateway")


def stop_gateway(site: Site) -> None:
    site.mcpconf("gateway", "stop")


def freeze(number: int) -> Callable[[Site], None]:
    return lambda site: os.kill(site.gateway_pid, number)


def on_loopback_only(site: Site) -> None:
    site.mcpconf("gateway", "stop")
    site.settings[1] = ""
    site.toml()
    site.start_gateway()


def on_the_bridge(site: Site) -> None:
    site.mcpconf("gateway", "stop")
    site.settings[1] = f'gateway_listen = ["{GATEWAY4}"]'
    site.toml()
    site.start_gateway()


def mode(bits: int) -> Callable[[Site], None]:
    return lambda site: (site.container / "current" / "bridge.json").chmod(bits)


def late(site: Site) -> None:
    """The firewall's keeper is dead, and a sync opens a host for a new server."""
    site.lab.force("kill -9 $(cat /run/mcpconf-fw/keeper.pid)")
    site.entries["late"] = far("half", 94)(site)
    site.claude_json()
    site.sync()


def apply(site: Site) -> None:
    site.lab.run(["mcpconf-fw", "apply"])


def mended(site: Site) -> None:
    site.lab.force("mv /d /usr/sbin/dnsmasq")
    apply(site)


_DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
_DENIED = (
    "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"
)
_NO_HOST = "cp /etc/hosts /hosts; grep -v host.docker /hosts > /etc/hosts"
_KILLS = "kill -9 $(cat /run/mcpconf-fw/keeper.pid); pkill -9 -x dnsmasq"
CHANGES = (
    Change(
        Fault(
            "engine-down",
            "the container engine does not run",
            "the engine says so (a stand-in)",
            "MC202",
            heard=False,
        ),
        engine(_DOWN),
        engine(""),
    ),
    Change(
        Fault(
            "engine-denied",
            "the container engine does not let the user in",
            "the engine says so (a stand-in)",
            "MC202",
            heard=False,
        ),
        engine(_DENIED),
        engine(""),
    ),
    Change(
        Fault(
            "engine-hangs",
            "the container engine hangs",
            "the engine sleeps (a stand-in)",
            "MC202",
            heard=False,
        ),
        engine("hangs"),
        engine(""),
    ),
    Change(
        Fault("not-mounted", "the container does not mount what sync wrote", "umount", "MC201"),
        sh("umount /etc/mcpconf"),
        furnish,
    ),
    Change(
        Fault(
            "not-linked", "Claude Code's file does not lead there", "no managed-mcp.json", "MC201"
        ),
        sh("rm /etc/claude-code/managed-mcp.json"),
        furnish,
    ),
    Change(
        Fault("no-bridge", "the container has no bridge", "rm", "MC203"),
        sh("rm /usr/local/bin/mcpconf-bridge"),
        furnish,
        "behind",
    ),
    Change(
        Fault("bridge-denied", "the bridge may not be executed", "chmod 644", "MC203"),
        sh("chmod 644 /usr/local/bin/mcpconf-bridge"),
        furnish,
        "behind",
    ),
    Change(
        Fault("unreadable", "the agent cannot read bridge.json", "chmod 600", "MC205"),
        mode(0o600),
        mode(0o644),
        "behind",
    ),
    Change(
        Fault(
            "stale-mount",
            "the container has an older sync",
            "a copy is mounted, the host syncs",
            "MC200",
        ),
        copied,
        furnish,
        "direct",
    ),
    Change(
        Fault(
            "old-token",
            "the container has an old token",
            "another token on the host",
            "MC226",
            worded=False,
        ),
        new_token,
        old_token,
        "behind",
    ),
    Change(
        Fault(
            "no-host-name",
            "the container does not know the host's name",
            "no host.docker.internal in /etc/hosts",
            "MC217",
        ),
        sh(_NO_HOST),
        sh("cat /hosts > /etc/hosts"),
        "behind",
    ),
    Change(
        Fault(
            "host-filter",
            "a firewall of the host drops packets to the gateway",
            "iptables on the host: DROP",
            "MC217",
        ),
        host_rule("-A"),
        host_rule("-D"),
        "behind",
    ),
    Change(
        Fault(
            "loopback-only",
            "the gateway listens where no container gets",
            "gateway_listen is empty",
            "MC217",
        ),
        on_loopback_only,
        on_the_bridge,
        "behind",
    ),
    Change(
        Fault("there-gateway-down", "the gateway does not run", "mcpconf gateway stop", "MC215"),
        stop_gateway,
        Site.start_gateway,
        "behind",
    ),
    Change(
        Fault("there-gateway-hangs", "the gateway hangs", "SIGSTOP", "MC218"),
        freeze(signal.SIGSTOP),
        freeze(signal.SIGCONT),
        "behind",
    ),
    Change(
        Fault(
            "resolver-dead",
            "the firewall's resolver has died",
            "kill -9 of dnsmasq and of the keeper",
            "MC241",
        ),
        sh(_KILLS),
        apply,
    ),
    Change(
        Fault(
            "firewall-shut",
            "the firewall could not be put in force",
            "dnsmasq is not there at `apply`",
            "MC232",
        ),
        sh("mcpconf-fw stop; rm -rf /run/mcpconf-fw; mv /usr/sbin/dnsmasq /d; mcpconf-fw apply"),
        mended,
    ),
    Change(
        Fault(
            "late",
            "the firewall has not taken up the last sync",
            "its keeper is dead, a sync",
            "MC231",
        ),
        late,
        apply,
        "late",
    ),
)
