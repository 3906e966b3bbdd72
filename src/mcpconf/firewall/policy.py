"""``egress.json`` as typed rows.  A row that is wrong is a notice; the others hold."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from mcpconf.firewall.tokens import (
    Domain,
    Entry,
    Network,
    Refusal,
    is_port,
    read_entry,
    read_peer,
    shown,
)

MOST_BYTES = 16_000_000
MOST_ROWS = 50_000
MOST_STATIC = 1_000  # rows that become a rule each
MOST_PORTS = 32  # each is a set and a rule in both families
GRACE = 300  # seconds
GRACES = range(1, 86_401)
MODES = ("default", "strict")

_SERVER = re.compile(r"[a-z0-9-]{1,40}")
_FORMS = ("name", "wildcard", "address", "network")


class Notice(NamedTuple):
    """Something to say about one place of a file: what is wrong, and what mends it."""

    place: str
    message: str
    help: str = ""


class NameRow(NamedTuple):
    """A name, or the names below one, on one port (TCP)."""

    domain: Domain
    port: int
    servers: tuple[str, ...] = ()


class StaticRow(NamedTuple):
    """An address or a network on one port (TCP)."""

    network: Network
    port: int
    servers: tuple[str, ...] = ()


class NearRow(NamedTuple):
    """A host on the container's own side: the gateway, or a service beside the container."""

    host: Domain | Network
    port: int
    servers: tuple[str, ...] = ()


class Policy(NamedTuple):
    """What may leave.  Rows are sorted and appear once."""

    mode: str = "default"
    grace: int = GRACE
    names: tuple[NameRow, ...] = ()
    static: tuple[StaticRow, ...] = ()
    near: tuple[NearRow, ...] = ()
    notices: tuple[Notice, ...] = ()

    def ports_of(self, name: str) -> frozenset[int]:
        """The ports on which a name is open, by its own row or by a wildcard's."""
        return frozenset(row.port for row in self.names if row.domain.covers(name))


class PolicyError(ValueError):
    """The file cannot be read at all; nothing of it holds."""


def read_policy_text(text: str) -> Policy:
    """Read ``egress.json`` (docs/architecture.md).

    Raises:
        PolicyError: it is too big, no JSON, of another version, or has another shape.

    """
    document = _document(text)
    notices: list[Notice] = []
    names: dict[tuple[Domain, int], set[str]] = {}
    static: dict[tuple[Network, int], set[str]] = {}
    near: dict[tuple[Domain | Network, int], set[str]] = {}
    _gateway(document.get("gateway"), near, notices)
    for index, row in enumerate(_rows(document, notices)):
        place = f"rows[{index}]"
        try:
            host, port, servers = _row(row)
            if row.get("form") == "peer":
                near.setdefault((read_peer(host), port), set()).update(servers)
                continue
            entry = read_entry(host)
            table = names if isinstance(entry.what, Domain) else static
            real = entry.port or port
            table.setdefault((entry.what, real), set()).update(servers)  # type: ignore[index]
            _said(place, host, entry, real, notices)
        except Refusal as refusal:
            notices.append(Notice(place, f"{shown(row.get('host'))} {refusal}", _STAYS))
    return _bounded(_settings(document, notices), names, static, near, notices)


_STAYS = "it stays closed; correct the row, the others hold"


