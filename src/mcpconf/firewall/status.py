"""``mcpconf-fw status``: whether the firewall is in force, and what it opens for whom."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from typing import NamedTuple

from mcpconf.firewall.dns import resolver_pid
from mcpconf.firewall.engines import gate_pid, recorder_pid
from mcpconf.firewall.keeper import keeper_pid
from mcpconf.firewall.learned import known_names
from mcpconf.firewall.look import HOSTS, RESOLV, has_ipv6
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import MOST_BYTES, Policy
from mcpconf.firewall.probes import PROBE_NAME, ask
from mcpconf.firewall.rows import Counts, OpenRow, open_rows, reasons_of
from mcpconf.firewall.run import complain
from mcpconf.firewall.site import SINK4, STUB, read_hosts
from mcpconf.firewall.state import State, load_state, policy_in_force, read_file
from mcpconf.firewall.tables import Tables, tables_now
from mcpconf.firewall.words import (
    UsageError,
    duration,
    moment,
    plain,
    put,
    put_json,
    read_words,
    readable,
    size,
    table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATUS_USAGE = "usage: mcpconf-fw status [--format text|json]\n"

_MOST_SHOWN = 2  # addresses of a row
_LONGEST_WHY = 60  # characters
_LONGEST_FAULT = 300
_TAKEN_UP_WITHIN = 5.0  # seconds
_LOG_END = 20_000  # characters
_SAYS = "mcpconf-fw: "


class Finding(NamedTuple):
    """Something that was looked at.

    ``result``: ``ok``, ``fault`` (it is not in force, or does not work), ``note`` (it is, and
    something is to be said).
    """

    name: str
    result: str
    text: str


def status_command(words: Sequence[str], paths: Paths) -> int:
    """Run the command; returns the exit code: 0 in force, 1 not."""
    try:
        asked = read_words(words, frozenset())
    except UsageError:
        sys.stderr.write(STATUS_USAGE)
        return 2
    if os.geteuid():
        complain("only root sees the rules", "run it with sudo")
        return 4
    state, policy = load_state(paths), policy_in_force(paths)
    if state is None or policy is None:
        if asked.json:
            put_json({"version": 1, "in_force": False, "findings": [], "rows": [], "notices": []})
        complain("the firewall is not in force", "put it into force: mcpconf-fw apply")
        return 1
    tables = tables_now(state)
    findings = list(_findings(state, policy, tables, paths))
    sound = all(finding.result != "fault" for finding in findings)
    rows = _open_rows(policy, tables, paths)
    if asked.json:
        put_json(_as_document(state, findings, rows, sound=sound))
    else:
        put(_as_text(state, findings, rows, sound=sound))
    return 0 if sound else 1


def _findings(state: State, policy: Policy, tables: Tables, paths: Paths) -> Iterator[Finding]:
    for family in (4, 6) if has_ipv6() else (4,):
        faults = tables.faults(policy, family)
        yield _either(f"IPv{family}", not faults, "closed but for the rows", "; ".join(faults))
    pid = resolver_pid(paths, state.dns_port)
    yield _either("resolver", _does_answer(state, pid), "it answers", "it does not answer")
    if state.mode == "strict":
        yield _either("gate", bool(gate_pid(paths)), "it runs", "it does not run")
    yield _or_note(
        "recorder", bool(recorder_pid(paths)), "it runs", "it does not run: nothing is written down"
    )
    yield _or_note(
        "keeper", bool(keeper_pid(paths)), "it runs", "it does not run: nothing reloads by itself"
    )
    servers = [line.split() for line in read_file(RESOLV).splitlines()]
    asked = [words[1] for words in servers if words[:1] == ["nameserver"] and len(words) > 1]
    where = "it names our resolver", f"it names {plain(', '.join(asked) or 'nobody')}"
    yield _or_note("resolv.conf", asked == [STUB], *where)
    yield _list_finding(state, paths)


def _either(name: str, good: bool, well: str, ill: str) -> Finding:  # noqa: FBT001
    return Finding(name, "ok" if good else "fault", well if good else ill)


def _or_note(name: str, good: bool, well: str, ill: str) -> Finding:  # noqa: FBT001
    return Finding(name, "ok" if good else "note", well if good else ill)


def _does_answer(state: State, pid: int) -> bool:
    """Whether the resolver runs and sends a name that is not listed where nothing is."""
    if not pid:
        return False
    try:
        reply = ask("127.0.0.1", PROBE_NAME, "A", state.dns_port, 1.0)
    except OSError:
        return False
    return reply is not None and reply.addresses == (SINK4,)


def _list_finding(state: State, paths: Paths) -> Finding:
    """Whether ``egress.json`` is what is in force; soon after a sync it need not be."""
    name, path = "egress.json", plain(state.policy)
    try:
        status = os.stat(state.policy)
    except OSError:
        return Finding(name, "note", f"{path} is not there any more; what it said last is in force")
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
        return Finding(name, "fault", f"{path} cannot be read")
    if read_file(state.policy) == read_file(paths.policy):
        return Finding(name, "ok", "it is the one in force")
    if time.time() - _list_changed(state.policy) < _TAKEN_UP_WITHIN:
        return Finding(name, "note", "a refresh is under way, or due: mcpconf-fw refresh")
    why = refresh_fault(read_file(paths.keeper_log))
    text = "it is not the one in force; mcpconf-fw refresh"
    return Finding(name, "fault", f"{text} (the last one failed: {why})" if why else text)


def _list_changed(path: str) -> float:
    """When a file was written, or a link to it flipped by a sync (Unix seconds)."""
    folder = os.path.dirname(path)
    times = [0.0]
    for one in (path, os.path.realpath(path), os.path.join(folder, "current")):
        with suppress(OSError):
            times.append(os.lstat(one).st_ctime)
    return max(times)


def refresh_fault(log: str) -> str:
    """Why the last refresh in the keeper's log failed; "" where it did not.  Pure."""
    last = f"\n{log}"[-_LOG_END:].rpartition("\nin force (")[2]
    said = [line[len(_SAYS) :] for line in last.splitlines() if line.startswith(_SAYS)]
    failed = len(said) > 1 and said[-1] == "what was in force stays"
    return readable(said[-2], _LONGEST_FAULT) if failed else ""


