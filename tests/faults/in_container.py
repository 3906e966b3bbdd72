"""Faults in and around a container: its programs, bridge and files, the firewall, the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults import certificates as tls
from tests.faults.far import PAGE, Script
from tests.faults.over_http import nobody, server
from tests.faults.scene import Fault, Scene, http
from tests.faults.site import Site
from tests.netns.lab.addresses import METADATA4, host4


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
        scene.lab.names(name=f"{name}.test", behaviour={"A": [host4(number)]})
        base = scene.serve(Script(**script), tls=context(), host=host4(number), port=9443)
        return http(f"https://{name}.test:{base.rpartition(':')[2]}{path}")

    return entry


def named(name: str, **behaviour: Any) -> Callable[[Scene], dict[str, Any]]:
    """A name with a behaviour, and no server."""

    def entry(scene: Scene) -> dict[str, Any]:
        assert isinstance(scene, Site)
        if behaviour:
            scene.lab.names(name=f"{name}.test", behaviour=behaviour)
        return http(f"https://{name}.test:9443/mcp")

    return entry


def dropped(scene: Scene) -> dict[str, Any]:
    assert isinstance(scene, Site)
    scene.lab.inside("internet", "iptables", "-A", "INPUT", "-d", host4(95), "-j", "DROP")
    return named("lost", A=[host4(95)])(scene)


def led_out(scene: Scene) -> dict[str, Any]:
    """A listed server that leads to one that is not listed."""
    assert isinstance(scene, Site)
    scene.lab.names(name="half.test", behaviour={"A": [host4(96)]})
    scene.serve(Script(), tls=tls.good(), host=host4(96), port=9443)
    return far("works", 97, moved=(307, "https://half.test:9443/mcp"))(scene)


FAULTS = (
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
        "python3, works.test:8080 for 9443",
        "MC234",
        inside("fetches", "works.test", "8080"),
    ),
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
        "MC230",
        led_out,
    ),
    Fault("direct", "", "", "", far("direct", 98)),
    Fault("behind", "", "", "", server()),
    Fault("inside", "", "", "", inside("")),
)
