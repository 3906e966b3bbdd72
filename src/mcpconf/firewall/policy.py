"""``egress.json`` as typed rows.  A row that is wrong is a notice; the others hold."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple, Union

from mcpconf.firewall.tokens import (
    Domain,
    Network,
    Refusal,
    is_plain,
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

Ids = tuple[str, ...]
Wanters = Union[Ids, set[str]]  # noqa: UP007  Python 3.9

_SERVER = re.compile(r"[a-z0-9-]{1,40}")
_FORMS = ("name", "wildcard", "address", "network", "peer")


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
    tables = _Tables({}, {}, {})
    _gateway(document.get("gateway"), tables.near, notices)
    for index, row in enumerate(_rows(document, notices)):
        try:
            odd = _take(row, tables)
        except Refusal as refusal:
            host = row.get("host") if isinstance(row, dict) else row
            notices.append(Notice(f"rows[{index}]", f"{shown(host)} {refusal}", _STAYS))
        else:
            if odd:
                notices.append(Notice(f"rows[{index}]", f"{shown(row['host'])} {odd}"))
    return _bounded(_settings(document, notices), tables, notices)


class _Tables(NamedTuple):
    """The rows of each kind, and the servers that want them."""

    names: dict[tuple[Domain, int], Wanters]
    static: dict[tuple[Network, int], Wanters]
    near: dict[tuple[Domain | Network, int], Wanters]


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


def _take(row: Any, tables: _Tables) -> str:  # noqa: ANN401
    """Put a row into its table; returns what it was taken for, "" if it says so itself.

    Raises Refusal.
    """
    if not isinstance(row, dict):
        raise Refusal("is no row")
    host, port, form = row.get("host"), row.get("port"), row.get("form")
    if not isinstance(host, str):
        raise Refusal("is no text")
    if not is_port(port):
        raise Refusal("has no port from 1 to 65535")
    if form not in _FORMS:
        raise Refusal("has no `form` that is known")
    ids = _ids(row.get("servers"))
    if form == "peer":
        _add(tables.near, (read_peer(host), port), ids)
        return ""
    if is_plain(host):
        _add(tables.names, (Domain(host), port), ids)
        return ""
    what, own_port, odd = read_entry(host)
    port = own_port or port
    if isinstance(what, Domain):
        _add(tables.names, (what, port), ids)
    else:
        _add(tables.static, (what, port), ids)
    return f"{odd}; it is taken for {what} on port {port}" if odd else ""


def _ids(found: object) -> Ids:
    if not isinstance(found, list):
        return ()
    return tuple([one for one in found if isinstance(one, str) and _is_server(one)])


@lru_cache(maxsize=1024)
def _is_server(text: str) -> bool:
    return _SERVER.fullmatch(text) is not None


def _add(table: dict[Any, Wanters], key: tuple[Domain | Network, int], ids: Ids) -> None:
    known = table.get(key)
    if known is None:
        table[key] = ids
    elif isinstance(known, set):
        known.update(ids)
    else:
        table[key] = {*known, *ids}


def _in_order(ids: Wanters) -> Ids:
    """Each once, in order."""
    return _sorted(ids) if isinstance(ids, tuple) else tuple(sorted(ids))


@lru_cache(maxsize=1024)
def _sorted(ids: Ids) -> Ids:
    return tuple(sorted({*ids}))


def _gateway(
    found: object, near: dict[tuple[Domain | Network, int], Wanters], notices: list[Notice]
) -> None:
    if found is None:
        return
    host = found.get("host") if isinstance(found, dict) else None
    port = found.get("port") if isinstance(found, dict) else None
    if not isinstance(host, str) or not is_port(port):
        notices.append(Notice("gateway", "it has no host and port", "the gateway stays closed"))
        return
    try:
        _add(near, (read_peer(host.strip("[]")), port), ())
    except Refusal as refusal:
        help_ = "the gateway stays closed"
        notices.append(Notice("gateway", f"{shown(host)} {refusal}", help_))


def _bounded(policy: Policy, tables: _Tables, notices: list[Notice]) -> Policy:
    """The rows in order, no more of them than the rules can hold."""
    names, static, near = tables
    ports = sorted({port for _, port in names}, key=lambda p: (p not in (443, 80), p))
    kept = {*ports[:MOST_PORTS]}
    if len(ports) > MOST_PORTS:
        text = f"the names have {len(ports)} different ports, and {MOST_PORTS} is the most"
        notices.append(Notice("rows", text, f"rows on port {ports[MOST_PORTS]} and up stay closed"))
    if len(static) + len(near) > MOST_STATIC:
        text = f"there are more than {MOST_STATIC:,} addresses and peers"
        notices.append(Notice("rows", text, "the ones behind that stay closed"))
    near_keys = sorted(near, key=_order)[:MOST_STATIC]
    static_keys = sorted(static, key=_order)[: MOST_STATIC - len(near_keys)]
    return policy._replace(
        names=tuple(
            NameRow(*key, _in_order(names[key])) for key in sorted(names) if key[1] in kept
        ),
        static=tuple(StaticRow(*key, _in_order(static[key])) for key in static_keys),
        near=tuple(NearRow(*key, _in_order(near[key])) for key in near_keys),
        notices=tuple(notices),
    )


def _order(place: tuple[Domain | Network, int]) -> tuple[str, int]:
    return str(place[0]), place[1]