def _open_rows(policy: Policy, tables: Tables, paths: Paths) -> list[OpenRow]:
    try:
        because = reasons_of(json.loads(read_file(paths.policy)))
    except (ValueError, RecursionError):
        because = {}
    hosts = read_hosts(read_file(HOSTS))
    return open_rows(policy, known_names(paths), hosts, Counts(tables), because)


def _as_document(
    state: State, findings: list[Finding], rows: list[OpenRow], *, sound: bool
) -> dict[str, object]:
    return {
        "version": 1,
        "in_force": sound,
        "mode": state.mode,
        "backend": state.backend,
        "grace": state.grace,
        "since": state.since,
        "generation": state.generation,
        "findings": [finding._asdict() for finding in findings],
        "rows": [_row_as_json(row) for row in rows],
        "notices": [notice._asdict() for notice in state.notices],
    }


def _row_as_json(row: OpenRow) -> dict[str, object]:
    counted = {"packets": row.packets, "bytes": row.bytes}
    return {**row._asdict(), **{k: v if v >= 0 else None for k, v in counted.items()}}


def _as_text(state: State, findings: list[Finding], rows: list[OpenRow], *, sound: bool) -> str:
    since = f"since {moment(state.since)} ({duration(time.time() - state.since)})"
    head = "in force" if sound else "NOT IN FORCE, or not whole"
    width = max(len(finding.name) for finding in findings)
    of = f", {readable(state.generation)}" if state.generation else ""
    lines = [f"{head}: {state.mode} mode, {state.backend}, {since}{of}"]
    lines += [f"  {f.result:5}  {f.name:{width}}  {f.text}" for f in findings]
    for notice in state.notices:
        lines.append(f"  note   {readable(notice.place)}: {readable(notice.message, 400)}")
        lines += [f"           help: {readable(notice.help, 400)}"] if notice.help else []
    heads = ("HOST", "PORT", "ADDRESSES", "PACKETS", "BYTES", "FOR", "WHY")
    body = table(heads, [_cells_of(row) for row in rows], frozenset({1, 3, 4})) if rows else ""
    return "\n".join(lines) + "\n\n" + (body or "nothing is open\n")


def _cells_of(row: OpenRow) -> tuple[str, ...]:
    more = len(row.addresses) - _MOST_SHOWN
    addresses = ", ".join(row.addresses[-_MOST_SHOWN:]) + (f" and {more} more" if more > 0 else "")
    why = readable(row.because, _LONGEST_WHY) if row.because else "-"
    host = row.host if row.form != "peer" else f"{row.host} (peer)"
    servers = ", ".join(row.servers) or "-"
    counts = (str(row.packets), size(row.bytes)) if row.packets >= 0 else ("-", "-")
    return host, str(row.port), addresses or "-", *counts, servers, why
