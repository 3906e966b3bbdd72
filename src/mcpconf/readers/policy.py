"""mcpconf.toml: what the user wants, and what a project asks for.

Two files: the user's own, and the project's, which came with a clone.  The project's can only
make things tighter: whatever it asks for beyond the user's becomes a finding and is not done.
Unknown keys are errors, because a policy that is half understood is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mcpconf.contract import GRACE, GatewayAddress
from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.readers.inputs import Read
from mcpconf.readers.listen import ListenAddress
from mcpconf.readers.policy_file import (
    SECRETS,
    PolicyFile,
    ServerPolicy,
    Trust,
    read_policy_file,
)
from mcpconf.readers.whitelist import Layer, Row


class Policy(NamedTuple):
    """Both files together, decided."""

    secrets: str = "host"
    project_keeps: bool = False  # the project's file wants all secrets on the host
    http: str = "bridge"
    firewall: str = "default"
    grace: int = GRACE  # seconds
    stacks: tuple[str, ...] | None = None  # the user's list; None: those that the project shows
    kept_stacks: tuple[str, ...] | None = None  # of these, the ones the project file keeps
    optional: bool = False
    commands: frozenset[str] = frozenset()
    project_commands: frozenset[str] = frozenset()  # for the project's own servers only
    gateway: str = ""
    gateway_listen: tuple[ListenAddress, ...] = ()  # the user's alone
    rows: tuple[Row, ...] = ()
    trust: tuple[Trust, ...] = ()
    servers: Mapping[str, ServerPolicy] = {}

    def of(self, name: str, *, cloned: bool = False) -> ServerPolicy:
        """What holds for one server: its own lines, else the general ones.

        ``cloned`` is for servers that came with the project or a plugin: whatever their name, the
        user's lines loosen nothing for them.
        """
        own = self.servers.get(name, ServerPolicy())
        secrets = "host" if self.project_keeps or cloned else own.secrets or self.secrets
        route = "auto" if cloned and own.route == "direct" else own.route or "auto"
        return ServerPolicy(route, secrets)


def gateway_address(policy: Policy, default: GatewayAddress) -> GatewayAddress:
    """Where containers reach the gateway, by the user (perhaps a port alone), else by default."""
    host, colon, port = policy.gateway.rpartition(":")
    if not (colon and port.isdigit()):
        return default
    return GatewayAddress(host or default.host, int(port))


def read_policy(
    user: Read, project: Read, key: str, user_path: str = "mcpconf.toml"
) -> tuple[Policy, list[Finding]]:
    """Read both files and decide.

    ``key`` is the project's path, for rows that hold only there; ``user_path`` is where the user's
    own file is, or would be.
    """
    findings: list[Finding] = []
    mine = read_policy_file(user, Layer.USER, findings, user_path)
    theirs = read_policy_file(project, Layer.PROJECT, findings, "mcpconf.toml")
    findings += _loosening(mine, theirs)
    return _decide(mine, theirs, key), findings


def _decide(mine: PolicyFile, theirs: PolicyFile, key: str) -> Policy:
    return Policy(
        secrets=_tighter(mine.secrets, theirs.secrets, SECRETS) or "host",
        project_keeps=theirs.secrets == "host",
        http=mine.http or theirs.http or "bridge",
        firewall="strict" if "strict" in (mine.firewall, theirs.firewall) else "default",
        grace=min(_grace(mine), theirs.grace or _grace(mine)),
        stacks=mine.stacks,
        kept_stacks=theirs.stacks,
        optional=bool(mine.optional) and theirs.optional is not False,
        commands=frozenset(mine.commands),
        project_commands=frozenset(theirs.commands),
        gateway=mine.gateway,
        gateway_listen=mine.gateway_listen,
        rows=(*(r for r in mine.rows if not r.condition or key in r.condition), *theirs.rows),
        trust=tuple(t for t in mine.trust if t.project in ("", key)),
        servers={
            name: _server(mine.servers.get(name), theirs.servers.get(name))
            for name in (*mine.servers, *theirs.servers)
        },
    )


def _grace(mine: PolicyFile) -> int:
    return mine.grace or GRACE


def _tighter(mine: str, theirs: str, order: tuple[str, ...]) -> str:
    """The user's choice, or the project's where that is stricter (earlier in ``order``)."""
    if theirs and (not mine or order.index(theirs) < order.index(mine)):
        return theirs if theirs == order[0] else mine
    return mine


def _server(mine: ServerPolicy | None, theirs: ServerPolicy | None) -> ServerPolicy:
    mine, theirs = mine or ServerPolicy(), theirs or ServerPolicy()
    route = mine.route
    if theirs.route == "off" or (not route and theirs.route == "gateway"):
        route = theirs.route
    return ServerPolicy(route, _tighter(mine.secrets, theirs.secrets, SECRETS))


def _loosening(mine: PolicyFile, theirs: PolicyFile) -> Iterator[Finding]:
    """What the project asks for and does not get (rows are judged by ``plan``, host by host)."""

    def refuse(what: str, *steps: str) -> Finding:
        return Finding(
            "MC082",
            f"the project's mcpconf.toml cannot {what}",
            theirs.origin.at(*steps),
            ("it came with the project, so it can only make things tighter",),
            (f"if you want that, write it into your own {mine.origin.source.path}",),
        )

    if theirs.secrets == "container" and mine.secrets != "container":
        yield refuse("let secrets into the container", "secrets")
    if theirs.optional and not mine.optional:
        yield refuse("open the optional hosts of Claude Code", "optional")
    if theirs.grace and theirs.grace > _grace(mine):
        what = f"keep addresses open for more than {_grace(mine)} seconds"
        yield refuse(what, "firewall", "grace")
    addresses = {"gateway": theirs.gateway, "gateway_listen": theirs.gateway_listen}
    yield from (refuse("choose the gateway's address", key) for key in addresses if addresses[key])
    for trust in theirs.trust:
        yield refuse(f"trust {quote(trust.name)} to run on the host", "trust")
    for name, policy in theirs.servers.items():
        own = mine.servers.get(name, ServerPolicy())
        for what, steps in _loosening_server(name, own, policy):
            yield refuse(what, *steps)


def _loosening_server(
    name: str, mine: ServerPolicy, theirs: ServerPolicy
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if theirs.secrets == "container" and mine.secrets != "container":
        yield f"let secrets of {quote(name)} into the container", ("servers", name)
    if theirs.route == "direct" and mine.route != "direct":
        yield f"take {quote(name)} off the gateway", ("servers", name)
