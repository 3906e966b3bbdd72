"""The way to one server as something to draw: boxes and links, and where it breaks.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from mcpconf.codes import Severity
from mcpconf.compiler import Compilation
from mcpconf.diagnosis.checks.scrub import cleaned
from mcpconf.diagnosis.model import Diagnosis, Rung, Step, Verdict
from mcpconf.model import Kind
from mcpconf.report import safe
from mcpconf.secret import shown_url
from mcpconf.urls import parse_url


class Mark(Enum):
    """How a part of the way did.  ``value`` is the word that stands beside the symbol."""

    WORKS = "works"
    REMARK = "works, with a remark"
    BROKEN = "breaks here"
    UNSEEN = "not looked at"
    BEYOND = "not reached"


class Part(NamedTuple):
    """A box or a link.  ``role`` is ``claude``, ``bridge``, ``gateway``, ``server`` or ``link``."""

    role: str
    title: str
    detail: str = ""
    mark: Mark = Mark.UNSEEN


class Chain(NamedTuple):
    """The way to a server: boxes with links between them, and what there is to say.

    ``zones`` are where each box stands: ``container``, ``host`` or ``there``.
    """

    server: str
    works: bool
    mark: Mark
    summary: str
    parts: tuple[Part, ...]
    zones: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    unseen: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def boxes(self) -> tuple[Part, ...]:
        return self.parts[::2]

    @property
    def links(self) -> tuple[Part, ...]:
        return self.parts[1::2]


class Drawn(NamedTuple):
    """What is known of a server beside its diagnosis: its kind, and where it is."""

    kind: str = ""
    place: str = ""
    bridged: bool = True


def drawn(compiled: Compilation) -> dict[str, Drawn]:
    """Take it from the plan, by the servers' names; no URL but its host."""
    return {
        p.classified.server.name: Drawn(
            p.classified.kind.value,
            _host(p.classified.remote) if p.classified.kind is not Kind.STDIO else "",
            bridged=p.entry is None or p.entry.get("command") == "mcpconf-bridge",
        )
        for p in compiled.plan.servers
    }


def _host(remote: object) -> str:
    url = getattr(remote, "url", None)
    parsed = parse_url(shown_url(url)) if url is not None else None
    host = getattr(parsed, "host", "")
    return str(host)


# --- where a rung is on the way ---------------------------------------------------------------

_FAR = {
    Rung.COMMAND: "server",
    Rung.HTTP: "server",
    Rung.AUTH: "server",
    Rung.MCP: "server",
    Rung.TOOLS: "server",
}
_NEAR = {Rung.CONFIG: "link-0", Rung.CONTAINER: "claude", Rung.CLIENT: "claude"}
_PLACES: Mapping[str, Mapping[Rung, str]] = {
    "gateway": {
        **_NEAR,
        Rung.BRIDGE: "bridge",
        Rung.FIREWALL: "link-1",
        Rung.GATEWAY: "gateway",
        Rung.ROUTE: "gateway",
        Rung.SECRET: "gateway",
        Rung.DNS: "link-2",
        Rung.TCP: "link-2",
        Rung.TLS: "link-2",
        **_FAR,
    },
    "direct": {
        **_NEAR,
        Rung.BRIDGE: "bridge",
        **dict.fromkeys((Rung.FIREWALL, Rung.DNS, Rung.TCP, Rung.TLS), "link-last"),
        **dict.fromkeys((Rung.GATEWAY, Rung.ROUTE, Rung.SECRET), "server"),
        **_FAR,
    },
}
_ROLES = {
    "gateway": ("claude", "bridge", "gateway", "server"),
    "direct": ("claude", "bridge", "server"),
}
_ZONES = {
    "gateway": ("container", "container", "host", "there"),
    "direct": ("container", "container", "there"),
    "container": ("container", "container"),
    "nowhere": ("container", "there"),
}


def _names(roles: tuple[str, ...]) -> list[str]:
    """Parts in their order: boxes by role, links by number."""
    found = [roles[0]]
    for number, role in enumerate(roles[1:]):
        found += [f"link-{number}", role]
    return found


def _index(names: list[str], way: str, rung: Rung) -> int:
    name = _PLACES.get(way, _NEAR).get(rung, "server")
    if name == "link-last":
        return len(names) - 2
    return names.index(name) if name in names else len(names) - 1


