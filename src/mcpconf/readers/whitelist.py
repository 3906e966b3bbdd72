"""Whitelist rows: the shipped layers and those of mcpconf.toml, each host checked at the border."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from mcpconf.findings import Finding
from mcpconf.hosts import Destination, parse_destination, parse_ports
from mcpconf.names import Problem, looks_alike, quote
from mcpconf.origin import Origin, Source
from mcpconf.peers import parse_peer


class Layer(Enum):
    """Where a row comes from, the most general first."""

    BASE = "base"
    REGISTRY = "registry"
    STACK = "stack"
    USER = "user"
    PROJECT = "project"


class Row(NamedTuple):
    """One host that may be reached: which, on which ports, why, and who says so.

    ``condition`` narrows a row: the runners of a registry row, the stack's name of a stack row,
    the project's path of a user's row.
    """

    destination: Destination
    ports: tuple[int, ...]
    why: str
    layer: Layer
    origin: Origin
    condition: tuple[str, ...] = ()
    optional: bool = False


class Detect(NamedTuple):
    """How a stack shows in a project: a file, perhaps with a text in it."""

    file: str
    contains: str = ""


class Stack(NamedTuple):
    """A kind of project and the hosts that its tools need."""

    name: str
    title: str
    detect: tuple[Detect, ...]
    includes: tuple[str, ...]
    rows: tuple[Row, ...]


class Shipped(NamedTuple):
    """The whitelist layers that come with mcpconf."""

    base: tuple[Row, ...] = ()
    registries: tuple[Row, ...] = ()
    stacks: Mapping[str, Stack] = {}


def read_shipped(base: Source, registries: Source, stacks: tuple[Source, ...]) -> Shipped:
    """Parse the shipped layers.  They are part of the program: a fault in them is a bug."""
    found = [_stack(source) for source in stacks]
    return Shipped(
        base=_shipped_rows(base, Layer.BASE),
        registries=_shipped_rows(registries, Layer.REGISTRY),
        stacks={stack.name: stack for stack in found},
    )


def _shipped_rows(source: Source, layer: Layer) -> tuple[Row, ...]:
    table = tomllib.loads(source.text)
    findings: list[Finding] = []
    rows = tuple(read_rows(table.get("allow", []), Origin(source), layer, findings))
    assert not findings, findings
    return rows


def _stack(source: Source) -> Stack:
    table = tomllib.loads(source.text)
    rows = _shipped_rows(source, Layer.STACK)
    name = table["name"]
    return Stack(
        name=name,
        title=table["title"],
        detect=tuple(Detect(d["file"], d.get("contains", "")) for d in table.get("detect", [])),
        includes=tuple(table.get("includes", ())),
        rows=tuple(row._replace(condition=(name,)) for row in rows),
    )


class _Kind(NamedTuple):
    """A kind of rows: how its table and the key of its host are called, how a host is read."""

    table: str
    key: str
    parse: Callable[[str], Destination | Problem]
    example: str


_ALLOW = _Kind("allow", "host", parse_destination, 'write `host = "api.example.com"`')
_PEER = _Kind("peer", "name", parse_peer, 'write `name = "db"`')


def read_rows(raw: object, origin: Origin, layer: Layer, findings: list[Finding]) -> Iterator[Row]:
    """Read ``[[allow]]`` tables; what is wrong with one leaves out that one and says so."""
    return _read(_ALLOW, raw, origin, layer, findings)


def read_peers(raw: object, origin: Origin, layer: Layer, findings: list[Finding]) -> Iterator[Row]:
    """Read ``[[peer]]`` tables in the same way."""
    return _read(_PEER, raw, origin, layer, findings)


def _read(
    kind: _Kind, raw: object, origin: Origin, layer: Layer, findings: list[Finding]
) -> Iterator[Row]:
    header = f"write `[[{kind.table}]]`"
    if not isinstance(raw, list):
        findings.append(_bad(f"`{kind.table}` is a list of tables", header, origin))
        return
    for index, item in enumerate(raw):
        at = origin.at(kind.table, index)
        if not isinstance(item, dict):
            findings.append(_bad(f"a row of `{kind.table}` is a table", header, at))
            continue
        row = _row(item, at, layer, kind)
        if isinstance(row, Finding):
            findings.append(row)
            continue
        findings.extend(_remarks(row))
        yield row


_KEYS = frozenset("ports why".split())
_SHIPPED_KEYS = _KEYS | {"source", "optional", "runners"}
_ROW_KEYS: Mapping[Layer, frozenset[str]] = {
    Layer.BASE: _SHIPPED_KEYS,
    Layer.REGISTRY: _SHIPPED_KEYS,
    Layer.STACK: _SHIPPED_KEYS,
    Layer.USER: _KEYS | {"project"},
    Layer.PROJECT: _KEYS,
}


def _row(item: Mapping[str, object], at: Origin, layer: Layer, kind: _Kind) -> Row | Finding:
    unknown = sorted(set(item) - _ROW_KEYS[layer] - {kind.key})
    if unknown:
        return _bad(f"unknown key {quote(unknown[0])} in a row", "remove it", at)
    host = item.get(kind.key)
    if not isinstance(host, str):
        return _bad(f"a row has no `{kind.key}`", kind.example, at)
    destination = kind.parse(host)
    if isinstance(destination, Problem):
        return _bad(destination.message, destination.help, at)
    if "ports" not in item and kind is _PEER:
        return _bad(f"the peer {quote(host)} has no `ports`", "write `ports = [3306]`", at)
    ports = parse_ports(item.get("ports", [443]))
    if isinstance(ports, Problem):
        return _bad(ports.message, ports.help, at)
    condition = item.get("runners") or item.get("project") or ()
    return Row(
        destination=destination,
        ports=ports,
        why=_line(item.get("why")),
        layer=layer,
        origin=at,
        condition=(condition,) if isinstance(condition, str) else _texts(condition),
        optional=item.get("optional") is True,
    )


def _remarks(row: Row) -> Iterator[Finding]:
    if not row.why:
        text = f"`{row.destination.host}` is listed without a reason"
        yield Finding("MC083", text, row.origin, help=('add `why = "…"`',))
    written = looks_alike(row.destination.host)
    if written:
        yield Finding(
            "MC084",
            f"`{row.destination.host}` is {quote(written)} in letters outside ASCII",
            row.origin,
            help=("make sure that it is the name you mean",),
        )


def _bad(message: str, help_: str, at: Origin) -> Finding:
    return Finding("MC081", message, at, help=(help_,) if help_ else ())


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()


def _line(value: object) -> str:
    return " ".join(str(value).split())[:200] if isinstance(value, str) else ""