def _document(text: str) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise PolicyError(f"it has more than {MOST_BYTES:,} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PolicyError("it is not JSON") from None
    if not isinstance(found, dict):
        raise PolicyError("it is not a JSON object")
    if found.get("version") != 1:
        raise PolicyError("it is not of version 1")
    if not isinstance(found.get("rows"), list):
        raise PolicyError("`rows` is not a list")
    if found.get("mode") not in MODES:
        raise PolicyError(f"`mode` is neither {' nor '.join(MODES)}")
    return found


def _settings(document: dict[str, Any], notices: list[Notice]) -> Policy:
    grace = document.get("grace", GRACE)
    if not isinstance(grace, int) or isinstance(grace, bool) or grace not in GRACES:
        text = f"`grace` is no number of seconds from {GRACES.start} to {GRACES.stop - 1}"
        notices.append(Notice("grace", text, f"it counts as {GRACE}"))
        grace = GRACE
    return Policy(mode=document["mode"], grace=grace)


def _rows(document: dict[str, Any], notices: list[Notice]) -> list[Any]:
    rows: list[Any] = document["rows"]
    if len(rows) > MOST_ROWS:
        text = f"there are {len(rows):,} rows, and {MOST_ROWS:,} is the most"
        notices.append(Notice("rows", text, "the ones behind that stay closed"))
    return rows[:MOST_ROWS]


def _row(row: object) -> tuple[str, int, tuple[str, ...]]:
    """Host, port and servers of a row, each of its kind.  Raises Refusal."""
    if not isinstance(row, dict):
        raise Refusal("is no row")
    host, port = row.get("host"), row.get("port")
    if not isinstance(host, str):
        raise Refusal("is no text")
    if not is_port(port):
        raise Refusal("has no port from 1 to 65535")
    if row.get("form") not in (*_FORMS, "peer"):
        raise Refusal("has no `form` that is known")
    servers = row.get("servers")
    listed = servers if isinstance(servers, list) else []
    ids = tuple(s for s in listed if isinstance(s, str) and _SERVER.fullmatch(s))
    return host, int(port), ids  # type: ignore[arg-type]


def _said(place: str, host: str, entry: Entry, port: int, notices: list[Notice]) -> None:
    """Say that a row was taken for something else than what stands there."""
    if entry.odd:
        text = f"{shown(host)} {entry.odd}; it is taken for {entry.what} on port {port}"
        notices.append(Notice(place, text))


def _gateway(
    found: object, near: dict[tuple[Domain | Network, int], set[str]], notices: list[Notice]
) -> None:
    if found is None:
        return
    host = found.get("host") if isinstance(found, dict) else None
    port = found.get("port") if isinstance(found, dict) else None
    if not isinstance(host, str) or not is_port(port):
        notices.append(Notice("gateway", "it has no host and port", "the gateway stays closed"))
        return
    try:
        near.setdefault((read_peer(host.strip("[]")), int(port)), set())  # type: ignore[call-overload]
    except Refusal as refusal:
        help_ = "the gateway stays closed"
        notices.append(Notice("gateway", f"{shown(host)} {refusal}", help_))


def _bounded(
    policy: Policy,
    names: dict[tuple[Domain, int], set[str]],
    static: dict[tuple[Network, int], set[str]],
    near: dict[tuple[Domain | Network, int], set[str]],
    notices: list[Notice],
) -> Policy:
    """The rows in order, no more of them than the rules can hold."""
    ports = sorted({port for _, port in names}, key=lambda p: (p not in (443, 80), p))
    kept = {*ports[:MOST_PORTS]}
    if len(ports) > MOST_PORTS:
        text = f"the names have {len(ports)} different ports, and {MOST_PORTS} is the most"
        notices.append(Notice("rows", text, f"rows on port {ports[MOST_PORTS]} and up stay closed"))
    if len(static) + len(near) > MOST_STATIC:
        text = f"there are more than {MOST_STATIC:,} addresses and peers"
        notices.append(Notice("rows", text, "the ones behind that stay closed"))
    near_rows = sorted(((h, p) for h, p in near), key=_order)[:MOST_STATIC]
    static_rows = sorted(((n, p) for n, p in static), key=_order)[: MOST_STATIC - len(near_rows)]
    return policy._replace(
        names=tuple(
            NameRow(domain, port, tuple(sorted(names[domain, port])))
            for domain, port in sorted(names)
            if port in kept
        ),
        static=tuple(StaticRow(n, p, tuple(sorted(static[n, p]))) for n, p in static_rows),
        near=tuple(NearRow(h, p, tuple(sorted(near[h, p]))) for h, p in near_rows),
        notices=tuple(notices),
    )


def _order(place: tuple[Domain | Network, int]) -> tuple[str, int]:
    return str(place[0]), place[1]
