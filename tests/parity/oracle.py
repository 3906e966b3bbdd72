"""The oracle: the real Claude Code, asked what it makes of a world.

Three questions: `mcp list` (what an interactive session starts), `mcp get NAME`, and the init
event of a `-p` session against a stub of the Messages API.  Which definition ran is read from
what was started: a probe's `--tag`, or the path of the URL that was requested.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kept import CLIENTS

from .loopback import Model, Remote, Server, closed_port, listening
from .world import Addresses, World, own_args

VERSIONS = ("2.1.328", "2.1.197")
STATUS = {
    "✔ Connected": "connected",
    "! Connected": "connected",
    "✘ Failed": "failed",
    "! Needs auth": "needs-auth",
    "⏸ Pending": "pending-approval",
    "⊘ Disabled": "disabled",
    "✘ Rejected": "rejected",
    "- Not configured": "not-configured",
    "Not configured": "not-configured",
}
SKIPPED = re.compile(r" *[├└] \[(\w+)\] (.*)", re.DOTALL)
OUTER_FILE = re.compile(r"\((/.*?\.mcp\.json)\) ")
OWN_HEADERS = {
    *("accept", "accept-encoding", "accept-language", "connection", "content-length"),
    *("content-type", "host", "user-agent", "sec-fetch-mode", "cache-control", "last-event-id"),
    *("mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "traceparent"),
}


@dataclass(frozen=True)
class Said:
    """What one run of the client left behind."""

    code: int
    out: str
    err: str


def client_path(version: str) -> Path | None:
    """Where that version of the client is installed, if it is."""
    variable = f"MCPCONF_CLAUDE_{version.rsplit('.', 1)[1]}"
    default = CLIENTS / version / "node_modules" / ".bin" / "claude"
    path = Path(os.environ.get(variable, default))
    return path if path.exists() else None


@contextlib.contextmanager
def stage() -> Iterator[tuple[Addresses, list[Server]]]:
    """The loopback servers a case can name."""
    with listening(Remote) as plain, listening(Remote, oauth=True) as oauth:
        yield Addresses(plain.base, oauth.base, closed_port()), [plain, oauth]


def run(world: World, argv: list[str], env: Mapping[str, str], seconds: float) -> Said:
    """Run `argv` in the world; on a time-out end its whole process group."""
    with subprocess.Popen(
        world.command(argv),
        cwd=world.cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        timer = threading.Timer(seconds, end_group, [process.pid])
        timer.start()
        try:
            out, err = process.communicate()
        finally:
            timer.cancel()
    return Said(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def end_group(leader: int) -> None:
    """End the processes that one `run` started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def list_servers(world: World, client: Path, servers: list[Server]) -> dict[str, Any]:
    """`mcp list`: statuses, warnings, faults of files, conflicts."""
    _forget(world, servers)
    said = run(world, [str(client), "mcp", "list"], world.env, 90)
    head, _, tail = said.out.partition("\nMCP config diagnostics")
    rows = dict(_rows(head, world.names))
    used = _used(world, servers)
    found: dict[str, Any] = {"rc": said.code, "out": said.out, "err": said.err}
    found["list"] = {n: {"status": s, **_one_used(used, n, s)} for n, s in rows.items()}
    found |= _diagnostics(tail, world.names)
    found["started"] = _started(world)
    found["headers_sent"] = _headers_sent(servers)
    return found


def get_server(world: World, client: Path, name: str) -> dict[str, str] | None:
    """`mcp get NAME`: scope and status, or None when there is no such server."""
    said = run(world, [str(client), "mcp", "get", name], world.env, 90)
    scope = re.search(r"^ +Scope: (\w+)", said.out, re.MULTILINE)
    status = re.search(r"^ +Status: (.*)", said.out, re.MULTILINE)
    if not scope or not status:
        return None
    word = {"Dynamic": "dynamic", "Enterprise": "enterprise"}.get(scope[1], scope[1].lower())
    return {"scope": word, "status": _status(status[1]) or status[1]}


def session(world: World, client: Path, servers: list[Server]) -> dict[str, Any]:
    """The init event of `claude -p`."""
    _forget(world, servers)
    with listening(Model) as model:
        env = {
            **world.env,
            "ANTHROPIC_BASE_URL": model.base,
            "ANTHROPIC_API_KEY": "sk-ant-fake",
            "ENABLE_TOOL_SEARCH": "false",
        }
        if world.wait:
            env |= {"MCP_CONNECTION_NONBLOCKING": "0", "MCP_CONNECT_TIMEOUT_MS": "30000"}
        argv = [str(client), "-p", "hi", "--output-format", "stream-json", "--verbose"]
        said = run(world, [*argv, *world.args], env, 120)
    used = _used(world, servers)
    rows = _init_rows(said.out)
    found: dict[str, Any] = {"rc": said.code, "out": said.out, "err": said.err}
    found["session"] = {
        n: {**row, **_one_used(used, n, row["status"])} for n, row in (rows or {}).items()
    }
    found["started"] = _started(world)
    found["headers_sent"] = _headers_sent(servers)
    return found


def _forget(world: World, servers: list[Server]) -> None:
    world.probe_log.unlink(missing_ok=True)
    for server in servers:
        server.requests.clear()


