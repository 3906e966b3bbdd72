"""All faults, in the order of the page, each with the group in whose home or container it lives."""

from __future__ import annotations

from typing import NamedTuple

from tests.faults import at_home, in_container, over_http, over_network
from tests.faults.scene import Fault


class Group(NamedTuple):
    title: str
    faults: tuple[Fault, ...]


GROUPS = (
    Group("Written, approved, allowed", at_home.WRITTEN),
    Group("Commands", at_home.COMMANDS),
    Group("Commands in the container", in_container.COMMANDS),
    Group(
        "The container, its bridge and its firewall", tuple(c.fault for c in in_container.CHANGES)
    ),
    Group("The gateway", at_home.GATEWAY),
    Group("Secrets and logins", at_home.SECRETS),
    Group("Names, packets, proxies", (*over_network.FAULTS, *over_network.PROXIES)),
    Group("From inside the container", (*in_container.WAYS, *in_container.PLAIN)),
    Group("Connections", over_http.CONNECTION),
    Group("TLS", over_http.TLS),
    Group("Refused", over_http.AUTH),
    Group("Answers", over_http.ANSWERS),
    Group("What Claude Code remembers, and how long it waits", at_home.CLIENT),
)
FAULTS = tuple(fault for group in GROUPS for fault in group.faults)

# The table of what Claude Code prints (docs/client.md): each row has at least one fault.
ROWS = """
refused dead-proxy dns self-signed wrong-name http-to-tls https-to-plain hangs stdio-silent slow
401-no-metadata 401-oauth 401-no-registration 401-registration-refused 401-authorization
redirect-drops token-unset 403 403-authorization key-oauth tools-401 stale-cache orphaned-login
refresh-refused 404 4xx-5xx page empty moved sse-on-http http-on-sse version stdio-missing
stdio-not-executable stdio-exits tools-fail call-401 pending rejected disabled denied skipped
""".split()