def chains(
    found: Sequence[Diagnosis], compiled: Compilation, clean: Callable[[str], str] = str
) -> list[Chain]:
    """The ways to several servers, with every text made clean."""
    plan = drawn(compiled)
    return [chain(cleaned(d, clean), cleaned(plan.get(d.server, Drawn()), clean)) for d in found]


# --- the chain --------------------------------------------------------------------------------


def chain(diagnosis: Diagnosis, about: Drawn) -> Chain:
    """Put a diagnosis on the way that its server has."""
    way = diagnosis.way
    roles = _ROLES.get(way, ("claude", "server"))
    zones = _ZONES.get(way, _ZONES["nowhere"])
    if way == "direct" and not about.bridged:
        roles, zones = ("claude", "server"), ("container", "there")
    names = _names(roles)
    marks = _marks(diagnosis, names)
    parts = tuple(
        _part(name, diagnosis, about, mark) for name, mark in zip(names, marks, strict=True)
    )
    worst = next((m for m in (Mark.BROKEN, Mark.REMARK, Mark.UNSEEN) if m in marks), Mark.WORKS)
    return Chain(
        server=safe(diagnosis.server) or '""',
        works=diagnosis.works,
        mark=worst,
        summary=_summary(diagnosis),
        parts=parts,
        zones=zones,
        verdicts=diagnosis.verdicts,
        unseen=diagnosis.unseen,
        steps=diagnosis.steps,
    )


def _marks(diagnosis: Diagnosis, names: list[str]) -> list[Mark]:
    way = diagnosis.way
    places = [(_index(names, way, v.rung), v.finding.severity) for v in diagnosis.verdicts]
    blocks = places[:1] if diagnosis.tools is None else places  # what blocks, is the first
    breaks = min(
        (i for i, s in blocks if s is Severity.ERROR or diagnosis.tools is None),
        default=len(names),
    )
    remarks = {i for i, severity in places if severity is not Severity.ERROR}
    passed = [_index(names, way, step.rung) for step in diagnosis.steps if step.ok]
    if breaks < len(names) or diagnosis.tools is not None:
        passed.append(breaks if breaks < len(names) else len(names) - 1)
    reached = max(passed, default=-1)
    blind = _blind(diagnosis, names)
    marks = []
    for i in range(len(names)):
        if i == breaks:
            mark = Mark.BROKEN
        elif i > breaks and names[breaks] != "claude":
            mark = Mark.BEYOND
        elif i > breaks:
            mark = Mark.WORKS if diagnosis.tools is not None else Mark.BEYOND
        elif i in remarks:
            mark = Mark.REMARK
        else:
            mark = Mark.UNSEEN if i > reached or i in blind else Mark.WORKS
        marks.append(mark)
    return marks


def _blind(diagnosis: Diagnosis, names: list[str]) -> set[int]:
    """Parts of which everything that was to be looked at could not be."""
    if diagnosis.tools is not None:
        return set()
    looks: dict[int, list[bool | None]] = {}
    for step in diagnosis.steps:
        looks.setdefault(_index(names, diagnosis.way, step.rung), []).append(step.ok)
    return {i for i, came in looks.items() if all(ok is None for ok in came)}


_TITLES = {"claude": "Claude Code", "bridge": "mcpconf-bridge", "gateway": "gateway"}


def _part(name: str, diagnosis: Diagnosis, about: Drawn, mark: Mark) -> Part:
    if name.startswith("link"):
        return Part("link", "", mark=mark)
    if name == "server":
        where = safe(about.place) or {
            "gateway": "a process on the host",
            "container": "starts in the container",
        }.get(diagnosis.way, safe(about.kind))
        return Part(name, safe(diagnosis.server) or '""', where, mark)
    start = diagnosis.start
    detail = {
        "claude": "asked from the host" if start == "host" else f"in {safe(start)}",
        "bridge": "in the container",
        "gateway": "adds the secrets",
    }[name]
    return Part(name, _TITLES[name], detail, mark)


def _summary(diagnosis: Diagnosis) -> str:
    way = {
        "gateway": "through the gateway",
        "direct": "directly",
        "container": "starts in the container",
    }.get(diagnosis.way, "left out of the container")
    if diagnosis.tools is not None:
        tools = f"{diagnosis.tools} tool{'' if diagnosis.tools == 1 else 's'}"
        return f"{way}, {tools}, {diagnosis.seconds:.1f} s"
    return way
