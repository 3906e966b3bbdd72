"""What was seen of a container, as values.  Whatever a container said is foreign text in here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mcpconf.contract import EgressRow
from mcpconf.diagnosis.evidence import Taken
from mcpconf.model import BRIDGE, Json
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.plan.terms import Planned
from mcpconf.service.handshake import Outcome

FILES = ("mcp.json", "bridge.json", "egress.json")
"""What a container has of a sync, below ``/etc/mcpconf``."""


class Wish(NamedTuple):
    """One server that is to be tried in the container.

    ``way`` is gateway, direct or container; ``entry`` is what the container's mcp.json is to have;
    ``hosts`` are those that it needs, with ports: its own, and its registries'.
    """

    name: str
    server: str
    way: str
    entry: Mapping[str, Json]
    hosts: tuple[tuple[str, int], ...] = ()


class Program(NamedTuple):
    """A command as it was looked up: ``found`` there, there but ``denied``, or neither.

    ``first`` is what its first line says that runs it.
    """

    found: str = ""
    denied: str = ""
    first: str = ""


class Copy(NamedTuple):
    """A program of ours in the container; ``same`` is None where that could not be compared."""

    path: str = ""
    same: bool | None = None


class Held(NamedTuple):
    """What a container holds, as the agent sees it.

    ``files`` are those of ``/etc/mcpconf``: readable, ``unreadable`` or ``missing``; ``digests``
    their sha256, "" where nothing there makes one.  ``managed`` is where Claude Code's file leads.
    """

    uid: str = ""
    user: str = ""
    home: str = ""
    generation: str = ""
    mounted: bool = False
    files: Mapping[str, str] = {}
    digests: Mapping[str, str] = {}
    servers: str | None = None  # mcp.json
    managed: str = ""
    managed_state: str = "missing"
    bridge: Copy = Copy()
    firewall: Copy = Copy()
    python: str = ""
    programs: Mapping[str, Program] = {}


class Tried(NamedTuple):
    """How a server answered when it was started there, or by its bridge.

    ``tools`` is None where it did not; ``code`` is then that of ``Outcome``, ``words`` what it
    said, ``exit`` how it ended.  ``outcome`` is all of it; ``probed`` is whether it answers the
    client's first question, None where nobody asked; ``taken`` is what the client makes of it.
    """

    tools: int | None = None
    code: str = ""
    words: str = ""
    exit: int | None = None
    seconds: float = 0.0
    began: float = 0.0  # Unix seconds, as are attempts of the firewall
    ended: float = 0.0
    outcome: Outcome = Outcome()
    probed: bool | None = None
    taken: Taken | None = None


class Reach(NamedTuple):
    """The way to the gateway from inside.

    ``state`` is ``ok``, ``unread`` (bridge.json), ``name`` (it does not resolve), ``refused``,
    ``silent``, ``unreachable``, ``other`` (something else answers) or ``unseen``; ``token`` is
    whether the gateway takes it, None where nobody was asked.
    """

    state: str = "unseen"
    host: str = ""
    port: int = 0
    addresses: tuple[str, ...] = ()
    token: bool | None = None
    words: str = ""


class Blocked(NamedTuple):
    """One attempt that the firewall refused (``mcpconf-fw blocked``)."""

    names: tuple[str, ...]
    address: str
    port: int
    protocol: str
    reason: str
    because: str
    times: int
    first: float
    last: float


class Row(NamedTuple):
    """One destination that is open, as the firewall in force says."""

    host: str
    port: int
    form: str
    addresses: int = 0
    packets: int = 0


class Fire(NamedTuple):
    """The firewall of a container.

    ``state`` is ``force``, ``faulty`` (in force, and something of it does not work), ``shut`` (an
    apply failed, or never was), ``absent``, ``foreign`` (its program is not root's alone) or
    ``unseen``; ``why`` says more.  ``faults`` are what it finds wrong, by name.
    """

    state: str = "unseen"
    why: str = ""
    mode: str = ""
    generation: str = ""
    faults: Mapping[str, str] = {}
    rows: tuple[Row, ...] = ()
    blocked: tuple[Blocked, ...] = ()


class InContainer(NamedTuple):
    """Everything that was seen of a container.

    ``engine`` is what its program is called, ``trouble`` why ``held`` is None.  ``tried`` is by the
    server's name; ``wire`` are reports of ``mcpconf.wire`` by the same; ``client`` are documents of
    the client's in the agent's home, parsed and without secrets, by their names; ``logs`` are ends
    of its logs by server, ``environ`` those of its variables that matter, ``variables`` the names
    that whoever made the container set.  ``unseen`` says what nobody looked at.
    """

    name: str
    engine: str = ""
    user: str = ""
    why_user: str = ""
    held: Held | None = None
    trouble: str = ""
    tried: Mapping[str, Tried] = {}
    wire: Mapping[str, Mapping[str, Any]] = {}
    reach: Reach = Reach()
    fire: Fire = Fire()
    client: Mapping[str, Json] = {}
    logs: Mapping[str, str] = {}
    environ: Mapping[str, str] = {}
    variables: frozenset[str] = frozenset()
    unseen: tuple[str, ...] = ()

    def works(self, name: str) -> bool:
        """Whether a server answered there: the bridge, its command, or the wire."""
        tried = self.tried.get(name)
        if tried is not None:
            return tried.tools is not None
        answer = self.wire.get(name, {}).get("answer")
        return isinstance(answer, Mapping) and answer.get("works") is True


class NoContainer(NamedTuple):
    """Why nothing was seen of a container.

    ``kind`` is ``engine`` (there is none), ``silent`` (it does not answer), ``denied`` (not to
    this user), ``down`` (it does not run), ``refused``, ``none`` (no container runs) or
    ``several``.
    """

    kind: str
    why: str = ""
    help: str = ""
    names: tuple[str, ...] = ()


class Sync(NamedTuple):
    """What the last sync wrote on the host for the container; "" where it did not.

    ``digests`` are the sha256 of its files by name, ``folder`` is what containers mount.
    """

    generation: str = ""
    digests: Mapping[str, str] = {}
    folder: str = ""


class Aim(NamedTuple):
    """What a server is judged by.

    ``kind`` is that of the project (ddev, devcontainer, none), ``gateway`` whether it runs and
    answers on the host, ``rows`` what the plan opens.
    """

    wish: Wish
    at: Origin
    sync: Sync = Sync()
    kind: str = "none"
    gateway: bool | None = None
    rows: tuple[EgressRow, ...] = ()

    @property
    def name(self) -> str:
        return quote(self.wish.name)


def wish_of(planned: Planned, rows: Sequence[EgressRow]) -> Wish | None:
    """What is to be tried of a server in the container; None where it has no entry.  Pure."""
    server, entry = planned.classified.server, planned.entry
    if entry is None:
        return None
    args = entry.get("args")
    words = args if isinstance(args, list) else []
    bridged = entry.get("command") == BRIDGE
    if planned.route is not None or (bridged and words[:1] != ["--url"]):
        return Wish(server.name, server.id, "gateway", entry)
    # A registry's row names the servers that load from it as well.
    hosts = tuple((row.host, row.port) for row in rows if server.id in row.servers)
    if bridged or entry.get("url"):
        own = _host_of(str(words[1] if bridged else entry.get("url")))
        return Wish(server.name, server.id, "direct", entry, tuple(dict.fromkeys((*own, *hosts))))
    return Wish(server.name, server.id, "container", entry, hosts)


def _host_of(url: str) -> tuple[tuple[str, int], ...]:
    """Whom a URL is about; nobody for one that stays in the container, or that is none."""
    with suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host and host != "localhost" and not host.startswith("127.") and host != "::1":
            return ((host, parts.port or (80 if parts.scheme in {"http", "ws"} else 443)),)
    return ()


def sync_of(folder: Path) -> Sync:
    """What stands on the host in the directory that containers mount.  Raises nothing."""
    digests = {}
    for name in FILES:
        with suppress(OSError):
            digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    generation = ""
    with suppress(OSError):
        generation = os.readlink(folder / "current")
    return Sync(generation, digests, str(folder))
