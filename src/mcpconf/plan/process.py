"""What is known of a process: the hosts it talks to, and what may go wrong inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.commands import Invocation
from mcpconf.findings import Finding
from mcpconf.hosts import Destination
from mcpconf.locality import local_reason
from mcpconf.model import Classified, Reason, Server, Stdio, Text
from mcpconf.names import quote
from mcpconf.peers import parse_peer
from mcpconf.plan.terms import Need, Terms, shell_word
from mcpconf.readers.catalogue import Known
from mcpconf.readers.whitelist import Layer
from mcpconf.secret import secret_name
from mcpconf.urls import hosts_in_text

_HOST_PATHS = ("/Users/", "/home/", "/root/", "/mnt/", "/Volumes/", "/opt/homebrew/")


class Case(NamedTuple):
    """One stdio server on its way through the plan."""

    classified: Classified
    stdio: Stdio
    invocation: Invocation
    known: Known | None
    terms: Terms

    @property
    def server(self) -> Server:
        return self.classified.server

    @property
    def name(self) -> str:
        return quote(self.server.name)


def inside(path: str, roots: tuple[str, ...]) -> bool:
    """Tell whether a path lies below one of the directories that the container has."""
    below = tuple(root.rstrip("/") + "/" for root in roots)
    return ".." not in path.split("/") and f"{path}/".startswith(below)


def needs(case: Case) -> Iterator[Need]:
    """The hosts that the server talks to: known ones, and those that its texts name."""
    if case.known:
        text = f"the catalogue says that {case.known.title} needs it"
        for host, port in case.known.hosts:
            if not local_reason(host):
                yield Need(host, port, Reason("egress.catalogue", text))
    origin = case.server.origin
    texts = [(("args", i), t) for i, t in enumerate(case.stdio.args)]
    texts += [(("env", n), t) for n, t in case.stdio.env.items()]  # type: ignore[misc]
    for steps, value in texts:
        for host, port in hosts_in_text(_without_doubt(value.safe())):
            if not local_reason(host):
                reason = Reason("egress.argument", f"{case.name} names it", origin.at(*steps))
                yield Need(host, port, reason)


def _without_doubt(text: str) -> str:
    """A text whose URLs have one reading: a second ``@`` may hide a password in the host."""
    return "" if text.count("@") > text.count("://") + text.count(" ") else text


def remarks(case: Case) -> Iterator[Finding]:
    """What may go wrong inside, although the server can start there."""
    origin = case.server.origin
    for i, arg in enumerate(case.stdio.args):
        value = arg.reveal()
        if _is_host_path(value, case.terms.site.roots, case.terms.site.home):
            yield Finding(
                "MC063",
                f"argument {i + 1} of {case.name} is a path outside the project",
                origin.at("args", i),
                ("it does not exist in the container",),
                (
                    "move it into the project",
                    f"or run it on the host: mcpconf trust {shell_word(case.server.name)}",
                ),
            )
        yield from _near(case, arg, f"argument {i + 1}", ("args", i))
    for name, text in case.stdio.env.items():
        yield from _near(case, text, f"the variable {quote(name)}", ("env", name))
    if "PATH" in case.stdio.env or (case.invocation.was_path and case.invocation.runner):
        message = f"{case.name} starts with the container's own programs, not with the host's"
        yield Finding("MC069", message, origin.at("command"), help=("nothing to do, if it works",))
    if case.known and case.known.any_host:
        message = f"{case.name} wants to reach any host ({case.known.any_host})"
        yield Finding("MC064", message, origin, help=("open hosts one by one: mcpconf allow HOST",))
    yield from _committed(case)


def _near(case: Case, text: Text, what: str, steps: tuple[str | int, ...]) -> Iterator[Finding]:
    """Hosts near the user: in the container this machine is another one, and others are closed.

    A host is named only where nothing of a secret can be in it.
    """
    near = {host for host, _ in hosts_in_text(text.reveal()) if local_reason(host)}
    shown = [(h, p) for h, p in hosts_in_text(_without_doubt(text.safe())) if h in near]
    peers = {h: found for h, _ in shown if isinstance(found := parse_peer(h), Destination)}
    if near - {*peers}:
        yield _names_host(case, what, steps)
    for host, port in shown:
        if host in peers and not _is_open(case, peers[host], port):
            yield Finding(
                "MC071",
                f"{what} of {case.name} names {quote(host)}, which is closed to the container",
                case.server.origin.at(*steps),
                ("it is a host beside the container, or one of your network",),
                (
                    f"if the container is to reach it: mcpconf allow --peer {host} --port {port}",
                    _on_the_host(case),
                ),
            )


def _on_the_host(case: Case) -> str:
    return f"or let the server run on the host: mcpconf trust {shell_word(case.server.name)}"


def _is_open(case: Case, peer: Destination, port: int) -> bool:
    mine = (r for r in case.terms.policy.rows if r.layer is Layer.USER)
    return any(row.destination == peer and port in row.ports for row in mine)


def _names_host(case: Case, what: str, steps: tuple[str | int, ...]) -> Finding:
    return Finding(
        "MC062",
        f"{what} of {case.name} names this machine, and in the container that is the container",
        case.server.origin.at(*steps),
        help=(
            "use the name by which the container knows the service",
            _on_the_host(case),
        ),
    )


def _is_host_path(value: str, roots: tuple[str, ...], home: str) -> bool:
    if not value.startswith(("/", "~/")) or "\n" in value or inside(value, roots):
        return False
    return value.startswith((*_HOST_PATHS, home.rstrip("/") + "/", "~/")) or value == home


def _committed(case: Case) -> Iterator[Finding]:
    if case.server.scope.value != "project":
        return
    for name, text in case.stdio.env.items():
        if secret_name(name) and not text.variables and text.reveal().strip():
            yield Finding(
                "MC020",
                f"{quote(name)} of {case.name} stands in the project's file",
                case.server.origin.at("env", name),
                ("everybody with the repository can read it",),
                ("write `${NAME}` there, and the value into your environment",),
            )
