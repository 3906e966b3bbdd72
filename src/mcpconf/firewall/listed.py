"""Which ports a policy opens for a name or an address, found without going through all rows."""

from __future__ import annotations

from mcpconf.firewall.policy import Policy
from mcpconf.firewall.tokens import Domain, Network, names_above


class Listed:
    """The ports of a policy by name.  It is made once for many questions."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._ports: dict[tuple[str, bool], set[int]] = {}
        for row in policy.names:
            self._ports.setdefault((row.domain.name, row.domain.wild), set()).add(row.port)
        self._near: dict[str, set[int]] = {}
        for near in policy.near:
            if isinstance(near.host, Domain):
                self._near.setdefault(near.host.name, set()).add(near.port)

    def ports_of(self, name: str) -> frozenset[int]:
        """As :meth:`Policy.ports_of`."""
        found = set(self._ports.get((name, False), ()))
        for above in names_above(name):
            found |= self._ports.get((above, True), set())
        return frozenset(found)

    def near_ports_of(self, name: str) -> frozenset[int]:
        """The ports of a peer."""
        return frozenset(self._near.get(name, ()))

    def ports_at(self, network: Network) -> frozenset[int]:
        """The ports on which an address is open by a row of its own."""
        rows = self.policy.static
        return frozenset(
            row.port
            for row in rows
            if row.network.version == network.version and row.network.overlaps(network)
        )
