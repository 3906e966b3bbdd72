"""Where the firewall keeps what it needs while it is in force."""

from __future__ import annotations

RUN = "/run/mcpconf-fw"
POLICY = "/etc/mcpconf/egress.json"


class Paths:
    """The files below one directory; their names are in docs/firewall.md."""

    def __init__(self, run: str = RUN) -> None:
        self.run = run
        self.lock = f"{run}/lock"
        self.state = f"{run}/state.json"
        self.policy = f"{run}/policy.json"  # a copy of the egress.json in force
        self.stamp = f"{run}/stamp"  # its times are those of the file that was read last
        self.dns_conf = f"{run}/dns.conf"
        self.dns_servers = f"{run}/dns.servers"
        self.dns_log = f"{run}/dns.log"
        self.draining = f"{run}/draining"  # there while a resolver waits for its end
        self.changing = f"{run}/changing"  # there while a change is under way
        self.learned = f"{run}/learned.json"
        self.packets_conf = f"{run}/packets.conf"
        self.packets = f"{run}/packets.json"  # what was refused, a JSON object a line (ulogd)
        self.packets_pid = f"{run}/packets.pid"
        self.gate_conf = f"{run}/gate.cfg"
        self.gate_socket = f"{run}/gate.sock"
        self.gate_pid = f"{run}/gate.pid"
        self.keeper = f"{run}/keeper.sh"
        self.without_ipv6 = (
            f"{run}/without-ipv6"  # there where IPv6 is off because it has no filter
        )
        self.keeper_pid = f"{run}/keeper.pid"
        self.keeper_log = f"{run}/keeper.log"

    def dns_pid(self, port: int) -> str:
        return f"{self.run}/dns-{port}.pid"

    def gate_names(self, port: int) -> str:
        """The exact names that the gate lets through on a port."""
        return f"{self.run}/gate-names-{port}.map"

    def gate_wild(self, port: int) -> str:
        """The ends of names that the gate lets through on a port, each with its dot."""
        return f"{self.run}/gate-wild-{port}.map"
