"""Faults between here and a server far away: names, packets, proxies, certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.faults import certificates as tls
from tests.faults.far import PAGE, Script
from tests.faults.networks import ADDRESS, OTHERS, PROXY, WORKING
from tests.faults.scene import Fault, Scene, http


def far_away(
    name: str, port: int = 443, scheme: str = "https"
) -> Callable[[Scene], dict[str, Any]]:
    return lambda _: http(
        f"{scheme}://{name}.example.com{'' if port in (80, 443) else f':{port}'}/mcp"
    )


def with_server(
    name: str, address: str, context: Any = tls.good, **script: Any
) -> Callable[[Scene], dict[str, Any]]:
    def entry(scene: Scene) -> dict[str, Any]:
        made = scene.serve(Script(**script), tls=context(), host=address)
        return http(f"https://{name}.example.com:{made.rpartition(':')[2]}/mcp")

    return entry


def proxy(status: int, port: int) -> Callable[[Scene, str], None]:
    """A proxy that answers every CONNECT with a status; the server itself works."""

    def arrange(scene: Scene, _: str) -> None:
        scene.serve(Script(status=status, body=PAGE, type="text/html"), host=PROXY, port=port)

    return arrange


def through(port: int) -> dict[str, str]:
    return {"HTTPS_PROXY": f"http://{PROXY}:{port}", "HTTP_PROXY": f"http://{PROXY}:{port}"}


FAULTS = (
    Fault(
        "no-name",
        "the name does not exist",
        "dnsmasq: NXDOMAIN",
        "MC240",
        far_away("no-such-name"),
        row="dns",
    ),
    Fault(
        "servfail",
        "the resolver fails",
        "dnsmasq: SERVFAIL of the one behind it",
        "MC241",
        far_away("servfail"),
        row="dns",
    ),
    Fault(
        "deaf-resolver",
        "the resolver does not answer",
        "dnsmasq, the one behind it is dropped by iptables",
        "MC241",
        far_away("deaf"),
        row="dns",
    ),
    Fault(
        "sunk",
        "a filter of names answers 0.0.0.0",
        "dnsmasq: 0.0.0.0",
        "MC242",
        far_away("sunk"),
        row="dns",
    ),
    Fault(
        "rejected-tcp",
        "connections are refused",
        "iptables: REJECT with tcp-reset",
        "MC245",
        far_away("refused"),
        row="refused",
    ),
    Fault(
        "far-closed",
        "nothing listens at the port",
        "no server",
        "MC245",
        far_away("works", 9443),
        row="refused",
    ),
    Fault("dropped", "packets are dropped", "iptables: DROP", "MC246", far_away("dropped")),
    Fault(
        "no-host",
        "a router says that the host is not there",
        "iptables: REJECT, icmp-host-unreachable",
        "MC247",
        far_away("no-host"),
    ),
    Fault(
        "forbidden",
        "a router forbids it",
        "iptables: REJECT, icmp-admin-prohibited",
        "MC247",
        far_away("forbidden"),
    ),
    Fault(
        "no-route",
        "there is no route to the address",
        "no default route",
        "MC247",
        far_away("nowhere-to"),
    ),
    Fault(
        "half",
        "small packets pass, big ones are dropped",
        "iptables: DROP of more than 200 bytes",
        "MC246",
        with_server("half", f"{ADDRESS}15"),
    ),
    Fault(
        "far-self-signed",
        "its certificate is self-signed",
        "TLS server far away",
        "MC250",
        with_server("works", WORKING, tls.self_signed),
        row="self-signed",
    ),
    Fault(
        "far-wrong-name",
        "another site's certificate",
        "TLS server far away",
        "MC251",
        with_server("others", OTHERS, tls.for_another_name),
        row="wrong-name",
    ),
    Fault(
        "far-403",
        "an address filter of the server",
        "TLS server far away, 403",
        "MC264",
        with_server("works", WORKING, status=403, body=PAGE, type="text/html"),
        row="403",
    ),
)
FAULTS = tuple(replace(f, home=f"net-{number % 3}") for number, f in enumerate(FAULTS))
PROXIES = (
    Fault(
        "dead-proxy",
        "the proxy does not run",
        "HTTPS_PROXY, nothing listens there",
        "MC248",
        with_server("works", WORKING),
        env=through(3129),
        row="dead-proxy",
    ),
    Fault(
        "proxy-login",
        "the proxy wants a login",
        "HTTPS_PROXY, 407",
        "MC248",
        with_server("works", WORKING),
        proxy(407, 3128),
        env=through(3128),
    ),
    Fault(
        "proxy-refuses",
        "the proxy does not let it through",
        "HTTPS_PROXY, 403 for CONNECT",
        "MC248",
        with_server("works", WORKING),
        proxy(403, 3127),
        env=through(3127),
    ),
)