def _rows(text: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, status) of each line of the list; a name may hold line ends, even be empty."""
    shown = {_on_one_line(n): n for n in names} | {n: n for n in names}
    ordered = sorted(shown, key=len, reverse=True)
    pending = ""
    for line in text.split("\n"):
        pending = f"{pending}\n{line}" if pending else line
        cut = pending.rfind(" - ")
        status = _status(pending[cut + 3 :]) if cut >= 0 else None
        if status is None:
            known = any(n.startswith(f"{pending}\n") for n in names)
            pending = pending if known else ""
            continue
        match = next((n for n in ordered if pending.startswith(f"{n}: ")), None)
        yield (shown[match] if match is not None else pending.split(": ")[0], status)
        pending = ""


def _status(text: str) -> str | None:
    return next((word for sign, word in STATUS.items() if text.startswith(sign)), None)


def _init_rows(out: str) -> dict[str, dict[str, str]] | None:
    for line in out.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("type") == "system" and event.get("subtype") == "init":
                return {s["name"]: _init_row(s) for s in event["mcp_servers"]}
    return None


def _init_row(server: dict[str, str]) -> dict[str, str]:
    scope = {"scope": server["source"]} if server.get("source") else {}
    return {"status": server["status"], **scope}


def _probe_records(world: World) -> list[dict[str, Any]]:
    if not world.probe_log.exists():
        return []
    return [json.loads(line) for line in world.probe_log.read_text().splitlines()]


def _started(world: World) -> dict[str, dict[str, Any]]:
    started = {}
    for record in _probe_records(world):
        args = own_args(record["argv"])
        started[record["tag"]] = {"cwd": record["cwd"], "args": args, "env": record["env"]}
    return started


def _headers_sent(servers: list[Server]) -> dict[str, dict[str, str]]:
    sent = {}
    for server in servers:
        for request in server.requests:
            own = {k: v for k, v in request["headers"].items() if k not in OWN_HEADERS}
            sent[server.base + request["path"]] = own
    return sent


def _used(world: World, servers: list[Server]) -> dict[str, str]:
    """Name → scope part of the tag of what ran."""
    tags = [record["tag"] for record in _probe_records(world)]
    for server in servers:
        paths = (request["path"].lstrip("/").partition("/") for request in server.requests)
        tags += [tag for behaviour, _, tag in paths if behaviour != ".well-known"]
    return {name: scope for scope, _, name in (tag.partition(":") for tag in tags)}


def _one_used(used: Mapping[str, str], name: str, status: str) -> dict[str, str]:
    off = status in ("pending-approval", "disabled", "rejected")
    unclear = not name or ":" in name
    return {} if off or unclear or name not in used else {"used": used[name]}


def _diagnostics(text: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Warnings, file errors and conflicts below the list."""
    warnings: list[list[str]] = []
    errors: list[list[str]] = []
    body, _, conflicts = text.partition("\n[Conflicting scopes]")
    place = ""
    for line in _joined(body):
        if line.startswith("Location: "):
            place = line.removeprefix("Location: ").partition(" [project: ")[0]
        elif entry := SKIPPED.match(line):
            _note(entry[2], place, names, warnings, errors)
    said = re.findall(r"Server \"(.*?)\" is defined in multiple scopes", conflicts, re.DOTALL)
    return {"warnings": sorted(warnings), "file_errors": sorted(errors), "conflicts": sorted(said)}


def _joined(text: str) -> Iterator[str]:
    """Lines; what a name or message broke over several is put together again."""
    held = ""
    for line in text.split("\n"):
        begins = line.startswith((" ├", " └", "Location: ", "[", "├", "└")) or not line
        if begins and held:
            yield held
        held = line if begins else f"{held}\n{line}"
    if held:
        yield held


def _note(
    text: str,
    place: str,
    names: tuple[str, ...],
    warnings: list[list[str]],
    errors: list[list[str]],
) -> None:
    """Sort one diagnostic line into warnings and file errors."""
    if outer := OUTER_FILE.match(text):
        place, text = outer[1], text[outer.end() :]
    known = sorted(names, key=len, reverse=True)
    name = next((n for n in known if _about(text, n) or _about(text, _on_one_line(n))), None)
    if name is None:
        errors.append([place, text])
        return
    shown = name if _about(text, name) else _on_one_line(name)
    warnings.append([place, name, *_kind(text.partition(f"mcpServers.{shown}: ")[2])])


def _on_one_line(name: str) -> str:
    """A name as newer clients print it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", name)


def _about(text: str, name: str) -> bool:
    return text.startswith(f"[{name}] ") and f"mcpServers.{name}: " in text


def _kind(text: str) -> tuple[str, str]:
    if text.startswith("Missing environment variables: "):
        return "missing-env", text.partition(": ")[2]
    if text.startswith("Skipped — "):
        return "skipped", text.removeprefix("Skipped — ")
    if "is a reserved MCP server name" in text:
        return "reserved", text
    blank = "Leading or trailing whitespace in: "
    if text.startswith(blank):
        return "whitespace", text.removeprefix(blank)
    return "other", text
