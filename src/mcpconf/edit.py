"""Edits of the user's own mcpconf.toml: hosts that are allowed, servers that are trusted.

Comments, layout and everything else in the file stay (``toml_rows.py``).  One process edits at a
time, each edit is read back before it is written, and what is written replaces the file at once
(``toml_file.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from tomlkit.items import Array

from mcpconf import toml_rows as toml
from mcpconf.errors import Usage
from mcpconf.hosts import Destination, Problem, parse_destination, parse_ports, quote
from mcpconf.peers import parse_peer
from mcpconf.toml_file import Edit, apply
from mcpconf.toml_rows import BrokenError, Row

_T = TypeVar("_T")


class Wish(NamedTuple):
    """A host to open; ``peer``: one beside the container."""

    host: str
    ports: tuple[int, ...] = (443,)
    peer: bool = False


class _Kind(NamedTuple):
    """How the rows of a host are written: their table, the key of the host, its reader."""

    table: str
    key: str
    parse: Callable[[str], Destination | Problem]
    ports: tuple[int, ...]  # where a row names none


_HOST = _Kind("allow", "host", parse_destination, (443,))
_PEER = _Kind("peer", "name", parse_peer, ())


def allow(
    path: Path, host: str, *, ports: Sequence[int] = (443,), why: str, project: str | None
) -> Edit:
    """Add a row for a host, or the ports that its row lacks."""
    return allow_all(path, [Wish(host, tuple(ports))], why=why, project=project)


def allow_all(path: Path, wishes: Sequence[Wish], *, why: str, project: str | None) -> Edit:
    """Add a row for each host, or the ports that its row lacks: all of them, or none."""
    project = project or None
    checked = [_checked(wish) for wish in wishes]
    if not why.strip():
        raise Usage(
            f"{quote(checked[0].host)} would be open without a reason", help='say `--why "…"`'
        )

    def change(text: str) -> str:
        for wish in checked:
            text = _with_wish(text, wish, " ".join(why.split()), project)
        return text

    now = "; ".join(f"{quote(w.host)} is now {_open(w, project)}" for w in checked)
    before = "; ".join(f"{quote(w.host)} was already {_open(w, project)}" for w in checked)
    return apply(path, change, now, before)


def _checked(wish: Wish) -> Wish:
    found = _kind(wish).parse(wish.host)
    near = parse_peer(wish.host)
    if isinstance(found, Problem) and not isinstance(near, Problem):
        help_ = f"is it a host beside the container? mcpconf allow --peer {near.host} --port N"
        raise Usage(found.message, help=help_)
    name = _or_usage(found).host
    return Wish(name, _or_usage(parse_ports(list(wish.ports))), wish.peer)


def _with_wish(text: str, wish: Wish, why: str, project: str | None) -> str:
    kind = _kind(wish)
    same = [r for r in toml.rows_of(text, kind.table) if _is_of(kind, r, wish.host, project)]
    if not same:
        row = {
            kind.key: toml.quoted(wish.host),
            "ports": str(list(wish.ports)),
            "why": toml.quoted(why),
        }
        row |= {"project": toml.quoted(project)} if project is not None else {}
        return toml.append(text, kind.table, row)
    there = {port for r in same for port in _ports_of(kind, r)}
    every = _or_usage(parse_ports(sorted({*wish.ports} | there)))
    missing = [port for port in every if port not in there]
    more = partial(_more, missing=missing, usual=kind.ports)
    return toml.with_value(text, same[0], "ports", more) if missing else text


def disallow(path: Path, host: str, project: str | None, *, peer: bool = False) -> Edit:
    """Take out what :func:`allow` put in; of a row for several projects, the name of this one."""
    kind = _PEER if peer else _HOST
    name, project = _canonical(kind, host), project or None

    def change(text: str) -> str:
        rows = toml.rows_of(text, kind.table)
        is_of = partial(_is_of, kind)
        shared = [r for r in rows if {project} < {*_projects(r)} and is_of(r, name, *_projects(r))]
        if not shared and not any(is_of(r, name, project) for r in rows):
            raise _not_allowed(kind, name, project, rows)
        for row in reversed(shared):
            text = toml.with_value(text, row, "project", partial(_less, project=project))
        rows = toml.rows_of(text, kind.table)
        return toml.without(text, [r for r in rows if is_of(r, name, project)])

    return apply(path, change, f"{quote(name)} is no longer allowed for {_whom(project)}")


def trust(path: Path, name: str, project: str, digest: str) -> Edit:
    """Let a server of a project run on this machine, as its text is now and as no other."""
    row = {
        "name": toml.quoted(name),
        "project": toml.quoted(project),
        "digest": toml.quoted(digest),
    }

    def change(text: str) -> str:
        if not (same := _trusted(text, name, project)):
            return toml.append(text, "trust", row)
        text = toml.without(text, same[1:])
        first = _trusted(text, name, project)[0]
        return toml.with_value(text, first, "digest", lambda old: old if old == digest else digest)

    what = f"trusted for {_whom(project)}"
    return apply(path, change, f"{quote(name)} is now {what}", f"{quote(name)} was already {what}")


def untrust(path: Path, name: str, project: str) -> Edit:
    """Take back what :func:`trust` gave."""

    def change(text: str) -> str:
        if same := _trusted(text, name, project):
            return toml.without(text, same)
        rows = toml.rows_of(text, "trust")
        names = [str(r.values.get("name")) for r in rows if r.values.get("project") == project]
        help_ = "`mcpconf list` shows which servers there are"
        if _trusted(text, name, ""):
            help_ = "it is trusted for every project: delete that row from mcpconf.toml"
        message = f"{quote(name)} is not trusted for {_whom(project)}"
        raise Usage(message, help=_near(name, names) or help_)

    return apply(path, change, f"{quote(name)} is no longer trusted for {_whom(project)}")


# --- what a row says --------------------------------------------------------------------------


def _kind(wish: Wish) -> _Kind:
    return _PEER if wish.peer else _HOST


def _open(wish: Wish, project: str | None) -> str:
    doors = f"{'ports' if len(wish.ports) > 1 else 'port'} {', '.join(map(str, wish.ports))}"
    return f"allowed on {doors} for {_whom(project)}"


def _is_of(kind: _Kind, row: Row, host: str, *projects: str | None) -> bool:
    """Whether a row is for this host and exactly these projects; None: for every one."""
    wanted = tuple(p for p in projects if p is not None)
    return _canonical(kind, row.values.get(kind.key)) == host and _projects(row) == wanted


def _projects(row: Row) -> tuple[str, ...]:
    value = row.values.get("project") or ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),) if value else ()


def _canonical(kind: _Kind, host: object) -> str:
    """A host as it is compared: what it is read as, else (it may have to be removed) itself."""
    found = kind.parse(str(host))
    return str(host).strip() if isinstance(found, Problem) else found.host


def _ports_of(kind: _Kind, row: Row) -> tuple[int, ...]:
    if "ports" not in row.values:
        return kind.ports
    ports = parse_ports(row.values["ports"])
    if isinstance(ports, Problem):
        raise BrokenError(f"has a row in which {ports.message}")
    return ports


def _trusted(text: str, name: str, project: str) -> list[Row]:
    wanted = {"name": name, "project": project}
    return [r for r in toml.rows_of(text, "trust") if wanted.items() <= r.values.items()]


def _not_allowed(kind: _Kind, name: str, project: str | None, rows: Sequence[Row]) -> Usage:
    hosts = [_canonical(kind, r.values.get(kind.key)) for r in rows]
    help_ = _near(name, hosts) or "mcpconf.toml has no row for it; `mcpconf explain HOST` says why"
    if name in hosts:
        help_ = "it is open for other projects: say which, with `--project DIR`"
        if any(_is_of(kind, r, name) for r in rows):
            help_ = "it is open for every project: add `--everywhere`"
    return Usage(f"{quote(name)} is not allowed for {_whom(project)}", help=help_)


def _near(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 1)
    return f"did you mean {quote(near[0])}?" if near else ""


def _whom(project: str | None) -> str:
    return "every project" if project is None else f"the project {quote(project, 120)}"


def _more(value: object, missing: Sequence[int], usual: Sequence[int]) -> object:
    if not isinstance(value, Array):
        return [*(usual if value is None else [value]), *missing]
    for port in missing:
        value.append(port)
    return value


def _less(value: object, project: str | None) -> object:
    assert isinstance(value, Array)
    while project in value:
        value.remove(project)
    return value


def _or_usage(found: _T | Problem) -> _T:
    if isinstance(found, Problem):
        raise Usage(found.message, help=found.help)
    return found
