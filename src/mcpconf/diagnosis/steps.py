"""What was tried on the host, as steps of the ladder.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf.diagnosis.evidence import Heard, Host
from mcpconf.diagnosis.model import Rung, Step
from mcpconf.names import quote

_LONGEST = 300  # characters of what others said


def host_steps(host: Host) -> Iterator[Step]:
    """The last sync, the gateway, the secrets, and the handshake."""
    yield _sync(host)
    if host.planned.route is not None:
        yield _gateway(host)
        yield from _secrets(host)
    if host.heard is not None:
        yield _handshake(host, host.heard)


def _sync(host: Host) -> Step:
    servers = host.written.servers
    tried = "compared with what the last sync wrote"
    name = host.planned.classified.server.name
    if servers is None:
        came = host.written.trouble or "nothing was written yet"
        return Step(Rung.CONTAINER, "host", tried, came, ok=False)
    same = servers.get(name) == host.planned.entry
    came = "the same entry" if same else "another entry" if name in servers else "no entry"
    return Step(Rung.CONTAINER, "host", tried, came, ok=same)


def _gateway(host: Host) -> Step:
    gateway, tried = host.gateway, "asked the gateway on its control socket"
    if gateway.pid is None:
        return Step(Rung.GATEWAY, "host", tried, gateway.trouble or "none runs", ok=False)
    if gateway.trouble:
        return Step(Rung.GATEWAY, "host", tried, gateway.trouble, ok=False, ms=gateway.ms)
    route = host.planned.route
    known = route is not None and route.server in gateway.rows
    came = f"process {gateway.pid}, mcpconf {gateway.version}, "
    came += "it knows the server" if known else "it does not know the server"
    return Step(Rung.GATEWAY, "host", tried, came, ok=known, ms=gateway.ms)


def _secrets(host: Host) -> Iterator[Step]:
    secrets = host.secrets
    if secrets is None:
        return
    tried = "put the secrets in, as the gateway does"
    if secrets.missing is not None:
        yield Step(Rung.SECRET, "host", tried, _cause(secrets.missing.text), ok=False)
        return
    headers = [name for name, _ in secrets.resolved.headers] if secrets.resolved else []
    came = "headers: " + ", ".join(map(quote, headers)) if headers else "there are none"
    yield Step(Rung.SECRET, "host", tried, came, ok=True)
    if secrets.login.state != "none":
        came = f"the login is {secrets.login.state}"
        yield Step(Rung.SECRET, "host", "looked at the login", came, secrets.login.state == "valid")


def _handshake(host: Host, heard: Heard) -> Step:
    through = {True: "through bridge and gateway", False: "as the container does"}
    tried = f"greeted it {through[host.planned.route is not None]}"
    ms = heard.seconds * 1000
    if heard.works:
        tools = heard.outcome.tools
        came = f"{tools} tool{'' if tools == 1 else 's'}"
        return Step(Rung.TOOLS, heard.place, tried, came, ok=True, ms=ms)
    came = _cause(host.words) or "no answer"
    return Step(Rung.MCP, heard.place, tried, came, ok=False, ms=ms)


def _cause(text: str) -> str:
    """What is wrong, without what to do about it: that is the verdict's to say."""
    return text.partition("; set it in ")[0].partition("; run `")[0][:_LONGEST]


def log_step(path: str) -> Step:
    """Where Claude Code itself has written why it failed (fact 57)."""
    came = f"{quote(path, 200)}; `mcpconf explain FILE` reads it"
    return Step(Rung.CLIENT, "host", "looked for Claude Code's newest log of it", came, None)
