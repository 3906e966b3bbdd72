"""Where mcpconf and an observation of the client differ, as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .subject import Report
from .world import World, own_args

ACTIVE = {"connected", "failed", "needs-auth", "not-configured", "pending"}
STATE_OF = {**dict.fromkeys(ACTIVE, "active"), "pending-approval": "pending"}
STATE_OF |= {"disabled": "disabled", "rejected": "rejected"}
VISIBLE = {"active", "pending", "disabled"}
BUG = 3
SCOPE = {"enterprise": "managed"}


def differences(
    world: World, version: str, mode: str, seen: Mapping[str, Any], report: Report
) -> list[str]:
    """Every difference in one mode; `seen` has the form of a case's expectation."""
    if report.code == BUG:
        return [f"mcpconf has a bug: {report.err}"]
    code = seen.get("session_rc" if mode == "session" else "rc", 0)
    if code:
        return [] if report.code else [f"client leaves with {code}, mcpconf with 0"]
    found = list(_rows(version, mode, seen, report))
    found += _started(world, seen, report) if _ran_alike(mode, seen) else []
    if mode == "interactive":
        found += _warnings(world, seen, report)
        found += _file_errors(world, seen, report)
        found += _conflicts(seen, report)
        found += _gets(seen, report)
    return found


def _ran_alike(mode: str, seen: Mapping[str, Any]) -> bool:
    """What a recorded case started is the union of both modes, so it is compared once."""
    return mode == "session" or "session" not in seen


def _rows(version: str, mode: str, seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    rows = seen["session" if mode == "session" else "list"]
    deciding = report.deciding()
    ours = {n: r for n, r in deciding.items() if r["state"] in VISIBLE}
    if mode == "interactive" and version == "2.1.197":
        unlisted = ("ws", "sdk")
        ours = {n: r for n, r in ours.items() if (r["transport"] or {}).get("type") not in unlisted}
    for name in sorted({*rows, *ours}):
        if name not in rows:
            yield f"{name!r}: client does not show it, mcpconf: {_short(ours[name])}"
        elif name not in ours:
            other = deciding.get(name)
            said = _short(other) if other else "no row"
            yield f"{name!r}: client {rows[name]['status']}, mcpconf: {said}"
        else:
            yield from _row(name, rows[name], ours[name])


def _row(name: str, seen: Mapping[str, str], ours: Mapping[str, Any]) -> Iterator[str]:
    state = STATE_OF[seen["status"]]
    if state != ours["state"]:
        yield f"{name!r}: client {seen['status']}, mcpconf {ours['state']} ({ours.get('because')})"
    scope = SCOPE.get(seen.get("scope", ""), seen.get("scope"))
    if scope and scope != ours["scope"]:
        yield f"{name!r}: client scope {scope}, mcpconf {ours['scope']}"
    tag = tag_of(ours)
    if "used" in seen and tag and tag.partition(":")[2] == name:
        used = tag.partition(":")[0]
        if used != seen["used"]:
            yield f"{name!r}: client used {seen['used']}, mcpconf {used}"


def tag_of(row: Mapping[str, Any]) -> str | None:
    """The tag of the definition a row describes, if it has one."""
    transport = row["transport"] or {}
    args = transport.get("args") or []
    if "--tag" in args[:-1]:
        return str(args[args.index("--tag") + 1])
    match = re.match(r"https?://[^/]*/[^/]*/(.*)", transport.get("url") or "")
    return match[1] if match else None


def _short(row: Mapping[str, Any]) -> str:
    return f"{row['scope']} {row['state']} ({row.get('because')})"


def _started(world: World, seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    """Arguments, variables and headers as they reach a server."""
    live = [r for r in report.deciding().values() if r["state"] == "active" and r["transport"]]
    by_tag = {tag_of(r): r["transport"] for r in live}
    for tag, began in seen.get("started", {}).items():
        if ours := by_tag.get(world.fill(tag)):
            yield from _process(world, tag, began, ours)
    by_url = {r["transport"]["url"]: r for r in live if r["transport"].get("url")}
    for url, sent in seen.get("headers_sent", {}).items():
        row = by_url.get(world.fill(url))
        if row and row["name"] not in world.helped and row["transport"].get("headers"):
            yield from _headers(row, sent)


def _process(
    world: World, tag: str, began: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[str]:
    args = own_args([a for a in ours.get("args") or [] if a != world.places["PROBE"]])
    told = [world.fill(a) for a in began.get("args", [])]
    if "args" in began and told != args:
        yield f"{tag}: client started it with {told}, mcpconf says {args}"
    if "cwd" in began and world.fill(began["cwd"]) != str(world.cwd.resolve()):
        yield f"{tag}: started in {began['cwd']}"
    env = began.get("env", {})
    for name, value in (ours.get("env") or {}).items():
        if name in env and world.fill(env[name]) != value:
            yield f"{tag}: client's ${name} is {env[name]!r}, mcpconf says {value!r}"


def _headers(row: Mapping[str, Any], sent: Mapping[str, str]) -> Iterator[str]:
    mine = {k.lower(): v.strip(" \t\r\n") for k, v in row["transport"]["headers"].items()}
    for name in sorted({*mine, *sent}):
        if mine.get(name) != sent.get(name) and mine.get(name, "").isascii():
            said = f"{sent.get(name)!r}, mcpconf {mine.get(name)!r}"
            yield f"{row['name']!r}: client sent {name}: {said}"


def _warnings(world: World, seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    skipped = set()
    for file, name, kind, text in seen.get("warnings", []):
        path = world.fill(file)
        if kind in ("skipped", "reserved"):
            skipped.add((path, name))
        if kind in ("skipped", "reserved", "missing-env") and not report.found_at(path, name):
            yield f"{name!r}: client warns ({kind}: {text}) at {file}, mcpconf has no finding"
    if world.managed and (world.managed / "managed-mcp.json").exists():
        return
    for row in report.servers:
        where = (row["origin"]["file"], row["name"])
        others = [r for r in report.rows(row["name"]) if r["state"] != "skipped"]
        if row["state"] == "skipped" and where not in skipped and not others:
            yield f"{row['name']!r}: mcpconf skips it ({row.get('because')}), no warning by client"


def _file_errors(world: World, seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    for file, text in seen.get("file_errors", []):
        if not report.found_at(world.fill(file)):
            yield f"client cannot use {file} ({text}), mcpconf has no finding there"


def _conflicts(seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    for name in seen.get("conflicts", []):
        if len(report.rows(name)) < 2:
            yield f"{name!r}: client sees it in several scopes, mcpconf in one"


def _gets(seen: Mapping[str, Any], report: Report) -> Iterator[str]:
    """`mcp get NAME` against the rows of that name."""
    for name, told in seen.get("get", {}).items():
        rows = report.rows(name)
        state = rows[-1]["state"] if rows else None
        if told is None and state in VISIBLE | {"rejected"}:
            yield f"{name!r}: `mcp get` finds nothing, mcpconf: {_short(rows[-1])}"
        if told is None:
            continue
        wanted = STATE_OF[told["status"]]
        scope = SCOPE.get(told["scope"], told["scope"])
        if not any(r["state"] == wanted and r["scope"] == scope for r in rows):
            yield f"{name!r}: `mcp get` says {scope} {told['status']}, mcpconf: {state}"
